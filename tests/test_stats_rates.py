"""Rates and disparities at many thresholds at once are those of Fairlearn and scikit-learn, one at a time."""

from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fair
from sklearn import metrics

from fairmark.stats.confusion import matrices_by_threshold
from fairmark.stats.rates import values_of, values_over_groups

DRAW = np.random.default_rng(3)
SCORE = DRAW.random(300).round(2)
LABEL = (DRAW.random(300) < SCORE).astype(np.int8)
CODE = DRAW.integers(0, 3, 300)
WEIGHT = DRAW.random(300)
CUTS = np.array([0.0, 0.3, 0.31, 0.6, 0.99])
TABLE = matrices_by_threshold(SCORE, LABEL, WEIGHT, CODE, 3, CUTS)
NAMED: dict[str, Any] = {
    "accuracy": metrics.accuracy_score,
    "recall": metrics.recall_score,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "precision": metrics.precision_score,
    "f1": metrics.f1_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "selection_rate": fair.selection_rate,
}


@pytest.mark.parametrize("measure", NAMED)
def test_a_rate_is_the_one_of_its_peer(measure: str) -> None:
    for k, cut in enumerate(CUTS[:-1]):
        for group in range(3):
            at = group == CODE
            theirs = NAMED[measure](LABEL[at], SCORE[at] >= cut, sample_weight=WEIGHT[at])
            assert values_of(TABLE, measure)[k, group] == pytest.approx(theirs)


PEERS: dict[str, Any] = {
    "selection_rate_ratio": fair.demographic_parity_ratio,
    "selection_rate_difference": fair.demographic_parity_difference,
    "true_positive_rate_difference": fair.equal_opportunity_difference,
    "true_positive_rate_ratio": fair.equal_opportunity_ratio,
    "equalized_odds_difference": fair.equalized_odds_difference,
}


@pytest.mark.parametrize("measure", PEERS)
def test_a_disparity_is_fairlearns(measure: str) -> None:
    for k, cut in enumerate(CUTS[:-1]):
        theirs = PEERS[measure](LABEL, cut <= SCORE, sensitive_features=CODE, sample_weight=WEIGHT)
        assert values_over_groups(TABLE, measure)[k] == pytest.approx(theirs)


def test_the_base_rate_is_the_share_of_positive_labels() -> None:
    assert values_of(TABLE, "base_rate")[2, 1] == pytest.approx(
        np.average(LABEL[CODE == 1], weights=WEIGHT[CODE == 1])
    )


def test_a_group_without_a_rate_is_left_out() -> None:
    table = matrices_by_threshold(
        np.array([0.9, 0.8]), np.array([1, 1]), np.ones(2), np.array([0, 1]), 3, np.array([0.5])
    )

    assert values_over_groups(table, "true_positive_rate_ratio").tolist() == [1]
    assert np.isnan(values_over_groups(table, "false_positive_rate_ratio")).all()


def test_a_ratio_of_nothing_to_nothing_is_unknown() -> None:
    table = matrices_by_threshold(
        np.array([0.1, 0.2]), np.array([1, 0]), np.ones(2), np.array([0, 1]), 2, np.array([0.5])
    )

    assert np.isnan(values_over_groups(table, "selection_rate_ratio")).all()


@pytest.mark.parametrize("measure", ["selection_rate", "f1_ratio", "height_difference"])
def test_a_measure_that_nobody_knows_is_not_made_up(measure: str) -> None:
    with pytest.raises(KeyError, match=measure):
        values_over_groups(TABLE, measure)


def test_a_disparity_over_no_group_is_not_known() -> None:
    nobody = np.zeros((3, 0, 2, 2))

    assert np.isnan(values_over_groups(nobody, "selection_rate_ratio")).all()
    assert np.isnan(values_over_groups(nobody, "equalized_odds_difference")).all()
