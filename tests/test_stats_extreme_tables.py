"""The quick way to the tables that are more extreme finds those that trying every table finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from fairmark.stats.exact_test import Order, Sample
from fairmark.stats.score_test import (
    Kind,
    difference_curve,
    difference_statistic,
    ratio_curve,
    ratio_statistic,
)

KINDS = {"ratio": (ratio_curve, ratio_statistic), "difference": (difference_curve, difference_statistic)}
EVERYWHERE = np.linspace(0, 1, 5)
ROWS = st.tuples(st.integers(1, 60), st.integers(1, 60))
COUNTS = st.tuples(
    *(st.integers(1, 60).flatmap(lambda n: st.builds(Sample, st.integers(0, n), st.just(n))),) * 2
)
LIMITS = st.sampled_from(
    [("ratio", 0.0), ("ratio", 0.8), ("ratio", 1.0), ("ratio", 1.25)]
    + [("difference", d) for d in (-0.9, -0.1, 0.0, 0.3)]
)


@given(COUNTS, LIMITS)
@settings(max_examples=150, deadline=None)
def test_the_edge_is_where_trying_every_table_finds_it(
    counts: tuple[Sample, Sample], limit: tuple[Kind, float]
) -> None:
    (one, two), (kind, margin) = counts, limit
    _, statistic = KINDS[kind]
    found = Order(kind, one, two, margin).tables(EVERYWHERE, EVERYWHERE)
    x1, x2 = np.meshgrid(np.arange(one.rows + 1.0), np.arange(two.rows + 1.0), indexing="ij")
    z = statistic(x1, one.rows, x2, two.rows, margin)
    held = z >= z[one.hits, two.hits] - 1e-9
    few = one if one.rows <= two.rows else two
    kept = held.sum(axis=1) if few is one else held.sum(axis=0)[::-1]

    assert found.turned == (few is two)
    assert found.edge.tolist() == np.maximum.accumulate(kept - 1.0).tolist()


@pytest.mark.parametrize("turned", [False, True])
def test_their_chance_is_that_of_the_two_binomials(turned: bool) -> None:
    one, two = Sample(9, 14), Sample(7, 30)
    if turned:
        one, two = Sample(23, 30), Sample(5, 14)
    found = Order("ratio", one, two, 0.8).tables(EVERYWHERE, EVERYWHERE)
    x1, x2 = np.arange(one.rows + 1.0), np.arange(two.rows + 1.0)
    z = ratio_statistic(x1[:, None], one.rows, x2, two.rows, 0.8)
    tables = np.outer(binom.pmf(x1, one.rows, 0.4), binom.pmf(x2, two.rows, 0.5))
    wanted = tables[z >= z[one.hits, two.hits] - 1e-9].sum()

    assert float(found.chances(np.array([0.4]), np.array([0.5]))[0]) == pytest.approx(wanted, rel=1e-9)


@given(st.floats(0.05, 0.7), st.floats(0.5, 1.3), st.floats(0.5, 6), ROWS)
@settings(max_examples=100, deadline=None)
def test_along_its_curve_the_statistic_stays_the_same(
    share2: float, ratio: float, level: float, rows: tuple[int, int]
) -> None:
    at = np.array([share2])
    for kind, margin in (("ratio", ratio), ("difference", 0.2 * ratio)):
        curve, statistic = KINDS[kind]
        x1, x2 = (float(hits[0]) for hits in curve(*rows, margin, level, at))
        inside = 0 <= x1 <= rows[0] and 0 <= x2 <= rows[1]

        assert not inside or float(statistic(x1, rows[0], x2, rows[1], margin)) == pytest.approx(level)
