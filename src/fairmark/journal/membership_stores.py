"""Memberships in SQLite and in PostgreSQL, in a file or a database of their own or beside the journal."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from fairmark.journal import postgres, sqlite
from fairmark.journal.entry import json_bytes
from fairmark.journal.memberships import Membership
from fairmark.journal.schema import Steps

T = TypeVar("T")

APPLICATION_ID = 0x666D6D31
"""`fmm1`, as `sqlite.APPLICATION_ID`."""

SQLITE: Steps = {
    1: (
        "CREATE TABLE last (number INTEGER NOT NULL) STRICT",
        "INSERT INTO last VALUES (0)",
        """
        CREATE TABLE memberships (
            number INTEGER PRIMARY KEY, decision TEXT NOT NULL, attribute TEXT NOT NULL, groups BLOB NOT NULL,
            UNIQUE (decision, attribute)
        ) STRICT
        """,
    )
}
POSTGRES: Steps = {
    1: (
        "CREATE TABLE memberships_last (number bigint NOT NULL)",
        "INSERT INTO memberships_last VALUES (0)",
        """
        CREATE TABLE memberships (
            number bigint PRIMARY KEY, decision text NOT NULL, attribute text NOT NULL, groups bytea NOT NULL,
            UNIQUE (decision, attribute)
        )
        """,
    )
}


class SqliteMemberships:
    """`Memberships` in an SQLite file of their own; made by `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection
        self._alone = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Return those in a file, which is made if it is not there; raises as `SqliteJournal.open`."""

        def opened() -> sqlite3.Connection:
            with sqlite.as_unavailable(path):
                made = sqlite.connect(path)
                sqlite.prepare_file(made, path, APPLICATION_ID, SQLITE)
                return made

        return cls(path, await asyncio.to_thread(opened))

    async def add_memberships(self, items: Sequence[Membership]) -> None:
        """See `Memberships.add_memberships`."""
        await self._do(lambda: self._add(items))

    async def memberships(self, after: int, most: int) -> list[tuple[int, Membership]]:
        """See `Memberships.memberships`."""
        text = "SELECT * FROM memberships WHERE number > ? ORDER BY number LIMIT ?"
        rows = await self._do(lambda: self._connection.execute(text, [after, most]).fetchall())
        return [_of_row(row) for row in rows]

    async def of_decisions(self, decisions: Collection[str]) -> list[Membership]:
        """See `Memberships.of_decisions`."""
        return [each for _, each in await self.numbered(decisions)]

    async def numbered(self, decisions: Collection[str]) -> list[tuple[int, Membership]]:
        """See `Memberships.numbered`."""
        text = "SELECT * FROM memberships WHERE decision = ? ORDER BY attribute"
        rows = await self._do(
            lambda: [row for each in sorted(decisions) for row in self._connection.execute(text, [each])]
        )
        return [_of_row(row) for row in rows]

    async def erase_memberships(self, decisions: Collection[str]) -> int:
        """See `Memberships.erase_memberships`."""
        return await self._do(lambda: self._erase(decisions))

    async def close(self) -> None:
        """See `Memberships.close`."""
        await self._do(self._connection.close)

    def _add(self, items: Sequence[Membership]) -> None:
        with sqlite.transaction(self._connection):
            [(last,)] = self._connection.execute("SELECT number FROM last").fetchall()
            for number, item in enumerate(items, last + 1):
                row = number, item.decision, item.attribute, json_bytes(item.groups)
                self._connection.execute("INSERT OR REPLACE INTO memberships VALUES (?, ?, ?, ?)", row)
            # No number is given twice, so that who has read up to one misses nothing that is replaced later.
            self._connection.execute("UPDATE last SET number = number + ?", [len(items)])

    def _erase(self, decisions: Collection[str]) -> int:
        gone = 0
        with sqlite.transaction(self._connection):
            for each in decisions:
                text = "DELETE FROM memberships WHERE decision = ?"
                gone += self._connection.execute(text, [each]).rowcount
        if gone:
            # Pages keep old bytes of rows that were moved in them: the file is written anew.
            self._connection.execute("VACUUM")
            sqlite.empty_log(self._connection, self._path)
        return gone

    async def _do(self, act: Callable[[], T]) -> T:
        def guarded() -> T:
            with sqlite.as_unavailable(self._path):
                return act()

        # One connection for all threads, and so one of them at a time.
        async with self._alone:
            return await asyncio.to_thread(guarded)


class PostgresMemberships:
    """`Memberships` in a PostgreSQL database; made by `open`."""

    def __init__(self, where: str, pool: Any) -> None:
        self._where, self._pool = where, pool

    @classmethod
    async def open(cls, address: str) -> Self:
        """Return those in a database, whose table is made if it is not there; as `PostgresJournal.open`."""
        where = postgres.shown(address)
        async with postgres.as_unavailable(where):
            pool = await postgres.pool_of(address, most=2)
            async with pool.acquire() as connection:
                await postgres.prepare_schema(connection, where, "memberships", POSTGRES)
        return cls(where, pool)

    async def add_memberships(self, items: Sequence[Membership]) -> None:
        """See `Memberships.add_memberships`."""
        text = (
            "INSERT INTO memberships VALUES ($1, $2, $3, $4) ON CONFLICT (decision, attribute) "
            "DO UPDATE SET number = $1, groups = $4"
        )
        # The update locks its row until the commit: numbers become visible in their order, and no reader
        # passes one that is still to come.
        asked = "UPDATE memberships_last SET number = number + $1 RETURNING number"
        async with postgres.leased(self._where, self._pool) as connection, connection.transaction():
            last = await connection.fetchval(asked, len(items))
            rows = [
                (number, item.decision, item.attribute, json_bytes(item.groups))
                for number, item in enumerate(items, last - len(items) + 1)
            ]
            await connection.executemany(text, rows)

    async def memberships(self, after: int, most: int) -> list[tuple[int, Membership]]:
        """See `Memberships.memberships`."""
        text = "SELECT * FROM memberships WHERE number > $1 ORDER BY number LIMIT $2"
        return [_of_row(row) for row in await self._fetch(text, after, most)]

    async def of_decisions(self, decisions: Collection[str]) -> list[Membership]:
        """See `Memberships.of_decisions`."""
        return [each for _, each in await self.numbered(decisions)]

    async def numbered(self, decisions: Collection[str]) -> list[tuple[int, Membership]]:
        """See `Memberships.numbered`."""
        text = "SELECT * FROM memberships WHERE decision = ANY($1::text[]) ORDER BY decision, attribute"
        return [_of_row(row) for row in await self._fetch(text, list(decisions))]

    async def erase_memberships(self, decisions: Collection[str]) -> int:
        """See `Memberships.erase_memberships`."""
        text = "DELETE FROM memberships WHERE decision = ANY($1::text[]) RETURNING number"
        gone = await self._fetch(text, list(decisions))
        if gone:
            # Deleted rows stay in their pages otherwise.
            await self._fetch("VACUUM (FULL) memberships")
        return len(gone)

    async def close(self) -> None:
        """See `Memberships.close`."""
        await postgres.closed(self._pool)

    async def _fetch(self, text: str, *values: object) -> list[Any]:
        async with postgres.leased(self._where, self._pool) as connection:
            rows: list[Any] = await connection.fetch(text, *values)
        return rows


def _of_row(row: Sequence[Any]) -> tuple[int, Membership]:
    number, decision, attribute, groups = row
    return number, Membership(decision, attribute, msgspec.json.decode(groups, type=dict[str, float]))
