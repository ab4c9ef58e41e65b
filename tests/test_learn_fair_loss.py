"""The loss of a fair fit: log loss where nothing is charged, the Lagrangian's own boundary where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmark.learn.fit_boosted import Lagrangian, even_odds
from fairmark.learn.training_data import Sample


def sample(label: list[int], cost: list[float], weight: list[float] | None = None) -> Sample:
    rows = len(label)
    heavy = np.ones(rows) if weight is None else np.array(weight)
    return Sample(np.zeros((rows, 1)), np.array(label, dtype=np.int8), heavy, np.array(cost))


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    rows = sample([1, 0, 1], [0.8, -1.5, 0.0], [1.0, 2.0, 3.0])
    loss, at, small = Lagrangian(rows, 0.3), np.array([0.4, -0.2, 2.0]), 1e-6

    slopes = [(loss.loss(at + small * e) - loss.loss(at - small * e)) / (2 * small) for e in np.eye(3)]

    np.testing.assert_allclose(loss.gradient(at)[0] / rows.weight.sum(), slopes, atol=1e-8)


def test_without_costs_it_is_log_loss() -> None:
    rows, at = sample([1, 0, 1, 0], [0.0] * 4), np.array([1.0, -2.0, 0.5, 3.0])
    risk = 1 / (1 + np.exp(-at))

    first, second = Lagrangian(rows, 0.0).gradient(at)

    np.testing.assert_allclose(first, risk - rows.label)
    np.testing.assert_allclose(second, risk * (1 - risk))
    assert Lagrangian(rows, 0.0).loss(at) == pytest.approx(
        -np.log([risk[0], 1 - risk[1], risk[2], 1 - risk[3]]).mean()
    )


@settings(max_examples=25, deadline=None)
@given(positive=st.integers(1, 99), cost=st.floats(-0.9, 0.9))
def test_the_best_constant_changes_sign_where_the_lagrangian_does(positive: int, cost: float) -> None:
    share = positive / 100
    if abs(2 * share - 1 + cost) < 0.02:
        return
    rows = sample([1, 0], [cost, cost], [share, 1 - share])
    grid = np.linspace(-6, 6, 601)

    best = grid[np.argmin([Lagrangian(rows, 0.0).loss(np.full(2, z)) for z in grid])]

    assert (best > 0) == (2 * share - 1 + cost > 0)


def test_the_second_derivative_stays_above_zero_far_out() -> None:
    assert (Lagrangian(sample([1, 0], [0.0, 0.0]), 0.0).gradient(np.array([50.0, -50.0]))[1] > 0).all()


@pytest.mark.parametrize(("label", "odds"), [([1, 0, 0, 0], -np.log(3)), ([1, 1], 10), ([0, 0], -10)])
def test_the_start_is_the_log_odds_of_the_label_rate(label: list[int], odds: float) -> None:
    assert even_odds(sample(label, [0.0] * len(label))) == pytest.approx(odds)
