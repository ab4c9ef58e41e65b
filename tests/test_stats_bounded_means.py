"""Bounds of bounded means keep their level: exact for 0 and 1, by simulation for weights and pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from fairmark.stats.bounded_means import (
    Kind,
    Pair,
    Units,
    spread,
    sum_above_zero,
    upper_sum_of_gaps,
    weight_nodes,
)

LEVEL = 0.05


def binary(hits: float, rows: float) -> Units:
    return Units((1.0, 1.0), (0.0, 1.0), (rows - hits, hits), 1.0, 0.0, 1.0)


def of_rows(weight: np.ndarray, value: np.ndarray, heaviest: float) -> Units:
    ones = (1.0,) * len(value)
    return Units(tuple(weight.tolist()), tuple(value.tolist()), ones, heaviest, 0.0, 1.0)


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (1, 10), (29, 30), (50, 100), (200, 1000)])
def test_of_zeros_and_ones_the_chance_is_that_of_a_beta(hits: int, rows: int) -> None:
    """Law: Clopper and Pearson's p-value, P(Beta(x + 1, n - x) >= p); the saddlepoint is within 5%, above."""
    at = np.array([0.3, 0.5, 0.7])
    exact = beta.sf(at, hits + 1, rows - hits)
    near = (exact > 1e-12) & (exact < 0.4)

    assert binary(hits, rows).p_below(at)[near] == pytest.approx(exact[near], rel=0.05)
    assert (binary(hits, rows).p_below(at)[near] >= 0.999 * exact[near]).all()


def test_equal_losses_leave_the_rule_of_three() -> None:
    """60 losses of 0: what was never seen has a chance of at most 1 - 0.05^(1 / 60), and costs 1 at most."""
    losses = Units((1.0,), (0.0,), (60.0,), 1.0, 0.0, 1.0)

    assert losses.lower(LEVEL) == 0
    assert losses.upper(LEVEL) == pytest.approx(1 - LEVEL ** (1 / 60), rel=0.02)


def test_a_heavy_unit_that_was_not_seen_leaves_a_weighted_share_open() -> None:
    """100 rows of weight 1 say little of a share in which a row of 50 may stand that the sample missed."""
    rows = Units((1.0, 1.0), (0.0, 1.0), (90.0, 10.0), 50.0, 0.0, 1.0)

    assert rows.upper(LEVEL) > 0.6
    assert binary(10, 100).upper(LEVEL) < 0.17


def test_the_chance_of_a_sum_of_gammas_is_what_draws_say() -> None:
    draw = np.random.default_rng(1)
    c, n = np.array([-0.1, 0.2, 0.9, -0.05]), np.array([20.0, 3.5, 1.0, 40.0])
    drawn = (draw.standard_gamma(n, (400_000, 4)) @ c >= 0).mean()

    assert float(sum_above_zero(c, n)) == pytest.approx(drawn, rel=0.02)


def test_a_grid_keeps_sums_and_only_spreads() -> None:
    draw = np.random.default_rng(2)
    weight, value = draw.lognormal(size=500), draw.random(500)
    found = spread(weight, value, weights=weight_nodes(weight), values=np.linspace(0, 1, 6))

    assert found[2].sum() == pytest.approx(500)
    assert (found[0] * found[2]).sum() == pytest.approx(weight.sum())
    assert (found[0] * found[1] * found[2]).sum() == pytest.approx(weight @ value)
    assert (found[0] ** 2 * found[2]).sum() > weight @ weight


def test_the_calibration_bound_is_that_of_the_worst_signs() -> None:
    """By all 2^3 ways to give three bins a sign."""
    draw = np.random.default_rng(3)
    gaps = [draw.choice([-0.4, -0.1, 0.3, 0.6], 25) for _ in range(3)]
    bins = [Units((1.0,) * 25, tuple(each.tolist()), (1.0,) * 25, 1.0, -1.0, 1.0) for each in gaps]
    worst = 0.0
    for signs in np.ndindex(2, 2, 2):
        values = np.concatenate([each * (2 * s - 1) for each, s in zip(gaps, signs, strict=True)])
        whole = Units((1.0,) * 75, tuple(values.tolist()), (1.0,) * 75, 1.0, -1.0, 1.0)
        worst = max(worst, whole.upper(LEVEL))

    assert upper_sum_of_gaps(bins, LEVEL) == pytest.approx(worst, abs=1e-4)


# ------------------------------------------------------------------ property


@given(st.integers(3, 60), st.floats(0.001, 0.2), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_bounds_hold_the_mean_and_mirror(rows: int, tail: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    units = of_rows(draw.uniform(0.5, 3, rows), draw.random(rows), 3.0)
    low, high = units.lower(tail), units.upper(tail)

    assert 0 <= low <= units.mean <= high <= 1
    assert units.turned().upper(tail) == pytest.approx(1 - low, abs=1e-9)


# ------------------------------------------------------------------ level

MARGINS: tuple[tuple[Kind, float], ...] = (("difference", -0.2), ("ratio", 2 / 3))
WEIGHTED = [(0.5, 0.5), (0.1, 1.0), (0.9, 0.1), (0.02, 0.02)]


def _weighted(
    draw: np.random.Generator, runs: int, rows: int, light: float, heavy: float
) -> tuple[np.ndarray, np.ndarray]:
    big = draw.random((runs, rows)) < 0.02
    return np.where(big, 50.0, 1.0), draw.random((runs, rows)) < np.where(big, heavy, light)


def p_values(weight: np.ndarray, value: np.ndarray, truth: float, heaviest: float) -> np.ndarray:
    """The p-value of each table, by the same law on rows as they are: no grid."""
    unseen = np.full((len(weight), 1), heaviest * (1 - truth))
    seen = np.concatenate([weight * (value - truth), unseen], axis=1)
    return sum_above_zero(seen, np.ones(seen.shape[1]))


@pytest.mark.parametrize(("light", "heavy"), WEIGHTED)
@pytest.mark.parametrize("rows", [100, 400])
def test_a_weighted_share_at_its_limit_passes_at_most_at_the_level(
    rows: int, light: float, heavy: float
) -> None:
    """2% of the rows weigh 50, and may decide otherwise than the others: 1,500 tables each."""
    draw = np.random.default_rng([rows, int(100 * light), int(100 * heavy)])
    truth = (0.98 * light + 0.02 * 50 * heavy) / 1.98
    weight, hit = _weighted(draw, 1500, rows, light, heavy)
    below = p_values(weight, hit.astype(float), truth, 50.0)
    above = p_values(weight, 1.0 - hit, 1 - truth, 50.0)

    most = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 1500)
    assert max((below <= LEVEL).mean(), (above <= LEVEL).mean()) <= most


@pytest.mark.parametrize("crossing", [False, True])
def test_a_pair_at_its_limit_passes_at_most_at_the_level(crossing: bool) -> None:
    """Differences and ratios of 40 and 60 rows exactly at the limit, by the sum over all tables."""
    rows, shares = (40, 60), (0.4, 0.6)
    hits = [np.arange(n + 1) for n in rows]
    mass = np.outer(*(binom.pmf(x, n, p) for x, n, p in zip(hits, rows, shares, strict=True)))
    passed = {"difference": 0.0, "ratio": 0.0}
    for x in range(8, 28):
        for y in range(24, 48):
            pair = Pair(binary(x, rows[0]), binary(y, rows[1]), crossing)
            for kind, margin in MARGINS:
                passed[kind] += mass[x, y] * (pair.p_above(kind, margin) <= LEVEL)

    assert 0.0005 < max(passed.values()) <= LEVEL


def test_the_chance_near_the_mean_is_smooth_so_that_every_processor_gives_the_same() -> None:
    units = Units((1.0, 1.7, 3.1), (0.0, 1.0, 1.0), (4000.0, 900.0, 70.0), 3.1, 0.0, 1.0)
    centre = (units.total[1] + 3.1) / (units.total[0] + 3.1)  # with the unit that was never seen
    chances = units.p_below(centre + np.linspace(-1e-5, 1e-5, 401))

    assert (np.diff(chances) < 0).all()
    assert np.abs(np.diff(chances, 2)).max() < 1e-7
