"""Score tests and bounds for the ratio and the difference of two independent shares.

Index 1 is the share in the numerator (or the one that is subtracted from), index 2 the other. Everything is
vectorised, and counts may be real numbers. `exact` turns the same statistics into tests with a proven error
rate.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmark.stats.arrays import Bounds, Floats

Kind = Literal["ratio", "difference"]
Statistic = Callable[[ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike], Floats]

# Ten rounds of 32 parts are 50 halvings, five at a time: 31 inner points in one vectorised call cost little
# more than one.
_ROUNDS, _PARTS = 10, np.arange(1, 32) / 32
_LOG_REACH = 40.0  # ratios from exp(-40) to exp(40)


def ratio_statistic(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, ratio: ArrayLike) -> Floats:
    """Return the score statistic of H: share 1 = ratio x share 2, normal under H.

    (p1 - ratio p2) / sqrt(r1 (1 - r1) / n1 + ratio^2 r2 (1 - r2) / n2), where r1 = ratio r2 are the most
    likely shares under H; its square is Koopman's (1984) chi-square, and equation 10 of Miettinen and
    Nurminen (1985) without their factor N / (N - 1). 0 when there is not one hit in either group.
    """
    x1, n1, x2, n2, r = (np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2, ratio))
    hits = x1 + x2
    # Setting the derivative of the likelihood under H to 0 leaves (n1 + n2) r p^2 - b p + (x1 + x2) = 0 for
    # share 2, of whose two roots the smaller lies within 0..1.
    b = n1 * r + x1 + n2 + x2 * r
    root = np.sqrt(np.maximum(b * b - 4 * (n1 + n2) * r * hits, 0))
    p2 = _within(2 * hits / (b + root), 0.0, 1.0)  # the smaller root, in its stable form
    p1 = _within(r * p2, 0.0, 1.0)
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
    # Their L2 / 3 L3, L1 / L3 and L0 / L3, divided by L3 = N at once: cubes of thousands of rows would lose
    # the digits that the root is made of.
    l2 = ((n1 + 2 * n2) * d - n - hits) / (3 * n)
    l1 = ((n2 * d - n - 2 * x2) * d + hits) / n
    l0 = x2 * d * (1 - d) / n
    q = l2**3 - l1 * l2 / 2 + l0 / 2
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(l2 * l2 - l1 / 3, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # The cubic has three real roots, and this angle picks the one that is a share. Rounding can take the
        # cosine a last digit past 1.
        angle = np.arccos(_within(np.where(p == 0, 1.0, q / p**3), -1.0, 1.0))
    p2 = _within(2 * p * np.cos((np.pi + angle) / 3) - l2, np.maximum(0, -d), np.minimum(1, 1 - d))
    p1 = _within(p2 + d, 0.0, 1.0)
    variance = p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2
    return _standardised(x1 / n1 - x2 / n2 - d, variance)


def ratio_curve(n1: float, n2: float, ratio: float, level: float, share2: Floats) -> Bounds:
    """Return the (real) hits 1 and 2 at which `ratio_statistic` is `level`, by the likeliest share 2 under H.

    Where the likelihood is largest, (x1 - n1 p1) / (1 - p1) = a = -(x2 - n2 p2) / (1 - p2); with that the
    statistic is a sqrt((1 - p1) / n1 + ratio (1 - p2) / n2) / sqrt(p1). Not finite at a share of 1.
    """
    # The curve is drawn by the share, not by the hits: for given hits the share is a root of a quadratic.
    p1, p2 = ratio * share2, share2
    with np.errstate(divide="ignore", invalid="ignore"):
        a = level * np.sqrt(p1 / ((1 - p1) / n1 + ratio * (1 - p2) / n2))
        return np.asarray(n1 * p1 + a * (1 - p1)), np.asarray(n2 * p2 - a * (1 - p2))


def difference_curve(n1: float, n2: float, difference: float, level: float, share2: Floats) -> Bounds:
    """Return the (real) hits 1 and 2 at which `difference_statistic` is `level`, in the same way.

    Here (x1 - n1 p1) / v1 = a = -(x2 - n2 p2) / v2 with v = p (1 - p), and the statistic is
    a sqrt(v1 / n1 + v2 / n2). Not finite where both variances vanish.
    """
    # For given hits the share is a root of a cubic; by the share, the hits follow from one division.
    p1, p2 = share2 + difference, share2
    v1, v2 = p1 * (1 - p1), p2 * (1 - p2)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = level / np.sqrt(v1 / n1 + v2 / n2)
        return np.asarray(n1 * p1 + a * v1), np.asarray(n2 * p2 - a * v2)


def _within(value: Floats, low: ArrayLike, high: ArrayLike) -> Floats:
    # What np.clip does, in a third of its time.
    within: Floats = np.minimum(np.maximum(value, low), high)
    return within


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
    sides = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2)))
    z = _quantile(sides[1] + sides[3], tail, inflated=inflated)
    known = (sides[1] > 0) & (sides[3] > 0)
    low, high = (np.exp(_crossing(_of_log_ratio, sides, goal, _LOG_REACH)) for goal in (z, -z))
    return np.where(known & (sides[0] > 0), low, 0.0), np.where(known & (sides[2] > 0), high, np.inf)


def miettinen_nurminen(
    x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, tail: float, *, inflated: bool = True
) -> Bounds:
    """Return the score bounds of share 1 - share 2 (Miettinen and Nurminen 1985), each erring about `tail`.

    Without `inflated` they are Mee's (1984). Without rows nothing is known: -1 to 1.
    """
    sides = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2)))
    z = _quantile(sides[1] + sides[3], tail, inflated=inflated)
    known = (sides[1] > 0) & (sides[3] > 0)
    low, high = (_crossing(difference_statistic, sides, goal, 1.0) for goal in (z, -z))
    return np.where(known, low, -1.0), np.where(known, high, 1.0)


def lowest(kind: Kind, x1: float, n1: float, x2: float, n2: float, tail: float) -> float:
    """Return the lower bound of `koopman` or `miettinen_nurminen` alone, where there are rows and hits 1."""
    sides = tuple(np.asarray(v, dtype=np.float64) for v in (x1, n1, x2, n2))
    z = _quantile(sides[1] + sides[3], tail, inflated=kind == "difference")
    if kind == "ratio":
        return float(np.exp(_crossing(_of_log_ratio, sides, z, _LOG_REACH)))
    return float(_crossing(difference_statistic, sides, z, 1.0))


def _of_log_ratio(x1: ArrayLike, n1: ArrayLike, x2: ArrayLike, n2: ArrayLike, log: ArrayLike) -> Floats:
    return ratio_statistic(x1, n1, x2, n2, np.exp(log))


def _crossing(statistic: Statistic, sides: Sequence[Floats], goal: Floats, reach: float) -> Floats:
    """Return the margin within `reach` of 0 at which the statistic, which falls with it, meets `goal`.

    As 50 halvings find it, five at a time.
    """
    x1, n1, x2, n2 = (side[..., None] for side in sides)
    # Without rows any number will do: the callers put the whole range there.
    n1, n2 = np.where(n1 > 0, n1, 1), np.where(n2 > 0, n2, 1)
    low, width = np.full(goal.shape, -reach), 2 * reach
    for _ in range(_ROUNDS):
        above = statistic(x1, n1, x2, n2, low[..., None] + width * _PARTS) > goal[..., None]
        width *= _PARTS[0]
        low = low + width * _halved(above)
    return np.asarray(low + width / 2, dtype=np.float64)


def _halved(above: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return after how many of 32 parts halving would find the last one above, along the last axis."""
    count = above.sum(axis=-1)
    # A falling statistic is above the goal on the first parts only. On its flat ends noise breaks that; then
    # each cell halves as it would alone, so that a bound has the same bits whatever it is computed beside.
    if not (above[..., 1:] > above[..., :-1]).any():
        return np.asarray(count)
    at = np.zeros((*above.shape[:-1], 1), dtype=np.intp)  # noise of the last digits decides
    for step in (16, 8, 4, 2, 1):
        at += step * np.take_along_axis(above, at + step - 1, axis=-1)
    return at[..., 0]


def _quantile(rows: Floats, tail: float, *, inflated: bool) -> Floats:
    """Return the normal quantile for the statistic, with MN's factor sqrt(N / (N - 1)) or without."""
    from scipy.special import ndtri

    z = np.full(rows.shape, -float(ndtri(tail)))
    # A variance times N / (N - 1) is a statistic over its root: on the quantile, it leaves one statistic for
    # both methods.
    return z * np.sqrt(rows / np.maximum(rows - 1, 1e-9)) if inflated else z
