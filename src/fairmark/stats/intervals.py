"""Bounds of one share, of the difference of two, and of an average precision.

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
    # Each end takes the errors that lead there: the low end of one share and the high end of the other.
    return (
        difference - np.sqrt((p - low1) ** 2 + (high2 - q) ** 2),
        difference + np.sqrt((high1 - p) ** 2 + (q - low2) ** 2),
    )


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
