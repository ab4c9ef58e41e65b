"""Measures are those of scikit-learn, weighted and not; the calibration error has a bound that holds."""

from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fair
from sklearn import metrics as peer

from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.measures import COUNTED
from fairmark.stats.rates import rate_of, value_of
from fairmark.stats.score_measures import bin_scores, mean_loss, row_losses

DRAW = np.random.default_rng(4)
LABEL = (DRAW.random(500) < 0.3).astype(np.int8)
SCORE = np.clip(0.3 + 0.3 * LABEL + 0.2 * DRAW.standard_normal(500), 0, 1)
WEIGHT = DRAW.gamma(2.0, 1.0, 500)
DECISION = (SCORE >= 0.5).astype(np.int8)
ONES = np.ones(500)
PEERS: dict[str, Any] = {
    "selection_rate": lambda _, d, sample_weight: np.average(d, weights=sample_weight),
    "base_rate": lambda y, _, sample_weight: np.average(y, weights=sample_weight),
    "accuracy": peer.accuracy_score,
    "balanced_accuracy": peer.balanced_accuracy_score,
    "precision": peer.precision_score,
    "recall": peer.recall_score,
    "false_positive_rate": fair.false_positive_rate,
    "false_negative_rate": fair.false_negative_rate,
    "false_discovery_rate": lambda y, d, sample_weight: (
        1 - peer.precision_score(y, d, sample_weight=sample_weight)
    ),
    "f1": peer.f1_score,
}


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_measure_of_decisions_is_that_of_its_peer(name: str, weight: np.ndarray | None) -> None:
    cells = confusion_matrix(LABEL, DECISION, np.zeros(500), 1, weight)

    assert value_of(cells, name)[0] == pytest.approx(PEERS[name](LABEL, DECISION, sample_weight=weight))


@pytest.mark.parametrize(("name", "theirs"), [("brier", peer.brier_score_loss), ("log_loss", peer.log_loss)])
def test_a_loss_is_that_of_its_peer(name: str, theirs: Any) -> None:
    inner = np.clip(SCORE, 0.01, 0.99)
    found = mean_loss(row_losses(LABEL, inner, name), WEIGHT)

    assert found.value == pytest.approx(theirs(LABEL, inner, sample_weight=WEIGHT))


def test_without_weights_the_standard_error_of_a_loss_is_the_textbook_one() -> None:
    loss = row_losses(LABEL, SCORE, "brier")
    found = mean_loss(loss, ONES)

    assert found.se == pytest.approx(loss.std(ddof=1) / np.sqrt(500))
    assert found.df == pytest.approx(499)


def test_one_certain_mistake_costs_a_finite_loss() -> None:
    assert row_losses(np.array([1], dtype=np.int8), np.array([0.0]), "log_loss")[0] == pytest.approx(
        6.9078, abs=1e-4
    )


def test_a_group_without_rows_has_no_rate() -> None:
    value, hits, rows = rate_of(confusion_matrix(LABEL, DECISION, np.zeros(500), 2), "recall")

    assert np.isnan(value[1])
    assert (hits[1], rows[1]) == (0.0, 0.0)


def test_equal_weights_change_nothing_but_uneven_ones_cost_rows() -> None:
    counts = rate_of(confusion_matrix(LABEL, DECISION, np.zeros(500), 1), "accuracy")
    doubled = rate_of(confusion_matrix(LABEL, DECISION, np.zeros(500), 1, 2 * ONES), "accuracy")
    uneven = rate_of(confusion_matrix(LABEL, DECISION, np.zeros(500), 1, WEIGHT), "accuracy")

    assert np.allclose(np.ravel(counts), np.ravel(doubled))
    assert uneven[2][0] < 400


def test_light_hits_do_not_make_more_rows_than_kish_allows() -> None:
    decision = np.array([1] * 5 + [0] * 5)
    weight = np.array([0.1] * 5 + [1.0] * 5)
    _, _, rows = rate_of(confusion_matrix(decision, decision, np.zeros(10), 1, weight), "selection_rate")

    assert rows[0] <= weight.sum() ** 2 / (weight**2).sum() + 1e-9


def test_effective_rows_give_the_variance_of_the_weighted_share() -> None:
    # Oracle: the variance over samples that are drawn anew, weights drawn with the rows.
    draw = np.random.default_rng(6)
    found, sizes = [], []
    for _ in range(400):
        weight, decision = draw.gamma(2.0, 1.0, 300), (draw.random(300) < 0.3).astype(int)
        value, _, rows = rate_of(
            confusion_matrix(decision, decision, np.zeros(300), 1, weight), "selection_rate"
        )
        found.append(value[0])
        sizes.append(rows[0])

    assert np.var(found) == pytest.approx(0.3 * 0.7 / np.mean(sizes), rel=0.2)


def test_a_calibration_error_is_counted_by_hand() -> None:
    label = np.array([1, 0, 1, 1], dtype=np.int8)
    found = bin_scores(label, np.array([0.2, 0.4, 0.9, 1.0]), np.ones(4), 2)

    # Lower bin: mean score 0.3, share 0.5; upper bin: mean score 0.95, share 1; half of the rows each.
    assert found.error() == pytest.approx(0.5 * 0.2 + 0.5 * 0.05)
    assert found.rows.tolist() == [2, 2]
