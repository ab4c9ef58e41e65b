"""Bounds of shares and areas are the published ones, and stay where they belong at every edge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from fairmark.stats.intervals import (
    clopper_pearson,
    logit_student,
    newcombe,
    pr_auc,
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


def test_an_average_precision_is_bounded_from_below_without_rows_counting_themselves() -> None:
    found = {"value": 0.5, "se": 0.05, "df": 30.0, "without_self": 0.45}

    assert pr_auc(**(found), tail=0.05) == (
        logit_student(0.45, 0.05, 30.0, 0.05)[0],
        logit_student(0.5, 0.05, 30.0, 0.05)[1],
    )
    assert pr_auc(**(found | {"df": 8.0}), tail=0.05) == (0.0, 1.0)
