"""A canary goes on from its journal wherever it was killed, one at a time, and is tried once."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
from canaries import CHALLENGER, CHAMPION, OTHER, Traffic, state, terms

from fairmark.errors import RefusedError, StateError, UnavailableError
from fairmark.journal.entry import DAY_US
from fairmark.journal.memberships import Membership
from fairmark.serve.canary.decision import Advice
from fairmark.serve.canary.state import CanaryState
from fairmark.serve.canary.steering import Canary, advice_in

ALIKE, UNFAIR = {"Female": 0.6, "Male": 0.6}, {"Female": 0.3, "Male": 0.6}


def run(steps: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(steps)


def canary(traffic: Traffic, challenger: str = CHALLENGER, champion: str | None = CHAMPION) -> Canary:
    return Canary(traffic.journal, traffic.memberships, terms(), challenger, champion, "A. Person")


async def to_its_end(traffic: Traffic, *, killed: bool = False) -> list[Advice]:
    """Steer a canary to its end, by a new process at every look when `killed`; return what happened."""
    steered, found = canary(traffic), []
    await steered.begin(traffic.now_us)
    for _ in range(60):
        await traffic.decide(250, steered.state)
        if killed:
            steered = canary(traffic)
            assert await steered.begin(traffic.now_us)
        advice = await steered.look(traffic.now_us)
        await steered.follow(advice, traffic.now_us)
        found += [advice] if advice.action != "continue" else []
        if steered.state.phase in {"off", "halted", "promoted"}:
            break
    return found


def test_a_fair_model_goes_from_the_shadow_to_everybody() -> None:
    found = run(to_its_end(Traffic(1, ALIKE)))

    assert [each.action for each in found] == ["grow", "grow", "promote", "keep"]
    assert [each.share for each in found[:3]] == [0.25, 0.5, 1.0]


def test_an_unfair_model_is_halted_and_nobody_meets_it_any_more() -> None:
    traffic = Traffic(2, UNFAIR)
    found = run(to_its_end(traffic))

    assert found[-1].action == "return"
    assert traffic.journal.kept[-1].entry.kind == "canary"
    assert '"phase":"halted"' in traffic.journal.kept[-1].entry.body.decode()


def test_killed_at_every_look_it_goes_the_same_way() -> None:
    whole, pieces = run(to_its_end(Traffic(3, ALIKE))), run(to_its_end(Traffic(3, ALIKE), killed=True))

    assert [each.document for each in whole] == [each.document for each in pieces]


def test_counted_at_once_or_in_pieces_the_blocks_are_the_same() -> None:
    async def both() -> list[np.ndarray[Any, Any]]:
        traffic, pieces = Traffic(4, ALIKE), None
        pieces = canary(traffic)
        await pieces.begin(traffic.now_us)
        for _ in range(5):
            await traffic.decide(77, pieces.state)
            await pieces.look(traffic.now_us)
        whole = canary(traffic)
        await whole.look(traffic.now_us)
        return [each.counter.counts().decisions["sex"].rows for each in (pieces, whole)]

    one, two = run(both())
    np.testing.assert_array_equal(one, two)
    assert one.sum() == 350  # seven whole blocks of 385 rows


def test_the_entry_of_a_step_carries_its_evidence() -> None:
    traffic = Traffic(5, UNFAIR)
    found = run(to_its_end(traffic))
    last = traffic.journal.kept[-1]

    assert advice_in(last) == found[-1].document
    assert last.entry.release == CHALLENGER


def test_a_returned_release_is_not_tried_again() -> None:
    traffic = Traffic(2, UNFAIR)
    run(to_its_end(traffic))

    with pytest.raises(RefusedError, match=r"must be of a release that was not tried before.*halted: return"):
        run(canary(traffic).begin(traffic.now_us))


def test_two_canaries_at_once_are_refused() -> None:
    traffic = Traffic(6, ALIKE)
    run(canary(traffic).begin(traffic.now_us))

    with pytest.raises(StateError, match="must be one at a time"):
        run(canary(traffic, OTHER).begin(traffic.now_us))


def test_of_two_who_steer_the_slower_is_refused() -> None:
    async def both() -> None:
        traffic = Traffic(7, ALIKE)
        one, two = canary(traffic), canary(traffic)
        await one.begin(traffic.now_us)
        await two.begin(traffic.now_us)
        await one.halt("It is wrong.", traffic.now_us)
        await two.halt("So I think.", traffic.now_us)

    with pytest.raises(StateError, match="must be steered by one"):
        run(both())


@pytest.mark.parametrize(
    ("champion", "words"), [(None, "must have a champion"), (CHALLENGER, "of another release")]
)
def test_without_another_champion_nothing_begins(champion: str | None, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        canary(Traffic(8, ALIKE), champion=champion)


# What is counted


async def looked(traffic: Traffic, rows: int, current: CanaryState | None = None) -> Canary:
    steered = canary(traffic)
    await steered.begin(traffic.now_us)
    if current is not None:
        await traffic.journal.append([current.entry(traffic.now_us)])
    await traffic.decide(rows, current or steered.state)
    await steered.look(traffic.now_us)
    return steered


def test_the_shadow_counts_both_decisions_and_no_request() -> None:
    counts = run(looked(Traffic(9, ALIKE), 400)).counter.counts()

    assert counts.rows == 400
    assert counts.decisions["sex"].paired.sum() == 400
    assert counts.operation.sum() == 0


def test_faults_and_slow_answers_of_the_challenger_are_counted() -> None:
    traffic = Traffic(10, ALIKE)
    traffic.faults, traffic.slow = 0.2, 0.5
    counts = run(looked(traffic, 1000, state(0.5))).counter.counts()
    requests, faults, slow = counts.operation.sum(axis=0)

    entries = [each.entry for each in traffic.journal.kept if each.entry.kind == "decision"]
    failed = sum(b"challenger" in each.body for each in entries)
    late = sum(each.arm == "challenger" and (each.took_us or 0) > 50_000 for each in entries)
    asked = sum(each.arm == "challenger" for each in entries) + failed
    assert asked - 50 < requests <= asked  # the last block is open yet
    assert failed - 50 < faults <= failed
    assert late - 50 < slow <= late


def test_a_membership_that_is_not_certain_counts_for_no_group() -> None:
    async def told() -> Canary:
        traffic = Traffic(11, ALIKE)
        traffic.told = False
        steered = canary(traffic)
        await steered.begin(traffic.now_us)
        ids = await traffic.decide(100, steered.state)
        both = [Membership(each, "sex", {"Female": 0.9, "Male": 0.1}) for each in ids[:50]]
        await traffic.memberships.add_memberships([*both, Membership(ids[50], "sex", {"Diverse": 1.0})])
        await steered.look(traffic.now_us)
        return steered

    steered = run(told())
    assert steered.counter.known() == {"sex": 0}
    assert steered.counter.unknown == {"sex": 51}


def test_outcomes_join_their_group_whichever_comes_first() -> None:
    async def told(first: str) -> Any:
        traffic = Traffic(12, ALIKE)
        traffic.told = False
        steered = canary(traffic)
        await steered.begin(traffic.now_us)
        (this,) = await traffic.decide(1, steered.state)
        for what in (first, "outcome" if first == "group" else "group"):
            if what == "group":
                await traffic.memberships.add_memberships([Membership(this, "sex", {"Male": 1.0})])
            else:
                await traffic.outcome(this, 1)
            await steered.look(traffic.now_us)
        return steered.counter.counts().outcomes["sex"].sum(axis=(0, 2, 3)).tolist()

    assert run(told("group")) == run(told("outcome")) == [0, 1]


def test_outcomes_are_compared_with_the_champions_own() -> None:
    async def told() -> Any:
        traffic = Traffic(13, ALIKE)
        steered = canary(traffic)
        await steered.begin(traffic.now_us)
        await traffic.journal.append([state(0.5).entry(traffic.now_us)])
        for each in await traffic.decide(300, state(0.5)):
            await traffic.outcome(each, 1)
        await steered.look(traffic.now_us)
        return steered.counter.counts().arms.sum(axis=(0, 2, 3))

    mine, theirs = run(told())
    assert mine + theirs == 300
    assert 100 < mine < 200


def test_decisions_before_the_canary_are_not_its() -> None:
    traffic = Traffic(14, ALIKE)
    run(traffic.decide(100, CanaryState(phase="off")))

    assert run(looked(traffic, 50)).counter.counts().rows == 50


def test_days_are_counted_from_the_first_entry() -> None:
    steered = run(looked(Traffic(15, ALIKE), 1))
    began = steered.counter.history[0].entry.at_us

    assert steered.counter.progress(began + 2 * DAY_US).days == 2
    assert steered.counter.progress(began - DAY_US).days == 0  # a clock that was set back


def test_groups_that_came_while_the_journal_was_away_are_counted_when_it_is_back() -> None:
    async def told() -> Any:
        traffic = Traffic(16, ALIKE)
        steered = canary(traffic)
        await steered.begin(traffic.now_us)
        await traffic.decide(100, steered.state)
        traffic.journal.unavailable = "a restart"
        with pytest.raises(UnavailableError):
            await steered.look(traffic.now_us)
        traffic.journal.unavailable = None
        await steered.look(traffic.now_us)
        return steered.counter.known()

    assert run(told()) == {"sex": 100}


def test_an_outcome_that_is_told_twice_is_counted_once_for_either_arm() -> None:
    async def told() -> Any:
        traffic = Traffic(17, ALIKE)
        steered = canary(traffic)
        await steered.begin(traffic.now_us)
        await traffic.journal.append([state(0.5).entry(traffic.now_us)])
        for each in 2 * await traffic.decide(100, state(0.5)):
            await traffic.outcome(each, 1)
        await steered.look(traffic.now_us)
        return steered.counter.counts().arms.sum()

    assert run(told()) == 100


MINUTE_US = 60_000_000
MINUTES = 61 * MINUTE_US


async def begun(traffic: Traffic) -> Canary:
    steered = canary(traffic)
    await steered.begin(traffic.now_us)
    await traffic.decide(10, steered.state)
    return steered


def kinds(traffic: Traffic) -> list[str]:
    return [each.entry.kind for each in traffic.journal.kept if each.entry.kind in {"canary", "heartbeat"}]


async def look(steered: Canary, now_us: int) -> None:
    await steered.follow(await steered.look(now_us), now_us)


def test_a_look_each_minute_is_a_heartbeat_each_quarter_of_the_silence() -> None:
    async def act() -> Traffic:
        traffic = Traffic(6, ALIKE)
        steered, start = await begun(traffic), traffic.now_us
        for minute in range(1, 121):
            await look(steered, start + minute * MINUTE_US)
        assert await canary(traffic).begin(start + 121 * MINUTE_US)
        return traffic

    # Every 15 minutes and a bit, in two hours.
    assert 6 <= kinds(run(act())).count("heartbeat") <= 8


def test_a_canary_that_nobody_looked_at_goes_on_by_a_person_s_word_alone() -> None:
    async def act() -> list[str]:
        traffic = Traffic(7, ALIKE)
        steered = await begun(traffic)
        late = traffic.now_us + MINUTES
        for late_look in (look(steered, late), canary(traffic).begin(late)):
            with pytest.raises(StateError, match=r"every 60 minutes.*\n.*canary resume"):
                await late_look
        with pytest.raises(StateError, match="must be halted because nobody has looked"):
            await canary(traffic).resume("Why not.", traffic.now_us)
        assert (await canary(traffic).resume("The flow is up again.", late)).phase == "shadow"
        assert await canary(traffic).begin(late + MINUTE_US)
        return kinds(traffic)

    assert run(act()) == ["canary", "canary"]


def test_one_that_nobody_looked_at_can_still_be_taken_back() -> None:
    async def act() -> str:
        traffic = Traffic(8, ALIKE)
        await begun(traffic)
        return (await canary(traffic).halt("No.", traffic.now_us + MINUTES)).phase

    assert run(act()) == "halted"
