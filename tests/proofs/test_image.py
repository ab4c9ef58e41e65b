"""Every image is built, stated and verified; that of the service ends without losing an answer.

$FAIRMARK_CONTAINER names the program (by default podman or docker), $FAIRMARK_IMAGE_BASE a base that is here
in the place of the pinned one, $FAIRMARK_BUILD_OPTIONS and $FAIRMARK_RUN_OPTIONS what this machine needs.
"""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import engine, options
from service import SECRET, Client, wait_until
from workflow_runner import clean_clone

from fairmark.serve.access import SCOPES, new_key

ROOT = Path(__file__).parents[2]
ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
IMAGE = "localhost/fairmark-proof:service"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")

pytestmark = pytest.mark.proof
pytest_plugins = ("release_fixtures",)


@pytest.fixture(scope="module")
def image() -> str:
    """Return the image of the service, built."""
    if engine("info", check=False).returncode:
        pytest.skip("needs a container engine that runs here")
    base = os.environ.get("FAIRMARK_IMAGE_BASE")
    chosen = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    words = ["build", "--target", "service", "--tag", IMAGE, *chosen, *options("FAIRMARK_BUILD_OPTIONS")]
    built = engine(*words, "--file", str(ROOT / "Dockerfile"), str(ROOT), check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return IMAGE


def _inside(image: str, script: str) -> str:
    run = [
        "run",
        "--rm",
        *HARDENED,
        *options("FAIRMARK_RUN_OPTIONS"),
        "--entrypoint",
        "sh",
        image,
        "-c",
        script,
    ]
    return engine(*run).stdout


def test_it_holds_what_the_service_needs_and_nothing_of_its_making(image: str) -> None:
    names = "python -c 'import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})'"
    found = (
        "find / -xdev \\( -name '*_history' -o -name .git -o -name '.cache' -o -name '*.whl' \\) 2>/dev/null"
    )
    tests = "find /opt/fairmark -type d \\( -name tests -o -name test \\)"
    private = "grep -rlxE -- '-----BEGIN .*PRIVATE KEY-----' /opt /etc /tmp 2>/dev/null"
    there = set(_inside(image, names).split())

    assert {"fairmark", "lightgbm", "uvicorn"} <= there
    assert (
        there & {"pandas", "pyarrow", "mlflow", "prefect", "shap", "dvc", "scikit-learn", "pip", "setuptools"}
        == set()
    )
    assert _inside(image, f"{found}; {tests}; {private}; which pip gcc cc make git || true") == ""


def test_it_is_nobody_and_can_write_to_nothing_but_tmp(image: str) -> None:
    said = _inside(
        image, "id -u; touch /x /opt/fairmark/x 2>/dev/null || echo refused; touch /tmp/x && echo tmp"
    )

    assert said.split() == ["10001", "refused", "tmp"]


def test_its_labels_say_of_which_commit_it_is(image: str) -> None:
    [config] = json.loads(engine("inspect", image).stdout)

    assert config["Config"]["User"] == "10001:10001"
    assert config["Config"]["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


@contextlib.contextmanager
def _served(image: str, release: Path, place: Path) -> Iterator[tuple[Client, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = new_key(place / "keys.jsonl", "all", SCOPES)
    shutil.copyfile(Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem", place / "key.pub.pem")
    for path in (place, *place.rglob("*"), *release.rglob("*"), *release.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055 | (0o077 if path == place else 0))
    (place / "keys.jsonl").chmod(0o644)
    settings = {
        "FAIRMARK_RELEASE": f"/releases/{release.name}",
        "FAIRMARK_RELEASE_KEY": "/journal/key.pub.pem",
        "SERVICE_KEYS_JSON": (place / "keys.jsonl").read_text(),
        "FAIRMARK_SUBJECT_KEY": SECRET,
        "FAIRMARK_JOURNAL": "/journal/journal.db",
        "FAIRMARK_PORT": str(port),
    }
    run = ["run", "--detach", *HARDENED, *options("FAIRMARK_RUN_OPTIONS")]
    run += [f"--env={name}={value}" for name, value in settings.items()]
    run += [f"--volume={release}:/releases/{release.name}:ro", f"--volume={place}:/journal"]
    name = engine(*run, image).stdout.split()[-1]
    client = Client(f"http://127.0.0.1:{port}", token)
    try:
        wait_until(lambda: _ready(client), engine("logs", name, check=False).stderr[-500:], 90)
        yield client, name
    finally:
        engine("rm", "--force", name, check=False)


def _ready(client: Client) -> bool:
    try:
        return client.ask("/readyz").status == 200
    except OSError:
        return False


def test_it_serves_a_verified_release_and_a_stop_under_load_loses_no_answer(
    image: str, small_release: Path, tmp_path: Path
) -> None:
    place = tmp_path / "journal"
    place.mkdir()
    answered: list[str] = []

    with _served(image, small_release, place) as (client, name):

        def load() -> None:
            with contextlib.suppress(OSError):
                while (answer := client.ask("/v1/decide", {"row": ROW})).status == 200:
                    answered.append(answer.json["id"])

        threads = [threading.Thread(target=load) for _ in range(4)]
        for each in threads:
            each.start()
        wait_until(lambda: len(answered) > 100, "a hundred answers", 60)
        health = engine("healthcheck", "run", name, check=False)
        engine("stop", "--time", "30", name)
        for each in threads:
            each.join()
        code = json.loads(engine("inspect", name).stdout)[0]["State"]["ExitCode"]

    with contextlib.closing(sqlite3.connect(place / "journal.db")) as journal:
        kept = {row[0] for row in journal.execute("SELECT id FROM entries WHERE kind = 'decision'")}
    assert len(answered) > 100
    assert set(answered) <= kept
    assert code == 0
    assert health.returncode == 0 or "healthcheck" in health.stderr  # docker has no such command


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean clone that has this environment."""
    made = clean_clone(tmp_path_factory.mktemp("built") / "clone")
    (made / ".venv").symlink_to(ROOT / ".venv")
    with (made / ".git/info/exclude").open("a") as file:
        file.write(".venv\n")
    return made


def _made(clone: Path, target: str, *more: str) -> str:
    """Return what `make image` says, which ends with `fairmark verify`."""
    base = os.environ.get("FAIRMARK_IMAGE_BASE")
    chosen = f"--build-arg BASE_IMAGE={base} " if base else ""
    words = [
        "make",
        "-o",
        ".venv/.ready",
        "image",
        f"TARGET={target}",
        f"IMAGE=localhost/fairmark-proof:{target}",
    ]
    words += [f"BUILD_OPTIONS={chosen}{os.environ.get('FAIRMARK_BUILD_OPTIONS', '')}", *more]
    if program := os.environ.get("FAIRMARK_CONTAINER"):
        words.append(f"CONTAINER={program}")
    ended = subprocess.run(words, cwd=clone, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-2000:]
    return ended.stdout


@pytest.mark.parametrize(("target", "fewest", "most"), [
    ("service", 25, 40), ("released", 25, 40), ("pipeline", 200, 320), ("worker", 200, 320),
])  # fmt: skip
def test_every_target_is_built_stated_and_verified(
    target: str, fewest: int, most: int, clone: Path, small_release: Path
) -> None:
    if engine("info", check=False).returncode:
        pytest.skip("needs a container engine that runs here")
    more = []
    if target == "released":
        shutil.copytree(small_release, clone / "release" / small_release.name, dirs_exist_ok=True)
        more = [f"RELEASE=release/{small_release.name}"]

    said = _made(clone, target, *more)

    assert f"verified: images/fairmark-{target}" in said
    if target == "released":
        assert f"ok    release: {small_release.name} inside, verified" in said
    bill = json.loads((clone / f"images/fairmark-{target}/sbom.cdx.json").read_text())
    own = [each for each in bill["components"] if each["bom-ref"].startswith("opt/fairmark/")]
    [found] = json.loads(engine("image", "inspect", f"localhost/fairmark-proof:{target}").stdout)
    print(f"{target}: {len(own)} distributions, {found['Size'] / 1e6:.0f} MB")
    assert fewest < len(own) < most


def test_the_image_of_the_pipeline_makes_a_stage_as_it_is_committed(clone: Path) -> None:
    _made(clone, "pipeline")
    project = clean_clone(clone.parent / "project")
    for words in (["pull", "--quiet", "data.dvc"], ["repro", "--quiet", "prepare"]):
        subprocess.run(["dvc", *words], cwd=project, check=True)
    wanted = (project / "artifacts/prepare/schema.json").read_bytes()
    shutil.rmtree(project / "artifacts/prepare")
    for path in (*clone.parents[:2], project, *project.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o077 if path.is_dir() else 0o066))

    trusted = {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": "/project"}
    engine(
        "run", "--rm", *HARDENED, *options("FAIRMARK_RUN_OPTIONS"), "--tmpfs=/tmp",
        f"--volume={project}:/project", *(f"--env=GIT_CONFIG_{k}={text}" for k, text in trusted.items()),
        "localhost/fairmark-proof:pipeline", "--force", "prepare",
    )  # fmt: skip

    assert (project / "artifacts/prepare/schema.json").read_bytes() == wanted
