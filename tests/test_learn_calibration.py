"""Calibrated log-odds are those of the label, and keep the ranking."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairmark.learn.fit import platt


def rows(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    raw = draw.normal(3, 5, n)
    label = (draw.random(n) < 1 / (1 + np.exp(1 - 0.4 * raw))).astype(np.int8)
    return raw, label, draw.random(n) + 0.5


def test_it_is_the_logistic_regression_on_drawn_in_labels() -> None:
    raw, label, weight = rows()
    ones = [(label == k).sum() for k in (0, 1)]
    target = np.where(label == 1, (ones[1] + 1) / (ones[1] + 2), 1 / (ones[0] + 2))
    twice = (
        np.r_[raw, raw][:, None],
        np.repeat([1, 0], len(raw)),
        np.r_[weight * target, weight * (1 - target)],
    )
    peer = LogisticRegression(C=1e12, tol=1e-12, max_iter=10000).fit(*twice)

    found = platt(raw, label, weight)

    assert (found.a, found.b) == pytest.approx((peer.coef_[0, 0], peer.intercept_[0]), rel=1e-4)


def test_the_mean_score_is_the_label_rate() -> None:
    raw, label, weight = rows()

    found = platt(raw, label, weight)

    score = 1 / (1 + np.exp(-(found.a * raw + found.b)))
    assert np.average(score, weights=weight) == pytest.approx(np.average(label, weights=weight), abs=0.003)


def test_labels_parted_without_a_fault_have_a_finite_calibration() -> None:
    found = platt(np.array([-1.0, -2.0, 1.0, 2.0]), np.array([0, 0, 1, 1], dtype=np.int8), np.ones(4))

    assert 0 < found.a < 10


@pytest.mark.parametrize("raw", [[2.0, 1.0, -1.0, -2.0], [1.0, 1.0, 1.0, 1.0]])
def test_a_ranking_that_would_be_turned_round_or_lost_is_left_alone(raw: list[float]) -> None:
    found = platt(np.array(raw), np.array([0, 0, 1, 1], dtype=np.int8), np.ones(4))

    assert found.a > 0
    assert (found.a, found.b) == (1, 0) or raw[0] == raw[1]
