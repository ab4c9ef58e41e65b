"""What every store of the journal promises: the same of memory, SQLite and a real PostgreSQL."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from postgres_server import PASSWORD, PostgresServer

from fairmark.errors import ConflictError, UsageError
from fairmark.journal.chain import genesis, tail_faults
from fairmark.journal.entry import Entry, IdempotencyKey, json_bytes, new_id, pseudonym
from fairmark.journal.place import open_journal
from fairmark.journal.store import Journal, MemoryJournal

T = TypeVar("T")
Run = Callable[[Callable[[Journal], Awaitable[Any]]], Any]

ANN = pseudonym(b"a key of sixteen", "Ann")
BEN = pseudonym(b"a key of sixteen", "Ben")


def decision(**given: Any) -> Entry:
    usual: dict[str, Any] = {
        "kind": "decision", "at_us": 1_000, "release": "sha256:ab", "arm": "champion", "mode": "on_the_loop",
        "caller": "bank", "subject": ANN, "decision": 1, "score": 0.1 + 0.2, "took_us": 40,
        "body": json_bytes({"reasons": ["income"]}), "personal": json_bytes({"age": 44, "zip": "Zürich"}),
    }  # fmt: skip
    return Entry(**usual | given)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a scenario on a new journal of each store."""
    address = str(tmp_path / "journal.db")
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("server")
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        address = server.new_database()

    async def scenario(act: Callable[[Journal], Awaitable[T]]) -> T:
        journal = MemoryJournal() if request.param == "memory" else await open_journal(address)
        try:
            return await act(journal)
        finally:
            await journal.close()

    return lambda act: asyncio.run(scenario(act))


def test_what_was_appended_is_there_to_the_last_bit(run: Run) -> None:
    entry = decision()

    async def act(journal: Journal) -> Any:
        await journal.append([entry])
        return await journal.entry(entry.id)

    kept = run(act)
    assert kept.entry == entry
    assert kept.number == 1


def test_entries_are_numbered_and_chained_in_the_order_of_their_appends(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        for _ in range(3):
            await journal.append([decision(), decision(score=0.0), decision(score=None, decision=None)])
        return await journal.after(0, 100), await journal.head()

    kept, head = run(act)
    assert [each.number for each in kept] == [*range(1, 10)]
    assert tail_faults(kept, head.number, head.chain, (0, genesis(head.journal))) == []


def test_a_hundred_callers_at_once_lose_nothing_and_share_one_chain(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        answers = await asyncio.gather(*(journal.append([decision()]) for _ in range(100)))
        return answers, await journal.after(0, 1000), await journal.head()

    answers, kept, head = run(act)
    assert sorted(each.entries[0].number for each in answers) == [*range(1, 101)]
    assert tail_faults(kept, head.number, head.chain, (0, genesis(head.journal))) == []


def test_the_same_request_again_gives_the_same_entries_and_writes_nothing(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        key = IdempotencyKey("bank", "one", "digest")
        first = await journal.append([decision(), decision()], key)
        again = await journal.append([decision(), decision()], key)
        return first, again, await journal.head()

    first, again, head = run(act)
    assert (again.repeated, again.entries) == (True, first.entries)
    assert head.number == 2


def test_the_same_request_twice_at_once_is_written_once(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        key = IdempotencyKey("bank", "one", "digest")
        return await asyncio.gather(*(journal.append([decision()], key) for _ in range(8)))

    answers = run(act)
    assert {each.entries[0].number for each in answers} == {1}
    assert sum(each.repeated for each in answers) == 7


def test_a_key_with_another_request_is_refused_and_another_callers_is_not(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        await journal.append([decision()], IdempotencyKey("bank", "one", "digest"))
        other = await journal.append([decision()], IdempotencyKey("shop", "one", "another"))
        with pytest.raises(ConflictError, match="same request"):
            await journal.append([decision()], IdempotencyKey("bank", "one", "another"))
        return other, await journal.head()

    other, head = run(act)
    assert (other.repeated, head.number) == (False, 2)


def test_of_an_append_that_is_refused_nothing_is_kept(run: Run) -> None:
    entry = decision()

    async def act(journal: Journal) -> Any:
        await journal.append([entry])
        with pytest.raises(ConflictError, match="id of its own"):
            await journal.append([decision(), entry])
        return await journal.head()

    assert run(act).number == 1


def test_a_refused_append_takes_nobody_elses_with_it(run: Run) -> None:
    entry = decision()

    async def act(journal: Journal) -> Any:
        calls = [journal.append([each]) for each in (decision(), entry, entry, decision())]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each).__name__ for each in run(act)] == ["Appended", "Appended", "ConflictError", "Appended"]


def test_a_case_is_closed_once(run: Run) -> None:
    case = Entry(kind="review", at_us=1, due_us=9)

    async def act(journal: Journal) -> Any:
        await journal.append([case])
        calls = [journal.append([Entry(kind="override", at_us=2, closes=case.id)]) for _ in range(2)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert sorted(type(each).__name__ for each in run(act)) == ["Appended", "ConflictError"]


def test_the_queue_holds_open_cases_the_first_due_first(run: Run) -> None:
    cases = [Entry(kind="review", at_us=1, due_us=due, release="r") for due in (30, 10, 20)]
    contest = Entry(kind="contest", at_us=1, due_us=5)

    async def act(journal: Journal) -> Any:
        await journal.append([*cases, contest, decision()])
        await journal.append([Entry(kind="confirmation", at_us=2, closes=cases[2].id)])
        reviews = await journal.find(["review"], still_open=True)
        late = await journal.find(["review", "contest"], still_open=True, due_before_us=11)
        closed = await journal.find(["review"], still_open=False, release="r")
        return [[each.entry.due_us for each in found] for found in (reviews, late, closed)]

    assert run(act) == [[10, 30], [5, 10], [20]]


def test_readers_take_pages_in_order_and_by_kind(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        one = decision()
        await journal.append([one, Entry(kind="outcome", at_us=1, about=one.id, decision=1), decision()])
        pages = await journal.after(0, 2), await journal.after(2, 2), await journal.after(0, 9, ["outcome"])
        about, found = await journal.about(one.id), await journal.find(["decision"], after=1)
        return [[each.number for each in page] for page in (*pages, about, found)]

    assert run(act) == [[1, 2], [3], [2], [2], [3]]


def test_erasing_a_person_leaves_the_chain_and_what_may_stay(run: Run) -> None:
    mine, other = decision(), decision(subject=BEN)
    words = Entry(kind="contest", at_us=2, about=mine.id, due_us=3, personal=json_bytes({"text": "I object"}))

    async def act(journal: Journal) -> Any:
        await journal.append([mine, other, words])
        erased = await journal.erase(subjects=[ANN], reason="asked", at_us=5)
        return erased, await journal.after(0, 10), await journal.head()

    erased, kept, head = run(act)
    assert set(erased.ids) == {mine.id, words.id}
    assert [each.erased for each in kept] == [True, False, True, False]
    assert (kept[0].entry.subject, kept[0].entry.personal, kept[0].entry.score) == (None, None, mine.score)
    assert kept[3].entry.body == b'{"erased":[[1,1],[3,3]],"reason":"asked"}'
    assert tail_faults(kept, head.number, head.chain, (0, genesis(head.journal))) == []


def test_what_is_too_old_is_counted_and_erased_once(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        await journal.append([decision(at_us=at) for at in (10, 20, 30)])
        await journal.append([decision(at_us=5, subject=None, personal=None)])
        before = await journal.overdue(25)
        erased = [await journal.erase(before_us=25, reason="its time is over", at_us=40) for _ in range(2)]
        return before, [len(each.ids) for each in erased], await journal.overdue(25)

    before, erased, after = run(act)
    assert (before.entries, before.oldest_us, after.entries, after.oldest_us) == (2, 10, 0, None)
    assert erased == [2, 0]


def test_many_are_erased_in_parts_each_on_record(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in ("sqlite", "postgres"):
        monkeypatch.setattr(f"fairmark.journal.{store}.CHUNK", 2)

    async def act(journal: Journal) -> Any:
        await journal.append([decision() for _ in range(5)])
        erased = await journal.erase(subjects=[ANN], reason="asked", at_us=5)
        return erased, await journal.after(0, 20), await journal.overdue(10**9)

    erased, kept, overdue = run(act)
    spans = [span for each in kept[5:] for span in json.loads(each.entry.body)["erased"]]
    assert (len(erased.ids), overdue.entries) == (5, 0)
    assert sorted(number for first, last in spans for number in range(first, last + 1)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("most", [1, 2, 100])
def test_kinds_that_are_few_are_read_in_pages_too(run: Run, most: int) -> None:
    async def act(journal: Journal) -> Any:
        for number in range(1, 7):
            await journal.append([decision(), Entry(kind="canary" if number % 2 else "opened", at_us=number)])
        found: list[int] = []
        while page := await journal.after(found[-1] if found else 0, most, ["canary"]):
            found += [each.number for each in page]
        both = await journal.find(["canary", "opened"]), await journal.find(["canary", "decision"])
        return found, *[len(each) for each in both]

    assert run(act) == ([2, 6, 10], 6, 9)


def test_a_request_that_was_erased_is_not_answered_again(run: Run) -> None:
    key = IdempotencyKey("bank", "one", "digest")

    async def act(journal: Journal) -> Any:
        await journal.append([decision()], key)
        await journal.erase(subjects=[ANN], reason="asked", at_us=5)
        with pytest.raises(ConflictError, match="erased"):
            await journal.append([decision()], key)

    run(act)


def test_a_clock_that_is_set_back_changes_no_order(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        await journal.append([decision(at_us=2_000)])
        await journal.append([decision(at_us=1_000)])
        return [(each.number, each.entry.at_us) for each in await journal.after(0, 9)]

    assert run(act) == [(1, 2_000), (2, 1_000)]


def test_what_no_store_can_give_back_is_refused_with_every_fault() -> None:
    with pytest.raises(UsageError) as caught:
        decision(kind="guess", score=float("nan"), subject="Ann", at_us=-1, caller="a\0b", body=b"[]")

    words = ("kind", "score", "subject", "at_us", "caller", "body")
    assert [fault.split(": ")[1] for fault in sorted(caught.value.faults)] == sorted(words)
    assert "Ann" not in str(caught.value)


def test_tables_of_another_program_are_left_alone(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncpg

    monkeypatch.setenv("PGPASSWORD", PASSWORD)

    async def act() -> Any:
        address = server.new_database()
        other = await asyncpg.connect(address)
        await other.execute(
            "CREATE TABLE public.entries (mine text); INSERT INTO public.entries VALUES ('kept')"
        )
        journal = await open_journal(address)
        await journal.append([decision()])
        kept = await other.fetchval("SELECT mine FROM public.entries"), (await journal.head()).number
        await journal.close()
        await other.close()
        return kept

    assert asyncio.run(act()) == ("kept", 1)


def test_an_empty_append_is_refused(run: Run) -> None:
    async def act(journal: Journal) -> Any:
        with pytest.raises(UsageError, match="an entry"):
            await journal.append([])
        return await journal.entry(new_id())

    assert run(act) is None


def test_what_is_about_a_correction_goes_with_the_decision(run: Run) -> None:
    first = decision(subject=None)
    mended = decision(kind="correction", about=first.id, subject=None)
    contest = decision(kind="contest", about=mended.id, subject=None)

    async def act(journal: Journal) -> Any:
        await journal.append([first, mended, contest, decision(subject=BEN)])
        await journal.erase(ids=[mended.id], reason="asked", at_us=2)
        return (await journal.erase(ids=[first.id], reason="asked", at_us=3)).ids, await journal.after(0, 9)

    ids, kept = run(act)
    assert ids == (first.id,)
    assert [each.erased for each in kept[:4]] == [True, True, True, False]
