"""Bounds of shares and areas are the published ones, and stay where they belong at every edge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fairmark.stats.intervals import (
    clopper_pearson,
    hanley_mcneil,
    hoeffding,
    logit_student,
    loss,
    newcombe,
    pr_auc,
    roc_auc,
    student,
    wilson,
)


@pytest.mark.parametrize(
    ("hits", "rows", "score", "exact"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 857-872, table I: methods 3 and 5 at 95%.
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_bounds_of_a_share_are_newcombes_examples(
    hits: int, rows: int, score: tuple[float, float], exact: tuple[float, float]
) -> None:
    assert np.allclose(wilson(hits, rows, 0.025), score, atol=5e-5)
    assert np.allclose(clopper_pearson(hits, rows, 0.025), exact, atol=5e-5)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.001, 0.025, 0.05, 0.2]))
@settings(max_examples=60, deadline=None)
def test_exact_bounds_are_scipys(rows: int, share: float, tail: float) -> None:
    hits = round(share * rows)
    theirs = binomtest(hits, rows).proportion_ci(1 - 2 * tail, method="exact")

    assert np.allclose(clopper_pearson(hits, rows, tail), (theirs.low, theirs.high), atol=1e-9)


@pytest.mark.parametrize(
    ("counts", "bounds"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 873-890, table II: method 10 at 95%.
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_bounds_of_a_difference_are_newcombes_examples(
    counts: tuple[int, int, int, int], bounds: tuple[float, float]
) -> None:
    assert np.allclose(newcombe(*counts, 0.025), bounds, atol=5e-5)


@pytest.mark.parametrize("bounds", [wilson, clopper_pearson])
def test_without_rows_a_share_could_be_anything(bounds: object) -> None:
    assert [float(end) for end in bounds(0, 0, 0.05)] == [0.0, 1.0]  # type: ignore[operator]


@given(st.floats(0.01, 0.99), st.floats(0, 3), st.floats(1, 1000))
@settings(max_examples=60, deadline=None)
def test_bounds_of_an_area_hold_it_and_stay_within_0_and_1(value: float, se: float, df: float) -> None:
    low, high = logit_student(value, se, df, 0.05)

    assert 0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1


@pytest.mark.parametrize(("df", "quantile"), [(1e9, 1.959964), (1.0, 12.706205)])  # of Student's t at 0.975
def test_without_skewness_bounds_of_a_mean_are_the_textbook_ones(df: float, quantile: float) -> None:
    assert student(0.5, 0.01, df, 0.0, 0.025) == pytest.approx(
        (0.5 - 0.01 * quantile, 0.5 + 0.01 * quantile), rel=1e-5
    )
    assert student(0.5, 0.01, df, 1e-4, 0.025) == pytest.approx(student(0.5, 0.01, df, 0.0, 0.025), rel=1e-3)


def test_the_correction_for_skewness_keeps_the_level_where_plain_t_does_not() -> None:
    # Means of 40 exponential losses: the truth is above the plain upper bound far too often.
    draw = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(4000):
        rows = draw.exponential(size=40)
        deviation = rows - rows.mean()
        skew = (deviation**3).sum() / (deviation**2).sum() ** 1.5
        se = rows.std(ddof=1) / np.sqrt(40)
        missed += [student(rows.mean(), se, 39.0, s, 0.05)[1] < 1 for s in (0.0, skew)]

    assert missed[0] / 4000 > 0.07
    assert missed[1] < 0.8 * missed[0]


def test_few_rows_of_a_class_leave_a_loss_to_the_bound_that_always_holds() -> None:
    found = {"value": 0.5, "se": 0.01, "df": 99.0, "skew": 0.0, "smaller": 9.0}
    low, high = hoeffding(0.25, 100.0, 0.05)

    assert loss(**(found), most=2.0, tail=0.05) == (2 * low, 2 * high)
    assert loss(**(found | {"smaller": 10.0}), most=2.0, tail=0.05) == student(0.5, 0.01, 99.0, 0.0, 0.05)
    assert loss(**(found | {"df": 0.0, "se": 0.0}), most=2.0, tail=0.05) == (0.0, 2.0)


def test_an_area_of_one_is_bounded_by_the_pairs_that_show_it() -> None:
    # k disjoint pairs that are all in order have chance a^k: the bound solves a^k = tail.
    low, high = hoeffding(1.0, 20, 0.05)

    assert low == pytest.approx(0.05 ** (1 / 20))
    assert high == 1.0
    assert hoeffding(0.8, 0, 0.05) == (0.0, 1.0)


def test_hanley_and_mcneils_variance_is_that_of_exponential_scores() -> None:
    draw = np.random.default_rng(2)
    positive, negative = draw.exponential(4.0, (4000, 20)), draw.exponential(1.0, (4000, 60))
    areas = (positive[:, :, None] > negative[:, None, :]).mean((1, 2))
    low, high = hanley_mcneil(0.8, 20, 60, 0.49)

    assert areas.mean() == pytest.approx(0.8, abs=0.005)
    assert (high - low) / 2 / norm.isf(0.49) == pytest.approx(areas.std(), rel=0.04)


def test_an_area_takes_the_wider_of_its_bounds_on_each_side() -> None:
    found = {"value": 0.95, "se": 0.02, "df": 30.0, "positives": 25.0, "negatives": 400.0}
    delong, score = logit_student(0.95, 0.02, 30.0, 0.05), hanley_mcneil(0.95, 25.0, 400.0, 0.05)

    assert roc_auc(**(found), tail=0.05) == (min(delong[0], score[0]), max(delong[1], score[1]))
    assert score[0] < delong[0]
    assert roc_auc(**(found | {"positives": 9.0}), tail=0.05) == hoeffding(0.95, 9.0, 0.05)


def test_an_average_precision_is_bounded_from_below_without_rows_counting_themselves() -> None:
    found = {"value": 0.5, "se": 0.05, "df": 30.0, "without_self": 0.45}

    assert pr_auc(**(found), tail=0.05) == (
        logit_student(0.45, 0.05, 30.0, 0.05)[0],
        logit_student(0.5, 0.05, 30.0, 0.05)[1],
    )
    assert pr_auc(**(found | {"df": 8.0}), tail=0.05) == (0.0, 1.0)
