"""A canary of two real releases, on a real service with a real journal, steered by the flow."""

import asyncio
import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from environment_files import share
from fixed_keys import ADA, BOB, approver
from release_folder import git, make_release, write_lock
from self_assessment import sign_assessment
from service import Client, environment, running, wait_until

from fairmark.errors import RefusedError
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.promotion_tags import refs, stages
from fairmark.governance.promotions import promote
from fairmark.governance.request import candidate, find_release
from fairmark.serve import canary_release
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
