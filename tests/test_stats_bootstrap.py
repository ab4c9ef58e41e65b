"""Multinomial draws of cells are the bootstrap of rows: the same distribution, at no cost in rows."""

import numpy as np
import pytest

from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.intervals import difference, draw, percentile, ratio, spread, worst
from fairmark.stats.rates import values_of

DRAW = np.random.default_rng(11)
GROUP = DRAW.integers(0, 3, 400)
LABEL = (DRAW.random(400) < 0.4).astype(int)
DECISION = (DRAW.random(400) < 0.2 + 0.1 * GROUP).astype(int)
WEIGHT = DRAW.gamma(1.0, 1.0, 400)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("name", ["selection_rate", "true_positive_rate", "precision"])
def test_draws_are_distributed_as_resampled_rows(name: str, weight: np.ndarray | None) -> None:
    cells = confusion_matrix(LABEL, DECISION, GROUP, 3, weight)
    ours = ratio(values_of(draw(cells, 4000, np.random.default_rng(1)), name))
    by_rows = []
    other = np.random.default_rng(2)
    for _ in range(1500):
        at = other.integers(0, 400, 400)
        again = confusion_matrix(
            LABEL[at], DECISION[at], GROUP[at], 3, None if weight is None else weight[at]
        )
        by_rows.append(ratio(values_of(again.weight[None], name))[0])

    for share in (0.1, 0.5, 0.9):
        assert np.quantile(ours, share) == pytest.approx(np.quantile(by_rows, share), abs=0.035)
    assert spread(ours) == pytest.approx(np.std(by_rows), rel=0.1)


def test_disparities_of_a_replicate_are_counted_by_hand() -> None:
    values = np.array([[0.2, 0.4, 0.5], [0.3, np.nan, 0.3], [0.0, 0.0, 0.0]])

    assert ratio(values)[:2].tolist() == pytest.approx([0.4, 1.0])
    assert np.isnan(ratio(values)[2])
    assert difference(values).tolist() == pytest.approx([0.3, 0.0, 0.0])
    assert worst(values).tolist() == [0.2, 0.3, 0.0]


def test_a_group_without_rows_stands_aside() -> None:
    cells = confusion_matrix(LABEL, DECISION, GROUP, 4)
    values = values_of(draw(cells, 50, np.random.default_rng(1)), "recall")

    assert np.isnan(values[:, 3]).all()
    assert np.isfinite(ratio(values)).all()


def test_no_rows_at_all_give_no_spread_and_no_interval() -> None:
    values = values_of(draw(confusion_matrix([], [], [], 2), 20, np.random.default_rng(1)), "recall")

    assert spread(ratio(values)) == 0.0
    assert np.isnan(percentile(ratio(values), 0.025)).all()


def test_the_same_seed_gives_the_same_draws() -> None:
    cells = confusion_matrix(LABEL, DECISION, GROUP, 3, WEIGHT)

    one, two = (draw(cells, 100, np.random.default_rng([5, 1])) for _ in range(2))
    assert np.array_equal(one, two)
