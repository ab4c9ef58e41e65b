"""The flow does what an alarm asks for, once, and again what could not be done; nothing promotes itself.

Journal, counts, trail and git are real. The task that verifies a release and the making of a candidate are
replaced by ones that need no folder.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from promotion_repo import repository
from watched import RELEASE, START, WEEK, traffic, watched

from fairmark.data.row import RowReader
from fairmark.errors import StateError, UsageError
from fairmark.governance import trail
from fairmark.journal.entry import DAY_US, Entry
from fairmark.journal.place import JOURNAL, MEMBERSHIPS, open_journal, open_memberships
from fairmark.params.read import read_params
from fairmark.repo.git import need
from fairmark.serve.canary.state import state_of
from fairmark.watch import notify
from fairmark.watch.look import Target, open_end
from flows import candidate, preflight
from flows import watch as flow

pytest_plugins = ("flows_fixtures",)
PARAMS = read_params(Path(__file__).parents[1] / "params.yaml")
KINDS = ("inputs", "scores", "fairness", "quality", "operation")


class Looked:
    """A repository with a journal in which a feature has moved in the third week."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.patch = repository(root), patch
        self.events: list[str] = []
        self.made: list[str] = []
        for name in (JOURNAL, MEMBERSHIPS):
            patch.setenv(name, str(root / f"{name}.db"))
        patch.setattr(flow, "ROOT", self.root)
        patch.setattr("flows.console.TIMINGS", root / "timings.json")
        patch.setattr(flow, "now_us", lambda: START + 3 * WEEK + DAY_US)
        patch.setattr("fairmark.watch.look.now_us", lambda: START + 3 * WEEK + DAY_US)
        patch.setattr(flow, "emit", lambda _, kept: self.events.append(kept.of))
        patch.setattr(candidate, "make", self._make)
        patch.setattr(notify, "PAUSE_S", 0.0)

        async def sealed(*_: object) -> None:
            """The end of the journal is sealed."""

        patch.setattr(flow, "open_end", sealed)
        asyncio.run(self._fill())
        self.does("notify")

    def _make(self, _root: Path, name: str, *_: object) -> str:
        self.made.append(name)
        return f"candidate/{name}"

    async def _fill(self) -> None:
        entries, held = traffic(3, 120, job=[0.4, 0.4, 0.9])
        journal, memberships = await open_journal(_at(JOURNAL)), await open_memberships(_at(MEMBERSHIPS))
        await journal.append(entries)
        await memberships.add_memberships(held)
        await journal.close()
        await memberships.close()

    def does(self, *actions: str) -> None:
        """Let every alarm ask for these actions."""
        of = watched(alarms={kind: [*actions] for kind in KINDS})
        target = Target(RELEASE, of, RowReader(()), PARAMS.privacy)
        self.patch.setattr(flow, "verified", lambda _: target)

    def run(self) -> list[Entry]:
        """Run the flow, and return the alarms of the journal."""
        flow.watch.fn()
        return asyncio.run(self._alarms())

    async def _alarms(self) -> list[Entry]:
        journal = await open_journal(_at(JOURNAL))
        found = await journal.find(["alarm", "canary"])
        await journal.close()
        return [each.entry for each in found]


def _at(name: str) -> str:
    import os

    return os.environ[name]


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looked:
    return Looked(tmp_path / "repo", monkeypatch)


def body(entry: Entry) -> Any:
    return msgspec.json.decode(entry.body)


def test_an_alarm_is_in_the_journal_the_trail_and_on_the_page_once(looked: Looked) -> None:
    looked.run()
    first, attempt = looked.run()

    assert body(first)["text"].startswith("covariate shift: feature job")
    assert (body(attempt)["action"], body(attempt)["done"]) == ("notify", True)
    assert [each.event.action for each in trail.entries(looked.root)].count("alarm") == 1
    assert looked.events == ["inputs"]
    assert "covariate shift" in (looked.root / ".fairmark" / "watch.html").read_text(encoding="utf-8")


def test_a_journal_that_nobody_seals_is_told_once(looked: Looked) -> None:
    looked.patch.setattr(flow, "open_end", open_end)
    looked.run()
    texts = [body(each).get("text", "") for each in looked.run() if each.about is None]

    assert sum("no signed head vouches for the journal from entry 1 of" in text for text in texts) == 1
    page = (looked.root / ".fairmark" / "watch.html").read_text(encoding="utf-8")
    assert "no signed head vouches" in page


def test_a_receiver_that_is_down_loses_nothing(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notify.WEBHOOK, "http://127.0.0.1:9/hook")
    monkeypatch.setenv(notify.SECRET, "a secret of the tests")
    looked.run()
    monkeypatch.setattr(notify.Channels, "_webhook", lambda *_: None)
    found = [body(each) for each in looked.run()]

    assert [each.get("done") for each in found] == [None, False, True]
    assert "webhook: must answer 2xx" in found[1]["text"]


def test_the_fallback_answers_until_a_person_takes_it_back(looked: Looked) -> None:
    looked.does("fallback")
    states = [state_of(each) for each in looked.run() if each.kind == "canary"]

    assert [(each.phase, each.by) for each in states] == [("fallback", "flow watch")]
    assert states[0].reason.startswith("covariate shift")


def test_a_candidate_is_made_and_nothing_is_promoted(looked: Looked) -> None:
    looked.does("retrain")
    tags = need(looked.root, "tell its tags", "tag", "--list")
    found = [body(each) for each in looked.run()]

    assert looked.made == ["watch-2026-01-26"]
    assert found[1]["text"] == "candidate/watch-2026-01-26 is there to be looked at; nothing was promoted"
    assert need(looked.root, "tell its tags", "tag", "--list") == tags


def test_an_open_candidate_keeps_a_second_from_being_made(looked: Looked) -> None:
    looked.does("retrain")
    need(looked.root, "branch", "checkout", "--quiet", "-b", "candidate/before")
    need(looked.root, "commit", "commit", "--quiet", "--allow-empty", "-m", "A candidate")
    need(looked.root, "go back", "checkout", "--quiet", "-")
    (found,) = looked.run()

    assert looked.made == []
    assert body(found)["held"] == {"retrain": "1 of at most 1 candidates are open"}


def test_a_candidate_that_can_t_be_made_is_told_and_tried_again(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise StateError("data: must be text, got Parquet")

    looked.does("retrain")
    monkeypatch.setattr(candidate, "make", failing)
    looked.run()

    assert [body(each)["done"] for each in looked.run()[1:]] == [False, False]


def test_an_environment_that_is_named_by_half_is_refused_before_it_begins(
    looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notify.WEBHOOK, "http://127.0.0.1:9/hook")

    with pytest.raises(UsageError, match="FAIRMARK_WATCH_SECRET: must have at least 16 bytes"):
        flow.watch.fn()
    with pytest.raises(UsageError, match="must be one of development, staging, production"):
        preflight.watch(looked.root, "moon", None)
