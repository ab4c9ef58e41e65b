"""Confidence sequences are those of the package `ville`, agree with their tests, and cover at every look."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest

from fairmark.stats import confidence_sequence as cs
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import Margin, Prior, against_beyond, against_beyond_counts, against_paired
from fairmark.stats.score_test import Kind

FLAT = Prior(np.array([0.5]), 2.0)
PAIR = Prior.at([0.3, 0.3])


def drawn(seed: int, blocks: int, rates: Sequence[float], rows: Sequence[int]) -> tuple[Floats, Floats]:
    n = np.broadcast_to(np.asarray(rows, dtype=float), (blocks, np.size(rates)))
    return np.random.default_rng(seed).binomial(n.astype(int), rates).astype(float), n


# Against independent computations


@pytest.mark.parametrize(
    ("hits", "rows", "tail", "prior", "bounds"),
    [
        # BernoulliCS(alpha, prior, intersect=False) of ville 0.1.0.
        (3, 10, 0.05, (1, 1), (0.036640290376, 0.733259473836)),
        (30, 200, 0.05, (1, 1), (0.078187115932, 0.248158878332)),
        (400, 1000, 0.01, (2, 3), (0.341951229553, 0.459989241471)),
        (2000, 100000, 0.05, (1, 49), (0.018401829955, 0.021686191924)),
    ],
)
def test_the_bounds_of_a_rate_are_those_of_ville(
    hits: int, rows: int, tail: float, prior: tuple[float, float], bounds: tuple[float, float]
) -> None:
    a, b = prior

    found = cs.rate([hits], [rows], tail, Prior(np.array([a / (a + b)]), a + b))

    np.testing.assert_allclose(np.ravel(found), bounds, atol=1e-9)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_pair_is_bounded_by_what_its_test_rejects(kind: Kind) -> None:
    x, n = drawn(1, 150, [0.28, 0.3], [20, 30])
    low, _ = cs.pair(x, n, kind, 0.05, PAIR)
    limit = low if kind == "ratio" else -low

    def peak(at: float) -> float:
        return float(against_beyond(x, n, Margin(kind, at), PAIR).max())

    step = 0.021 if kind == "ratio" else -0.01
    assert peak(limit) >= np.log(20) > peak(limit + step)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_bounds_from_counts_stand_where_their_test_turns(kind: Kind) -> None:
    x, n = np.array([300.0, 330.0]), np.array([1000.0, 1000.0])
    low, high = cs.pair_counts(x, n, kind, 0.05, PAIR)

    at_low = against_beyond_counts(x, n, Margin(kind, low if kind == "ratio" else -low), PAIR)
    turned = Margin(kind, 1 / high if kind == "ratio" else high)
    at_high = against_beyond_counts(x[::-1], n[::-1], turned, PAIR)
    np.testing.assert_allclose([at_low, at_high], np.log(20), atol=1e-6)


def test_swapping_the_pair_turns_its_bounds_over() -> None:
    x, n = drawn(2, 100, [0.2, 0.3], [25, 25])
    low, high = cs.pair(x, n, "difference", 0.05, PAIR)

    assert cs.pair(x[:, ::-1], n[:, ::-1], "difference", 0.05, PAIR) == (-high, -low)


def test_paired_rows_are_bounded_by_what_their_test_rejects() -> None:
    counts = np.tile([1.0, 45.0, 4.0], (60, 1))
    low, high = cs.paired(counts, 0.05, [1, 8, 1])

    assert low < 3 / 50 < high
    assert against_paired(counts, low, [1, 8, 1]).max() >= np.log(20)
    assert against_paired(counts[:, ::-1], -high, [1, 8, 1]).max() >= np.log(20)


# Boundaries


def test_without_rows_nothing_is_known() -> None:
    none = np.zeros((4, 2))

    np.testing.assert_array_equal(np.ravel(cs.rate([0], [0], 0.05, FLAT)), [0, 1])
    assert cs.pair(none, none, "ratio", 0.05, PAIR) == (0, np.inf)
    assert cs.pair_counts(none[0], none[0], "difference", 0.05, PAIR) == (-1, 1)
    assert cs.paired(np.zeros((4, 3)), 0.05, [1, 1, 1]) == (-1, 1)


def test_no_hits_and_only_hits_reach_the_ends() -> None:
    low, high = cs.rate([0, 80], [80, 80], 0.05, Prior(np.array([0.5, 0.5]), 2.0))

    assert (low[0], high[1]) == (0, 1)
    assert high[0] == pytest.approx(1 - low[1])


# Over whole sequences


def test_a_rate_is_outside_its_bounds_at_any_look_no_more_often_than_stated() -> None:
    rows, runs = 400, 400
    hits = np.cumsum(np.random.default_rng(3).random((runs, rows)) < 0.1, axis=1)
    low, high = cs.rate(hits, np.arange(1, rows + 1), 0.1, Prior.at([0.1]))
    missed = ((low > 0.1) | (high < 0.1)).any(axis=1)

    # Of 400 at 0.1, 54 or fewer come with probability 0.99.
    assert missed.sum() <= 54


def test_a_ratio_is_outside_its_bounds_no_more_often_than_stated() -> None:
    missed = 0
    for seed in range(20):
        x, n = drawn(seed, 80, [0.24, 0.3], [20, 30])
        low, high = cs.pair(x, n, "ratio", 0.05, PAIR)
        missed += not low <= 0.8 <= high

    # Two bounds at 0.05 each: of 20 at 0.1, 5 or fewer come with probability 0.99.
    assert missed <= 5
