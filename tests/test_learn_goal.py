"""What a threshold is for: hand counts of every goal, and laws of capacity, profit and constant answers."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from fairmark.errors import ParamsError
from fairmark.learn.threshold import Goal, choose
from fairmark.params.learn import Profit, Threshold
from fairmark.params.parse import typed

SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])
LABEL = np.array([1, 0, 1, 1, 0, 0, 1, 0], dtype=np.int8)
ONE = np.ones(8)
ROWS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=2, max_size=40)
MONEY = Profit(tp=100.0, fp=-40.0, tn=0.0, fn=-10.0)


def threshold(maximise: Any, **more: Any) -> Threshold:
    return typed(Threshold, {"maximise": maximise, "by": None, **more}, "threshold")


def cut(maximise: Any, **more: Any) -> float:
    return choose(SCORE, LABEL, ONE, Goal.of(threshold(maximise).maximise), **more).cut


def test_a_profit_by_hand() -> None:
    # From 0.2 up: four hits and three false, 400 - 120 over eight rows; from 0.6 up 300 - 40 - 10.
    found = choose(SCORE, LABEL, ONE, Goal.of(MONEY))

    assert (found.cut, found.quality) == (0.15, 280 / 8)


def test_dear_mistakes_raise_the_threshold() -> None:
    assert cut({"tp": 1, "fp": -10, "tn": 0, "fn": 0}) == pytest.approx(0.85)
    assert cut({"tp": 100, "fp": -1, "tn": 0, "fn": 0}) == pytest.approx(0.15)


def test_a_capacity_by_hand() -> None:
    assert cut({"select": 0.25}) == pytest.approx(0.75)
    assert cut({"select": 0.3}) == pytest.approx(0.75)  # a third of a row is no row


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, select=st.floats(0.01, 0.99))
def test_a_capacity_selects_at_most_the_share_and_no_cut_within_it_selects_more(
    rows: list[tuple[int, bool]], select: float
) -> None:
    score, label = (np.array(column) for column in zip(*rows, strict=True))
    score = score / 40

    found = choose(
        score, label.astype(np.int8), np.ones(len(score)), Goal("balanced_accuracy", select=select)
    )

    shares = [(score >= each).mean() for each in [*np.unique(score), 2.0]]
    taken = (score >= found.cut).mean()
    assert taken <= select + 1e-9
    assert taken == pytest.approx(max(share for share in shares if share <= select + 1e-12))


def test_a_given_threshold_is_taken_as_it_is() -> None:
    assert cut({"at": 0.35}) == 0.35


def test_youdens_index_is_twice_the_balanced_accuracy_less_one() -> None:
    found = choose(SCORE, LABEL, ONE, Goal.of("youden"))
    index = [
        metrics.recall_score(LABEL, taken) - 1 + metrics.recall_score(1 - LABEL, ~taken)
        for taken in (each <= SCORE for each in SCORE)
    ]

    assert 2 * found.quality - 1 == pytest.approx(max(index))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_the_profit_of_one_a_right_decision_is_accuracy(rows: list[tuple[int, bool]]) -> None:
    score, label = (np.array(column) for column in zip(*rows, strict=True))
    given = score / 40, label.astype(np.int8), np.ones(len(score))

    assert choose(*given, Goal.of(Profit(tp=1, tn=1, fp=0, fn=0))) == choose(*given, Goal.of("accuracy"))


@pytest.mark.parametrize(
    ("goal", "answer"),
    [("accuracy", 0.7), ("balanced_accuracy", 0.5), ("f1", 2 * 0.3 / 1.3), (MONEY, 0.3 * 100 - 0.7 * 40)],
)
def test_the_better_constant_answer_by_hand(goal: Any, answer: float) -> None:
    assert Goal.of(goal).constant(0.3) == pytest.approx(answer)


@pytest.mark.parametrize("goal", ["accuracy", "balanced_accuracy", "f1", MONEY])
def test_the_standard_error_is_that_of_resampled_rows(goal: Any) -> None:
    draw, shares = np.random.default_rng(1), np.array([[0.6, 0.1], [0.1, 0.2]])
    aim, rows = Goal.of(goal), 2000

    tables = draw.multinomial(rows, shares.ravel(), size=4000).reshape(-1, 2, 2).astype(float)

    assert aim.error(shares * rows, rows) == pytest.approx(aim.reached(tables).std(), rel=0.06)


@pytest.mark.parametrize(
    ("goal", "gain"),
    [
        (
            "accuracy",
            lambda t: (t[:, 1, 1] - t[:, 0, 1]) / t.sum((1, 2)),
        ),  # beyond "no": hits less false alarms
        # Beyond "yes", which brings 0.8 * -2 + 0.2 * 9 = 0.2 where "no" brings 0.
        (Profit(tp=9, fp=-2, tn=1, fn=-4), lambda t: (3 * t[:, 0, 0] - 13 * t[:, 1, 0]) / t.sum((1, 2))),
        ("balanced_accuracy", lambda t: Goal.of("balanced_accuracy").reached(t) - 0.5),
    ],
)
def test_the_error_of_a_lead_over_one_answer_to_all_is_that_of_drawn_tables(goal: Any, gain: Any) -> None:
    draw, shares = np.random.default_rng(2), np.array([[0.7, 0.1], [0.1, 0.1]])
    tables = draw.multinomial(2000, shares.ravel(), size=4000).reshape(-1, 2, 2).astype(float)

    assert Goal.of(goal).lead_error(shares * 2000, 2000) == pytest.approx(gain(tables).std(), rel=0.06)


def test_the_base_rate_chooses() -> None:
    given = threshold({"common": "accuracy", "rare": "balanced_accuracy", "below": 0.2})

    assert [given.resolved(share).maximise for share in (0.24, 0.1, 0.9)] == [
        "accuracy",
        "balanced_accuracy",
        "balanced_accuracy",
    ]


def test_accuracy_is_refused_where_one_label_is_rare_unless_somebody_insists() -> None:
    told = threshold("accuracy").refused(0.033)

    assert told is not None
    assert told.startswith(
        "params.yaml: train.threshold.maximise: must be another measure than accuracy where 0.033 of the "
        'train rows have the rarer label (less than 0.2), because "no" to everybody is right for 0.967 of '
    )
    assert "insist: true" in told
    assert '"yes" to everybody' in (threshold("accuracy").refused(0.95) or "")
    assert threshold("accuracy", insist=True).refused(0.033) is None
    assert threshold("accuracy").refused(0.24) is None
    assert threshold("f1").refused(0.033) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"tp": 0, "fp": 0, "tn": 0, "fn": 0},
        {"tp": 1, "fp": 0, "tn": 0},
        {"select": 1.0},
        {"common": "accuracy", "rare": "f1"},
        {"at": 0},
        "profit",
    ],
)
def test_what_is_no_goal_is_refused(wrong: Any) -> None:
    with pytest.raises(ParamsError, match=r"threshold: maximise"):
        threshold(wrong)


def test_groups_have_no_thresholds_of_their_own_under_a_capacity() -> None:
    by = {"attribute": "sex", "constraint": "demographic_parity"}

    with pytest.raises(ParamsError, match="by must be null"):
        threshold({"select": 0.1}, by=by)


def test_a_resolved_goal_is_written_and_read_as_it_was_given() -> None:
    for said in ("accuracy", {"tp": 1, "fp": 0, "tn": 1, "fn": 0}, {"select": 0.1}, {"at": 0.5}):
        read = threshold(said)
        assert threshold(json.loads(read.model_dump_json())["maximise"]) == read
