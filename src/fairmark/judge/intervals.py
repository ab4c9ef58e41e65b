"""Bounds of one share, of the difference of two, and of an area under a curve.

Every function takes `tail`, the chance of error of one side, and returns `(low, high)`: each of the two is a
one-sided bound at `tail`, and together they are a two-sided interval at confidence 1 - 2 * tail. All of them
take arrays, and real numbers for counts (effective sizes).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, expit, ndtri, stdtrit

from fairmark.judge.cells import Floats

Bounds = tuple[Floats, Floats]

FEW = 10
"""Rows of a class below which an AUC's standard error is not relied on."""


def clopper_pearson(hits: ArrayLike, rows: ArrayLike, tail: float) -> Bounds:
    """Return the exact bounds of a share; the whole of 0..1 without rows.

    Each bound errs with chance at most `tail` whatever the true share and however few rows (Clopper and
    Pearson 1934; through the beta distribution as in Brown, Cai and DasGupta 2001, section 4.2.1).
    """
    x, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    low = np.where(x > 0, betaincinv(np.maximum(x, 1e-9), np.maximum(n - x, 0) + 1, tail), 0.0)
    high = np.where(x < n, betaincinv(x + 1, np.maximum(n - x, 1e-9), 1 - tail), 1.0)
    return low, high


def wilson(hits: ArrayLike, rows: ArrayLike, tail: float) -> Bounds:
    """Return the score bounds of a share (Wilson 1927); the whole of 0..1 without rows.

    Close to the nominal level on average, but one side can err more than `tail` where few hits are expected.
    """
    x, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    z = -ndtri(tail)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = x / n
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        low, high = np.maximum(centre - half, 0), np.minimum(centre + half, 1)
    # At no hits the low bound is 0 (and at none missed the high one 1) up to the last digit: make it so.
    low, high = np.where(x <= 0, 0, low), np.where(x >= n, 1, high)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def newcombe(hits1: ArrayLike, rows1: ArrayLike, hits2: ArrayLike, rows2: ArrayLike, tail: float) -> Bounds:
    """Return the bounds of share 1 - share 2 made of the two Wilson bounds (Newcombe 1998, method 10)."""
    p, q = (np.asarray(x, dtype=np.float64) / np.asarray(n) for x, n in ((hits1, rows1), (hits2, rows2)))
    (low1, high1), (low2, high2) = wilson(hits1, rows1, tail), wilson(hits2, rows2, tail)
    difference = p - q
    return (
        difference - np.sqrt((p - low1) ** 2 + (high2 - q) ** 2),
        difference + np.sqrt((high1 - p) ** 2 + (q - low2) ** 2),
    )


def log_student(value: float, se: float, df: float, tail: float, most: float) -> tuple[float, float]:
    """Return bounds of a mean loss that are symmetric on the log scale, within 0 and `most`.

    Losses lean to the right, where plain t bounds are too low (a mean that comes out low comes with a low
    standard error); the log scale pulls both up. 0 to `most` at a loss of 0, or without degrees of freedom.
    """
    if not (value > 0 and df > 0):
        return 0.0, most
    reach = np.exp(float(-stdtrit(df, tail)) * se / value)
    return float(value / reach), float(min(value * reach, most))


def logit_student(value: float, se: float, df: float, tail: float) -> tuple[float, float]:
    """Return bounds of a value in 0..1 that are symmetric on the log-odds scale, so that they stay in 0..1.

    The scale that Pepe (2003, section 5.2.4) recommends for AUC; t in place of z for few rows (Brunner and
    Munzel 2000). The whole of 0..1 at a value of 0 or 1, or without degrees of freedom.
    """
    if not (0 < value < 1 and df > 0):
        return 0.0, 1.0
    half = float(-stdtrit(df, tail)) * se / (value * (1 - value))
    centre = np.log(value / (1 - value))
    return float(expit(centre - half)), float(expit(centre + half))


def auc(value: float, se: float, df: float, smaller: float, tail: float) -> tuple[float, float]:
    """Return bounds of an AUC: DeLong's standard error on the log-odds scale with t, or else Hoeffding's.

    `smaller` is the number of rows in the smaller class. With fewer than `FEW` of them, or where the scores
    part the classes wholly, the standard error itself is too poorly known, and Hoeffding's bounds are given.
    """
    if smaller < FEW or not (0 < value < 1 and se > 0):
        return hoeffding_auc(value, smaller, tail)
    return logit_student(value, se, df, tail)


def hoeffding_auc(value: float, pairs: float, tail: float) -> tuple[float, float]:
    """Return bounds of an AUC that hold for any scores and any number of rows; wide.

    P(U >= u) <= exp(-k KL(u, a)) for a U-statistic U with expectation a < u in 0..1, k = the number of
    disjoint pairs = the rows of the smaller class (Hoeffding 1963, theorem 1 with section 5b). For scores
    that part the classes wholly, where DeLong's standard error is 0 and says nothing.
    """
    if not pairs > 0:
        return 0.0, 1.0
    reach = -np.log(tail) / pairs
    return _edge(value, 0.0, reach), _edge(value, 1.0, reach)


def _edge(value: float, end: float, reach: float) -> float:
    """Return the a between `value` and `end`, as far from `value` as KL(value, a) <= reach allows."""
    near, far = value, end
    for _ in range(60):
        middle = (near + far) / 2
        inside = _divergence(value, middle) <= reach
        near, far = (middle, far) if inside else (near, middle)
    return far


def _divergence(u: float, a: float) -> float:
    """Return the Kullback-Leibler divergence of Bernoulli(u) from Bernoulli(a)."""
    if a <= 0 or a >= 1:
        return 0.0 if u == a else np.inf
    left = u * np.log(u / a) if u > 0 else 0.0
    right = (1 - u) * np.log((1 - u) / (1 - a)) if u < 1 else 0.0
    return float(left + right)
