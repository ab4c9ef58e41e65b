"""A canary of two releases of the second table: every stage was run, and the service answers its rows.

The loans have decimal commas, dates, an order, a weight, three regions and odd names. The newer release takes
over where people come as in the table, and is returned where those of one region come poor.
"""

import asyncio
import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from environment_files import share
from fixed_keys import ADA, BOB, approver
from loans_table import DEBT, loans, make_second
from pipeline import run_all
from release_folder import git, make_release, write_lock
from self_assessment import answered, sign_assessment
from service import Client, environment, running, wait_until

from fairmark.errors import RefusedError
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.promotion_tags import refs, stages
from fairmark.governance.promotions import promote
from fairmark.governance.request import candidate, find_release
from fairmark.serve.canary import release as canary_release
from fairmark.signing.key_store import own_key
from flows import promote as flow

pytest_plugins = ("release_fixtures", "flows_fixtures")
pytestmark = pytest.mark.proof
NAME = "small-loans"
SOON = dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=90)
QUICK = {
    "shadow": 200, "shares": [0.5], "block": 20, "least": 100, "most": 6000, "hold": 200, "fault_rate": 0.1,
    "latency_ms": 5000, "latency_share": 0.9, "group_margin": None, "wait_for_outcomes": False,
}  # fmt: skip
READ = ("opened", "income", DEBT, "rating", "owner", "channel")
People = Callable[[pd.DataFrame], pd.DataFrame]


def changed(root: Path, **rounds: int) -> None:
    """Run every stage on the table as it is, with other rounds of boosting where they are given."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    params["serve"]["canary"] |= QUICK
    params["train"] |= rounds
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
    shutil.rmtree(root / "artifacts", ignore_errors=True)
    run_all(root)
    write_lock(root)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Run the stages")


@pytest.fixture(scope="module")
def pattern(
    template: Path, listed: Any, there: Any, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a clone with two releases of the second table, the first of them in production."""
    root = Path(shutil.copytree(template, tmp_path_factory.mktemp("another") / "folder"))
    (root / "data" / "people.csv").unlink()
    make_second(root)
    (root / "data" / "DATASHEET.md").write_text("# Data sheet\n\nOf loans.csv, made from a seed.\n")
    (root / "assessment.yaml").write_text(yaml.safe_dump(answered(NAME), sort_keys=False))
    people = [approver("maker@example.org", own_key(make=True), "git"), approver("ada@example.org", ADA),
              approver("bob@example.org", BOB, "fairmark-approval")]  # fmt: skip
    (root / FILE).write_text("\n".join(people) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        share(patch, listed, there, tools)
        changed(root)
        make_release(root, "v0.1.0")
        changed(root, max_rounds=40)
        make_release(root, "v0.2.0")
    known, now = read_approvers(root / FILE), dt.datetime.now(tz=dt.UTC)
    for version in ("v0.1.0", "v0.2.0"):
        asked = candidate(find_release(root, f"{NAME}-{version}"), root, known).request
        keep(root, asked, signed(asked, known, BOB, "It is good.", SOON, now))
    sign_assessment(root, BOB)
    promote(root, find_release(root, f"{NAME}-v0.1.0"), "production", "The first.", ADA)
    return root


@pytest.fixture
def clone(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the clone of one's own, and let the flow work on it without Prefect."""
    root = Path(shutil.copytree(pattern, tmp_path / "clone", symlinks=True))
    (place := tmp_path / "service").mkdir()
    for name, value in environment(place).items():
        if name.startswith("FAIRMARK_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(flow, "ROOT", root)
    monkeypatch.setattr(flow, "emit", lambda *_: None)
    monkeypatch.setattr("flows.console.TIMINGS", root / ".fairmark" / "timings.json")
    for name in ("verify", "wait_for_approvals", "sign", "take_back"):
        monkeypatch.setattr(flow, name, getattr(flow, name).fn)
    return root


def answer(client: Client, rng: np.random.Generator, people: People) -> None:
    """Ask for decisions on 500 people of the table, as texts, and tell their regions."""
    table = pd.DataFrame(loans(1500, 0))
    came = people(table.iloc[rng.integers(0, len(table), 500)])
    asked = {"rows": came[list(READ)].to_dict("records"), "subjects": [f"{rng.random()}" for _ in came.index]}
    decisions = client.ask("/v1/decide", asked).json["decisions"]
    told = [
        {"id": each["id"], "attribute": "region", "groups": {region: 1.0}}
        for each, region in zip(decisions, came["region"], strict=True)
    ]
    assert client.ask("/v1/membership", {"memberships": told}).status == 200


def steered(clone: Path, people: People) -> list[tuple[str, float]]:
    """Serve and look until there is nothing to look at; return what the service was told by the canary."""
    key = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    place = Path(os.environ["FAIRMARK_JOURNAL"]).parent
    champion, challenger = (clone / "releases" / f"{NAME}-{version}" for version in ("v0.1.0", "v0.2.0"))
    rng = np.random.default_rng(1)
    seen: list[tuple[str, float]] = []
    with running(champion, key, place, "--challenger", str(challenger)) as client:
        for _ in range(20):
            flow.promote.fn(release=f"{NAME}-v0.2.0", look_s=0)
            told = asyncio.run(canary_release.state(clone))
            if told.phase == "promoted":
                break

            def heard(told: Any = told) -> bool:
                canary = client.ask("/v1/release").json["canary"]
                return (canary["phase"], canary["share"]) == (told.phase, told.share)

            wait_until(heard, "the service hears of it")
            seen.append((told.phase, told.share))
            answer(client, rng, people)
    return seen


def poor_in_the_south(came: pd.DataFrame) -> pd.DataFrame:
    """Give people of one region debts beyond their income, and those of the others none to speak of."""
    south = came["region"] == "South"
    return came.assign(
        **{
            "income": np.where(south, "200", "9000"),
            DEBT: np.where(south, "9000", "100"),
            "rating": np.where(south, "poor", "best"),
            "owner": np.where(south, "N", "J"),
        }
    )


def test_a_release_of_another_table_takes_over(clone: Path) -> None:
    seen = steered(clone, lambda came: came)
    held = {name: each.version for name, each in stages(refs(clone, NAME).promotions).items()}

    assert list(dict.fromkeys(seen)) == [("shadow", 0.0), ("share", 0.5), ("share", 1.0)]
    assert held == dict.fromkeys(("development", "staging", "production"), "v0.2.0")


def test_a_release_that_turns_a_region_away_is_returned(clone: Path) -> None:
    with pytest.raises(RefusedError, match=rf"{NAME}-v0\.2\.0 was returned\n.*returns it\nregion-selection"):
        steered(clone, poor_in_the_south)

    assert stages(refs(clone, NAME).promotions)["production"].version == "v0.1.0"
