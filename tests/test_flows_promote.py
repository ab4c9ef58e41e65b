"""A release goes through the environments by signed tags, into production on evidence, and back on evidence.

The tags, their chain and the journal are real. The tasks that verify a release folder and sign its promotion
are replaced by ones that need no folder.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import promotion_repo
import pytest
from canaries import Traffic, rules, terms
from fixed_keys import BOB
from promotion_repo import NAME, asked, digest, repository

from fairmark.errors import RefusedError, StateError, UndeterminedError, UsageError
from fairmark.governance import trail
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.findings import NewFinding, open_finding
from fairmark.governance.promotion_tags import refs, stages
from fairmark.governance.request import Candidate
from fairmark.journal.entry import now_us
from fairmark.journal.place import JOURNAL, MEMBERSHIPS, open_journal, open_memberships
from fairmark.repo.locks import locked
from fairmark.serve.canary import release as canary_release
from fairmark.serve.canary.counts import current
from fairmark.serve.canary.state import CanaryState
from fairmark.signing.key_store import own_key
from flows import preflight, promote, traffic

pytest_plugins = ("flows_fixtures",)
ALIKE, UNFAIR = {"Female": 0.6, "Male": 0.6}, {"Female": 0.3, "Male": 0.6}


class Production:
    """A repository with three releases, the first of them in production, and a service with a journal."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = repository(root)
        self.days = 1
        promotion_repo.promote(self.root, "production", "v0.1.0", self.days)
        patch.setenv(JOURNAL, str(root / "journal.db"))
        patch.setenv(MEMBERSHIPS, str(root / "memberships.db"))
        self.events: list[str] = []
        patch.setattr(promote, "ROOT", self.root)
        patch.setattr("flows.console.TIMINGS", root / "timings.json")
        patch.setattr(preflight, "named", lambda _, release: Path(release))
        patch.setattr(promote, "verify", lambda folder: self.candidate(folder.name))
        patch.setattr(promote, "wait_for_approvals", lambda *_: "bob@example.org")
        patch.setattr(promote, "sign", lambda folder, stage, _: self.tag(stage, folder.name, "promote"))
        patch.setattr(
            promote, "take_back", lambda _, stage, version, __: self.tag(stage, version, "rollback")
        )
        patch.setattr(promote, "emit", lambda _, advice: self.events.append(advice.action))
        patch.setattr(canary_release, "terms", lambda *_: terms())
        # The self-assessment is held against a release folder, of which there is none here.
        for each in ("refuse_open", "refuse_unsigned"):
            patch.setattr(f"fairmark.governance.promotions.{each}", lambda *_: None)
        own_key(make=True)

    @staticmethod
    def candidate(version: str) -> Candidate:
        return Candidate(asked(version), NAME, version, "", "pass", ())

    def tag(self, stage: str, version: str, action: str) -> str:
        self.days += 1
        return promotion_repo.promote(self.root, stage, version, self.days, action=action).tag

    def serve(self, seed: int, rates: dict[str, float], rows: int = 250) -> CanaryState:
        """Answer rows as a service on the journal does; return the state that it did it under."""
        return asyncio.run(self._serve(Traffic(seed, rates), rows))

    async def _serve(self, traffic: Traffic, rows: int) -> CanaryState:
        traffic.journal = await open_journal(str(self.root / "journal.db"))
        traffic.memberships = await open_memberships(str(self.root / "memberships.db"))
        traffic.champion_digest, traffic.challenger_digest = (
            f"sha256:{digest(version)}" for version in ("v0.1.0", "v0.2.0")
        )
        now = await current(traffic.journal)
        await traffic.decide(rows, now)
        await traffic.journal.close()
        await traffic.memberships.close()
        return now

    def holds(self) -> dict[str, str]:
        return {name: each.version for name, each in stages(refs(self.root, NAME).promotions).items()}


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    return Production(tmp_path / "repo", monkeypatch)


def look(release: str | None = "v0.2.0", to: str | None = None) -> None:
    promote.promote.fn(release=release, to=to, look_s=0)


def to_its_end(production: Production, rates: Callable[[CanaryState], dict[str, float]]) -> list[CanaryState]:
    """Look, and serve, until the flow says that it is over."""
    look()
    seen: list[CanaryState] = []
    for seed in range(40):
        seen.append(production.serve(seed, rates(seen[-1] if seen else CanaryState(phase="off")), 600))
        look()
        if production.events and production.events[-1] == "keep":
            break
    return seen


def test_a_fair_release_passes_all_environments_and_every_step_stands_in_the_trail(
    production: Production,
) -> None:
    seen = to_its_end(production, lambda _: ALIKE)

    assert list(dict.fromkeys((each.phase, each.share) for each in seen)) == [
        ("shadow", 0.0), ("share", 0.25), ("share", 0.5), ("share", 1.0),
    ]  # fmt: skip
    assert production.holds() == dict.fromkeys(("development", "staging", "production"), "v0.2.0")
    kept = [each.outcome for each in trail.entries(production.root) if each.event.action == "canary"]
    assert production.events == kept == ["grow", "grow", "promote", "keep"]


def test_an_unfair_release_is_returned_before_it_is_promoted(production: Production) -> None:
    with pytest.raises(RefusedError, match=r"loans-v0.2.0 was returned\n.*returns it"):
        to_its_end(production, lambda _: UNFAIR)

    assert production.holds()["production"] == "v0.1.0"
    assert asyncio.run(canary_release.state(production.root)).phase == "halted"


def test_one_that_turns_unfair_after_it_took_over_is_rolled_back(production: Production) -> None:
    def rates(before: CanaryState) -> dict[str, float]:
        return UNFAIR if before.share == 1 or production.events[-1:] == ["promote"] else ALIKE

    with pytest.raises(RefusedError, match=r"production holds v0.1.0 again \(loans#production#\d+\)"):
        to_its_end(production, rates)

    last = refs(production.root, NAME).promotions[-1]
    assert (last.action, last.version, last.stage) == ("rollback", "v0.1.0", "production")


def test_too_few_decisions_are_for_a_named_person(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = terms(rules=rules(silent_minutes=60 * 24 * 40))  # nobody looks for a month here
    monkeypatch.setattr(canary_release, "terms", lambda *_: patient)
    look()
    production.serve(1, ALIKE, 20)
    month = now_us() + 31 * 86_400_000_000
    monkeypatch.setattr(promote, "now_us", lambda: month)

    with pytest.raises(
        UndeterminedError, match=r"insufficient evidence; v0\.1\.0 answers everybody"
    ) as found:
        look()
    assert any("Female / Male" in line for line in found.value.faults)


def test_an_open_finding_of_high_severity_stops_a_canary_before_it_begins_and_none_that_runs(
    production: Production,
) -> None:
    known = read_approvers(production.root / FILE)
    later = dt.date(2999, 1, 1)
    new = NewFinding("high", "ada@example.org", later, "Too few rows.", limit="sex-four-fifths")
    look()
    open_finding(production.root, new, BOB, known)
    production.serve(1, UNFAIR, 600)

    with pytest.raises(RefusedError, match="was returned"):
        look()
    with pytest.raises(RefusedError, match=r"no finding of high severity(.|\n)*0001 open high"):
        look("v0.3.0")
    assert production.holds()["staging"] == "v0.2.0"


def test_without_a_champion_nothing_is_signed(production: Production) -> None:
    for tag in refs(production.root, NAME).promotions:
        promotion_repo.git(production.root, "tag", "-d", tag.tag)

    with pytest.raises(RefusedError, match="must have a champion in production"):
        look()
    assert production.holds() == {}


def test_development_and_staging_need_no_canary(production: Production) -> None:
    look(to="staging")
    look(to="staging")  # there already

    assert production.holds() == {"development": "v0.2.0", "production": "v0.1.0", "staging": "v0.2.0"}
    assert len(refs(production.root, NAME).promotions) == 3


def test_with_no_canary_under_way_a_look_is_nothing(
    production: Production, capsys: pytest.CaptureFixture[str]
) -> None:
    look(release=None)

    assert "no canary is under way" in capsys.readouterr().out
    assert production.events == []


def test_a_second_flow_is_refused(production: Production) -> None:
    (production.root / ".fairmark").mkdir()

    with (
        locked(production.root / ".fairmark" / "promote.lock", "busy"),
        pytest.raises(StateError, match="must have one canary at a time"),
    ):
        look()


@pytest.mark.parametrize(
    ("option", "words"),
    [({"to": "prod"}, "--to: must be one of development, staging, production"),
     ({"look_s": "soon"}, "--look_s: must be a number of seconds")],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_prefect(tmp_path: Path, option: dict[str, Any], words: str) -> None:
    given = dict.fromkeys(("release", "to", "reason", "wait_s", "look_s")) | option

    with pytest.raises(UsageError, match=words):
        preflight.promote(tmp_path, **given)


Moves = list[tuple[str, str, float]]


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Moves:
    """Name a load balancer, and return what it is asked for."""
    found: Moves = []

    def give(release: str, arm: str, share: float) -> dict[str, int]:
        found.append((release, arm, share))
        return {"blue": 100 - round(100 * share), "green": round(100 * share)}

    monkeypatch.setenv(traffic.LISTENER, "arn:listener")
    monkeypatch.setattr(traffic, "give", give)
    return found


def test_a_load_balancer_gives_each_share_and_all_at_the_end(production: Production, moves: Moves) -> None:
    to_its_end(production, lambda _: ALIKE)

    assert moves == [("loans@v0.2.0", "challenger", share) for share in (0.25, 0.5, 1.0)]


def test_a_return_gives_the_champion_all_traffic(production: Production, moves: Moves) -> None:
    with pytest.raises(RefusedError):
        to_its_end(production, lambda _: UNFAIR)

    assert moves[-1] == ("loans@v0.1.0", "champion", 1.0)


@pytest.mark.usefixtures("moves")
def test_a_balancer_that_refuses_keeps_the_share_and_does_not_keep_a_return(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> dict[str, int]:
        raise StateError("green: must have a healthy target, got none")

    look()
    production.serve(1, ALIKE)
    monkeypatch.setattr(traffic, "give", refused)
    with pytest.raises(StateError, match="must have a healthy target"):
        look()
    assert asyncio.run(canary_release.state(production.root)).phase == "shadow"
    for seed in range(2, 8):
        production.serve(seed, UNFAIR, 600)

    with pytest.raises(RefusedError, match=r"load balancer: must give loans@v0\.1\.0 all traffic, got green"):
        look()
    assert asyncio.run(canary_release.state(production.root)).phase == "halted"


def test_a_return_that_was_killed_before_its_tag_is_ended_by_the_next_look(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(before: CanaryState) -> dict[str, float]:
        return UNFAIR if before.share == 1 or production.events[-1:] == ["promote"] else ALIKE

    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    whole = promote.take_back
    monkeypatch.setattr(promote, "take_back", killed)
    with pytest.raises(KeyboardInterrupt):
        to_its_end(production, rates)
    monkeypatch.setattr(promote, "take_back", whole)
    assert production.holds()["production"] == "v0.2.0"

    with pytest.raises(RefusedError, match=r"was returned before, production holds v0\.1\.0 again"):
        look()
    assert production.holds()["production"] == "v0.1.0"
