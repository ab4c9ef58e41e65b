"""Rows of a journal for counting: columns of entries in order, read in chunks, without building entries.

An SQLite file and a PostgreSQL database are asked in SQL, side by side with the service that writes; any
other `Journal` is read through its own methods. Protected attributes come from their own table, and are
joined with decisions by id for as many rows as a chunk has.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fairmark.errors import StateError, UnavailableError
from fairmark.journal.entry import Stored
from fairmark.journal.memberships import Membership, Memberships
from fairmark.journal.place import is_postgres
from fairmark.journal.store import Journal

CHUNK = 20_000
"""Rows that are held at a time."""
PATIENCE_S = 10.0
"""How long a database may take to let us in."""
_MOST_VALUES = 5_000
"""Of one SQL statement: SQLite takes 32,766."""

_COLUMNS = (
    "e.number, e.id, e.kind, e.at_us, e.about, e.closes, e.release, e.arm, e.decision, e.score, e.took_us, "
    "e.body"
)


class Row(NamedTuple):
    """The columns of one entry that are counted; `personal` is None for none, and for what was erased."""

    number: int
    id: str
    kind: str
    at_us: int
    about: str | None
    closes: str | None
    release: str | None
    arm: str
    decision: int | None
    score: float | None
    took_us: int | None
    body: bytes
    personal: bytes | None


class Source(Protocol):
    """Where rows are read."""

    async def after(self, number: int, most: int) -> list[Row]:
        """Return at most `most` rows of numbers above `number`, in order."""
        ...

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """Return the entries of these ids; their `personal` is None."""
        ...

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """Return the entries of a kind about these ids, in order; their `personal` is None."""
        ...


_READ = (
    f"SELECT {_COLUMNS}, p.content FROM entries e JOIN personal p ON p.number = e.number "
    "WHERE e.number > {0} ORDER BY e.number LIMIT {1}"
)
_FIND = f"SELECT {_COLUMNS}, NULL FROM entries e WHERE {{where}} ORDER BY e.number"
"""Without what is personal."""


class SqliteSource:
    """Reads a journal's file, which it never writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=5)
        except sqlite3.Error as error:
            raise StateError(f"{path}: must be a journal, got {error}") from error

    async def after(self, number: int, most: int) -> list[Row]:
        """See `Source.after`."""
        return await asyncio.to_thread(self._read, _READ.format("?", "?"), (number, most))

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """See `Source.of_ids`."""
        return await self._in("e.id IN", ids)

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """See `Source.about`."""
        return await self._in("e.kind = ? AND e.about IN", ids, kind)

    async def _in(self, where: str, ids: Sequence[str], *values: str) -> list[Row]:
        found: list[Row] = []
        for at in range(0, len(ids), _MOST_VALUES):
            part = ids[at : at + _MOST_VALUES]
            text = _FIND.format(where=f"{where} ({', '.join('?' * len(part))})")
            found += await asyncio.to_thread(self._read, text, (*values, *part))
        return found

    def _read(self, text: str, values: Sequence[object]) -> list[Row]:
        try:
            return [*map(_made, self._file.execute(text, values))]
        except sqlite3.Error as error:
            raise UnavailableError(f"{self.path}: must give its entries, got {error}") from error

    def close(self) -> None:
        """End."""
        self._file.close()


class PostgresSource:
    """Reads a journal in PostgreSQL."""

    def __init__(self, connection: Any, where: str) -> None:
        self._connection, self._where = connection, where

    async def after(self, number: int, most: int) -> list[Row]:
        """See `Source.after`."""
        return await self._read(_READ.format("$1", "$2"), number, most)

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """See `Source.of_ids`."""
        return await self._read(_FIND.format(where="e.id = ANY($1)"), [*ids])

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """See `Source.about`."""
        return await self._read(_FIND.format(where="e.kind = $1 AND e.about = ANY($2)"), kind, [*ids])

    async def _read(self, text: str, *values: object) -> list[Row]:
        from fairmark.journal.postgres import as_unavailable

        async with as_unavailable(self._where):
            return [_made(row) for row in await self._connection.fetch(text, *values)]


def _made(row: Iterable[object]) -> Row:
    """Return the columns as a row; what was erased is zeros, and no JSON."""
    found = Row._make(row)
    erased = found.personal is not None and found.personal[:1] != b"{"
    return found._replace(personal=None) if erased else found


class JournalSource:
    """Reads any `Journal` through its own methods."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def after(self, number: int, most: int) -> list[Row]:
        """See `Source.after`."""
        return [_row(each) for each in await self._journal.after(number, most)]

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """See `Source.of_ids`."""
        found = [await self._journal.entry(each) for each in ids]
        return [_row(each)._replace(personal=None) for each in found if each is not None]

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """See `Source.about`."""
        found = [each for one in ids for each in await self._journal.about(one)]
        return [_row(each)._replace(personal=None) for each in found if each.entry.kind == kind]


def _row(kept: Stored) -> Row:
    e = kept.entry
    return Row(
        kept.number, e.id, e.kind, e.at_us, e.about, e.closes, e.release, e.arm, e.decision, e.score,
        e.took_us, e.body, e.personal,
    )  # fmt: skip


class NoMemberships:
    """A table of protected attributes that nothing is written into."""

    async def memberships(self, _after: int, _most: int) -> list[tuple[int, Membership]]:
        """Return nothing."""
        return []

    async def numbered(self, _decisions: Collection[str]) -> list[tuple[int, Membership]]:
        """Return nothing."""
        return []


def is_file(address: str) -> bool:
    """Return whether there is a file at an address."""
    return Path(address).is_file()


@asynccontextmanager
async def opened(
    journal: str, memberships: str | None
) -> AsyncIterator[tuple[Source, "Memberships | NoMemberships"]]:
    """Yield what reads a journal and its memberships, by their addresses (`journal.place`).

    Raises
    ------
    StateError
        When the journal's file is not there.
    """
    from fairmark.journal.place import open_memberships

    async with AsyncExitStack() as stack:
        source: Source
        if is_postgres(journal):
            import asyncpg

            from fairmark.journal.postgres import as_unavailable, shown

            async with as_unavailable(shown(journal)):
                connection = await asyncpg.connect(journal, timeout=PATIENCE_S, command_timeout=60)
            stack.push_async_callback(connection.close)
            source = PostgresSource(connection, shown(journal))
        else:
            if not is_file(journal):
                raise StateError(f"{journal}: must be a journal, got no such file")
            source = SqliteSource(Path(journal))
            stack.callback(source.close)
        held: Memberships | NoMemberships = NoMemberships()
        if memberships is not None and (is_postgres(memberships) or is_file(memberships)):
            held = await open_memberships(memberships)
            stack.push_async_callback(held.close)
        yield source, held
