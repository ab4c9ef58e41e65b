"""Validation rows are held against the policy's limits, with a margin on those on groups."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from people_table import limit, policy
from sklearn import metrics

from fairmark.learn.policy_limits import WORST, Limits, Rows
from fairmark.params.policy import Limit

SCORE = np.array([0.9, 0.8, 0.7, 0.2, 0.9, 0.6, 0.3, 0.1])
LABEL = np.array([1, 1, 0, 0, 1, 0, 1, 0], dtype=np.int8)
SIDE = pd.Series(["l"] * 4 + ["r"] * 4)


def limits(*given: Limit, margin: float = 0.0, least: int = 1, side: Any = SIDE) -> Limits:
    rows = Rows(LABEL, np.ones(8), pd.DataFrame({"side": side}))
    return Limits(policy(*given, min_group_rows=least), rows, margin)


RATIO = limit("selection_rate_ratio", "side", at_least=0.5)


def test_slacks_by_hand() -> None:
    # At 0.5 three of four on the left are selected and two of four on the right: a ratio of 2/3.
    found = limits(RATIO, limit("accuracy", None, at_least=0.9), margin=0.1).slacks(SCORE, 0.5)

    assert found == pytest.approx({"selection-rate-ratio": 2 / 3 - 0.5 - 0.1, "accuracy": 5 / 8 - 0.9})


def test_a_ceiling_counts_from_above() -> None:
    found = limits(limit("selection_rate_difference", "side", at_most=0.2)).slacks(SCORE, 0.5)

    assert found == pytest.approx({"selection-rate-difference": 0.2 - 0.25})


def test_a_measure_of_each_group_is_held_by_the_worst_group() -> None:
    given = limit("recall", "side", at_least=0.1), limit("false_positive_rate", "side", at_most=0.9)

    assert limits(*given).values(SCORE, 0.5) == {"recall": 0.5, "false-positive-rate": 0.5}


@pytest.mark.parametrize(
    ("measure", "peer"),
    [
        ("roc_auc", metrics.roc_auc_score),
        ("log_loss", metrics.log_loss),
        ("brier", metrics.brier_score_loss),
    ],
)
def test_measures_of_the_score_are_scikit_learns(measure: str, peer: Any) -> None:
    whole, groups = limit(measure, None, at_least=0.1), limit(measure, "side", at_least=0.1)
    each = [peer(LABEL[side == SIDE], SCORE[side == SIDE]) for side in "lr"]

    assert limits(whole).values(SCORE, 0.5)[whole.name] == pytest.approx(peer(LABEL, SCORE))
    assert limits(groups).values(SCORE, 0.5)[whole.name] == pytest.approx(min(each))


def test_what_cannot_be_measured_is_not_kept() -> None:
    nobody = limits(RATIO)

    assert nobody.values(SCORE, 1.5) == {RATIO.name: None}
    assert nobody.slacks(SCORE, 1.5) == {RATIO.name: WORST}


def test_a_limit_that_does_not_gate_has_a_value_and_no_slack() -> None:
    told = limits(limit("accuracy", None, at_least=0.9, gate=False))

    assert told.values(SCORE, 0.5) == {"accuracy": 5 / 8}
    assert (told.slacks(SCORE, 0.5), told.violation(SCORE)) == ({}, None)


def test_a_measure_unknown_here_is_left_to_the_verdict() -> None:
    assert limits(limit("calibration_error", None, at_most=0.1)).slacks(SCORE, 0.5) == {}


def test_a_group_under_the_least_size_is_left_out() -> None:
    side = ["l"] * 4 + ["r"] * 3 + ["few"]

    assert limits(RATIO, least=2, side=side).values(SCORE, 0.5) == {RATIO.name: pytest.approx(2 / 3 / 0.75)}
    assert limits(RATIO, least=1, side=side).values(SCORE, 0.5) == {RATIO.name: 0}


def test_the_violation_of_a_cut_is_the_sum_of_what_is_missing() -> None:
    given = limits(RATIO, limit("accuracy", None, at_least=0.6), margin=0.05)
    cuts = np.linspace(0, 1, 41)
    missing = given.violation(SCORE)

    assert missing is not None
    by_hand = [sum(max(-slack, 0) for slack in given.slacks(SCORE, cut).values()) for cut in cuts.tolist()]
    assert missing(cuts) == pytest.approx(by_hand)


def test_a_limit_that_no_cut_can_move_does_not_rule_cuts_out() -> None:
    assert limits(limit("roc_auc", None, at_least=0.99)).violation(SCORE) is None


@pytest.mark.parametrize(("measure", "least"), [("selection_rate_ratio", 5), ("recall", 5)])
def test_a_limit_without_groups_enough_is_not_measured_and_steers_nothing(measure: str, least: int) -> None:
    given = limits(limit(measure, "side", at_least=0.5), limit("accuracy", None, at_least=0.9), least=least)

    slacks, values, _, _ = given.held(SCORE, 0.5)

    assert list(slacks) == ["accuracy"]
    assert values[measure.replace("_", "-")] is None
    missing = given.violation(SCORE)
    assert missing is not None
    assert missing(np.array([0.5])) == pytest.approx([0.9 - 5 / 8])  # of accuracy alone


def test_a_ratio_that_a_model_leaves_undefined_is_not_kept() -> None:
    assert limits(RATIO).slacks(SCORE, 2.0) == {RATIO.name: WORST}
