"""Losses and calibration of scores: Brier score, log loss, expected calibration error, with their errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import kish

LEAST_SCORE = 1e-15
"""Scores are kept this far from 0 and 1 in the log loss: one certain mistake costs 34.5, not infinity."""


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and degrees of freedom; `se` 0 means that the data shows no spread.

    `skew` is the skewness of a mean; `without_self` the average precision in which no row counts for itself.
    """

    value: float
    se: float
    df: float
    skew: float = 0.0
    without_self: float = 0.0


def row_losses(label: NDArray[np.integer], score: Floats, name: str) -> Floats:
    """Return each row's loss: "brier", (score - label)^2, or "log_loss", -ln of the label's probability."""
    if name == "brier":
        return np.asarray((score - label) ** 2, dtype=np.float64)
    kept = np.clip(score, LEAST_SCORE, 1 - LEAST_SCORE)
    return np.asarray(-np.log(np.where(label == 1, kept, 1 - kept)), dtype=np.float64)


def mean_loss(loss: Floats, weight: Floats, heft: Floats | None = None) -> Estimate:
    """Return the weighted mean of row losses with its linearised standard error.

    0 = perfect. The degrees of freedom are the effective rows - 1. Without weights the standard error is
    the usual s / sqrt(n). `heft` (`cells.of_people`) makes it an upper bound where people have several rows.
    """
    second = weight if heft is None else heft
    total = weight.sum()
    value = float(weight @ loss / total)
    rows = kish(weight, weight * second)
    apart = loss - value
    squares = float(np.sum(weight * second * apart**2))
    if rows <= 1 or squares == 0:
        return Estimate(value, 0.0, max(rows - 1, 0.0))
    se = np.sqrt(squares * rows / (rows - 1)) / total
    return Estimate(
        value, float(se), rows - 1, skew=float(np.sum(weight * second**2 * apart**3)) / squares**1.5
    )


@dataclass(frozen=True)
class Bins:
    """Sums over score bins of equal width, shape `[bins]` each; empty bins hold zeros.

    `weight` sum of w, `label` sum of w y, `score` sum of w s, `square` sum of w^2 (y - s)^2 (one of the two w
    that of the person, where people have several rows), `rows` rows.
    """

    rows: Floats
    weight: Floats
    label: Floats
    score: Floats
    square: Floats

    def gaps(self) -> Floats:
        """Return each bin's part of the miscalibration, sum of w (y - s) in the bin / sum of all w; -1..1."""
        return np.asarray((self.label - self.score) / self.weight.sum(), dtype=np.float64)

    def error(self) -> float:
        """Return the expected calibration error, sum over bins of (w_b / w) |mean label - mean score|.

        0 = in every bin the mean score is the share of positives; 1 = as far off as can be
        (Naeini, Cooper and Hauskrecht 2015, equation 3).
        """
        return float(np.abs(self.gaps()).sum())

    def spreads(self) -> Floats:
        """Return a standard error of each bin's gap, sqrt(sum of w^2 (y - s)^2 in the bin) / sum of all w."""
        return np.asarray(np.sqrt(self.square) / self.weight.sum(), dtype=np.float64)


def reach(spreads: Floats, tail: float, replicates: int, seed: int) -> float:
    """Return how far the expected calibration error may be off, with chance `tail` of being further off.

    The quantile of sum over bins |N(0, spread)|. The gaps are means over rows, so for many rows their errors
    are jointly normal with covariance diag(spreads^2) - gap gap' / n. By the triangle inequality the error's
    error is never more than the sum of theirs; leaving out gap gap' / n only makes that sum larger (Anderson
    1955). So the bound holds also at 0, where the usual bootstrap is biased upwards, as of any sum of
    absolute values.
    """
    normal = np.random.default_rng([seed, 77]).standard_normal((replicates, len(spreads)))
    return float(np.quantile(np.abs(normal) @ np.asarray(spreads), 1 - tail))


def bin_scores(
    label: NDArray[np.integer], score: Floats, weight: Floats, bins: int, heft: Floats | None = None
) -> Bins:
    """Return the sums over `bins` equal bins of [0, 1] behind the calibration; `heft` as in `mean_loss`."""
    place = np.clip((score * bins).astype(np.intp), 0, bins - 1)
    miss = weight * (weight if heft is None else heft) * (label - score) ** 2

    def summed(part: Floats) -> Floats:
        return np.asarray(np.bincount(place, weights=part, minlength=bins), dtype=np.float64)

    return Bins(*map(summed, (np.ones_like(score), weight, weight * label, weight * score, miss)))
