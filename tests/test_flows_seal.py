"""The journal's heads are sealed by a schedule, a broken journal is never sealed, and a gap is told."""

import asyncio
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from fairmark.errors import ParamsError, VerificationError
from fairmark.governance import trail
from fairmark.journal import audit
from fairmark.journal.entry import DAY_US, Entry
from fairmark.journal.place import open_journal
from fairmark.signing.key_store import own_key
from fairmark.watch.alarm import unsealed
from flows import preflight, seal

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with its user's own key and a journal of three entries, for the flow to work on."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("FAIRMARK_JOURNAL", raising=False)
    own_key(make=True)
    root = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    shutil.copy(ROOT / "params.yaml", root)
    monkeypatch.setattr(seal, "ROOT", root)
    monkeypatch.setattr(seal, "sealed", seal.sealed.fn)
    monkeypatch.setattr("flows.console.TIMINGS", root / "timings.json")
    write(root, 3)
    return root


def write(root: Path, entries: int) -> None:
    async def act() -> None:
        journal = await open_journal(str(root / ".fairmark/journal.db"))
        await journal.append([Entry(kind="decision", at_us=(k + 1) * DAY_US) for k in range(entries)])
        await journal.close()

    asyncio.run(act())


def left(root: Path) -> tuple[int, int] | None:
    async def act() -> tuple[int, int] | None:
        journal = await open_journal(str(root / ".fairmark/journal.db"))
        try:
            return await audit.unsealed(journal, root, [own_key(make=False).public])
        finally:
            await journal.close()

    return asyncio.run(act())


def test_every_entry_is_vouched_for_and_what_comes_later_is_told_as_open(clone: Path) -> None:
    before = left(clone)
    seal.seal.fn()
    sealed = left(clone)
    write(clone, 1)

    assert (before, sealed, left(clone)) == ((1, DAY_US), None, (4, DAY_US))


def test_where_nothing_is_new_nothing_is_written(clone: Path) -> None:
    seal.seal.fn()
    before = len(trail.entries(clone))
    seal.seal.fn()

    assert len(trail.entries(clone)) == before


def test_a_journal_that_was_changed_is_not_sealed(clone: Path) -> None:
    with sqlite3.connect(clone / ".fairmark/journal.db") as file:
        file.execute("UPDATE entries SET caller = 'x' WHERE number = 2")

    with pytest.raises(VerificationError):
        seal.seal.fn()
    assert trail.entries(clone) == []


def test_without_a_service_there_is_no_journal_to_seal(clone: Path) -> None:
    text = (clone / "params.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("\nserve:\n")
    (clone / "params.yaml").write_text(
        f"{head}\nserve: null\n\nwatch:{rest.partition(chr(10) + 'watch:')[2]}"
    )

    with pytest.raises(ParamsError, match="must have the section serve"):
        preflight.seal(clone)


@pytest.mark.parametrize(("now", "alarmed"), [(8 * DAY_US, False), (8 * DAY_US + 1, True)])
def test_a_gap_longer_than_a_look_is_an_alarm(now: int, alarmed: bool) -> None:
    found = unsealed((4, DAY_US), 7, now)

    assert (found is not None) is alarmed
    assert unsealed(None, 7, now) is None


def test_the_alarm_of_a_gap_is_the_same_one_at_every_look() -> None:
    one, other = (unsealed((4, DAY_US), 7, now * DAY_US) for now in (9, 30))

    assert one is not None
    assert one == other
    assert (one.of, one.at) == ("operation", "1970-01-09T00:00:00Z")
