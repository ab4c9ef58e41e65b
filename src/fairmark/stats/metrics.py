"""Quality measures of decisions (from their cells) and of scores (from the rows), with or without weights."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.confusion import Cells, Floats, kish

LEAST_SCORE = 1e-15
"""Scores are kept this far from 0 and 1 in the log loss: one certain mistake costs 34.5, not infinity."""
WORST_LOSS = MappingProxyType({"brier": 1.0, "log_loss": float(-np.log(LEAST_SCORE))})
"""The largest loss that one row can have."""


@dataclass(frozen=True)
class Rate:
    """A share of rows: which cells are counted, out of which. Masks have shape `[label, decision]`."""

    hits: tuple[tuple[int, int], tuple[int, int]]
    rows: tuple[tuple[int, int], tuple[int, int]]
    empty: str
    """Why there is no value when no row stands in the denominator."""


_ALL = ((1, 1), (1, 1))
_POSITIVE, _NEGATIVE = ((0, 0), (1, 1)), ((1, 1), (0, 0))
_TP, _FP = ((0, 0), (0, 1)), ((0, 1), (0, 0))
_SELECTED, _RIGHT = ((0, 1), (0, 1)), ((1, 0), (0, 1))
_REJECTED, _TN = ((1, 0), (1, 0)), ((1, 0), (0, 0))

RATES = MappingProxyType(
    {
        "selection_rate": Rate(_SELECTED, _ALL, "no rows"),
        "base_rate": Rate(_POSITIVE, _ALL, "no rows"),
        "accuracy": Rate(_RIGHT, _ALL, "no rows"),
        "rejection_rate": Rate(_REJECTED, _ALL, "no rows"),
        "negative_predictive_value": Rate(_TN, _REJECTED, "every row is selected"),
        "precision": Rate(_TP, _SELECTED, "no row is selected"),
        "recall": Rate(_TP, _POSITIVE, "no row has the positive label"),
        "true_positive_rate": Rate(_TP, _POSITIVE, "no row has the positive label"),
        "false_positive_rate": Rate(_FP, _NEGATIVE, "no row has the negative label"),
        # The Jaccard index tp / (tp + fp + fn): a plain share of rows, and F1 = 2 J / (1 + J) rises with it,
        # so that an exact bound of the one is an exact bound of the other.
        "jaccard": Rate(_TP, ((0, 1), (1, 1)), "no row is positive or selected"),
    }
)
"""Every measure that is a share of rows. 0 = none of them, 1 = all of them."""

COUNTED = ("selection_rate", "base_rate", "accuracy", "balanced_accuracy", "precision", "recall",
           "false_positive_rate", "f1")  # fmt: skip
"""Measures of decisions, from cells alone."""
SCORED = ("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error")
"""Measures of scores, from rows."""


def portion(cells: Cells, name: str) -> tuple[Floats, Floats, Floats]:
    """Return `(value, hits, rows)` of a rate in every group, of shape `[groups]` each; NaN without rows.

    Without weights, hits and rows are the counts. With weights the value is weighted, `rows` is the effective
    number of rows and hits = value * rows: the smaller of Kish's size and of Korn and Graubard's (1998),
    p (1 - p) / var(p), where var is the linearised variance; so bounds from them are approximate, not exact.
    """
    rate = RATES[name]
    hit, base = np.array(rate.hits), np.array(rate.rows)
    top, bottom = (cells.weight * hit).sum((1, 2)), (cells.weight * base).sum((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.minimum(top / bottom, 1.0)
    if not cells.weighted:
        return value, top, bottom
    square_in = (cells.square * hit).sum((1, 2))
    square_out = (cells.square * base).sum((1, 2)) - square_in
    with np.errstate(divide="ignore", invalid="ignore"):
        by_kish = bottom**2 / (square_in + square_out)
        spread = ((1 - value) ** 2 * square_in + value**2 * square_out) / bottom**2
        rows = np.fmin(by_kish, np.where(spread > 0, value * (1 - value) / spread, np.inf))
    rows = np.where(bottom > 0, np.nan_to_num(rows), 0.0)
    return value, np.nan_to_num(value) * rows, rows


def f1_of(jaccard: Floats | float) -> Floats | float:
    """Return F1 = 2 tp / (2 tp + fp + fn) of a Jaccard index tp / (tp + fp + fn); 0..1, 1 = no mistake."""
    return 2 * jaccard / (1 + jaccard)


def counted(cells: Cells, name: str) -> Floats:
    """Return a measure of decisions in every group, shape `[groups]`, NaN where it is not defined.

    balanced accuracy = (TPR + 1 - FPR) / 2, 0.5 = a coin; F1 as in `f1_of`; the others are shares of rows.
    """
    if name == "balanced_accuracy":
        return (1 + portion(cells, "recall")[0] - portion(cells, "false_positive_rate")[0]) / 2
    if name == "f1":
        return np.asarray(f1_of(portion(cells, "jaccard")[0]), dtype=np.float64)
    return portion(cells, name)[0]


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
