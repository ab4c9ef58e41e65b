"""The journal in an SQLite file: one writer thread, a group a transaction, durable when a call returns.

WAL mode with `synchronous=FULL`: each commit is one fsync of the log (sqlite.org/wal.html, section 2.2). The
log is grown once when the file is opened and then written over, because a write that lengthens a file costs
the file system a second flush. Several processes may share the file; each group takes the write lock, and
reads the head of the chain under it.

Erasure writes zeros over what is personal, in its place: rows of `personal` are only ever added at the end
and never change their length, so that SQLite moves none and keeps no old copy in a page; the log is emptied
afterwards.
"""

import asyncio
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from fairmark.errors import StateError, UnavailableError, VerificationError
from fairmark.journal.chain import genesis, stored, tail_faults
from fairmark.journal.entry import Appended, Entry, IdempotencyKey, Stored, new_id
from fairmark.journal.group import Answers, Append, GroupCommit, Known, place
from fairmark.journal.schema import (
    ENTRY_COLUMNS,
    PERSONAL_COLUMNS,
    SELECT,
    SQLITE,
    Steps,
    entry_row,
    from_row,
    migrations,
    personal_row,
    rare,
)
from fairmark.journal.store import Erased, Head, Overdue, Whose, erasure_entry

T = TypeVar("T")

APPLICATION_ID = 0x666D6A31
"""`fmj1` in the file's header (PRAGMA application_id): another program's file is refused."""
LOG_BYTES = 4_000_000
"""The log's size from the beginning: SQLite's own limit of 1,000 pages, at which it is written back."""
PATIENCE_S = 5.0
"""How long another process may hold the file."""
CHUNK = 10_000
"""Rows that an erasure takes at a time."""


def marks(count: int) -> str:
    """Return `?, ?, …` for so many values."""
    return ", ".join("?" * count)


PARTS = (256, 64, 16, 4, 1)
"""Rows that one statement puts: few statements, which stay compiled, make up any group."""


def _put(table: str, columns: Sequence[str]) -> dict[int, str]:
    """Return the statement for each number of rows in `PARTS`."""
    row = f"({marks(len(columns))})"
    start = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    return {rows: start + ", ".join([row] * rows) for rows in PARTS}


_PUT_ENTRIES, _PUT_PERSONAL = _put("entries", ENTRY_COLUMNS), _put("personal", PERSONAL_COLUMNS)
_HELD = (
    "SELECT e.number, e.id FROM entries e JOIN personal p ON p.number = e.number WHERE "
    "(p.subject IS NOT NULL OR p.content IS NOT NULL) AND p.salt <> zeroblob(length(p.salt))"
)
"""Entries that hold what is personal."""
_ZEROS = """
    UPDATE personal SET salt = zeroblob(length(salt)),
        content = CASE WHEN content IS NOT NULL THEN zeroblob(length(content)) END,
        subject = CASE WHEN subject IS NOT NULL
            THEN substr(hex(zeroblob(length(subject))), 1, length(subject)) END
    WHERE number = ?
"""
"""Values of the same lengths: SQLite writes them over the old ones."""
_PUT_REQUEST = f"INSERT INTO requests (caller, key, digest, first, last) VALUES ({marks(5)})"


@contextmanager
def as_unavailable(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk refuse into `UnavailableError`."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", None) or type(error).__name__
        raise UnavailableError(f"{path}: must take and give entries, got {error} ({code})") from error
    except OSError as error:
        raise UnavailableError(f"{path}: must be there, got {error.strerror or error}") from error


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection in WAL mode whose commits are durable; the file is made, for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Its log and index take the mode of the file; its name must be on the disk as well as its content.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    # Transactions are begun by hand (`transaction`). Threads may change, but one at a time has the
    # connection.
    made = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            made.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            # The change of mode asks once and does not wait for another process that makes it.
            if time.monotonic() > until:
                made.close()
                raise
            time.sleep(0.02)
    # In WAL mode NORMAL may lose the last commits when the power fails; who was answered must find the
    # answer.
    made.execute("PRAGMA synchronous = FULL")
    # Freed pages are overwritten: what was erased must not stay in them.
    made.execute("PRAGMA secure_delete = ON")
    # Views and triggers of a file that somebody else made call no function that does anything.
    made.execute("PRAGMA trusted_schema = OFF")
    return made


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock; commit when the block ends well, else leave everything as it was."""
    # The write lock at once: a transaction that has read can't begin to write after another process has
    # written.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class SqliteJournal:
    """A `Journal` in an SQLite file; made by `open`."""

    def __init__(self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection) -> None:
        self.path = path
        self._writer, self._reader = writer, reader
        self._inode = path.stat().st_ino
        # A thread each: reads wait for no flush.
        self._writing = ThreadPoolExecutor(1, "journal-writer")
        self._reading = ThreadPoolExecutor(1, "journal-reader")
        self._group = GroupCommit(self._commit)

    @classmethod
    async def open(cls, path: Path, tail: int | None = 1000) -> Self:
        """Return the journal in a file, which is made if it is not there.

        Parameters
        ----------
        tail
            So many of the newest entries are held against the chain before anything is added to them; None
            for none of them, as who checks them all.

        Raises
        ------
        UnavailableError
            When the file can't be written, or is no database any more.
        StateError
            When it is another program's, or of another version of the schema.
        """
        return await asyncio.to_thread(cls._open, path, tail)

    @classmethod
    def _open(cls, path: Path, tail: int | None) -> Self:
        with as_unavailable(path):
            writer = connect(path)
            try:
                _migrate(writer, path)
                if tail is not None:
                    _check_tail(writer, path, tail)
                _grow_log(writer, path)
                reader = connect(path)
                reader.execute("PRAGMA query_only = ON")
            except BaseException:
                writer.close()
                raise
            return cls(path, writer, reader)

    async def append(self, entries: Sequence[Entry], key: IdempotencyKey | None = None) -> Appended:
        """See `Journal.append`."""
        return await self._group.append(Append(tuple(entries), key))

    async def entry(self, entry_id: str) -> Stored | None:
        """See `Journal.entry`."""
        found = await self._select(f"{SELECT} WHERE e.id = ?", entry_id)
        return found[0] if found else None

    async def about(self, entry_id: str) -> list[Stored]:
        """See `Journal.about`."""
        return await self._select(f"{SELECT} WHERE e.about = ? ORDER BY e.number", entry_id)

    async def find(
        self,
        kinds: Collection[str],
        *,
        still_open: bool | None = None,
        due_before_us: int | None = None,
        release: str | None = None,
        after: int = 0,
        most: int = 100,
    ) -> list[Stored]:
        """See `Journal.find`."""
        text, values = query(tuple(kinds), still_open, due_before_us, release, after, most)
        return await self._select(text, *values)

    async def after(self, number: int, most: int, kinds: Collection[str] | None = None) -> list[Stored]:
        """See `Journal.after`."""
        of = "" if kinds is None else f" AND e.kind IN ({marks(len(kinds))}){rare(kinds)}"
        text = f"{SELECT} WHERE e.number > ?{of} ORDER BY e.number LIMIT ?"
        return await self._select(text, number, *(kinds or ()), most)

    async def head(self) -> Head:
        """See `Journal.head`."""
        return await self._read(lambda: _head(self._reader))

    async def erase(
        self,
        *,
        subjects: Collection[str] = (),
        ids: Collection[str] = (),
        before_us: int | None = None,
        reason: str,
        at_us: int,
        caller: str | None = None,
    ) -> Erased:
        """See `Journal.erase`.

        Raises
        ------
        UnavailableError
            Also when everything is erased but a reader keeps the log from being emptied: call it again.
        """
        whose = Whose(frozenset(subjects), frozenset(ids), before_us)
        record = partial(erasure_entry, reason=reason, at_us=at_us, caller=caller)
        # Searched beside the writer, which is held for a part at a time: what comes meanwhile is not meant.
        found = await self._read(lambda: _held(self._reader, whose))
        made = None
        for at in range(0, len(found), CHUNK):
            numbers = [number for number, _ in found[at : at + CHUNK]]
            made = await self._write(partial(self._erase, numbers, record))
        await self._write(self._empty_log)
        return Erased(tuple(entry_id for _, entry_id in found), made)

    async def meant(
        self, *, subjects: Collection[str] = (), ids: Collection[str] = (), before_us: int | None = None
    ) -> list[str]:
        """See `Journal.meant`."""
        whose = Whose(frozenset(subjects), frozenset(ids), before_us)
        return [entry_id for _, entry_id in await self._read(lambda: _held(self._reader, whose))]

    async def overdue(self, before_us: int) -> Overdue:
        """See `Journal.overdue`."""
        text = f"SELECT COUNT(*), MIN(at_us) FROM ({_HELD.replace('e.id', 'e.at_us')} AND e.at_us < ?)"
        [(count, oldest)] = await self._read(lambda: self._reader.execute(text, [before_us]).fetchall())
        return Overdue(count, oldest)

    async def check_pages(self) -> list[str]:
        """Return what SQLite finds wrong with the file's own structure (PRAGMA integrity_check), in words."""
        lines = await self._read(lambda: self._reader.execute("PRAGMA integrity_check(20)").fetchall())
        return [line for (line,) in lines if line != "ok"]

    async def close(self) -> None:
        """See `Journal.close`."""
        await self._group.close()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._reading.shutdown()
        self._writing.shutdown()
        self._reader.close()
        self._writer.close()

    async def _select(self, text: str, *values: object) -> list[Stored]:
        rows = await self._read(lambda: self._reader.execute(text, values).fetchall())
        return [from_row(row) for row in rows]

    async def _read(self, act: Callable[[], T]) -> T:
        return await self._in(self._reading, act)

    async def _write(self, act: Callable[[], T]) -> T:
        return await self._in(self._writing, act)

    async def _in(self, thread: ThreadPoolExecutor, act: Callable[[], T]) -> T:
        def guarded() -> T:
            with as_unavailable(self.path):
                return act()

        try:
            return await asyncio.get_running_loop().run_in_executor(thread, guarded)
        except RuntimeError as error:  # the thread has ended
            raise UnavailableError(f"{self.path}: must be open, got a closed journal") from error

    async def _commit(self, group: Sequence[Append]) -> Answers:
        return await self._write(lambda: self._write_group(group))

    def _write_group(self, group: Sequence[Append]) -> Answers:
        # Were the file moved or deleted, SQLite would go on writing to what nobody will ever read.
        if self.path.stat().st_ino != self._inode:
            raise UnavailableError(f"{self.path}: must be the file that was opened, got another one")
        try:
            return self._placed(group, looks=False)
        except sqlite3.IntegrityError:  # an id or a case that is there: which one, a search tells
            return self._placed(group, looks=True)

    def _placed(self, group: Sequence[Append], *, looks: bool) -> Answers:
        """Write a group in one transaction; with `looks`, after a search for what is there already."""
        with transaction(self._writer):
            head = _head(self._writer)
            made = place(group, head.number, head.chain, self._known(group, looks=looks))
            self._put(made.rows)
            if made.requests:
                rows = [(each.caller, each.key, each.digest, each.first, each.last) for each in made.requests]
                self._writer.executemany(_PUT_REQUEST, rows)
        return made.answers

    def _put(self, rows: Sequence[Stored]) -> None:
        if rows:
            self._put_rows(_PUT_ENTRIES, [entry_row(each) for each in rows])
            self._put_rows(_PUT_PERSONAL, [personal_row(each) for each in rows])
            self._writer.execute("UPDATE head SET number = ?, chain = ?", [rows[-1].number, rows[-1].chain])

    def _put_rows(self, statements: Mapping[int, str], rows: Sequence[tuple[object, ...]]) -> None:
        # Many rows a statement: at each of its steps this thread gives the interpreter up, and waits for it.
        at = 0
        for size in PARTS:
            while len(rows) - at >= size:
                self._writer.execute(statements[size], [*itertools.chain(*rows[at : at + size])])
                at += size

    def _known(self, group: Sequence[Append], *, looks: bool) -> Known:
        ids = [entry.id for call in group for entry in call.entries] if looks else []
        closes = [entry.closes for call in group for entry in call.entries if entry.closes is not None]
        requests = {}
        for key in (call.key for call in group if call.key is not None):
            text = "SELECT digest, first, last FROM requests WHERE caller = ? AND key = ?"
            for digest, first, last in self._writer.execute(text, [key.caller, key.key]):
                rows = self._writer.execute(f"{SELECT} WHERE e.number BETWEEN ? AND ?", [first, last])
                requests[key.caller, key.key] = digest, tuple(map(from_row, rows.fetchall()))
        return Known(requests, self._among("id", ids), self._among("closes", closes))

    def _among(self, column: str, values: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(values), CHUNK):
            part = values[at : at + CHUNK]
            text = f"SELECT {column} FROM entries WHERE {column} IN ({marks(len(part))})"
            found.update(value for (value,) in self._writer.execute(text, part))
        return found

    def _erase(self, numbers: Sequence[int], record: Callable[[Sequence[int]], Entry]) -> Stored:
        with transaction(self._writer):
            self._writer.executemany(_ZEROS, [(number,) for number in numbers])
            head = _head(self._writer)
            made = stored(head.chain, head.number + 1, record(numbers))
            self._put([made])
        return made

    def _empty_log(self) -> None:
        empty_log(self._writer, self.path)
        _grow_log(self._writer, self.path)


def _held(connection: sqlite3.Connection, whose: Whose) -> list[tuple[int, str]]:
    """Return number and id of the entries that an erasure means, and that hold what is personal."""

    def rows(text: str, values: Sequence[str]) -> Iterator[tuple[int, str]]:
        for at in range(0, len(values), CHUNK):
            part = values[at : at + CHUNK]
            yield from connection.execute(f"{_HELD} AND {text} IN ({marks(len(part))})", part)

    named = {*whose.ids, *(entry_id for _, entry_id in rows("p.subject", sorted(whose.subjects)))}
    newest = named
    while newest:  # what is about a correction is about the decision too
        newest = _about(connection, sorted(newest)) - named
        named |= newest
    found = set(rows("e.id", sorted(named)))
    if whose.before_us is not None:
        found.update(connection.execute(f"{_HELD} AND e.at_us < ?", [whose.before_us]))
    return sorted(found)


def _about(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for at in range(0, len(ids), CHUNK):
        part = ids[at : at + CHUNK]
        text = f"SELECT id FROM entries WHERE about IN ({marks(len(part))})"
        found.update(entry_id for (entry_id,) in connection.execute(text, part))
    return found


def query(
    kinds: Sequence[str],
    still_open: bool | None,
    due_before_us: int | None,
    release: str | None,
    after: int,
    most: int,
) -> tuple[str, list[object]]:
    """Return the SQL of `Journal.find` with `?` for its values, and these."""
    where, values = [f"e.kind IN ({marks(len(kinds))}){rare(kinds)}", "e.number > ?"], [*kinds, after]
    if still_open is not None:
        exists = "EXISTS (SELECT 1 FROM entries c WHERE c.closes = e.id)"
        where.append(f"e.due_us IS NOT NULL AND {'NOT ' if still_open else ''}{exists}")
    if due_before_us is not None:
        where.append("e.due_us < ?")
        values.append(due_before_us)
    if release is not None:
        where.append("e.release = ?")
        values.append(release)
    order = "e.due_us, e.number" if still_open else "e.number"
    return f"{SELECT} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?", [*values, most]


def empty_log(connection: sqlite3.Connection, path: Path) -> None:
    """Write the log back into the file and cut it to nothing, so that no old bytes are left in it.

    Raises
    ------
    UnavailableError
        When a reader keeps it from being emptied.
    """
    [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise UnavailableError(
            f"{path}: must have no other reader for a moment, so that old bytes leave its log, got one that "
            "reads (what was asked for is erased: do it once more)"
        )


def _head(connection: sqlite3.Connection) -> Head:
    rows = connection.execute("SELECT journal, number, chain FROM head").fetchall()
    if len(rows) != 1:
        raise VerificationError(f"journal: must have one head, got {len(rows)}")
    return Head(*rows[0])


def prepare_file(connection: sqlite3.Connection, path: Path, application: int, steps: Steps) -> int:
    """Bring a file to the newest version of its schema; return the version that it had (0: it was empty).

    Raises
    ------
    StateError
        When it is another program's, or of a version that this fairmark does not know.
    """
    with transaction(connection):
        [(version,)] = connection.execute("PRAGMA user_version").fetchall()
        [(mark,)] = connection.execute("PRAGMA application_id").fetchall()
        [(tables,)] = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchall()
        if mark != application and (mark or tables):
            raise StateError(f"{path}: must be a file of its own, got another program's database")
        newest = max(steps)
        if version > newest:
            raise StateError(f"{path}: must be of schema version {newest} or before, got {version}")
        for statement in migrations(steps, version):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {application}")
        connection.execute(f"PRAGMA user_version = {newest}")
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    prepare_file(connection, path, APPLICATION_ID, SQLITE)
    with transaction(connection):
        if not connection.execute("SELECT 1 FROM head").fetchall():
            journal = new_id()
            connection.execute("INSERT INTO head VALUES (?, 0, ?)", [journal, genesis(journal)])


def _check_tail(connection: sqlite3.Connection, path: Path, tail: int) -> None:
    """Hold the newest entries against the chain and the head, before anything is chained to them."""
    # Head and newest entries as of one moment.
    connection.execute("BEGIN")
    try:
        head = _head(connection)
        rows = connection.execute(f"{SELECT} ORDER BY e.number DESC LIMIT ?", [tail + 1]).fetchall()
    finally:
        connection.execute("ROLLBACK")
    kept = [from_row(row) for row in reversed(rows)]
    # One row more than asked for gives the chain before them, unless the journal is no longer than that.
    before = (0, genesis(head.journal)) if len(kept) <= tail else None
    faults = tail_faults(kept, head.number, head.chain, before)
    if faults:
        raise VerificationError(*(f"{path}: {fault}" for fault in faults))


def _grow_log(connection: sqlite3.Connection, path: Path) -> None:
    """Lengthen the log by a transaction that is larger than the cache, and that is taken back.

    It is for speed alone: where the disk has no room for it, an append will say so.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size >= LOG_BYTES:
        return
    try:
        connection.execute("PRAGMA cache_size = 10")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO personal VALUES (-1, x'', NULL, zeroblob(?))", [LOG_BYTES])
    except sqlite3.OperationalError:
        return
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA cache_size = -16000")
