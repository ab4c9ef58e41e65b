"""`fairmark canary` tells what a canary will show, where it stands and why, and takes it back at a word."""

import asyncio
import json
from pathlib import Path
from typing import Any

import promotion_repo
import pytest
from canaries import Traffic, terms
from fixed_keys import pem
from promotion_repo import NAME, digest, repository

from fairmark.cli.main import main
from fairmark.governance import trail
from fairmark.governance.promotion_tags import now_in, refs
from fairmark.journal.entry import now_us
from fairmark.journal.place import JOURNAL, MEMBERSHIPS, open_journal, open_memberships
from fairmark.serve.canary import release as canary_release
from fairmark.serve.canary.state import CanaryState
from fairmark.serve.canary.steering import Canary

TRIED, HELD = (f"sha256:{digest(version)}" for version in ("v0.2.0", "v0.1.0"))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone with v0.1.0 in production, and v0.2.0 where releases are looked for."""
    root = repository(tmp_path / "clone")
    promotion_repo.promote(root, "production", "v0.1.0", 1)
    monkeypatch.setenv(JOURNAL, str(tmp_path / "journal.db"))
    monkeypatch.setenv(MEMBERSHIPS, str(tmp_path / "memberships.db"))
    monkeypatch.setattr(canary_release, "terms", lambda *_: terms())
    monkeypatch.setattr(canary_release, "folder_of", lambda *_: root / "releases" / f"{NAME}-v0.2.0")
    return root


async def served(clone: Path, rows: int, state: CanaryState | None = None, *, hours_ago: int = 0) -> None:
    """Begin a canary, and answer so many rows under it."""
    traffic = Traffic(1, {"Female": 0.6, "Male": 0.6})
    traffic.now_us = now_us() - hours_ago * 3_600_000_000
    traffic.champion_digest, traffic.challenger_digest = HELD, TRIED
    traffic.journal = await open_journal(str(clone.parent / "journal.db"))
    traffic.memberships = await open_memberships(str(clone.parent / "memberships.db"))
    canary = Canary(traffic.journal, traffic.memberships, terms(), TRIED, HELD, "A. Person")
    await canary.begin(traffic.now_us)
    if state is not None:
        await traffic.journal.append([state.entry(traffic.now_us)])
    await traffic.decide(rows, state or canary.state)
    await traffic.memberships.close()
    await traffic.journal.close()


def said(clone: Path, *words: str) -> Any:
    assert main(["canary", *words, "--clone", str(clone)]) == 0


def test_without_a_canary_the_status_says_so(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(clone, "status")

    assert capsys.readouterr().out == "no canary is under way: off\n"


def test_the_status_tells_what_follows_and_on_what_evidence(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(served(clone, 300))
    said(clone, "status")

    out = capsys.readouterr().out
    assert "what follows now: grow\nno harm in 300 decisions of the shadow" in out
    assert "selection rate ratio, Female / Male" in out
    assert "300 decisions with a known group of sex" in out


def test_the_status_as_json_is_that_in_numbers(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(served(clone, 300))
    said(clone, "status", "--json")

    told = json.loads(capsys.readouterr().out)
    assert (told["phase"], told["challenger"], told["advice"]["action"]) == ("shadow", TRIED, "grow")
    assert told["advice"]["needed"] == 20
    assert {each["name"] for each in told["advice"]["limits"]} >= {
        "selection-rate-ratio",
        "quality",
        "faults",
    }


def test_a_return_halts_it_and_stands_in_journal_and_trail(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(served(clone, 10))
    said(clone, "return", "--reason", "A complaint.")

    assert "loans-v0.2.0 answers nobody any more, and v0.1.0 everybody" in capsys.readouterr().out
    halted = asyncio.run(canary_release.state(clone))
    assert (halted.phase, halted.reason) == ("halted", "A complaint.")
    assert trail.entries(clone)[-1].event.reason == "A complaint."


def test_one_that_nobody_looked_at_goes_on_by_a_person_s_word_once(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    share = CanaryState(phase="share", challenger=TRIED, share=0.25, by="flow promote")
    asyncio.run(served(clone, 10, share, hours_ago=2))
    said(clone, "status")
    said(clone, "resume", "--reason", "The flow's host was down.")

    out = capsys.readouterr().out
    assert "halted by the services: nobody has looked at the canary for 60 minutes" in out
    assert out.endswith("loans-v0.2.0: share again, at 25%\n")
    now = asyncio.run(canary_release.state(clone))
    assert (now.phase, now.share, now.reason) == ("share", 0.25, "The flow's host was down.")
    assert trail.entries(clone)[-1].event.reason == "The flow's host was down."
    assert main(["canary", "resume", "--reason", "Again.", "--clone", str(clone)]) == 1
    assert "must be halted because nobody has looked" in capsys.readouterr().err


def test_whoever_makes_the_watch_page_is_told_of_a_canary_that_nobody_looks_at(clone: Path) -> None:
    async def told() -> Any:
        journal = await open_journal(str(clone.parent / "journal.db"))
        try:
            return await canary_release.attended(journal, clone, now_us())
        finally:
            await journal.close()

    before = asyncio.run(told())
    asyncio.run(served(clone, 10, hours_ago=2))
    found = asyncio.run(told())

    assert before is None
    assert (found["phase"], found["release"], found["unattended"]) == ("shadow", TRIED, True)


def test_a_return_after_the_promotion_is_a_signed_rollback(clone: Path, tmp_path: Path) -> None:
    promotion_repo.promote(clone, "production", "v0.2.0", 2)
    asyncio.run(served(clone, 10, CanaryState(phase="share", challenger=TRIED, share=1.0)))
    said(clone, "return", "--reason", "A complaint.", "--key", str(pem("ada", tmp_path)))

    last = now_in(refs(clone, NAME).promotions, "production")
    assert last is not None
    assert (last.version, last.action, last.reason) == ("v0.1.0", "rollback", "A complaint.")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["plan"], "RELEASE: must be given with plan"),
        (["status", "loans-v0.2.0"], "RELEASE: must be given with plan"),
        (["return"], "--reason: must be given with return"),
        (["plan", "loans-v0.2.0", "--outcomes", "2"], "--outcomes: must be a share in 0..1, got 2"),
    ],
)
def test_what_is_used_wrongly_is_told(
    clone: Path, capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    assert main(["canary", *words, "--clone", str(clone)]) == 2
    assert fault in capsys.readouterr().err


def test_nothing_under_way_can_not_be_returned(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", "return", "--reason", "Why not.", "--clone", str(clone)]) == 1
    assert "must be under way to be taken back, got off" in capsys.readouterr().err


def test_the_plan_tells_the_delay_of_the_stated_harm(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "releases" / f"{NAME}-v0.2.0").mkdir(parents=True)
    said(clone, "plan", f"{NAME}-v0.2.0")
    lines = capsys.readouterr().out.splitlines()
    said(clone, "plan", f"{NAME}-v0.2.0", "--json")

    assert lines[0] == "shadow of 200 decisions, then 25%, 50%, at most 20,000 decisions"
    (told,) = json.loads(capsys.readouterr().out)["limits"]
    assert f"is caught in {told['caught']:.0%} of canaries, after {told['decisions']:,} decisions" in lines[1]
