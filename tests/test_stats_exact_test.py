"""Exact tests agree with brute force and with scipy, keep their level, and agree with their own bounds."""

from itertools import product

import numpy as np
import pytest
from gates import boundary
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import barnard_exact, binom

from fairmark.stats.exact_test import MISSED, Sample, lower, p_value, rejects
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.score_test import Kind, difference_statistic, koopman, miettinen_nurminen, ratio_statistic


def _brute(one: Sample, two: Sample, kind: Kind, margin: float) -> float:
    """Return the p-value by adding up every table at 1,000 shares."""
    statistic = ratio_statistic if kind == "ratio" else difference_statistic
    x1, x2 = np.meshgrid(np.arange(one.rows + 1.0), np.arange(two.rows + 1.0), indexing="ij")
    z = statistic(x1, one.rows, x2, two.rows, margin)
    extreme = z >= z[one.hits, two.hits] - 1e-9
    low, high = (float(end) for end in clopper_pearson(two.hits, two.rows, MISSED / 2))
    largest = 0.0
    for share2 in np.linspace(low, high, 1000):
        share1 = margin * share2 if kind == "ratio" else share2 + margin
        if share1 >= 0:
            tables = np.outer(
                binom.pmf(x1[:, 0], one.rows, min(share1, 1)), binom.pmf(x2[0], two.rows, share2)
            )
            largest = max(largest, float(tables[extreme].sum()))
    return largest + MISSED


@pytest.mark.parametrize(
    ("one", "two", "kind", "margin"),
    [
        (Sample(8, 15), Sample(3, 14), "ratio", 0.8),
        (Sample(3, 9), Sample(4, 30), "ratio", 1.25),
        (Sample(14, 28), Sample(14, 31), "difference", -0.35),
        (Sample(10, 12), Sample(2, 8), "difference", 0.2),
        (Sample(20, 40), Sample(0, 6), "ratio", 0.8),
    ],
)
def test_a_p_value_is_that_of_brute_force(one: Sample, two: Sample, kind: Kind, margin: float) -> None:
    assert p_value(one, two, kind, margin) == pytest.approx(_brute(one, two, kind, margin), rel=1e-3)


def test_at_a_ratio_of_one_it_is_barnards_test() -> None:
    # scipy takes the largest chance over all shares, where Berger and Boos look in a confidence set of them.
    theirs = barnard_exact([[8, 3], [7, 11]], alternative="greater", pooled=True, n=256).pvalue

    assert p_value(Sample(8, 15), Sample(3, 14), "ratio", 1.0) == pytest.approx(theirs + MISSED, rel=1e-3)
    assert p_value(Sample(8, 15), Sample(3, 14), "difference", 0.0) == pytest.approx(
        theirs + MISSED, rel=1e-3
    )


def test_nothing_is_shown_without_rows_or_from_the_wrong_side() -> None:
    assert p_value(Sample(0, 0), Sample(3, 9), "ratio", 0.8) == 1.0
    assert p_value(Sample(1, 10), Sample(5, 10), "ratio", 0.8) == 1.0
    assert p_value(Sample(0, 10), Sample(0, 10), "ratio", 0.8) == 1.0


@pytest.mark.parametrize(("rows", "base"), list(product([(30, 30), (30, 300), (300, 30)], (0.02, 0.1, 0.5))))
def test_the_level_is_kept_at_the_limit(rows: tuple[int, int], base: float) -> None:
    for tail in (0.05, 0.0125):
        ratio, gap = (0.8 * base, base), (base - 0.01, base)

        assert boundary(rows, ratio, "ratio", 0.8, tail).chance(ratio) <= tail
        assert boundary(rows, gap, "difference", -0.01, tail).chance(gap) <= tail


TABLES = st.tuples(st.integers(2, 80), st.integers(2, 80)).flatmap(
    lambda n: st.tuples(st.integers(0, n[0]), st.integers(0, n[1])).map(
        lambda x: (Sample(x[0], n[0]), Sample(x[1], n[1]))
    )
)


@given(TABLES, st.sampled_from([("ratio", 0.8), ("ratio", 1.25), ("difference", -0.1), ("difference", 0.1)]))
@settings(max_examples=25, deadline=None)
def test_a_bound_is_at_the_limit_or_above_exactly_when_the_test_rejects(
    tables: tuple[Sample, Sample], limit: tuple[Kind, float]
) -> None:
    kind, margin = limit
    bound = lower(*tables, kind, 0.05, margin)

    assert (bound >= margin) == (p_value(*tables, kind, margin) <= 0.05)


@given(TABLES)
@settings(max_examples=15, deadline=None)
def test_a_bound_is_below_what_was_seen_and_falls_with_the_tail(tables: tuple[Sample, Sample]) -> None:
    one, two = tables
    wide, narrow = (lower(one, two, "difference", tail, 0.0) for tail in (0.005, 0.1))

    assert wide <= narrow + 1e-2
    assert narrow <= one.share - two.share + 1e-12


def test_with_many_rows_the_exact_bounds_are_the_score_bounds() -> None:
    one, two = Sample(835, 5421), Sample(1933, 10860)
    counts = (one.hits, one.rows, two.hits, two.rows)

    assert lower(one, two, "ratio", 0.05, 0.8) == pytest.approx(float(koopman(*counts, 0.05)[0]), abs=1e-3)
    score = miettinen_nurminen(*counts, 0.05)[0]
    assert lower(one, two, "difference", 0.05, 0.0) == pytest.approx(float(score), abs=1e-4)


def test_without_rows_or_hits_the_bound_is_the_least_there_is() -> None:
    assert lower(Sample(0, 9), Sample(3, 9), "ratio", 0.05, 0.8) == 0.0
    assert lower(Sample(0, 0), Sample(3, 9), "difference", 0.05, 0.0) == -1.0
    assert lower(Sample(3, 9), Sample(6, 9), "ratio", 0.05, 1.25, floor=1.0) == 1.0


@given(
    TABLES,
    st.sampled_from(
        [("ratio", 0.8), ("ratio", 1.0), ("ratio", 1.25), ("difference", -0.1), ("difference", 0.1)]
    ),
    st.sampled_from([0.2, 0.05, 0.01, 0.0025]),
)
@settings(max_examples=150, deadline=None)
def test_the_quick_answer_is_that_of_the_p_value(
    tables: tuple[Sample, Sample], limit: tuple[Kind, float], tail: float
) -> None:
    assert rejects(*tables, *limit, tail) == (p_value(*tables, *limit) <= tail)


@pytest.mark.parametrize(
    ("counts", "kind", "margin", "tail", "bound", "chance"),
    [
        # Written by the plain sums and halvings that these were before they were made quick.
        ((20, 159, 2366, 13946), "ratio", 0.8, 0.05, 0.5128181545, 1),
        ((98, 480, 2366, 13946), "ratio", 0.8, 0.0025, 0.9145072901, 3.473982218e-05),
        ((2366, 13946, 98, 480), "ratio", 1.25, 0.05, 0.716927873, 1),
        ((29, 67, 1648, 3490), "difference", -0.2, 0.05, -0.1371818677, 0.002881216794),
        ((1648, 3490, 29, 67), "difference", 0.2, 0.025, -0.08360171609, 1),
        ((835, 5421, 1933, 10860), "ratio", 0.8, 0.05, 0.812674895, 0.01982055527),
        ((0, 9, 3, 14), "difference", -0.5, 0.05, -0.4662373094, 0.02978792558),
        ((9, 9, 0, 14), "difference", 0.1, 0.01, 0.5982326141, 1.184601384e-05),
        ((5, 40, 0, 12), "ratio", 0.8, 0.05, 0.5966440594, 0.08369127976),
        ((44, 45, 39, 61), "difference", 0.0, 0.05, 0.2254961199, 2.577179254e-05),
    ],
)
def test_bounds_and_p_values_keep_their_ten_digits(
    counts: tuple[int, int, int, int], kind: Kind, margin: float, tail: float, bound: float, chance: float
) -> None:
    one, two = Sample(*counts[:2]), Sample(*counts[2:])

    assert float(f"{lower(one, two, kind, tail, margin):.10g}") == bound
    assert float(f"{p_value(one, two, kind, margin):.10g}") == chance
