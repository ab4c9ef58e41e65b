"""A trial is given up only where an earlier one of like fairness is ahead at the same rung."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmark.learn.trial import IntermediateValue, bars, is_dominated
from fairmark.params.learn import Pruning

PRUNING = Pruning(rungs=[10, 20], quality=0.01, fairness=0.05)


def mark(quality: float, fairness: float, rounds: int = 10) -> IntermediateValue:
    return IntermediateValue(rounds=rounds, quality=quality, fairness=fairness)


@pytest.mark.parametrize(
    ("quality", "fairness", "beaten"),
    [
        (0.80, -0.30, True),  # behind by 0.02, as far outside the limits
        (0.80, -0.26, True),  # a little nearer to them, by less than 0.05
        (0.80, -0.24, False),  # nearer by more than that
        (0.80, 0.00, False),  # inside the limits, which the other one is not
        (0.82, -0.90, False),  # ahead of it by nothing
        (0.811, -0.90, False),  # behind by less than 0.01
    ],
)
def test_a_trial_outside_the_limits_beats_those_of_like_fairness(
    quality: float, fairness: float, beaten: bool
) -> None:
    assert is_dominated(mark(quality, fairness), [mark(0.82, -0.3)], PRUNING) == beaten


@pytest.mark.parametrize(("fairness", "beaten"), [(0.0, True), (0.2, True), (-0.01, True)])
def test_inside_the_limits_more_room_is_no_merit(fairness: float, beaten: bool) -> None:
    assert is_dominated(mark(0.80, fairness), [mark(0.82, 0.001)], PRUNING) == beaten


def test_a_fair_trial_is_never_beaten_by_an_unfair_one() -> None:
    assert not is_dominated(mark(0.1, 0.0), [mark(0.99, -1e-9)], PRUNING)


def test_rungs_are_not_mixed() -> None:
    assert not is_dominated(mark(0.1, 0.0, rounds=20), [mark(0.99, 0.3, rounds=10)], PRUNING)


def test_nobody_is_beaten_by_nobody() -> None:
    assert not is_dominated(mark(0.0, -1.0), [], PRUNING)


MARKS = st.builds(
    IntermediateValue,
    rounds=st.sampled_from([10, 20]),
    quality=st.sampled_from([0.1 * k for k in range(10)]),
    fairness=st.sampled_from([-0.4, -0.32, -0.3, -0.04, 0.0, 0.1, 0.3]),
)


@given(MARKS, st.lists(MARKS, max_size=12))
def test_the_bars_say_what_all_marks_say(one: IntermediateValue, marks: list[IntermediateValue]) -> None:
    assert is_dominated(one, bars(marks), PRUNING) == is_dominated(one, marks, PRUNING)


@given(st.lists(MARKS, max_size=12))
def test_the_bars_are_the_same_in_whichever_order_trials_are_told(marks: list[IntermediateValue]) -> None:
    def said(found: list[IntermediateValue]) -> list[tuple[int, float, float]]:
        return [(bar.rounds, bar.quality, bar.reach) for bar in found]

    assert said(bars(marks)) == said(bars(marks[::-1]))
