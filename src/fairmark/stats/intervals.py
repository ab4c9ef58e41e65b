"""Bounds of one share, of the difference of two, and of an area under a curve.

Every function takes `tail`, the chance of error of one side, and returns `(low, high)`: each of the two is a
one-sided bound at `tail`, and together they are a two-sided interval at confidence 1 - 2 * tail. All of them
take arrays, and real numbers for counts (effective sizes).

Resampling of rows without touching a row: a bootstrap of counts is one multinomial draw of the cells.

Drawing n rows with replacement and counting them by group, label and decision gives Multinomial(n, cells / n)
exactly. So a replicate costs as much as there are cells, 10 or 10 million rows alike. For weighted rows the
weight that falls into a cell, given its number of draws, is a sum of that many drawn weights: normal with the
cell's mean and variance of weights, but for cells of very few rows.

A bootstrap shows spread. It is no bound for the gate: the percentile interval of a maximum over groups never
covers parity (the proofs show it), which is why `intervals`, `score` and `exact` exist.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairmark.stats.arrays import Bounds, Floats
from fairmark.stats.confusion import ConfusionMatrix

FEW = 10
"""Rows of a class below which no standard error of a measure of scores is relied on."""


def clopper_pearson(hits: ArrayLike, rows: ArrayLike, tail: float) -> Bounds:
    """Return the exact bounds of a share; the whole of 0..1 without rows.

    Each bound errs with chance at most `tail` whatever the true share and however few rows (Clopper and
    Pearson 1934; through the beta distribution as in Brown, Cai and DasGupta 2001, section 4.2.1).
    """
    from scipy.special import betaincinv

    x, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    # `where` works both sides out, and the beta function wants arguments above 0 even where 0 is the answer.
    low = np.where(x > 0, betaincinv(np.maximum(x, 1e-9), np.maximum(n - x, 0) + 1, tail), 0.0)
    high = np.where(x < n, betaincinv(x + 1, np.maximum(n - x, 1e-9), 1 - tail), 1.0)
    return low, high


def wilson(hits: ArrayLike, rows: ArrayLike, tail: float) -> Bounds:
    """Return the score bounds of a share (Wilson 1927); the whole of 0..1 without rows.

    Close to the nominal level on average, but one side can err more than `tail` where few hits are expected.
    """
    from scipy.special import ndtri

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


def student(value: float, se: float, df: float, skew: float, tail: float) -> tuple[float, float]:
    """Return t bounds of a mean, corrected for skewness (Hall 1992, section 3: the cubic transformation).

    `skew` is the skewness of the mean itself, that of a row / sqrt(rows). Losses lean far to the right, so
    that plain t bounds are too low on both sides; 0 gives the plain ones. Minus to plus infinity without
    degrees of freedom.
    """
    from scipy.special import stdtrit

    if not df > 0:
        return -np.inf, np.inf
    quantile = -float(stdtrit(df, tail))
    # 3 / skew loses every digit near 0, where the plain bounds are its limit.
    if abs(skew) < 1e-6:
        return value - quantile * se, value + quantile * se

    def untransformed(t: float) -> float:
        return float(3 / skew * (np.cbrt(1 + skew * (t - skew / 6)) - 1))

    # (mean - value) / se is bounded, so its upper quantile makes the lower bound of the value.
    return value - se * untransformed(quantile), value - se * untransformed(-quantile)


def loss(
    value: float, se: float, df: float, skew: float, smaller: float, most: float, tail: float
) -> tuple[float, float]:
    """Return bounds of a mean loss within 0..`most`; `smaller` is the number of rows of the rarer label.

    With fewer than `FEW` rows in the smaller class, or without any spread, Hoeffding's bounds: the rare class
    carries most of the loss, and no standard error knows of losses that were not drawn.
    """
    if smaller < FEW or not se > 0:
        # df + 1 is the effective number of rows, which is what Hoeffding's pieces are for a mean.
        low, high = hoeffding(value / most, df + 1 if df > 0 else 0, tail)
        return low * most, high * most
    low, high = student(value, se, df, skew, tail)
    return max(0.0, low), min(most, high)


def logit_student(value: float, se: float, df: float, tail: float) -> tuple[float, float]:
    """Return bounds of a value in 0..1 that are symmetric on the log-odds scale, so that they stay in 0..1.

    The scale that Pepe (2003, section 5.2.4) recommends for AUC; t in place of z for few rows (Brunner and
    Munzel 2000). The whole of 0..1 at a value of 0 or 1, or without degrees of freedom.
    """
    from scipy.special import expit, stdtrit

    if not (0 < value < 1 and df > 0):
        return 0.0, 1.0
    # The delta method: d log-odds / d value = 1 / (value (1 - value)).
    half = float(-stdtrit(df, tail)) * se / (value * (1 - value))
    centre = np.log(value / (1 - value))
    return float(expit(centre - half)), float(expit(centre + half))


def roc_auc(
    value: float, se: float, df: float, positives: float, negatives: float, tail: float
) -> tuple[float, float]:
    """Return bounds of an AUC from its standard error, degrees of freedom and rows of each label.

    On each side the wider of two: DeLong's standard error with t on the log-odds scale, and the score bound
    with Hanley and McNeil's variance at the bound itself. The first alone errs up to seven times its level
    where an AUC near 1 rests on few rows of a class, which show too few of the misranked ones to know their
    own spread; the second alone errs where the classes differ in spread. Hoeffding's bounds below `FEW` rows
    of a class.
    """
    smaller = min(positives, negatives)
    if smaller < FEW or not (0 < value < 1 and se > 0):
        return hoeffding(value, smaller, tail)
    low, high = logit_student(value, se, df, tail)
    least, most = hanley_mcneil(value, positives, negatives, tail)
    return min(low, least), max(high, most)


def hanley_mcneil(value: float, positives: float, negatives: float, tail: float) -> tuple[float, float]:
    """Return score bounds of an AUC: where |value - a| is the normal quantile times the standard error at a.

    var(a) = (a (1 - a) + (m - 1)(a / (2 - a) - a^2) + (n - 1)(2 a^2 / (1 + a) - a^2)) / (m n) (Hanley and
    McNeil 1982, equation 2, for negative exponential scores).
    """
    from scipy.special import ndtri

    z = -float(ndtri(tail))

    def far(area: float) -> bool:
        ones, twos = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
        spread = area * (1 - area) + (positives - 1) * ones + (negatives - 1) * twos
        return bool(abs(value - area) > z * np.sqrt(max(spread, 0.0) / (positives * negatives)))

    return _halved(far, value, 0.0), _halved(far, value, 1.0)


def pr_auc(value: float, se: float, df: float, without_self: float, tail: float) -> tuple[float, float]:
    """Return bounds of an average precision, and of the one `without_self` for the lower side.

    t bounds on the log-odds scale. The lower one starts from the value in which no positive row counts in the
    precision at its own score: counting itself is what makes an average precision of few rows too high. The
    whole of 0..1 below `FEW` positive rows.
    """
    # Degrees of freedom are the effective positive rows less one.
    if df + 1 < FEW:
        return 0.0, 1.0
    low, _ = logit_student(without_self, se, df, tail)
    return low, logit_student(value, se, df, tail)[1]


def hoeffding(value: float, pieces: float, tail: float) -> tuple[float, float]:
    """Return bounds that hold for any mean of values in 0..1, and for any AUC; wide.

    P(mean >= u) <= exp(-k KL(u, a)) with expectation a < u and k = `pieces`: independent rows for a mean,
    rows of the smaller class for an AUC, which is a mean over k disjoint pairs averaged over all pairings
    (Hoeffding 1963, theorem 1 and section 5b). The whole of 0..1 without pieces.
    """
    if not pieces > 0:
        return 0.0, 1.0
    reach = -np.log(tail) / pieces

    def far(mean: float) -> bool:
        return bool(_divergence(value, mean) > reach)

    return _halved(far, value, 0.0), _halved(far, value, 1.0)


def _halved(far: Callable[[float], bool], value: float, end: float) -> float:
    """Return the first point that is too far, on the way from `value` to `end`; `end` if none is."""
    near, away = value, end
    # To 3e-14 of the way, finer than any bound is written. `away` is too far at every step, so what is
    # returned errs to the wide side.
    for _ in range(45):
        middle = (near + away) / 2
        near, away = (near, middle) if far(middle) else (middle, away)
    return away


def _divergence(u: float, a: float) -> float:
    """Return the Kullback-Leibler divergence of Bernoulli(u) from Bernoulli(a)."""
    if a <= 0 or a >= 1:
        return 0.0 if u == a else np.inf
    left = u * np.log(u / a) if u > 0 else 0.0
    right = (1 - u) * np.log((1 - u) / (1 - a)) if u < 1 else 0.0
    return float(left + right)


def draw(matrix: ConfusionMatrix, replicates: int, rng: np.random.Generator) -> Floats:
    """Return resampled sums of weights (counts, where rows weigh 1), shape `[replicates, groups, 2, 2]`."""
    count = matrix.count.ravel()
    rows = int(count.sum())
    drawn = rng.multinomial(rows, count / max(rows, 1), size=replicates).astype(np.float64)
    if matrix.weighted:
        size = np.maximum(count, 1)
        mean = matrix.weight.ravel() / size
        spread = np.sqrt(np.maximum(matrix.square.ravel() / size - mean**2, 0))
        # A normal weight for a cell of few rows can fall below 0, which no sum of weights does.
        drawn = np.maximum(drawn * mean + np.sqrt(drawn) * spread * rng.standard_normal(drawn.shape), 0)
    return drawn.reshape(replicates, *matrix.count.shape)


def ratio(values: Floats) -> Floats:
    """Return lowest / highest over the groups of each replicate, shape `[replicates]`; 1 = parity."""
    highest = _over_groups(values, np.fmax)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _over_groups(values, np.fmin) / highest


def difference(values: Floats) -> Floats:
    """Return highest - lowest over the groups of each replicate, shape `[replicates]`; 0 = parity."""
    return _over_groups(values, np.fmax) - _over_groups(values, np.fmin)


def worst(values: Floats) -> Floats:
    """Return the lowest over the groups of each replicate, shape `[replicates]`."""
    return _over_groups(values, np.fmin)


def _over_groups(values: Floats, pick: np.ufunc) -> Floats:
    # Column by column: many times faster than a reduction along a short last axis, and NaN stands aside.
    picked = values[:, 0]
    for column in range(1, values.shape[1]):
        picked = pick(picked, values[:, column])
    return picked


def percentile(values: Floats, tail: float) -> tuple[float, float]:
    """Return the percentile interval, the one of the peers; NaN replicates are left out."""
    kept = values[np.isfinite(values)]
    if not kept.size:
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def spread(values: Floats) -> float:
    """Return the standard deviation over the finite replicates; 0 with fewer than two."""
    kept: NDArray[np.float64] = values[np.isfinite(values)]
    return float(kept.std(ddof=1)) if kept.size > 1 else 0.0
