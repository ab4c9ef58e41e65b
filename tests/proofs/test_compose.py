"""compose.yaml starts by its own words, part by part, and the parts speak to each other.

Every option of a service (command, environment, mounts, read-only root, capabilities, health check) is taken
from the file and handed to podman. All containers share one network that has no way out, in which the names
of the services lead to its loopback. The images of PostgreSQL and Prometheus are Debian's packages in the
place of the pinned ones; Grafana has no stand-in, and is not started.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine import engine, options
from workflow_runner import clean_clone

from fairmark.serve.access import SCOPES, new_key

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
STAND_IN = "localhost/fairmark-proof:debian"
PREFIX = "fairmark-proof"
ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}

CONTAINERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-15 prometheus && apt-get clean
COPY entrypoint.sh /usr/local/bin/entrypoint.sh
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin
ENTRYPOINT ["sh", "/usr/local/bin/entrypoint.sh"]
"""

ENTRYPOINT = """
set -e
[ $# -eq 0 ] || exec "$@"
if [ -n "$POSTGRES_USER" ]; then
  data=/var/lib/postgresql/data/pgdata
  install -d -o postgres -g postgres -m 700 "$data" /var/run/postgresql
  printf %s "$POSTGRES_PASSWORD" > /tmp/password && chown postgres /tmp/password
  as="setpriv --reuid postgres --regid postgres --clear-groups"
  $as initdb -D "$data" -U "$POSTGRES_USER" --auth=scram-sha-256 --pwfile=/tmp/password -E UTF8 --no-locale
  export PGPASSWORD="$POSTGRES_PASSWORD"
  (until createdb -h 127.0.0.1 -U "$POSTGRES_USER" "$POSTGRES_DB"; do sleep 0.3; done) &
  exec $as postgres -D "$data" -c listen_addresses=127.0.0.1
fi
exec prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus
"""

IMAGES = {"postgres": STAND_IN, "prometheus": STAND_IN}

FLOW = """
from prefect import flow

@flow
def hello(name: str) -> str:
    return f"hello {name}"
"""

pytestmark = pytest.mark.proof
pytest_plugins = ("release_fixtures",)


def _text(value: object, env: Mapping[str, str]) -> str:
    """Return a text of the file with its variables filled in, as the Compose specification has it."""
    filled = re.sub(r"(?<!\$)\$\{(\w+)(?::\?[^}]*)?\}", lambda found: env[found[1]], str(value))
    return filled.replace("$$", "$")


@dataclass
class Composed:
    """The services that were started, of a folder that holds what the file mounts."""

    folder: Path
    env: Mapping[str, str]
    running: list[str] = field(default_factory=list)

    def start(self, service: str, *, wait: bool = True, limit_s: float = 240) -> None:
        """Start a service as the file says, and wait until its own health check is well, or it has ended."""
        said = COMPOSE["services"][service]
        name = f"{PREFIX}-{service}"
        engine(
            "run", "--detach", "--name", name, f"--network=container:{PREFIX}-network",
            *options("FAIRMARK_RUN_OPTIONS"), *self._options(said), self._image(said),
            *(_text(word, self.env) for word in said.get("command", ())),
        )  # fmt: skip
        self.running.append(name)
        if wait:
            self._wait(service, said, limit_s)

    def _wait(self, service: str, said: Mapping[str, Any], limit_s: float) -> None:
        test = [_text(word, self.env) for word in said.get("healthcheck", {}).get("test", ())][1:]
        end = time.monotonic() + limit_s
        while True:
            state = self.state(service)
            if "healthcheck" in said or service == "service":
                # The service's own check stands in its image.
                well = (
                    self.inside(service, *test, check=False)
                    if test
                    else engine("healthcheck", "run", f"{PREFIX}-{service}", check=False)
                )
                done = state["Running"] and not well.returncode
            else:
                done = not state["Running"] and state["ExitCode"] == 0
            if done:
                return
            ended = not state["Running"] and ("healthcheck" in said or state["ExitCode"])
            if ended or time.monotonic() > end:
                log = engine("logs", "--tail", "30", f"{PREFIX}-{service}", check=False)
                raise AssertionError(f"{service} is not well: {log.stdout[-3000:]}{log.stderr[-3000:]}")
            time.sleep(1)

    def state(self, service: str) -> dict[str, Any]:
        """Return the state of a service's container."""
        [found] = json.loads(engine("inspect", f"{PREFIX}-{service}").stdout)
        return dict(found["State"])

    def inside(self, service: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the container of a service."""
        return engine("exec", f"{PREFIX}-{service}", *words, check=check)

    def python(self, service: str, script: str) -> str:
        """Return what a Python script says in the container of a service."""
        return self.inside(service, "python", "-c", script).stdout

    def _image(self, said: Mapping[str, Any]) -> str:
        name = str(said["image"])
        return next((image for part, image in IMAGES.items() if f"/{part}:" in name), name)

    def _options(self, said: Mapping[str, Any]) -> Iterator[str]:
        yield f"--volume={self.folder / 'hosts'}:/etc/hosts:ro"
        for key, value in said.get("environment", {}).items():
            yield f"--env={key}={_text(value, self.env)}"
        for each in said.get("volumes", ()):
            source, target, *mode = str(each).split(":")
            place = str(self.folder / source) if source.startswith(".") else f"{PREFIX}-{source}"
            yield f"--volume={':'.join([place, target, *mode])}"
        for each in said.get("configs", ()):
            config = self.folder / f"config-{each['source']}"
            config.write_text(_text(COMPOSE["configs"][each["source"]]["content"], self.env))
            config.chmod(0o644)
            yield f"--volume={config}:{each['target']}:ro"
        if said.get("read_only"):
            yield "--read-only"
        yield from (f"--tmpfs={each}" for each in said.get("tmpfs", ()))
        yield from (f"--cap-drop={each}" for each in said.get("cap_drop", ()))
        yield from (
            f"--security-opt={str(each).replace(':true', '')}" for each in said.get("security_opt", ())
        )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build what the file starts: a release of this tree is served by an image of this tree."""
    if engine("info", check=False).returncode:
        pytest.skip("needs a container engine that runs here")
    base = os.environ.get("FAIRMARK_IMAGE_BASE")
    if not base:
        pytest.skip("needs $FAIRMARK_IMAGE_BASE, on which the stand-ins are built")
    place = tmp_path_factory.mktemp("stand-in")
    (place / "Containerfile").write_text(CONTAINERFILE)
    (place / "entrypoint.sh").write_text(ENTRYPOINT)
    given = ["--build-arg", f"BASE_IMAGE={base}", *options("FAIRMARK_BUILD_OPTIONS")]
    for target in ("service", "worker"):
        engine("build", "--target", target, "--tag", f"localhost/fairmark:{target}", *given, str(ROOT))
    if engine("image", "exists", STAND_IN, check=False).returncode:
        engine("build", "--file", str(place / "Containerfile"), "--tag", STAND_IN, *given, str(place))


@pytest.fixture
def composed(images: None, small_release: Path, tmp_path: Path) -> Iterator[Composed]:
    """Yield the file's folder with a release in it, and a network without a way out; all is gone after."""
    assert images is None
    folder = clean_clone(tmp_path / "clone")
    releases = folder / "releases"
    shutil.copytree(small_release, releases / small_release.name)
    shutil.copyfile(Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem", releases / "key.pub.pem")
    (releases / "metrics.token").write_text(new_key(releases / "service-keys.jsonl", "all", SCOPES))
    for path in (*tmp_path.parents[:2], tmp_path, folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o055)
    env = {
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "FAIRMARK_SUBJECT_KEY": secrets.token_hex(32),
        "FAIRMARK_RELEASE": small_release.name,
    }
    names = " ".join(["localhost", *COMPOSE["services"]])
    (folder / "hosts").write_text(f"127.0.0.1 {names}\n")
    (folder / "hosts").chmod(0o644)
    made = Composed(folder, env, [f"{PREFIX}-network"])
    try:
        engine(
            "run", "--detach", "--name", f"{PREFIX}-network", "--network=none",
            *options("FAIRMARK_RUN_OPTIONS"), STAND_IN, "sleep", "3600",
        )  # fmt: skip
        yield made
    finally:
        for name in reversed(made.running):
            engine("rm", "--force", "--volumes", name, check=False)
        for volume in COMPOSE["volumes"]:
            engine("volume", "rm", "--force", f"{PREFIX}-{volume}", check=False)


def _asked(path: str, token: str = "", body: object = None) -> str:
    """Return a script that asks an address of the network and says the answer."""
    return (
        "import urllib.request as r\n"
        f"q = r.Request({path!r}, data={None if body is None else json.dumps(body).encode()!r})\n"
        "q.add_header('content-type', 'application/json')\n"
        + (f"q.add_header('authorization', 'Bearer {token}')\n" if token else "")
        + "print(r.urlopen(q, timeout=20).read().decode())"
    )


def test_it_starts_by_its_parts_and_they_speak_to_each_other(composed: Composed) -> None:
    composed.start("database")
    composed.start("databases")
    composed.start("service")
    token = (composed.folder / "releases/metrics.token").read_text().strip()
    answer = json.loads(
        composed.python("service", _asked("http://service:8000/v1/decide", token, {"row": ROW}))
    )
    assert answer["id"] in _journal(composed)

    composed.start("prometheus", wait=False)
    composed.start("prefect")
    composed.start("mlflow")
    experiment = _asked("http://mlflow:5000/api/2.0/mlflow/experiments/create", body={"name": "proof"})
    assert json.loads(composed.python("mlflow", experiment))["experiment_id"]
    composed.start("worker")

    assert _run_of_a_flow(composed) == "COMPLETED"
    assert _scraped(composed) == "1"


def _journal(composed: Composed) -> list[str]:
    """Return the ids of what PostgreSQL keeps of the service."""
    query = "psql -h 127.0.0.1 -U fairmark journal -tAc 'select id from entries'"
    script = f"PGPASSWORD={composed.env['POSTGRES_PASSWORD']} {query}"
    return composed.inside("database", "sh", "-c", script).stdout.split()


def _run_of_a_flow(composed: Composed) -> str:
    """Deploy a flow to the worker's pool, run it there, and return the state that it ended in."""
    script = (
        "import os, pathlib\n"
        "os.chdir('/tmp')\n"
        f"pathlib.Path('hello.py').write_text({FLOW!r})\n"
        "from prefect import flow\n"
        "from prefect.deployments import run_deployment\n"
        "of = flow.from_source(source='/tmp', entrypoint='hello.py:hello')\n"
        "of.deploy(name='proof', work_pool_name='fairmark', build=False, push=False)\n"
        "run = run_deployment('hello/proof', parameters={'name': 'you'}, timeout=180, poll_interval=2)\n"
        "print(run.state.type.value)"
    )
    return composed.python("worker", script).strip().split("\n")[-1]


def _scraped(composed: Composed) -> str:
    """Return what Prometheus says of the service: 1 when it could read its metrics by the token."""
    end = time.monotonic() + 90
    while True:
        path = "http://prometheus:9090/api/v1/query?query=up{job=%22fairmark%22}"
        found = json.loads(composed.python("service", _asked(path)))["data"]["result"]
        if (found and found[0]["value"][1] == "1") or time.monotonic() > end:
            return str(found[0]["value"][1]) if found else "nothing"
        time.sleep(3)


def _checked(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool on PATH")
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


def test_promtool_takes_the_configuration_and_the_alerts(tmp_path: Path) -> None:
    shutil.copyfile(ROOT / "src/fairmark/watch/data/alerts.yml", tmp_path / "alerts.yml")
    (tmp_path / "token").write_text("x")
    text = COMPOSE["configs"]["prometheus"]["content"].replace("/etc/prometheus", str(tmp_path))
    (tmp_path / "prometheus.yml").write_text(text)

    config = _checked(["check", "config", str(tmp_path / "prometheus.yml")])
    rules = _checked(["check", "rules", str(tmp_path / "alerts.yml")])

    assert (config.returncode, rules.returncode) == (0, 0), config.stdout + rules.stdout


def test_every_image_that_is_not_ours_is_pinned_by_digest() -> None:
    images = [each["image"] for each in COMPOSE["services"].values()]

    assert [each for each in images if not each.startswith("localhost/")
            and not re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", each)] == []  # fmt: skip
