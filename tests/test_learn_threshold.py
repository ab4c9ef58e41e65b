"""The threshold is the best of all cuts on validation rows, and the same one every time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from fairmark.learn.threshold import EVERYBODY, NOBODY, Goal, choose

GOALS = ["accuracy", "balanced_accuracy", "f1"]
ROWS = st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(1, 3)), min_size=1, max_size=25)


def slow_best(goal: str, score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """The best of the goal over every way to cut, one scikit-learn call each."""
    by = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": lambda y, d, sample_weight: np.mean(
            [
                metrics.recall_score(y, d, pos_label=k, sample_weight=sample_weight, zero_division=1.0)
                for k in (0, 1)
            ]
        ),
        "f1": lambda y, d, sample_weight: metrics.f1_score(
            y, d, sample_weight=sample_weight, zero_division=0.0
        ),
    }[goal]
    cuts = [*np.unique(score), 2.0]
    return float(max(by(label, (score >= cut).astype(int), sample_weight=weight) for cut in cuts))


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, goal=st.sampled_from(GOALS))
def test_no_other_cut_reaches_more(rows: list[tuple[int, bool, int]], goal: str) -> None:
    score, label, weight = (np.array(column) for column in zip(*rows, strict=True))
    score, label = score / 12, label.astype(np.int8)

    found = choose(score, label, weight.astype(float), Goal.of(goal))

    assert found.quality == pytest.approx(slow_best(goal, score, label, weight), abs=1e-9)


def chosen(score: list[float], label: list[int], **kwargs: object) -> float:
    rows = np.array(score), np.array(label, dtype=np.int8), np.ones(len(score))
    return choose(*rows, Goal.of("accuracy"), **kwargs).cut  # type: ignore[arg-type]


def test_the_cut_lies_midway_between_neighbours() -> None:
    assert chosen([0.2, 0.4, 0.9], [0, 0, 1]) == 0.65


def test_of_equally_good_cuts_the_nearest_to_a_half_is_chosen_then_the_lower() -> None:
    assert chosen([0.3, 0.5, 0.9], [0, 1, 0]) == 0.4  # and 0.7 does no better than taking nobody
    assert chosen([0.3, 0.4, 0.6, 0.7], [1, 0, 1, 0]) == 0.5
    assert chosen([0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1]) == 0.3  # 0.7 is as good and as near


def test_everybody_or_nobody_may_be_best() -> None:
    assert chosen([0.2, 0.4], [1, 1]) == EVERYBODY
    assert chosen([0.2, 1.0], [0, 0]) == NOBODY


def test_scores_that_differ_in_the_last_digits_are_never_parted() -> None:
    assert chosen([0.5, 0.5 + 1e-12, 0.9], [0, 1, 1]) in {0.7, EVERYBODY}


def test_only_admissible_cuts_are_chosen_where_there_are_any() -> None:
    rows = [0.2, 0.4, 0.9], [0, 0, 1]

    assert chosen(*rows, violation=lambda cuts: 1.0 * (cuts >= 0.5)) == 0.3
    assert chosen(*rows, violation=lambda cuts: 1.0 * (cuts <= 5)) == 0.65


@pytest.mark.parametrize(("price", "cut"), [(None, 0.65), (0.2, 0.65), (0.4, 0.3), (9.0, EVERYBODY)])
def test_where_no_cut_keeps_the_limits_nearer_ones_cost_quality_at_a_price(
    price: float | None, cut: float
) -> None:
    """Of three rows 0.65 decides all rightly, 0.3 two; lower cuts are nearer to the limits."""
    missing = {NOBODY: 4.0, 0.65: 3.0, 0.3: 2.0, EVERYBODY: 1.9}
    rows = np.array([0.2, 0.4, 0.9]), np.array([0, 0, 1], dtype=np.int8), np.ones(3)

    found = choose(
        *rows, Goal.of("accuracy"), lambda cuts: np.array([missing[c] for c in cuts.tolist()]), price=price
    )

    assert found.cut == cut
    assert found.spent == pytest.approx({0.65: 0.0, 0.3: 1 / 3, EVERYBODY: 2 / 3}[cut])


def test_a_weight_counts_as_so_many_rows() -> None:
    for weight in itertools.permutations([1.0, 2.0, 4.0]):
        rows = [0.2, 0.5, 0.8], [1, 0, 1]
        often = [np.repeat(np.array(column), np.array(weight, dtype=int)) for column in rows]
        one = choose(np.array(rows[0]), np.array(rows[1]), np.array(weight), Goal.of("f1"))
        assert one == choose(often[0], often[1], np.ones(7), Goal.of("f1"))
