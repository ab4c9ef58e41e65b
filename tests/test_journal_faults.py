"""What was answered is there whatever happens: killed writers, a full disk, a server that goes away."""

import asyncio
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postgres_server import PASSWORD, PostgresServer

from fairmark.errors import StateError, UnavailableError, VerificationError
from fairmark.journal.chain import genesis, tail_faults
from fairmark.journal.entry import Entry, IdempotencyKey, Stored, json_bytes, pseudonym
from fairmark.journal.place import open_journal

WRITER = Path(__file__).parent / "helpers" / "journal_writer.py"
ENDLESS = 10**9


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


def started(address: str, first: int, count: int = ENDLESS, **given: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), address, str(first), str(count)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **given,
    )  # fmt: skip


def killed(address: str, first: int, after_s: float) -> set[int]:
    """Start a writer, kill it some time after its first answer, and return the numbers answered."""
    writer = started(address, first)
    assert writer.stdout
    told = writer.stdout.readline()
    time.sleep(after_s)
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    # A number whose line was cut short was answered too, yet nobody can tell which one it is.
    return {int(line) for line in (told + rest).split("\n")[:-1]}


async def read_all(address: str) -> list[Stored]:
    """Return every entry, after holding them all against the chain."""
    journal = await open_journal(address)
    kept, head = await journal.after(0, ENDLESS), await journal.head()
    await journal.close()
    assert tail_faults(kept, head.number, head.chain, (0, genesis(head.journal))) == []
    return kept


def survivors(address: str) -> dict[tuple[int, str], int]:
    """Return how often each request's two entries are there."""
    found: dict[tuple[int, str], int] = {}
    for each in asyncio.run(read_all(address)):
        place = json.loads(each.entry.body)["n"], each.entry.kind
        found[place] = found.get(place, 0) + 1
    return found


def kill_often(address: str, times: int) -> None:
    draw, answered = np.random.default_rng(7), set[int]()
    for _ in range(times):
        # From a few that were answered: their keys come once more.
        answered |= killed(address, max(0, max(answered, default=0) - 5), draw.uniform(0, 0.2))
    found = survivors(address)
    assert {(number, kind) for number in answered for kind in ("decision", "shadow")} <= set(found)
    assert set(found.values()) == {1}


def test_a_killed_writer_loses_nothing_answered_and_leaves_nothing_twice(
    tmp_path: Path,
) -> None:
    kill_often(str(tmp_path / "journal.db"), 3)


@pytest.mark.proof
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_a_hundred_kills_lose_nothing(
    store: str, tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    kill_often(str(tmp_path / "journal.db") if store == "sqlite" else server.new_database(), 100)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_two_services_on_one_journal_write_one_chain(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    postgres = store == "postgres"
    address = request.getfixturevalue("server").new_database() if postgres else str(tmp_path / "journal.db")

    writers = [started(address, first, 40) for first in (0, 1000)]
    answers = [writer.communicate() for writer in writers]

    assert [error for _, error in answers] == ["", ""]
    wanted = {
        (n + first, kind): 1 for n in range(40) for first in (0, 1000) for kind in ("decision", "shadow")
    }
    assert survivors(address) == wanted


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_of_two_services_one_closes_a_case_and_one_request_is_written_once(
    store: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    postgres = store == "postgres"
    address = request.getfixturevalue("server").new_database() if postgres else str(tmp_path / "j.db")
    key = IdempotencyKey("bank", "one", "digest")

    async def act() -> list[str]:
        two = [await open_journal(address) for _ in range(2)]
        said: list[str] = []
        for _ in range(5):
            case = Entry(kind="review", at_us=1, due_us=2)
            await two[0].append([case])
            calls = [each.append([Entry(kind="override", at_us=3, closes=case.id)]) for each in two]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            said += sorted(type(each).__name__ for each in answers)
        twice = await asyncio.gather(*(each.append([Entry(kind="alarm", at_us=4)], key) for each in two))
        for each in two:
            await each.close()
        return [*said, *sorted(str(each.repeated) for each in twice)]

    assert asyncio.run(act()) == ["Appended", "ConflictError"] * 5 + ["False", "True"]
    assert len(asyncio.run(read_all(address))) == 11


def test_a_full_disk_is_told_and_takes_nothing_that_was_answered(tmp_path: Path) -> None:
    path, limit = tmp_path / "journal.db", 300_000

    writer = started(
        str(path), 0, 2000, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    told, faults = writer.communicate()

    answered = {int(line) for line in told.split()}
    assert "journal.db: must take and give entries" in faults
    assert {(number, "decision") for number in answered} <= set(survivors(str(path)))
    # It goes on once there is room.
    assert started(str(path), 5000, 3).communicate()[0].split() == ["5000", "5001", "5002"]


def test_a_journal_that_another_program_holds_is_unavailable_and_then_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairmark.journal.sqlite.PATIENCE_S", 0.1)
    path = tmp_path / "journal.db"

    async def act() -> int:
        journal = await open_journal(str(path))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match="locked"):
            await journal.append([Entry(kind="alarm", at_us=1)])
        other.close()
        return (await journal.append([Entry(kind="alarm", at_us=1)])).entries[0].number

    assert asyncio.run(act()) == 1


def test_a_file_that_was_moved_away_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def act() -> None:
        journal = await open_journal(str(path))
        path.rename(tmp_path / "elsewhere.db")
        await journal.append([Entry(kind="alarm", at_us=1)])

    with pytest.raises(UnavailableError, match="must be there"):
        asyncio.run(act())


def test_a_closed_journal_is_unavailable(tmp_path: Path) -> None:
    async def act() -> None:
        journal = await open_journal(str(tmp_path / "journal.db"))
        await journal.close()
        await journal.append([Entry(kind="alarm", at_us=1)])

    with pytest.raises(UnavailableError, match="closed"):
        asyncio.run(act())


def made(path: Path, count: int = 5) -> None:
    async def act() -> None:
        journal = await open_journal(str(path))
        await journal.append([Entry(kind="decision", at_us=n, decision=1, score=0.5) for n in range(count)])
        await journal.close()

    asyncio.run(act())


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE entries SET decision = 0 WHERE number = 4",
        "UPDATE entries SET score = 0.25 WHERE number = 2",
        "UPDATE entries SET body = CAST('{\"a\":1}' AS BLOB) WHERE number = 5",
        "DELETE FROM entries WHERE number = 5",
        "DELETE FROM entries WHERE number = 3",
        "UPDATE personal SET content = CAST('{}' AS BLOB) WHERE number = 3",
        "UPDATE entries SET kind = 'guess' WHERE number = 1",
    ],
)
def test_a_journal_whose_newest_entries_were_changed_takes_no_more(tmp_path: Path, forgery: str) -> None:
    path = tmp_path / "journal.db"
    made(path)
    with sqlite3.connect(path) as editor:
        editor.execute(forgery)
    editor.close()

    with pytest.raises(VerificationError, match=r"entry [1-5]: must"):
        asyncio.run(open_journal(str(path)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("PRAGMA user_version = 2", "schema version 1 or before, got 2"),
        ("PRAGMA application_id = 7", "another program's database"),
    ],
)
def test_a_file_of_another_kind_or_version_is_refused(tmp_path: Path, change: str, words: str) -> None:
    path = tmp_path / "journal.db"
    made(path)
    editor = sqlite3.connect(path, isolation_level=None)
    editor.execute(change)
    editor.close()

    with pytest.raises(StateError, match=words):
        asyncio.run(open_journal(str(path)))


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("a text that is no database, and longer than the header of one" * 9)

    with pytest.raises(UnavailableError, match="not a database"):
        asyncio.run(open_journal(str(path)))


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    made(tmp_path / "journal.db")

    assert [path.stat().st_mode & 0o077 for path in tmp_path.iterdir()] == [0]


def row_of(person: int) -> Entry:
    """Return a row that names its person, from half a page to ten pages long."""
    text = f"Word{person:05} " * (200 * (1 + person % 20))
    personal = json_bytes({"name": f"Person{person:05}", "text": text})
    return Entry(kind="decision", at_us=1, subject=subject_of(person), personal=personal)


def subject_of(person: int) -> str:
    return pseudonym(b"a key of sixteen", str(person))


def named_in(folder: Path, person: int) -> bool:
    words = (f"Person{person:05}", f"Word{person:05}", subject_of(person))
    return any(word.encode() in path.read_bytes() for path in folder.iterdir() for word in words)


def test_bytes_of_the_erased_are_gone_from_the_files_and_others_stay(tmp_path: Path) -> None:
    people = range(80)

    async def act() -> None:
        journal = await open_journal(str(tmp_path / "journal.db"))
        await asyncio.gather(*(journal.append([row_of(person)]) for person in people))
        for start in (0, 20, 40, 60):
            gone = [subject_of(person) for person in range(start, start + 20, 2)]
            await journal.erase(subjects=gone, reason="asked", at_us=2)
        # While it is open: nothing waits in the log for a better moment.
        assert [person for person in people if named_in(tmp_path, person)] == [*range(1, 80, 2)]
        await journal.close()

    asyncio.run(act())

    assert [person for person in people if named_in(tmp_path, person)] == [*range(1, 80, 2)]


def test_bytes_of_the_erased_are_gone_from_the_tables_of_postgresql(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    tables = server.data / "db" / "base"

    def named(person: int) -> Entry:
        # Short: PostgreSQL packs what is long, and a search would not find it.
        personal = json_bytes({"name": f"Person{person:05}"})
        return Entry(kind="decision", at_us=1, subject=subject_of(person), personal=personal)

    def found() -> list[bool]:
        files = [path.read_bytes() for path in tables.rglob("*") if path.is_file()]
        return [any(f"Person{person:05}".encode() in each for each in files) for person in (1, 2)]

    async def act() -> list[list[bool]]:
        address = server.new_database()
        journal = await open_journal(address)
        await journal.append([named(1), named(2)])
        told = []
        connection = await asyncpg.connect(address)
        await connection.execute("CHECKPOINT")
        told.append(found())
        await journal.erase(subjects=[subject_of(1)], reason="asked", at_us=2)
        await connection.execute("CHECKPOINT")
        told.append(found())
        await connection.close()
        await journal.close()
        return told

    assert asyncio.run(act()) == [[True, True], [False, True]]


def test_the_server_goes_away_and_comes_back(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setattr("fairmark.journal.postgres.PATIENCE_S", 0.5)

    async def act() -> list[int]:
        address = server.new_database()
        journal = await open_journal(address)
        await journal.append([Entry(kind="alarm", at_us=1)])
        server.stop("immediate")
        for call in (journal.append([Entry(kind="alarm", at_us=2)]), journal.after(0, 9), journal.head()):
            with pytest.raises(UnavailableError, match="postgresql://127"):
                await call
        server.start()
        await journal.append([Entry(kind="alarm", at_us=3)])
        await journal.close()
        return [each.entry.at_us for each in await read_all(address)]

    assert asyncio.run(act()) == [1, 3]


def test_an_address_in_a_fault_tells_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairmark.journal.postgres.PATIENCE_S", 1.0)

    with pytest.raises(UnavailableError) as caught:
        asyncio.run(open_journal("postgresql://ann:hidden@127.0.0.1:1/journal"))

    assert "hidden" not in str(caught.value)
    assert "postgresql://127.0.0.1:1/journal" in str(caught.value)


def test_the_journal_needs_no_data_frame_and_no_server_of_the_pipeline() -> None:
    """In an environment without them: their import is an error there."""
    code = """
import sys
for name in ("dvc", "mlflow", "pandas", "prefect", "pyarrow", "shap", "sklearn"):
    sys.modules[name] = None
import pkgutil, fairmark.journal
from importlib import import_module
for each in pkgutil.iter_modules(fairmark.journal.__path__):
    import_module(f"fairmark.journal.{each.name}")
"""

    subprocess.run([sys.executable, "-c", code], check=True)
