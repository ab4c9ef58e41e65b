"""A canary of two real releases, on a real service with a real journal, steered by the flow."""

import asyncio
import datetime as dt
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from environment_files import share
from fixed_keys import ADA, BOB, approver
from flows_repo import FLOWS, eventually
from prefect_server import PREFECT, Server
from release_folder import git, make_release, write_lock
from self_assessment import sign_assessment
from service import Client, environment, running, wait_until

from fairmark.errors import RefusedError
from fairmark.governance import trail
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.promotion_tags import refs, stages
from fairmark.governance.promotions import promote
from fairmark.governance.request import candidate, find_release
from fairmark.journal.entry import DAY_US, Entry, now_us
from fairmark.journal.place import journal_address, open_journal
from fairmark.serve.canary import release as canary_release
from fairmark.signing.key_store import own_key
from flows import promote as flow

pytest_plugins = ("release_fixtures", "flows_fixtures")
pytestmark = pytest.mark.slow

SOON = dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=90)
QUICK = {
    "shadow": 200, "shares": [0.5], "block": 20, "least": 100, "most": 4000, "hold": 200, "fault_rate": 0.1,
    "latency_ms": 5000, "latency_share": 0.9, "group_margin": None,
    "wait_for_outcomes": False,
}  # fmt: skip
RICH = {"income <€>": 9.0, "home": "own", "member": True, "since": "2021-03-01"}
POOR = {"income <€>": 0.5, "home": "rent", "member": False, "since": "2018-01-01"}


@pytest.fixture(scope="module")
def pattern(
    released: Path, listed: Any, there: Any, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a clone with two releases that somebody has approved, the first of them in production."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("canary") / "folder"))
    people = [approver("maker@example.org", own_key(make=True), "git"), approver("ada@example.org", ADA),
              approver("bob@example.org", BOB, "fairmark-approval")]  # fmt: skip
    (root / FILE).write_text("\n".join(people) + "\n")
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["serve"]["canary"] |= QUICK
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
    write_lock(root)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Serve")
    with pytest.MonkeyPatch.context() as patch:
        share(patch, listed, there, tools)
        make_release(root, "v0.2.0")
    known, now = read_approvers(root / FILE), dt.datetime.now(tz=dt.UTC)
    for version in ("v0.1.0", "v0.2.0"):
        asked = candidate(find_release(root, f"loans-{version}"), root, known).request
        keep(root, asked, signed(asked, known, BOB, "It is good.", SOON, now))
    sign_assessment(root, BOB)
    promote(root, find_release(root, "loans-v0.1.0"), "production", "The first.", ADA)
    return root


@pytest.fixture
def clone(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the clone of one's own, and let the flow work on it without Prefect."""
    root = Path(shutil.copytree(pattern, tmp_path / "clone", symlinks=True))
    place = tmp_path / "service"
    place.mkdir()
    for name, value in environment(place).items():
        if name.startswith("FAIRMARK_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(flow, "ROOT", root)
    monkeypatch.setattr(flow, "emit", lambda *_: None)
    monkeypatch.setattr("flows.console.TIMINGS", root / ".fairmark" / "timings.json")
    for name in ("verify", "wait_for_approvals", "sign", "take_back"):
        monkeypatch.setattr(flow, name, getattr(flow, name).fn)
    return root


def look() -> None:
    flow.promote.fn(release="loans-v0.2.0", look_s=0)


def phase(client: Client) -> tuple[str, float]:
    canary = client.ask("/v1/release").json["canary"]
    return canary["phase"], canary["share"]


def answer(client: Client, rng: np.random.Generator, poor: Callable[[str], float], rows: int = 500) -> None:
    """Ask for decisions on people whose incomes hang on their sex, and tell their sex."""
    sexes = rng.choice(["Female", "Male"], rows).tolist()
    people = [POOR if rng.random() < poor(sex) else RICH for sex in sexes]
    asked = {"rows": people, "subjects": [f"{rng.random()}" for _ in sexes]}
    decisions = client.ask("/v1/decide", asked).json["decisions"]
    told = [
        {"id": each["id"], "attribute": "sex", "groups": {sex: 1.0}}
        for each, sex in zip(decisions, sexes, strict=True)
    ]
    assert client.ask("/v1/membership", {"memberships": told}).status == 200


def steered(clone: Path, poor: Callable[[str], float]) -> list[tuple[str, float]]:
    """Serve and look until there is nothing to look at; return what the service was told by the canary."""
    key, place = (
        Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem",
        Path(os.environ["FAIRMARK_JOURNAL"]).parent,
    )
    champion, challenger = (clone / "releases" / f"loans-{version}" for version in ("v0.1.0", "v0.2.0"))
    rng, seen = np.random.default_rng(1), []
    with running(champion, key, place, "--challenger", str(challenger)) as client:
        look()
        for _ in range(20):
            told = asyncio.run(canary_release.state(clone))
            if told.phase == "promoted":
                break
            wait_until(lambda told=told: phase(client) == (told.phase, told.share), "the service hears of it")
            seen.append(phase(client))
            answer(client, rng, poor)
            look()
    return seen


def test_a_fair_release_takes_over(clone: Path) -> None:
    seen = steered(clone, lambda _: 0.3)
    held = {name: each.version for name, each in stages(refs(clone, "loans").promotions).items()}

    assert list(dict.fromkeys(seen)) == [("shadow", 0.0), ("share", 0.5), ("share", 1.0)]
    assert held == dict.fromkeys(("development", "staging", "production"), "v0.2.0")


def test_an_unfair_release_is_returned_and_answers_nobody(clone: Path) -> None:
    with pytest.raises(RefusedError, match=r"loans-v0\.2\.0 was returned\n.*returns it\nfour-fifths"):
        steered(clone, lambda sex: 0.7 if sex == "Female" else 0.2)

    assert stages(refs(clone, "loans").promotions)["production"].version == "v0.1.0"


class Worked:
    """A Prefect server with the deployments, and a worker in a clone."""

    def __init__(self, server: Server, clone: Path) -> None:
        self.server, self.clone = server, clone
        shutil.copytree(FLOWS, clone / "flows", ignore=shutil.ignore_patterns("__pycache__"))
        for words in (
            ("work-pool", "create", "fairmark", "--type", "process", "--overwrite"),
            ("deploy", "--all"),
        ):
            with server.start(PREFECT, "--no-prompt", *words) as process:
                out, err = process.communicate(timeout=240)
            assert process.returncode == 0, out + err
        self.ids = {each["name"]: each["id"] for each in server.ask("deployments/filter")}
        for each in self.ids.values():  # no run but those that are asked for
            server.ask(f"deployments/{each}/pause_deployment")

    def run(self, name: str, **parameters: object) -> None:
        """Run a deployment, and wait until it is completed."""
        asked = self.server.ask(f"deployments/{self.ids[name]}/create_flow_run", parameters=parameters)["id"]
        ended = eventually(lambda: asked in {each["id"] for each in self.server.runs("COMPLETED")}, 240)
        assert ended, [(each["name"], each["state"]) for each in self.server.ask("flow_runs/filter")]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the payloads of the events of a name."""
        asked: dict[str, Any] = {"filter": {"event": {"name": [name]}}}
        assert eventually(lambda: self.server.ask("events/filter", **asked)["events"], 60), name
        return [each["payload"] for each in self.server.ask("events/filter", **asked)["events"]]


async def long_ago(clone: Path) -> None:
    """Write an entry of ten days ago, which nobody has sealed, as the first of the journal."""
    journal = await open_journal(journal_address(clone))
    await journal.append([Entry(kind="drill", at_us=now_us() - 10 * DAY_US)])
    await journal.close()


@pytest.mark.proof
@pytest.mark.server
def test_a_worker_of_a_real_server_steers_a_canary_seals_and_watches_and_its_events_are_there(
    clone: Path, prefect_home: Path, tmp_path: Path
) -> None:
    key, place = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem", tmp_path / "service"
    champion, challenger = (clone / "releases" / f"loans-{version}" for version in ("v0.1.0", "v0.2.0"))
    asyncio.run(long_ago(clone))
    server = Server(shutil.copytree(prefect_home, tmp_path / "prefect"))
    with server.serving(), running(champion, key, place, "--challenger", str(challenger)) as client:
        worked = Worked(server, clone)
        worker = (PREFECT, "worker", "start", "--pool", "fairmark")
        with server.start(*worker, FAIRMARK_HOME=str(clone), PREFECT_WORKER_HEARTBEAT_SECONDS="5") as process:
            try:
                worked.run("daily")
                worked.run("hourly")
                worked.run("canary", release="loans-v0.2.0", look_s=0)
                wait_until(lambda: phase(client)[0] == "shadow", "the service hears of the canary")
                answer(client, np.random.default_rng(1), lambda _: 0.3)
                worked.run("canary")
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=60)

        assert worked.events("fairmark.watch.alarm")[0]["text"].startswith(
            "operation: no signed head vouches"
        )
        assert worked.events("fairmark.canary.grow")[0]["share"] == 0.5
    assert [each.event.action for each in trail.entries(clone)].count("journal") == 1
