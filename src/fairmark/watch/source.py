"""Rows of a journal for counting: columns of entries in order, read in chunks, without building entries.

An SQLite file and a PostgreSQL database are asked in SQL, side by side with the service that writes; any
other `Journal` is read through its own methods. Of decisions, of which there are millions, only the
columns that are counted are read; of what is rarer, whole rows. Protected attributes come from their own
table, and are joined with decisions by id for as many rows as a chunk has.
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

CHUNK = 10_000
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


class Decided(NamedTuple):
    """The columns of one decision that are counted.

    Parameters
    ----------
    of_release
        Whether it names the watched release, by whatever arm.
    body
        None also where it says no more than the columns do: it is decided, and nobody is to look at it.
    personal
        As it is kept: zeros where it was erased.
    """

    at_us: int
    took_us: int | None
    arm: str
    of_release: bool | int | None
    decision: int | None
    score: float | None
    body: bytes | None
    personal: bytes | None


class Source(Protocol):
    """Where rows are read. A span of entries is that of numbers above `after` and up to `last`."""

    async def last(self, after: int, most: int) -> int:
        """Return the number of the last of at most `most` entries above `after`; `after` where none is."""
        ...

    async def first_own(self, after: int, last: int, release: str) -> tuple[int, int] | None:
        """Return number and time of a span's first decision of a release's own model, or None."""
        ...

    async def first_from(self, after: int, last: int, at_us: int) -> tuple[int, int] | None:
        """Return number and time of a span's first entry that is not earlier than a time, or None."""
        ...

    async def decisions(self, after: int, last: int, release: str) -> list[Decided]:
        """Return a span's decisions in order, those of other releases too; plain tuples of `Decided`."""
        ...

    async def others(self, after: int, last: int, kinds: Sequence[str]) -> list[Row]:
        """Return a span's entries of some kinds, in order; their `personal` is None."""
        ...

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """Return the entries of these ids; their `personal` is None."""
        ...

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """Return the entries of a kind about these ids, in order; their `personal` is None."""
        ...


OWN_ARMS = ("champion", "challenger")
"""Arms whose decisions are those of a release that is watched."""
_PLAIN = b'"referred":[]'
"""In the canonical JSON of a body that refers nothing."""
_SPAN = "e.number > {0} AND e.number <= {1}"
_OWN = "(e.release = {2} AND e.arm IN ('champion', 'challenger'))"
_LAST = "SELECT MAX(number) FROM (SELECT number FROM entries WHERE number > {0} ORDER BY number LIMIT {1}) n"
_FIRST_OWN = (
    f"SELECT e.number, e.at_us FROM entries e WHERE {_SPAN} AND e.kind = 'decision' AND {_OWN} "
    "ORDER BY e.number LIMIT 1"
)
_FIRST_FROM = (
    f"SELECT e.number, e.at_us FROM entries e WHERE {_SPAN} AND e.at_us >= {{2}} ORDER BY e.number LIMIT 1"
)
_DECISIONS = (
    "SELECT e.at_us, e.took_us, e.arm, e.release = {2}, e.decision, e.score, "
    "CASE WHEN e.decision IS NULL OR {find} = 0 THEN e.body END, p.content "
    f"FROM entries e JOIN personal p ON p.number = e.number WHERE {_SPAN} AND e.kind = 'decision' "
    "ORDER BY e.number"
)
_OTHERS = f"{_SPAN} AND e.kind"
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

    async def last(self, after: int, most: int) -> int:
        """See `Source.last`."""
        [(found,)] = await self._ask(_LAST, after, most)
        return after if found is None else int(found)

    async def first_own(self, after: int, last: int, release: str) -> tuple[int, int] | None:
        """See `Source.first_own`."""
        return next(iter(await self._ask(_FIRST_OWN, after, last, release)), None)

    async def first_from(self, after: int, last: int, at_us: int) -> tuple[int, int] | None:
        """See `Source.first_from`."""
        return next(iter(await self._ask(_FIRST_FROM, after, last, at_us)), None)

    async def decisions(self, after: int, last: int, release: str) -> list[Decided]:
        """See `Source.decisions`."""
        return await self._ask(_DECISIONS, after, last, release, _PLAIN)

    async def others(self, after: int, last: int, kinds: Sequence[str]) -> list[Row]:
        """See `Source.others`."""
        where = f"{_OTHERS.format('?', '?')} IN ({', '.join('?' * len(kinds))})"
        found = await asyncio.to_thread(self._read, _FIND.format(where=where), (after, last, *kinds))
        return [*map(_made, found)]

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
            found += map(_made, await asyncio.to_thread(self._read, text, (*values, *part)))
        return found

    async def _ask(self, text: str, *values: object) -> list[Any]:
        text = text.format("?1", "?2", "?3", find="instr(e.body, ?4)")
        return await asyncio.to_thread(self._read, text, values)

    def _read(self, text: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._file.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise UnavailableError(f"{self.path}: must give its entries, got {error}") from error

    def close(self) -> None:
        """End."""
        self._file.close()


class PostgresSource:
    """Reads a journal in PostgreSQL."""

    def __init__(self, connection: Any, where: str) -> None:
        self._connection, self._where = connection, where

    async def last(self, after: int, most: int) -> int:
        """See `Source.last`."""
        [(found,)] = await self._ask(_LAST, after, most)
        return after if found is None else int(found)

    async def first_own(self, after: int, last: int, release: str) -> tuple[int, int] | None:
        """See `Source.first_own`."""
        return next(iter(await self._ask(_FIRST_OWN, after, last, release)), None)

    async def first_from(self, after: int, last: int, at_us: int) -> tuple[int, int] | None:
        """See `Source.first_from`."""
        return next(iter(await self._ask(_FIRST_FROM, after, last, at_us)), None)

    async def decisions(self, after: int, last: int, release: str) -> list[Decided]:
        """See `Source.decisions`."""
        return await self._ask(_DECISIONS, after, last, release, _PLAIN)

    async def others(self, after: int, last: int, kinds: Sequence[str]) -> list[Row]:
        """See `Source.others`."""
        where = f"{_OTHERS.format('$1', '$2')} = ANY($3)"
        return await self._rows(_FIND.format(where=where), after, last, [*kinds])

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """See `Source.of_ids`."""
        return await self._rows(_FIND.format(where="e.id = ANY($1)"), [*ids])

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """See `Source.about`."""
        return await self._rows(_FIND.format(where="e.kind = $1 AND e.about = ANY($2)"), kind, [*ids])

    async def _rows(self, text: str, *values: object) -> list[Row]:
        return [_made(row) for row in await self._read(text, *values)]

    async def _ask(self, text: str, *values: object) -> list[Any]:
        return await self._read(text.format("$1", "$2", "$3", find="position($4::bytea in e.body)"), *values)

    async def _read(self, text: str, *values: object) -> list[Any]:
        from fairmark.journal.postgres import as_unavailable

        async with as_unavailable(self._where):
            return list(await self._connection.fetch(text, *values))


def _made(row: Iterable[object]) -> Row:
    """Return the columns as a row; what was erased is zeros, and no JSON."""
    found = Row._make(row)
    # Erasure overwrites in place, so that entries keep their numbers and the chain its hashes.
    erased = found.personal is not None and found.personal[:1] != b"{"
    return found._replace(personal=None) if erased else found


class JournalSource:
    """Reads any `Journal` through its own methods."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def last(self, after: int, most: int) -> int:
        """See `Source.last`."""
        return max((each.number for each in await self._journal.after(after, most)), default=after)

    async def first_own(self, after: int, last: int, release: str) -> tuple[int, int] | None:
        """See `Source.first_own`."""
        rows = await self._span(after, last)
        return next(((row.number, row.at_us) for row in rows if _is_own(row, release)), None)

    async def first_from(self, after: int, last: int, at_us: int) -> tuple[int, int] | None:
        """See `Source.first_from`."""
        rows = await self._span(after, last)
        return next(((row.number, row.at_us) for row in rows if row.at_us >= at_us), None)

    async def decisions(self, after: int, last: int, release: str) -> list[Decided]:
        """See `Source.decisions`."""
        return [
            Decided(
                row.at_us, row.took_us, row.arm, row.release == release, row.decision, row.score, row.body,
                row.personal,
            )
            for row in await self._span(after, last)
            if row.kind == "decision"
        ]  # fmt: skip

    async def others(self, after: int, last: int, kinds: Sequence[str]) -> list[Row]:
        """See `Source.others`."""
        return [row._replace(personal=None) for row in await self._span(after, last) if row.kind in {*kinds}]

    async def _span(self, after: int, last: int) -> list[Row]:
        return [_row(each) for each in await self._journal.after(after, last - after)]

    async def of_ids(self, ids: Sequence[str]) -> list[Row]:
        """See `Source.of_ids`."""
        found = [await self._journal.entry(each) for each in ids]
        return [_row(each)._replace(personal=None) for each in found if each is not None]

    async def about(self, ids: Sequence[str], kind: str) -> list[Row]:
        """See `Source.about`."""
        found = [each for one in ids for each in await self._journal.about(one)]
        return [_row(each)._replace(personal=None) for each in found if each.entry.kind == kind]


def _is_own(row: Row, release: str) -> bool:
    return row.kind == "decision" and row.release == release and row.arm in OWN_ARMS


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
