"""E-processes keep their promise at every look: the mean of an e-value under its null is at most 1."""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.stats import betabinom, binom, dirichlet_multinomial

from fairmark.stats import e_process as ep
from fairmark.stats.arrays import Floats
from fairmark.stats.score_test import (
    Kind,
    difference_curve,
    difference_statistic,
    ratio_curve,
    ratio_statistic,
)

RATE = st.floats(0.01, 0.99)
RATIO, DIFFERENCE = ep.Margin("ratio", 0.8), ep.Margin("difference", 0.1)
MARGINS = [RATIO, DIFFERENCE, ep.Margin("ratio", 0.5), ep.Margin("difference", 0.02)]
LOG20 = np.log(20)


def divergence(q: Floats, p: Floats, n: Floats) -> float:
    return float(np.sum(n * (q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p)))))


def log_ratio(x: ArrayLike, n: ArrayLike, q: Floats, p: Floats) -> float:
    x, n = np.asarray(x), np.asarray(n)
    return float(np.sum(x * np.log(q / p) + (n - x) * np.log((1 - q) / (1 - p))))


def mean_e_value(rows: ArrayLike, truth: ArrayLike, bet: Floats, projected: Floats) -> float:
    """The mean over all outcomes of one block, by enumeration."""
    total = 0.0
    for hits in product(*(range(int(n) + 1) for n in np.asarray(rows))):
        x = np.array(hits)
        total += float(np.prod(binom.pmf(x, rows, truth))) * float(np.exp(log_ratio(x, rows, bet, projected)))
    return total


# By hand


def test_the_first_block_bets_on_the_prior_alone() -> None:
    prior = ep.Prior(np.array([0.2, 0.4]), 10.0)

    found = ep.bets([[3, 1], [0, 0]], [[10, 10], [5, 5]], prior)

    np.testing.assert_allclose(found, [[0.2, 0.4], [(2 + 3) / 20, (4 + 1) / 20]])


def test_one_rate_above_its_limit_multiplies_by_the_likelihood_ratio() -> None:
    prior = ep.Prior(np.array([0.5]), 2.0)

    found = ep.against_rate([[3], [1]], [[4], [1]], 0.25, "at_most", prior)

    first = (0.5 / 0.25) ** 3 * (0.5 / 0.75)
    second = first * ((1 + 3) / 6) / 0.25
    np.testing.assert_allclose(np.exp(found), [[first], [second]])


def test_two_equal_groups_meet_on_the_boundary_by_symmetry() -> None:
    # Difference 0 and equal rows: the projection is the pooled rate.
    found = ep.projection_within([0.2, 0.4], [7, 7], ep.Margin("difference", 0.0))

    np.testing.assert_allclose(found, [0.3, 0.3])


def test_a_paired_bet_by_hand() -> None:
    # The bet is (0.2, 0.4, 0.4) on -1, 0, 1 and the margin 0: b solves 0.4 / (1 + b) = 0.2 / (1 - b).
    found = ep.against_paired([[1, 5, 2]], 0.0, [1, 2, 2])

    np.testing.assert_allclose(found, [2 * np.log(4 / 3) + np.log(2 / 3)])


def test_shiryaev_roberts_by_hand() -> None:
    found = ep.shiryaev_roberts(np.log([2.0, 3.0, 0.5]))

    np.testing.assert_allclose(np.exp(found), [2, 9, 5])


def test_the_average_is_never_below_bonferroni() -> None:
    values = np.log([[40.0, 0.1, 0.1], [1.0, 2.0, 3.0]])

    found = ep.average(values)

    np.testing.assert_allclose(np.exp(found), [40.2 / 3, 2])
    assert (found >= values.max(axis=-1) - np.log(3)).all()


# Against independent computations


@given(st.lists(RATE, min_size=2, max_size=4), st.data(), st.sampled_from(MARGINS))
@settings(max_examples=40, deadline=None)
def test_the_projection_within_is_the_nearest_point_of_the_null(
    rates: list[float], data: st.DataObject, margin: ep.Margin
) -> None:
    q = np.array(rates)
    n = np.array(data.draw(st.lists(st.integers(1, 50), min_size=len(q), max_size=len(q))), dtype=float)
    found = ep.projection_within(q, n, margin)
    peer = minimize(
        lambda m: divergence(q, np.clip(q, np.maximum(margin.below(m[0]), 1e-9), m[0]), n),
        [min(found.max(), 0.999)],
        method="Nelder-Mead",
        bounds=[(1e-6, 1 - 1e-6)],
        options={"xatol": 1e-10, "fatol": 1e-13},
    )

    assert margin.below(found.max()) <= found.min() + 1e-9
    assert divergence(q, found, n) <= peer.fun + 1e-8


@given(RATE, RATE, st.integers(1, 60), st.integers(1, 60), st.sampled_from(MARGINS))
@settings(max_examples=60, deadline=None)
def test_the_projection_beyond_is_the_restricted_likeliest_point_of_the_score_test(
    q1: float, q2: float, n1: int, n2: int, margin: ep.Margin
) -> None:
    found = ep.projection_beyond([q1, q2], [n1, n2], margin)

    if q1 <= margin.below(q2):
        np.testing.assert_array_equal(found, [q1, q2])
        return
    # Along its curve of restricted likeliest points, the score test gives back the hits it came from.
    if margin.kind == "ratio":
        statistic = float(ratio_statistic(n1 * q1, n1, n2 * q2, n2, margin.limit))
        back = ratio_curve(n1, n2, margin.limit, statistic, found[1])
    else:
        statistic = float(difference_statistic(n1 * q1, n1, n2 * q2, n2, -margin.limit))
        back = difference_curve(n1, n2, -margin.limit, statistic, found[1])
    np.testing.assert_allclose(back, [n1 * q1, n2 * q2], rtol=1e-4, atol=1e-6)


def test_the_counts_version_is_the_beta_binomial_over_the_best_of_the_null() -> None:
    prior, x, n = ep.Prior(np.array([0.3, 0.3]), 4.0), np.array([9.0, 30.0]), np.array([60.0, 80.0])
    marginal = np.sum(betabinom.logpmf(x, n, 1.2, 2.8))
    best = max(np.sum(binom.logpmf(x, n, [0.8 * p, p])) for p in np.linspace(0.001, 0.999, 2_001))

    found = ep.against_within_counts(x, n, RATIO, prior)

    np.testing.assert_allclose(found, marginal - best, atol=1e-3)


@pytest.mark.parametrize(("side", "best"), [("at_most", 0.1), ("at_least", 0.15)])
def test_one_rate_from_counts_is_the_beta_binomial_over_the_best_of_the_null(
    side: Literal["at_most", "at_least"], best: float
) -> None:
    limit = 0.1 if side == "at_most" else 0.12
    prior = ep.Prior(np.array([0.3]), 4.0)

    found = ep.against_rate_counts([9], [60], limit, side, prior)

    np.testing.assert_allclose(found, betabinom.logpmf([9], 60, 1.2, 2.8) - binom.logpmf(9, 60, best))


def test_the_reference_e_value_is_a_ratio_of_dirichlet_multinomials() -> None:
    window, reference = np.array([5, 20, 15]), np.array([400, 300, 300])
    alpha = reference + 0.5
    null = dirichlet_multinomial.logpmf(window, alpha, 40)
    others = [
        dirichlet_multinomial.pmf(window, alpha / alpha.sum() * min(spread, alpha.sum()), 40)
        for spread in ep.SPREADS
    ]

    found = ep.against_reference(window, reference)

    np.testing.assert_allclose(found, np.log(np.mean(others)) - null)


# The mean under the null, by enumeration


@given(
    st.tuples(RATE, RATE),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    RATE,
    RATE,
    st.sampled_from(MARGINS),
)
@settings(max_examples=40, deadline=None)
def test_a_block_is_at_most_1_on_average_anywhere_in_the_null_of_parity(
    bet: tuple[float, float], rows: tuple[int, int], top: float, between: float, margin: ep.Margin
) -> None:
    q, n = np.array(bet), np.array(rows)
    low = max(float(margin.below(top)), 1e-6)
    for truth in ([low, top], [top, low], [top, low + between * (top - low)]):
        assert mean_e_value(n, truth, q, ep.projection_within(q, n, margin)) <= 1 + 1e-8


@given(
    st.tuples(RATE, RATE),
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    RATE,
    RATE,
    st.sampled_from(MARGINS),
)
@settings(max_examples=40, deadline=None)
def test_a_block_is_at_most_1_on_average_anywhere_beyond_the_margin(
    bet: tuple[float, float], rows: tuple[int, int], top: float, between: float, margin: ep.Margin
) -> None:
    q, n = np.array(bet), np.array(rows)
    low = float(margin.below(top))
    if low <= 0:
        return
    for truth in ([low, top], [low * between, top]):
        assert mean_e_value(n, truth, q, ep.projection_beyond(q, n, margin)) <= 1 + 1e-8


def test_three_groups_are_one_null_and_still_at_most_1_on_average() -> None:
    q, n = np.array([0.1, 0.3, 0.6]), np.array([3, 2, 4])
    p = ep.projection_within(q, n, RATIO)
    means = [
        mean_e_value(n, [a, b, c], q, p)
        for a, b, c in product(np.linspace(0.05, 0.95, 11), repeat=3)
        if min(a, b, c) >= 0.8 * max(a, b, c)
    ]

    assert len(means) > 30
    assert max(means) <= 1 + 1e-9


@pytest.mark.parametrize("mass", [0.5, 0.1, 0.02, 0.004])
def test_the_reference_e_value_is_at_most_1_on_average_over_what_the_reference_leaves_open(
    mass: float,
) -> None:
    reference, rows = np.array([7, 3, 5]), 6
    windows = np.array([w for w in product(range(rows + 1), repeat=3) if sum(w) == rows])
    weights = dirichlet_multinomial.pmf(windows, reference + mass, rows)

    found = np.exp(ep.against_reference(windows, np.broadcast_to(reference, windows.shape)))

    assert 0.9 < np.sum(weights * found) <= 1


@pytest.mark.parametrize("empty", [1, 3, 40])
def test_bins_in_which_nothing_ever_falls_are_no_evidence_of_a_change(empty: int) -> None:
    bins = np.r_[1, np.zeros(empty)]

    assert ep.against_reference(10_000 * bins, 200 * bins) < np.log(3)
    assert ep.against_reference(np.r_[150, 50, bins[2:]], 200 * bins) > np.log(1e6)


def test_a_paired_row_is_1_on_average_on_the_margin() -> None:
    margin, changed = 0.05, 0.15
    truth = np.array([(changed - margin) / 2, 1 - changed, (changed + margin) / 2])
    values = [ep.against_paired([[1, 2, 6], row], margin, [1, 8, 1])[-1] for row in np.eye(3)]
    before = ep.against_paired([[1, 2, 6]], margin, [1, 8, 1])[-1]

    assert np.sum(truth * np.exp(np.array(values) - before)) == pytest.approx(1)


# Boundaries


def test_a_group_without_rows_says_nothing() -> None:
    prior = ep.Prior.at([0.2, 0.4])

    found = ep.against_within([[0, 5], [0, 1]], [[0, 10], [0, 10]], RATIO, prior)

    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_bets_within_the_null_stake_nothing() -> None:
    prior = ep.Prior(np.array([0.3, 0.3]), 1e9)

    found = ep.against_within([[9, 0]], [[10, 10]], RATIO, prior)

    np.testing.assert_array_equal(found, [0.0])


@pytest.mark.parametrize("hits", [[0, 0], [10, 10], [0, 10], [10, 0]])
@pytest.mark.parametrize("margin", MARGINS)
def test_none_and_all_are_finite(hits: list[int], margin: ep.Margin) -> None:
    x, n = np.tile(hits, (30, 1)), np.full((30, 2), 10)
    prior = ep.Prior.at([0.5, 0.5])

    found = [f(x, n, margin, prior) for f in (ep.against_within, ep.against_beyond)]
    found += [
        f(x.sum(0), n.sum(0), margin, prior) for f in (ep.against_within_counts, ep.against_beyond_counts)
    ]

    assert all(np.isfinite(each).all() for each in found)


@pytest.mark.parametrize(("kind", "limit"), [("ratio", 0.0), ("ratio", np.inf), ("difference", 1.0)])
def test_a_margin_outside_its_span_is_refused(kind: Kind, limit: float) -> None:
    with pytest.raises(ValueError, match="margin: must be a"):
        ep.Margin(kind, limit)


def test_no_rates_are_within_a_margin_without_parity() -> None:
    with pytest.raises(ValueError, match=r"must hold parity, got a difference of -0\.1"):
        ep.projection_within([0.2, 0.3], [5, 5], ep.Margin("difference", -0.1))


@pytest.mark.parametrize("margin", MARGINS)
def test_swapped_and_reversed_the_null_is_the_other_side_of_one_boundary(margin: ep.Margin) -> None:
    prior = ep.Prior.at([0.3, 0.3])
    x, n = drawn(6, 40, 30, [0.3, 0.3], [10, 10])
    both = ep.against_within(x, n, margin, prior)
    one = ep.against_beyond(x[..., ::-1], n, margin.reversed, prior)
    other = ep.against_beyond(x, n, margin.reversed, prior)

    # Two groups miss a margin in one of two ways, and each block bets on one of them at most.
    np.testing.assert_allclose(both, one + other, atol=1e-6)


def test_the_detector_of_nothing_seen_is_silent() -> None:
    assert ep.shiryaev_roberts(np.empty((0, 3))).shape == (0, 3)


# Over whole sequences, with the alternative far away and the null on its boundary


def drawn(
    seed: int, runs: int, blocks: int, rates: Sequence[float], rows: Sequence[int]
) -> tuple[Floats, Floats]:
    n = np.broadcast_to(np.asarray(rows), (runs, blocks, len(rates)))
    return np.random.default_rng(seed).binomial(n, rates).astype(float), n.astype(float)


def test_looking_at_every_block_errs_no_more_often_than_the_level() -> None:
    x, n = drawn(1, 600, 60, [0.16, 0.2], [17, 33])
    prior = ep.Prior.at([0.16, 0.2])

    within = ep.against_within(x, n, RATIO, prior).max(axis=-1) >= LOG20
    beyond = ep.against_beyond(x, n, RATIO, prior).max(axis=-1) >= LOG20

    # Of 600 at 0.05, 43 or fewer come with probability 0.99.
    assert within.sum() <= 43
    assert beyond.sum() <= 43


def test_a_large_harm_is_caught_and_parity_is_shown() -> None:
    prior = ep.Prior.at([0.3, 0.3])
    x, n = drawn(2, 50, 120, [0.15, 0.3], [20, 30])
    harmed = ep.against_within(x, n, RATIO, prior)
    x, n = drawn(3, 50, 120, [0.3, 0.3], [20, 30])
    alike = ep.against_beyond(x, n, RATIO, prior)

    assert (harmed[:, -1] >= LOG20).mean() > 0.95
    assert (alike[:, -1] >= LOG20).mean() > 0.9


def test_the_mean_run_length_of_the_detector_is_at_least_its_threshold() -> None:
    # Likelihood ratios of normal(1, 1) and normal(0, 1) over three streams, threshold 20.
    steps = np.random.default_rng(4).normal(size=(400, 200, 3)) - 0.5
    detector = ep.average(ep.shiryaev_roberts(steps))
    alarms = detector >= LOG20
    first = np.where(alarms.any(axis=0), alarms.argmax(axis=0) + 1, len(alarms))

    assert first.mean() >= 20
