"""Score bounds of ratios and differences are the published ones, and exact in their own equations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from fairmark.stats.score_test import (
    difference_statistic,
    koopman,
    lowest,
    miettinen_nurminen,
    ratio_statistic,
)

TABLES = st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
)


def test_the_ratio_of_koopmans_example_has_koopmans_bounds() -> None:
    # Koopman (1984), Biometrics 40, 513-517: 36 of 40 against 16 of 80, 95%: 2.94 to 7.15.
    low, high = koopman(36, 40, 16, 80, 0.025)

    assert (round(float(low), 2), round(float(high), 2)) == (2.94, 7.15)


@pytest.mark.parametrize(
    ("counts", "mee", "mn"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 873-890, table II: methods 5 and 6 at 95%.
        ((56, 70, 48, 80), (0.0533, 0.3377), (0.0528, 0.3382)),
        ((9, 10, 3, 10), (0.1821, 0.8370), (0.1700, 0.8406)),
        ((6, 7, 2, 7), (0.0544, 0.8478), (0.0342, 0.8534)),
        ((5, 56, 0, 29), (-0.0313, 0.1926), (-0.0326, 0.1933)),
        ((0, 10, 0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844)),
        ((10, 10, 0, 20), (0.7225, 1.0000), (0.7156, 1.0000)),
    ],
)
def test_bounds_of_a_difference_are_newcombes_examples(
    counts: tuple[int, int, int, int], mee: tuple[float, float], mn: tuple[float, float]
) -> None:
    assert np.allclose(miettinen_nurminen(*counts, 0.025, inflated=False), mee, atol=5e-5)
    assert np.allclose(miettinen_nurminen(*counts, 0.025), mn, atol=5e-5)


@given(TABLES, st.floats(0.2, 5))
@settings(max_examples=50, deadline=None)
def test_the_most_likely_shares_under_a_ratio_are_those_of_a_search(
    counts: tuple[int, int, int, int], ratio: float
) -> None:
    x1, n1, x2, n2 = counts
    most = min(1.0, 1 / ratio)

    def misfit(p: float) -> float:
        q = np.clip(np.array([ratio * p, p]), 1e-12, 1 - 1e-12)
        return -float(
            x1 * np.log(q[0])
            + (n1 - x1) * np.log(1 - q[0])
            + x2 * np.log(q[1])
            + (n2 - x2) * np.log(1 - q[1])
        )

    p2 = minimize_scalar(misfit, bounds=(0, most), method="bounded", options={"xatol": 1e-10}).x
    variance = ratio * p2 * (1 - ratio * p2) / n1 + ratio**2 * p2 * (1 - p2) / n2
    top = x1 / n1 - ratio * x2 / n2
    ours = float(ratio_statistic(x1, n1, x2, n2, ratio))

    # Where a share is at 0 or 1 the variance vanishes and the search is blind; elsewhere the two are one.
    assert ours == pytest.approx(top / np.sqrt(variance), rel=1e-3, abs=1e-3) or variance < 1e-5


@given(TABLES, st.floats(-0.9, 0.9))
@settings(max_examples=50, deadline=None)
def test_the_statistic_rises_with_hits_1_and_falls_with_hits_2(
    counts: tuple[int, int, int, int], difference: float
) -> None:
    x1, n1, x2, n2 = counts
    for statistic, margin in ((difference_statistic, difference), (ratio_statistic, 1 + difference)):
        here = float(statistic(x1, n1, x2, n2, margin))
        assert x1 == n1 or float(statistic(x1 + 1, n1, x2, n2, margin)) >= here - 1e-9
        assert x2 == n2 or float(statistic(x1, n1, x2 + 1, n2, margin)) <= here + 1e-9


@given(TABLES)
@settings(max_examples=25, deadline=None)
def test_a_bound_is_where_the_statistic_meets_the_quantile(counts: tuple[int, int, int, int]) -> None:
    x1, _, x2, _ = counts
    low, high = (float(bound) for bound in koopman(*counts, 0.05))

    assert (
        low == 0.0
        if x1 == 0
        else float(ratio_statistic(*counts, low)) == pytest.approx(norm.ppf(0.95), abs=1e-5)
    )
    assert (
        high == np.inf
        if x2 == 0
        else float(ratio_statistic(*counts, high)) == pytest.approx(norm.ppf(0.05), abs=1e-5)
    )


@given(TABLES)
@settings(max_examples=25, deadline=None)
def test_turning_the_ratio_around_turns_its_bounds_around(counts: tuple[int, int, int, int]) -> None:
    x1, n1, x2, n2 = counts
    low, high = koopman(x1, n1, x2, n2, 0.05)
    turned_low, turned_high = koopman(x2, n2, x1, n1, 0.05)

    assert float(low) == pytest.approx(1 / float(turned_high) if np.isfinite(turned_high) else 0.0, rel=1e-6)
    assert float(turned_low) == pytest.approx(1 / float(high) if np.isfinite(high) else 0.0, rel=1e-6)


def test_without_rows_nothing_is_known() -> None:
    assert [float(end) for end in koopman(0, 0, 3, 9, 0.05)] == [0.0, np.inf]
    assert [float(end) for end in miettinen_nurminen(3, 9, 0, 0, 0.05)] == [-1.0, 1.0]


@given(TABLES, st.sampled_from([0.05, 0.0025]))
@settings(max_examples=30, deadline=None)
def test_a_lower_bound_alone_is_that_of_both_and_of_fifty_halvings(
    counts: tuple[int, int, int, int], tail: float
) -> None:
    rows = counts[1] + counts[3]
    low, high = -1.0, 1.0
    z = -float(norm.ppf(tail)) * np.sqrt(rows / (rows - 1))
    for _ in range(50):
        middle = (low + high) / 2
        above = float(difference_statistic(*counts, middle)) > z
        low, high = (middle, high) if above else (low, middle)

    assert lowest("difference", *counts, tail) == float(miettinen_nurminen(*counts, tail)[0])
    assert lowest("difference", *counts, tail) == pytest.approx((low + high) / 2, abs=1e-12)
    assert counts[0] == 0 or lowest("ratio", *counts, tail) == float(koopman(*counts, tail)[0])
