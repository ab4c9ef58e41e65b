"""The journal is counted once and only once, whenever and however it is read; looks end by its own time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from postgres_server import PASSWORD, PostgresServer
from watched import RELEASE, START, WEEK, counted, decision, outcome, planned, reference, traffic

from fairmark.errors import StateError, UnavailableError
from fairmark.journal.entry import DAY_US, Entry, json_bytes
from fairmark.journal.memberships import Membership, MemoryMemberships
from fairmark.journal.place import open_journal, open_memberships
from fairmark.journal.store import MemoryJournal
from fairmark.watch.source import JournalSource, opened
from fairmark.watch.windows import ALL, Counted, Counts, count_new, in_sample

YES = [decision(START + k, 0.6, {"pay": 15 + k, "job": "cook"}) for k in range(3)]
NO = [
    decision(START + 10, 0.2, {"pay": None, "job": "pilot"}),
    decision(START + 11, 0.3, {"pay": 99, "job": "nurse"}),
]


def only(found: Counted) -> Counts:
    assert found.pending is not None
    return found.pending


def test_decisions_are_counted_by_hand() -> None:
    found = only(counted([*YES, *NO]))

    assert (found.decisions, found.selected) == (5, 3)
    assert found.features == {"pay": [0, 3, 0, 1, 0, 1, 0], "job": [3, 1, 0, 0, 1]}
    assert found.outside == {"pay": 1, "job": 0}
    assert found.moments["pay"] == [4, 15 + 16 + 17 + 99, 15**2 + 16**2 + 17**2 + 99**2]
    assert found.scores == [1, 1, 3, 0]
    assert found.expected == pytest.approx([2, 0.5, 3, 1.8])
    assert found.latency[1] == 5


@pytest.mark.parametrize("name", ['debt [€, "total"]', "a\\b", "a\nb"])
def test_a_column_whose_name_json_escapes_is_counted_like_any_other(name: str) -> None:
    wanted = only(counted([*YES, *NO]))
    first, *rest = reference().features
    renamed = reference().model_copy(update={"features": (first.model_copy(update={"name": name}), *rest)})
    entries = [
        msgspec.structs.replace(each, personal=each.personal.replace(b'"pay"', json_bytes(name)))
        for each in [*YES, *NO]
        if each.personal is not None
    ]

    found = only(counted(entries, reference=renamed))

    assert found.features == {name: wanted.features["pay"], "job": wanted.features["job"]}
    assert found.moments[name] == wanted.moments["pay"]


def test_outcomes_join_their_decisions_and_groups_by_hand() -> None:
    held = [Membership(YES[0].id, "sex", {"F": 1.0}), Membership(NO[0].id, "sex", {"F": 1.0})]
    found = only(counted([*YES, *NO, outcome(YES[0], 1), outcome(NO[0], 1), outcome(YES[1], 0)], held))

    assert found.outcomes == {ALL: {ALL: [0, 1, 1, 1]}, "sex": {"F": [0, 0, 1, 1]}}
    assert found.labelled == [[0, 1], [0, 0], [1, 1], [0, 0]]
    assert found.groups["sex"] == {"F": [2, 1]}
    assert sum(found.delays) == 3


def test_a_mended_outcome_takes_the_place_of_the_first() -> None:
    found = only(counted([*YES, outcome(YES[0], 1), outcome(YES[0], 0)]))

    assert found.outcomes[ALL][ALL] == [0, 1, 0, 0]
    assert (found.labels, sum(found.delays)) == (1, 1)


def test_probabilities_of_membership_are_kept_apart_from_groups() -> None:
    found = only(counted(YES, [Membership(YES[0].id, "sex", {"F": 0.75, "M": 0.25})]))

    assert found.estimated == {"sex": {"F": [0.75, 0.75], "M": [0.25, 0.25]}}
    assert "sex" not in found.groups


def test_a_person_s_decisions_are_counted_by_group() -> None:
    case = Entry(kind="review", at_us=START + 20, about=YES[0].id, due_us=START + WEEK)
    said = [Entry(kind="override", at_us=START + 21, about=YES[0].id, closes=case.id, decision=0)]
    found = only(counted([*YES, case, *said], [Membership(YES[0].id, "sex", {"M": 1.0})]))

    assert (found.reviews, found.overridden, found.judged["sex"]) == (1, 1, {"M": [1, 1]})


def test_other_releases_and_shadows_count_as_answers_alone() -> None:
    others = [
        decision(START + 30, 0.9, release="sha256:" + "b" * 64, arm="fallback"),
        Entry(kind="decision", at_us=START + 31, arm="none"),
        Entry(kind="shadow", at_us=START + 32, about=YES[0].id, release=RELEASE, arm="shadow", score=0.1),
    ]
    found = only(counted([*YES, *others]))

    assert found.decisions == 3
    assert found.arms == {"champion": 3, "fallback": 1, "none": 1}


def test_erased_inputs_are_told_and_their_decision_still_counts() -> None:
    found = only(counted([YES[0], decision(START + 5, 0.7, personal=None)]))

    assert (found.decisions, found.erased, sum(found.features["job"])) == (2, 1, 1)


def test_looks_end_with_the_journal_s_time_and_not_before_they_hold_enough() -> None:
    few, many = traffic(1, 99)[0], traffic(3, 120)[0]

    assert counted(few, until_us=START + WEEK).looks == []
    assert [look.decisions for look in counted(few, until_us=START + 5 * WEEK, least_rows=99).looks] == [99]
    assert [look.decisions for look in counted(many, until_us=START + 3 * WEEK + DAY_US).looks] == [
        120,
        120,
        120,
    ]


def test_a_clock_that_is_set_back_loses_no_row() -> None:
    rows = [decision(START + k * DAY_US, 0.6) for k in (0, 8, 1, 9, 2)]
    found = counted(rows, least_rows=1, until_us=START + 2 * WEEK)

    assert sum(look.decisions for look in found.looks) == 5


def test_one_entry_dated_years_ahead_puts_off_no_look() -> None:
    ahead = decision(START + 100 * WEEK, 0.6)
    rows = [ahead, *(decision(START + k * DAY_US, 0.6) for k in (1, 8, 15))]
    found = counted(rows, least_rows=1, until_us=START + 16 * DAY_US)
    later = counted([*rows[1:2], ahead, *rows[2:]], least_rows=1, until_us=START + 16 * DAY_US)

    assert found.looks == []
    assert found.pending is not None
    assert found.pending.end_us == START + 16 * DAY_US + WEEK
    assert [look.decisions for look in later.looks] == [1]


def test_outcomes_without_new_decisions_are_looked_at_too() -> None:
    made = [decision(START + k, 0.6) for k in range(120)]
    late = [outcome(each, 1, START + 2 * WEEK) for each in made]
    found = counted([*made, *late], until_us=START + 4 * WEEK)

    assert [(look.decisions, look.labels) for look in found.looks] == [(120, 0), (0, 120)]


def test_cases_of_another_release_are_not_this_one_s() -> None:
    others = "sha256:" + "b" * 64
    case = Entry(kind="review", at_us=START + 20, about=YES[0].id, due_us=START + WEEK, release=others)
    said = Entry(kind="override", at_us=START + 21, about=YES[0].id, decision=0, release=others)

    assert (only(counted([*YES, case, said])).reviews, only(counted([*YES, said])).judged) == (0, {})


def test_answers_before_the_first_decision_of_the_release_are_none_of_its_own() -> None:
    before = [decision(START - k, 0.6, release="sha256:" + "b" * 64) for k in range(1, 4)]

    assert only(counted([*before, *YES])).arms == {"champion": 3}


@pytest.mark.parametrize("seed", range(3))
def test_whenever_it_is_read_the_counts_are_those_of_one_reading(seed: int) -> None:
    rng = np.random.default_rng(seed)
    entries, held = traffic(2, 150, seed)
    entries += [outcome(each, int(rng.integers(2))) for each in entries if rng.random() < 0.5]
    entries.sort(key=lambda each: each.at_us)
    late = {each.decision for each in held if rng.random() < 0.3}

    async def in_parts() -> Counted:
        journal, memberships, found = MemoryJournal(), MemoryMemberships(), Counted(RELEASE)
        for start in range(0, len(entries), 97):
            part = entries[start : start + 97]
            names = {each.id for each in part}
            await journal.append(part)
            await memberships.add_memberships(
                [e for e in held if e.decision in names and e.decision not in late]
            )
            await count_new(JournalSource(journal), memberships, found, planned(), part[-1].at_us)
        await memberships.add_memberships([each for each in held if each.decision in late])
        return await count_new(JournalSource(journal), memberships, found, planned(), START + 2 * WEEK)

    whole, parts = counted(entries, held, until_us=START + 2 * WEEK).total, asyncio.run(in_parts()).total
    assert whole is not None
    assert parts is not None
    assert (whole.features, whole.groups, whole.outcomes, whole.labelled) == (
        parts.features, parts.groups, parts.outcomes, parts.labelled
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a new database of each store."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    if request.param == "sqlite":
        return str(tmp_path / "journal.db")
    server: PostgresServer = request.getfixturevalue("server")
    return server.new_database()


@pytest.mark.parametrize("chunk", [20_000, 37])
def test_each_store_gives_the_counts_of_the_journal_in_memory(
    place: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairmark.watch.windows.CHUNK", chunk)
    entries, held = traffic(1, 120)
    entries += [outcome(each, 1) for each in entries[:30]]
    case = Entry(kind="review", at_us=entries[-1].at_us, about=entries[0].id, due_us=START + WEEK)
    said = Entry(kind="override", at_us=entries[-1].at_us, about=entries[0].id, closes=case.id, decision=0)
    entries += [outcome(entries[3], 0), case, said]

    async def from_store() -> Counted:
        journal = await open_journal(place)
        memberships = await open_memberships(str(tmp_path / "m.db"))
        await journal.append(entries)
        await memberships.add_memberships(held)
        await memberships.close()
        async with opened(place, str(tmp_path / "m.db")) as (source, of):
            found = await count_new(source, of, Counted(RELEASE), planned(), START + WEEK)
        await journal.close()
        return found

    assert asyncio.run(from_store()).total == counted(entries, held).total


def test_what_was_erased_is_read_as_erased_in_each_store(place: str) -> None:
    async def from_store() -> Counted:
        journal = await open_journal(place)
        await journal.append(YES)
        await journal.erase(ids=[YES[0].id], reason="asked", at_us=START)
        async with opened(place, None) as (source, of):
            found = await count_new(source, of, Counted(RELEASE), planned(), START)
        await journal.close()
        return found

    found = only(asyncio.run(from_store()))
    assert (found.decisions, found.erased, sum(found.features["job"])) == (3, 1, 2)


def test_a_server_that_goes_away_is_told_and_the_counting_goes_on_where_it_stood(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    address = server.new_database()

    async def act() -> int:
        journal, found = await open_journal(address), Counted(RELEASE)
        await journal.append(YES)
        async with opened(address, None) as (source, of):
            await count_new(source, of, found, planned(), START)
            server.stop()
            with pytest.raises(UnavailableError, match="postgresql://127"):
                await count_new(source, of, found, planned(), START)
        server.start()
        await journal.append(NO)
        await journal.close()
        async with opened(address, None) as (source, of):
            return only(await count_new(source, of, found, planned(), START)).decisions

    assert asyncio.run(act()) == 5


@pytest.mark.parametrize("chunk", [20_000, 37])
def test_a_request_of_a_thousand_slow_rows_is_one_slow_request(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairmark.watch.windows.CHUNK", chunk)
    slow = [decision(START + 9, 0.6, took_us=400_000) for _ in range(1000)]
    found = only(counted([*YES, *slow], until_us=START + 60))

    assert found.decisions == 1003
    assert sum(found.latency) == 4
    assert sum(found.latency[2:]) == 1


def test_counts_are_kept_in_a_file_and_those_of_another_release_are_not(tmp_path: Path) -> None:
    found = counted(traffic(2, 120)[0], until_us=START + 2 * WEEK)
    found.write(tmp_path / "counts.json")

    assert Counted.read(tmp_path / "counts.json", RELEASE) == found
    assert Counted.read(tmp_path / "counts.json", "sha256:" + "b" * 64).looks == []
    (tmp_path / "counts.json").write_bytes(b'{"release": 1}')
    with pytest.raises(StateError, match=r"must hold counts \(remove it to count anew\)"):
        Counted.read(tmp_path / "counts.json", RELEASE)


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def look() -> None:
        async with opened(str(tmp_path / "none.db"), None):
            pass

    with pytest.raises(StateError, match=r"none\.db: must be a journal, got no such file"):
        asyncio.run(look())


def test_the_label_sample_has_its_share_and_follows_from_the_id_alone() -> None:
    ids = [f"{k:032x}" for k in range(20_000)]
    drawn = [each for each in ids if in_sample(each, 0.05)]

    assert 0.045 < len(drawn) / len(ids) < 0.055
    assert {each for each in ids if in_sample(each, 0.01)} < set(drawn)


def test_raw_values_are_read_before_they_are_placed() -> None:
    row = json_bytes({"row": {"pay": "1,5", "job": "cook"}})
    found = only(
        counted(
            [decision(START, 0.6, personal=row)],
            typed={"pay": lambda text: float(str(text).replace(",", "."))},
        )
    )

    assert found.features["pay"][0] == 1
    assert reference().by_name["pay"].place(1.5) == 0
