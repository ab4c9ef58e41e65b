"""Score tests and bounds for the ratio and the difference of two independent shares.

Index 1 is the share in the numerator (or the one that is subtracted from), index 2 the other. Everything is
vectorised, and counts may be real numbers. `exact` turns the same statistics into tests with a proven error
rate.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from fairmark.judge.cells import Floats

Bounds = tuple[Floats, Floats]
Statistic = Callable[[Floats, ArrayLike, Floats, ArrayLike, ArrayLike], Floats]

_STEPS = 50
_LOG_REACH = 40.0  # ratios from exp(-40) to exp(40)


def ratio_statistic(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, ratio: ArrayLike) -> Floats:
    """Return the score statistic of H: share 1 = ratio x share 2, normal under H.

    (p1 - ratio p2) / sqrt(r1 (1 - r1) / n1 + ratio^2 r2 (1 - r2) / n2), where r1 = ratio r2 are the most
    likely shares under H; its square is Koopman's (1984) chi-square, and equation 10 of Miettinen and
    Nurminen (1985) without their factor N / (N - 1). 0 when there is not one hit in either group.
    """
    x1, n1, x2, n2, r = (np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2, ratio))
    hits = x1 + x2
    b = n1 * r + x1 + n2 + x2 * r
    root = np.sqrt(np.maximum(b * b - 4 * (n1 + n2) * r * hits, 0))
    p2 = np.clip(2 * hits / (b + root), 0, 1)  # the smaller root, in its stable form
    p1 = np.clip(r * p2, 0, 1)
    variance = p1 * (1 - p1) / n1 + r * r * p2 * (1 - p2) / n2
    return _standardised(x1 / n1 - r * (x2 / n2), variance)


def difference_statistic(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, difference: ArrayLike
) -> Floats:
    """Return the score statistic of H: share 1 = share 2 + difference, normal under H.

    (p1 - p2 - difference) / sqrt(r1 (1 - r1) / n1 + r2 (1 - r2) / n2) with the most likely shares under H
    from the closed form of the cubic (Miettinen and Nurminen 1985, appendix I; Farrington and Manning 1990).
    """
    x1, n1, x2, n2, d = (np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2, difference))
    n, hits = n1 + n2, x1 + x2
    l2 = ((n1 + 2 * n2) * d - n - hits) / (3 * n)
    l1 = ((n2 * d - n - 2 * x2) * d + hits) / n
    l0 = x2 * d * (1 - d) / n
    q = l2**3 - l1 * l2 / 2 + l0 / 2
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(l2 * l2 - l1 / 3, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = np.arccos(np.clip(np.where(p == 0, 1.0, q / p**3), -1, 1))
    p2 = np.clip(2 * p * np.cos((np.pi + angle) / 3) - l2, np.maximum(0, -d), np.minimum(1, 1 - d))
    p1 = np.clip(p2 + d, 0, 1)
    variance = p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2
    return _standardised(x1 / n1 - x2 / n2 - d, variance)


def _standardised(top: Floats, variance: Floats) -> Floats:
    """Return top / sqrt(variance); plus or minus infinity without variance, and 0 where top is 0 too."""
    top = np.where(np.abs(top) < 1e-12, 0.0, top)  # noise of subtraction, where the two are equal
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(top == 0, 0.0, top / np.sqrt(np.maximum(variance, 0)))


def koopman(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, tail: float, *, inflated: bool = False
) -> Bounds:
    """Return the score bounds of share 1 / share 2 (Koopman 1984), each with chance of error about `tail`.

    `inflated` multiplies the variance by N / (N - 1), which gives Miettinen and Nurminen's (1985) bounds. The
    lower bound is 0 without hits in group 1, the upper one infinite without hits in group 2, and without rows
    nothing is known: 0 to infinity.
    """
    x1, n1, x2, n2 = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2)))
    z = _quantile(n1 + n2, tail, inflated=inflated)
    known = (n1 > 0) & (n2 > 0)
    m1, m2 = np.where(known, n1, 1), np.where(known, n2, 1)

    def bound(goal: Floats) -> Floats:
        low, high = np.full(x1.shape, -_LOG_REACH), np.full(x1.shape, _LOG_REACH)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            above = ratio_statistic(x1, m1, x2, m2, np.exp(middle)) > goal
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.asarray(np.exp((low + high) / 2), dtype=np.float64)

    return np.where(known & (x1 > 0), bound(z), 0.0), np.where(known & (x2 > 0), bound(-z), np.inf)


def miettinen_nurminen(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, tail: float, *, inflated: bool = True
) -> Bounds:
    """Return the score bounds of share 1 - share 2 (Miettinen and Nurminen 1985), each erring about `tail`.

    Without `inflated` they are Mee's (1984). Without rows nothing is known: -1 to 1.
    """
    x1, n1, x2, n2 = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2)))
    z = _quantile(n1 + n2, tail, inflated=inflated)
    known = (n1 > 0) & (n2 > 0)
    m1, m2 = np.where(known, n1, 1), np.where(known, n2, 1)

    def bound(goal: Floats) -> Floats:
        low, high = np.full(x1.shape, -1.0), np.full(x1.shape, 1.0)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            above = difference_statistic(x1, m1, x2, m2, middle) > goal
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.asarray((low + high) / 2, dtype=np.float64)

    return np.where(known, bound(z), -1.0), np.where(known, bound(-z), 1.0)


def _quantile(rows: Floats, tail: float, *, inflated: bool) -> Floats:
    """Return the normal quantile for the statistic, with MN's factor sqrt(N / (N - 1)) or without."""
    z = np.full(rows.shape, -float(ndtri(tail)))
    return z * np.sqrt(rows / np.maximum(rows - 1, 1e-9)) if inflated else z
