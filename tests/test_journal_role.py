"""The role that docs/deploy.md gives the service appends to the journal, and changes nothing in it."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from postgres_server import PASSWORD, PostgresServer, binaries

from fairmark.cli.main import main
from fairmark.journal.entry import Entry, IdempotencyKey, Stored, json_bytes
from fairmark.journal.memberships import Membership
from fairmark.journal.place import open_journal, open_memberships

SQL = Path(__file__).parents[1] / "terraform" / "journal-role.sql"
ENTRY = Entry(kind="decision", at_us=1, body=json_bytes({"n": 1}), personal=json_bytes({"row": {}}))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server; `PASSWORD` is that of the service's role too."""
    server, before = PostgresServer(), os.environ.get("PGPASSWORD")
    os.environ["PGPASSWORD"] = PASSWORD
    try:
        yield server
    finally:
        server.remove()
        del os.environ["PGPASSWORD"]
        if before is not None:
            os.environ["PGPASSWORD"] = before


@pytest.fixture(scope="module")
def address(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a journal whose tables its owner made, by the service's role."""
    owner, folder = server.new_database(), binaries()
    assert folder is not None

    clone = tmp_path_factory.mktemp("clone")
    shutil.copyfile(SQL.parents[1] / "params.yaml", clone / "params.yaml")
    places = ["--journal", owner, "--memberships", owner, "--clone", str(clone)]
    assert main(["journal", "--expire", "--reason", "Make the tables", *places]) == 0
    for _ in range(2):  # a second time, as after a new version
        subprocess.run([folder / "psql", owner, "-q", "-f", SQL], check=True, capture_output=True)
    word = f"ALTER ROLE fairmark_service PASSWORD '{PASSWORD}'"
    subprocess.run([folder / "psql", owner, "-q", "-c", word], check=True)
    return owner.replace("fairmark@", "fairmark_service@")


def test_the_service_s_role_writes_and_reads_all_that_a_service_does(address: str) -> None:
    async def use() -> Stored | None:
        journal, memberships = await open_journal(address), await open_memberships(address)
        try:
            await journal.append([ENTRY], IdempotencyKey("shop", "1", "a"))
            for share in (0.5, 1.0):
                await memberships.add_memberships([Membership(ENTRY.id, "sex", {"F": share, "M": 1 - share})])
            return await journal.entry(ENTRY.id)
        finally:
            await memberships.close()
            await journal.close()

    found = asyncio.run(use())

    assert found is not None
    assert found.entry.id == ENTRY.id


@pytest.mark.parametrize("statement", [
    "UPDATE fairmark.entries SET decision = 1",
    "DELETE FROM fairmark.entries",
    "TRUNCATE fairmark.entries CASCADE",
    "UPDATE fairmark.personal SET content = NULL",
    "DELETE FROM fairmark.personal",
    "DELETE FROM fairmark.head",
    "DELETE FROM fairmark.requests",
    "DELETE FROM fairmark.memberships",
    "UPDATE fairmark.fairmark_schema SET version = 0",
    "DROP TABLE fairmark.entries",
    "CREATE TABLE fairmark.more (x int)",
    "CREATE TABLE public.more (x int)",
    "CREATE ROLE more",
])  # fmt: skip
def test_it_changes_and_takes_out_nothing(address: str, statement: str) -> None:
    async def ask() -> None:
        connection = await asyncpg.connect(address)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(ask())
