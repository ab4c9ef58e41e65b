"""The journal in PostgreSQL, by asyncpg: a group a transaction, `synchronous_commit = on`.

Several services may share the database: each group locks the row of the head, so that there is one chain. A
service that loses the server refuses what it is given (`UnavailableError`) and connects again with the next
call.

Erasure sets what is personal to nothing and rewrites the table (`VACUUM FULL`), because PostgreSQL keeps old
versions of a row in its pages; archives of its write-ahead log and backups are the owner's to expire.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from fairmark.errors import StateError, UnavailableError, UsageError, VerificationError
from fairmark.journal.chain import genesis, stored, tail_faults
from fairmark.journal.entry import Appended, Entry, IdempotencyKey, Stored, new_id
from fairmark.journal.group import Answers, Append, GroupCommit, Known, place
from fairmark.journal.schema import (
    ENTRY_COLUMNS,
    PERSONAL_COLUMNS,
    POSTGRES,
    SELECT,
    Steps,
    entry_row,
    from_row,
    migrations,
    personal_row,
    rare,
)
from fairmark.journal.store import Erased, Head, Overdue, Whose, erasure_entry

if TYPE_CHECKING:
    import asyncpg

PATIENCE_S = 5.0
"""How long the server may take to let us in, and to answer."""
CONNECTIONS = 4
"""At most, one of which writes."""
SCHEMA = "fairmark"
"""Of the database, in which all tables are."""
CHUNK = 10_000
"""Rows that an erasure takes at a time."""


_ENTRY_TYPES = (
    "bigint", "text", "text", "bigint", "text", "text", "bigint", "text", "text", "text", "text", "smallint",
    "double precision", "bigint", "bytea", "bytea", "bytea",
)  # fmt: skip
_PERSONAL_TYPES = ("bigint", "bytea", "text", "bytea")


def _arrays(types: Sequence[str], first: int) -> str:
    return ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, first))


_PUT = (
    f"WITH e AS (INSERT INTO entries ({', '.join(ENTRY_COLUMNS)}) "
    f"SELECT * FROM unnest({_arrays(_ENTRY_TYPES, 3)})), "
    f"p AS (INSERT INTO personal ({', '.join(PERSONAL_COLUMNS)}) "
    f"SELECT * FROM unnest({_arrays(_PERSONAL_TYPES, 3 + len(_ENTRY_TYPES))})) "
    "UPDATE head SET number = $1, chain = $2"
)
"""A whole group in one statement: each trip to the server is waited for under the lock of the head."""
_LOCK = (
    "SELECT h.journal, h.number, h.chain, ARRAY(SELECT id FROM entries WHERE id = ANY($1::text[])), "
    "ARRAY(SELECT closes FROM entries WHERE closes = ANY($2::text[])) FROM head h FOR UPDATE"
)
_PUT_REQUEST = "INSERT INTO requests (caller, key, digest, first, last) VALUES ($1, $2, $3, $4, $5)"
_ZERO_SALT = "decode('00000000000000000000000000000000', 'hex')"
_HELD = (
    "SELECT e.number, e.id FROM entries e JOIN personal p ON p.number = e.number "
    f"WHERE (p.subject IS NOT NULL OR p.content IS NOT NULL) AND p.salt <> {_ZERO_SALT}"
)


_ERASE = (
    f"UPDATE personal SET salt = {_ZERO_SALT}, subject = NULL, content = NULL "
    "WHERE number = ANY($1::bigint[])"
)


def shown(address: str) -> str:
    """Return an address for a message: without user and password.

    Raises
    ------
    UsageError
        When its port is none.
    """
    parts = urlsplit(address)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise UsageError(f"journal: must be postgresql://USER@HOST:PORT/DATABASE, got {error}") from error
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


@asynccontextmanager
async def as_unavailable(where: str) -> AsyncIterator[None]:
    """Turn what the server, the network and a closed pool refuse into `UnavailableError`."""
    import asyncpg

    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        code = getattr(error, "sqlstate", None) or type(error).__name__
        raise UnavailableError(f"{where}: must take and give entries, got {error} ({code})") from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise UnavailableError(f"{where}: must answer, got {str(error) or type(error).__name__}") from error


async def pool_of(address: str, most: int = CONNECTIONS) -> "asyncpg.Pool[Any]":
    """Return connections to a database, each of whose commits is durable.

    The password comes from `PGPASSWORD`, `~/.pgpass` or the address.
    """
    import asyncpg

    return await asyncpg.create_pool(
        address,
        min_size=1,
        max_size=most,
        timeout=PATIENCE_S,
        command_timeout=60,
        server_settings={
            "application_name": "fairmark",
            "lock_timeout": str(int(PATIENCE_S * 1000)),
            # Our tables have plain names, and the database may be another program's too.
            "search_path": SCHEMA,
        },
        init=_durable,
    )


@asynccontextmanager
async def leased(where: str, pool: "asyncpg.Pool[Any]") -> "AsyncIterator[asyncpg.Connection[Any]]":
    """Yield a connection of the pool; what goes wrong with it is an `UnavailableError`."""
    async with as_unavailable(where), pool.acquire(timeout=PATIENCE_S) as connection:
        yield connection


async def closed(pool: "asyncpg.Pool[Any]") -> None:
    """End the connections, by force where the server does not answer."""
    try:
        await asyncio.wait_for(pool.close(), PATIENCE_S)
    except TimeoutError:
        pool.terminate()


async def _durable(connection: "asyncpg.Connection[Any]") -> None:
    # `off` answers before the disk has it, `local` before a synchronous standby has it.
    if await connection.fetchval("SHOW synchronous_commit") in {"off", "local"}:
        await connection.execute("SET synchronous_commit = on")
    if await connection.fetchval("SHOW fsync") != "on":
        raise StateError("PostgreSQL: must be set to fsync = on to keep what was answered, got off")


async def prepare_schema(connection: "asyncpg.Connection[Any]", where: str, name: str, steps: Steps) -> None:
    """Bring the tables to the newest version of their schema; the version is kept in `fairmark_schema`.

    Raises
    ------
    StateError
        When they are of a version that this fairmark does not know.
    """
    async with connection.transaction():
        # One service at a time, from before there is a table to lock.
        await connection.execute("SELECT pg_advisory_xact_lock(7236281)")
        # Looked at before, because a role that may only read or append may make neither.
        if await connection.fetchval("SELECT to_regnamespace($1)", SCHEMA) is None:
            await connection.execute(f"CREATE SCHEMA {SCHEMA}")
        if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.fairmark_schema") is None:
            await connection.execute(
                "CREATE TABLE fairmark_schema (name text PRIMARY KEY, version integer NOT NULL)"
            )
        asked = "SELECT version FROM fairmark_schema WHERE name = $1"
        version, newest = await connection.fetchval(asked, name) or 0, max(steps)
        if version > newest:
            raise StateError(f"{where}: must be of schema version {newest} or before, got {version}")
        for statement in migrations(steps, version):
            await connection.execute(statement)
        if version < newest:
            await connection.execute(
                "INSERT INTO fairmark_schema VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET version = $2",
                name,
                newest,
            )


class PostgresJournal:
    """A `Journal` in a PostgreSQL database; made by `open`."""

    def __init__(self, address: str, pool: "asyncpg.Pool[Any]") -> None:
        self.where = shown(address)
        self._pool = pool
        self._group = GroupCommit(self._commit)

    @classmethod
    async def open(cls, address: str, tail: int | None = 1000) -> Self:
        """Return the journal in a database, whose tables are made if they are not there.

        Parameters
        ----------
        tail
            So many of the newest entries are held against the chain before anything is added to them; None
            for none of them, as who checks them all.

        Raises
        ------
        UnavailableError
            When the server does not answer or does not let us in.
        StateError
            When the tables are of another version of the schema, or the server does not flush to its disk.
        VerificationError
            When the newest entries are not what was written.
        """
        where = shown(address)
        async with as_unavailable(where):
            pool = await pool_of(address)
            try:
                async with pool.acquire() as connection:
                    await prepare_schema(connection, where, "journal", POSTGRES)
                    await _first_head(connection)
                    if tail is not None:
                        await _check_tail(connection, where, tail)
            except BaseException:
                pool.terminate()
                raise
        return cls(address, pool)

    async def append(self, entries: Sequence[Entry], key: IdempotencyKey | None = None) -> Appended:
        """See `Journal.append`."""
        return await self._group.append(Append(tuple(entries), key))

    async def entry(self, entry_id: str) -> Stored | None:
        """See `Journal.entry`."""
        found = await self._select(f"{SELECT} WHERE e.id = $1", entry_id)
        return found[0] if found else None

    async def about(self, entry_id: str) -> list[Stored]:
        """See `Journal.about`."""
        return await self._select(f"{SELECT} WHERE e.about = $1 ORDER BY e.number", entry_id)

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
        where = [
            f"e.kind = ANY($1::text[]) AND e.number > $2{rare(kinds)}",
            "($3::bigint IS NULL OR e.due_us < $3) AND ($4::text IS NULL OR e.release = $4)",
        ]
        if still_open is not None:
            exists = "EXISTS (SELECT 1 FROM entries c WHERE c.closes = e.id)"
            where.append(f"e.due_us IS NOT NULL AND {'NOT ' if still_open else ''}{exists}")
        order = "e.due_us, e.number" if still_open else "e.number"
        text = f"{SELECT} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT $5"
        return await self._select(text, list(kinds), after, due_before_us, release, most)

    async def after(self, number: int, most: int, kinds: Collection[str] | None = None) -> list[Stored]:
        """See `Journal.after`."""
        of = "($3::text[] IS NULL OR e.kind = ANY($3))"
        text = f"{SELECT} WHERE e.number > $1 AND {of}{rare(kinds)} ORDER BY e.number LIMIT $2"
        return await self._select(text, number, most, None if kinds is None else list(kinds))

    async def head(self) -> Head:
        """See `Journal.head`."""
        async with self._connection() as connection:
            return await _head(connection)

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
        """See `Journal.erase`; appends wait while the table is rewritten."""
        whose = Whose(frozenset(subjects), frozenset(ids), before_us)
        record = partial(erasure_entry, reason=reason, at_us=at_us, caller=caller)
        async with self._connection() as connection:
            found, made = await _held(connection, whose), None
            for at in range(0, len(found), CHUNK):
                numbers = [number for number, _ in found[at : at + CHUNK]]
                async with connection.transaction():
                    head = await _head(connection, "FOR UPDATE")
                    await connection.execute(_ERASE, numbers)
                    made = stored(head.chain, head.number + 1, record(numbers))
                    await _put(connection, [made])
            # An UPDATE leaves the old row in its page: only a rewritten table has lost its bytes.
            await connection.execute("VACUUM (FULL) personal", timeout=3600)
        return Erased(tuple(entry_id for _, entry_id in found), made)

    async def meant(
        self, *, subjects: Collection[str] = (), ids: Collection[str] = (), before_us: int | None = None
    ) -> list[str]:
        """See `Journal.meant`."""
        async with self._connection() as connection:
            found = await _held(connection, Whose(frozenset(subjects), frozenset(ids), before_us))
        return [entry_id for _, entry_id in found]

    async def overdue(self, before_us: int) -> Overdue:
        """See `Journal.overdue`."""
        text = (
            f"SELECT COUNT(*), MIN(at_us) FROM ({_HELD.replace('e.id', 'e.at_us')} AND e.at_us < $1) AS old"
        )
        async with self._connection() as connection:
            row = await connection.fetchrow(text, before_us)
        return Overdue(*row)

    async def check_pages(self) -> list[str]:
        """Return nothing: PostgreSQL checks its own pages (`pg_amcheck`, data checksums)."""
        return []

    async def close(self) -> None:
        """See `Journal.close`."""
        await self._group.close()
        await closed(self._pool)

    def _connection(self) -> AbstractAsyncContextManager["asyncpg.Connection[Any]"]:
        return leased(self.where, self._pool)

    async def _select(self, text: str, *values: object) -> list[Stored]:
        async with self._connection() as connection:
            return [from_row(tuple(row)) for row in await connection.fetch(text, *values)]

    async def _commit(self, group: Sequence[Append]) -> Answers:
        import asyncpg

        async with self._connection() as connection:
            try:
                return await _write_group(connection, group)
            except asyncpg.UniqueViolationError:
                # What another service wrote while we waited for the lock is not seen by the statement that
                # waited: the next one sees it.
                return await _write_group(connection, group)


async def _write_group(connection: "asyncpg.Connection[Any]", group: Sequence[Append]) -> Answers:
    ids = [entry.id for call in group for entry in call.entries]
    closes = [entry.closes for call in group for entry in call.entries if entry.closes is not None]
    async with connection.transaction():
        heads = await connection.fetch(_LOCK, ids, closes)
        if len(heads) != 1:
            raise VerificationError(f"journal: must have one head, got {len(heads)}")
        [(_, number, chain, taken, closed)] = heads
        known = Known(await _requests(connection, group), set(taken), set(closed))
        made = place(group, number, chain, known)
        await _put(connection, made.rows)
        if made.requests:
            rows = [(each.caller, each.key, each.digest, each.first, each.last) for each in made.requests]
            await connection.executemany(_PUT_REQUEST, rows)
    return made.answers


async def _head(connection: "asyncpg.Connection[Any]", lock: str = "") -> Head:
    rows = await connection.fetch(f"SELECT journal, number, chain FROM head {lock}")
    if len(rows) != 1:
        raise VerificationError(f"journal: must have one head, got {len(rows)}")
    return Head(*rows[0])


async def _put(connection: "asyncpg.Connection[Any]", rows: Sequence[Stored]) -> None:
    if not rows:
        return
    columns = [*zip(*map(entry_row, rows), strict=True), *zip(*map(personal_row, rows), strict=True)]
    await connection.execute(_PUT, rows[-1].number, rows[-1].chain, *columns)


async def _requests(
    connection: "asyncpg.Connection[Any]", group: Sequence[Append]
) -> dict[tuple[str, str], tuple[bytes, tuple[Stored, ...]]]:
    keys = [call.key for call in group if call.key is not None]
    if not keys:
        return {}
    text = (
        "SELECT r.caller, r.key, r.digest, r.first, r.last FROM requests r "
        "JOIN unnest($1::text[], $2::text[]) AS k (caller, key) ON k.caller = r.caller AND k.key = r.key"
    )
    found = await connection.fetch(text, [each.caller for each in keys], [each.key for each in keys])
    requests = {}
    for caller, key, digest, first, last in found:
        rows = await connection.fetch(
            f"{SELECT} WHERE e.number BETWEEN $1 AND $2 ORDER BY e.number", first, last
        )
        requests[caller, key] = digest, tuple(from_row(tuple(row)) for row in rows)
    return requests


async def _held(connection: "asyncpg.Connection[Any]", whose: Whose) -> list[tuple[int, str]]:
    named = await connection.fetch(f"{_HELD} AND p.subject = ANY($1::text[])", list(whose.subjects))
    text = f"{_HELD} AND (e.id = ANY($1::text[]) OR e.at_us < $2::bigint)"
    # What is about a correction is about the decision too.
    about = (
        "WITH RECURSIVE named (id) AS (SELECT unnest($1::text[]) "
        "UNION SELECT e.id FROM entries e JOIN named n ON e.about = n.id) SELECT id FROM named"
    )
    first = [*whose.ids, *(entry_id for _, entry_id in named)]
    ids = [entry_id for (entry_id,) in await connection.fetch(about, first)]
    return sorted(
        (number, entry_id) for number, entry_id in await connection.fetch(text, ids, whose.before_us)
    )


async def _first_head(connection: "asyncpg.Connection[Any]") -> None:
    if await connection.fetchval("SELECT count(*) FROM head"):
        return
    journal = new_id()
    async with connection.transaction():
        # Two services that start at once would each write a first head.
        await connection.execute("LOCK TABLE head IN EXCLUSIVE MODE")
        await connection.execute(
            "INSERT INTO head SELECT $1::text, 0, $2::bytea WHERE NOT EXISTS (SELECT 1 FROM head)",
            journal,
            genesis(journal),
        )


async def _check_tail(connection: "asyncpg.Connection[Any]", where: str, tail: int) -> None:
    # Head and newest entries as of one moment.
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        head = await _head(connection)
        rows = await connection.fetch(f"{SELECT} ORDER BY e.number DESC LIMIT $1", tail + 1)
    kept = [from_row(tuple(row)) for row in reversed(rows)]
    before = (0, genesis(head.journal)) if len(kept) <= tail else None
    faults = tail_faults(kept, head.number, head.chain, before)
    if faults:
        raise VerificationError(*(f"{where}: {fault}" for fault in faults))
