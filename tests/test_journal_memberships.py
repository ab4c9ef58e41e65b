"""Protected attributes stand beside the decisions, in a table of their own, and go with the person."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PASSWORD, PostgresServer

from fairmark.errors import StateError, UsageError
from fairmark.journal.memberships import Membership, Memberships, MemoryMemberships
from fairmark.journal.place import open_journal, open_memberships

Run = Callable[[Callable[[Memberships], Awaitable[Any]]], Any]

KNOWN = Membership("d1", "sex", {"Female": 1.0})
LIKELY = Membership("d2", "sex", {"Female": 0.25, "Male": 0.75})


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    address = str(tmp_path / "memberships.db")
    if request.param == "postgres":
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        address = request.getfixturevalue("server").new_database()

    async def scenario(act: Callable[[Memberships], Awaitable[Any]]) -> Any:
        opened = MemoryMemberships() if request.param == "memory" else await open_memberships(address)
        try:
            return await act(opened)
        finally:
            await opened.close()

    return lambda act: asyncio.run(scenario(act))


def test_readers_get_them_in_the_order_of_writing(run: Run) -> None:
    async def act(kept: Memberships) -> Any:
        await kept.add_memberships([KNOWN, LIKELY])
        return await kept.memberships(0, 10), await kept.memberships(1, 10), await kept.of_decisions(["d2"])

    assert run(act) == ([(1, KNOWN), (2, LIKELY)], [(2, LIKELY)], [LIKELY])


def test_what_is_known_better_replaces_what_was_known(run: Run) -> None:
    better = Membership("d2", "sex", {"Male": 1.0})

    async def act(kept: Memberships) -> Any:
        await kept.add_memberships([LIKELY, KNOWN])
        await kept.add_memberships([better])
        return await kept.memberships(0, 10)

    assert run(act) == [(2, KNOWN), (3, better)]


def test_they_go_with_the_person(run: Run) -> None:
    async def act(kept: Memberships) -> Any:
        await kept.add_memberships([KNOWN, LIKELY])
        gone = [await kept.erase_memberships(["d1", "d9"]) for _ in range(2)]
        return gone, await kept.memberships(0, 10)

    assert run(act) == ([1, 0], [(2, LIKELY)])


@pytest.mark.parametrize("groups", [{}, {"Female": 0.4}, {"Female": 1.5, "Male": -0.5}, {"a": float("nan")}])
def test_what_is_no_distribution_over_groups_is_refused(groups: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="sum to 1"):
        Membership("d1", "sex", groups)


def test_the_bytes_of_an_erased_membership_are_gone_from_the_files(tmp_path: Path) -> None:
    async def act() -> None:
        kept = await open_memberships(str(tmp_path / "m.db"))
        await kept.add_memberships([Membership(f"d{k}", "faith", {f"Faith{k:04}": 1.0}) for k in range(900)])
        await kept.erase_memberships([f"d{k}" for k in range(0, 900, 2)])
        await kept.close()

    asyncio.run(act())

    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [k for k in range(900) if f"Faith{k:04}".encode() in everything] == [*range(1, 900, 2)]


def test_the_journal_and_the_memberships_are_not_one_file(tmp_path: Path) -> None:
    async def act() -> None:
        await (await open_journal(str(tmp_path / "one.db"))).close()
        await open_memberships(str(tmp_path / "one.db"))

    with pytest.raises(StateError, match="a file of its own"):
        asyncio.run(act())
