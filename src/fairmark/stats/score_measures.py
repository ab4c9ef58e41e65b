"""Measures of scores with their standard errors: Brier score, log loss, calibration error, ROC AUC, PR AUC.

The areas under both curves come from one sort of the scores.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import kish

LEAST_SCORE = 1e-3
"""Scores are kept this far from 0 and 1 in the log loss: one certain mistake costs 6.9, not infinity.

A loss that one row can drive to any number has no bound from any number of rows.
"""


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
    the usual s / sqrt(n). `heft` (`confusion.of_people`) makes it an upper bound where
    people have several rows.
    """
    second = weight if heft is None else heft
    total = weight.sum()
    value = float(weight @ loss / total)
    rows = kish(weight, weight * second)
    deviation = loss - value
    squares = float(np.sum(weight * second * deviation**2))
    if rows <= 1 or squares == 0:
        return Estimate(value, 0.0, max(rows - 1, 0.0))
    # Linearised: the deviations of a weighted mean are its rows' weights times their distance from it.
    se = np.sqrt(squares * rows / (rows - 1)) / total
    return Estimate(
        value, float(se), rows - 1, skew=float(np.sum(weight * second**2 * deviation**3)) / squares**1.5
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


def bin_of(score: Floats, bins: int) -> NDArray[np.intp]:
    """Return the place of each score among `bins` equal bins of [0, 1]."""
    # A score of exactly 1 belongs to the last bin, and to none of its own.
    return np.clip((score * bins).astype(np.intp), 0, bins - 1)


def bin_scores(
    label: NDArray[np.integer], score: Floats, weight: Floats, bins: int, heft: Floats | None = None
) -> Bins:
    """Return the sums over `bins` equal bins of [0, 1] behind the calibration; `heft` as in `mean_loss`."""
    place = bin_of(score, bins)
    miss = weight * (weight if heft is None else heft) * (label - score) ** 2

    def summed(part: Floats) -> Floats:
        return np.asarray(np.bincount(place, weights=part, minlength=bins), dtype=np.float64)

    return Bins(*map(summed, (np.ones_like(score), weight, weight * label, weight * score, miss)))


@dataclass(frozen=True)
class Ranked:
    """Weights by distinct score, highest first, and where each row stands among them.

    `positive` and `negative` are sums of weights at each distinct score, shape `[distinct]`; `place` is the
    row's distinct score, shape `[rows]`; `score` holds the distinct scores.
    """

    score: Floats
    positive: Floats
    negative: Floats
    place: NDArray[np.intp]


def ranked(label: NDArray[np.integer], score: Floats, weight: Floats) -> Ranked:
    """Return the rows grouped by score; rows of equal score are one step of every curve."""
    # Equal scores become one step, so that no curve or area depends on the order of the rows among them.
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    first = np.empty(len(order), dtype=bool)
    first[:1] = True
    np.not_equal(falling[1:], falling[:-1], out=first[1:])
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.cumsum(first) - 1
    size = int(first.sum())

    def summed(weights: Floats) -> Floats:
        return np.asarray(np.bincount(place, weights=weights, minlength=size), dtype=np.float64)

    return Ranked(falling[first], summed(weight * label), summed(weight * (1 - label)), place)


def placements(label: NDArray[np.integer], score: Floats, weight: Floats) -> Floats:
    """Return the share of the other label that each row is ranked on the right side of, ties half, [rows].

    Its weighted mean over the positive rows is the AUC, and so is that over the negative ones (DeLong, DeLong
    and Clarke-Pearson 1988, equation 4). NaN where the other label has no weight.
    """
    rank = ranked(label, score, weight)
    beaten, beating = _placed(rank)
    return np.where(label == 1, beaten[rank.place], beating[rank.place])


def _placed(rank: Ranked) -> tuple[Floats, Floats]:
    """Return the placement of a positive and of a negative row at each distinct score."""
    total, rest = rank.positive.sum(), rank.negative.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.clip((rest - np.cumsum(rank.negative) + rank.negative / 2) / rest, 0, 1),
            np.clip((np.cumsum(rank.positive) - rank.positive / 2) / total, 0, 1),
        )


def roc_auc(
    label: NDArray[np.integer], score: Floats, weight: Floats, heft: Floats | None = None
) -> Estimate | None:
    """Return the area under the ROC curve, or None when one of the two classes has no weight.

    The chance that a positive row scores above a negative one, ties counting one half (Mann-Whitney); 0.5 =
    no better than chance, 1 = every positive above every negative. The standard error is that of DeLong,
    DeLong and Clarke-Pearson (1988), equations 3-6, from mid-ranks in one sort (Sun and Xu 2014); with
    weights it is the linearised one with Kish's sizes. The degrees of freedom are Welch's, as Brunner and
    Munzel (2000) take them for this very statistic. `heft` (`confusion.of_people`) makes it an upper bound
    where people have several rows.
    """
    second = weight if heft is None else heft
    rank = ranked(label, score, weight)
    total, rest = rank.positive.sum(), rank.negative.sum()
    if not (total > 0 and rest > 0):
        return None
    beaten, beating = _placed(rank)
    value = float(np.clip(rank.positive @ beaten / total, 0, 1))  # sums of weights round past the ends
    # The placements of positive and of negative rows are two independent samples: the variances of their
    # means add (DeLong's S10 / m + S01 / n).
    parts = [
        _variance(weight[side], second[side], share[rank.place[side]] - value)
        for side, share in ((label == 1, beaten), (label == 0, beating))
    ]
    variance = sum(part[0] for part in parts)
    # One effective row of a class shows no spread. An se of 0 makes the bounds fall back on those that need
    # none.
    if min(part[1] for part in parts) <= 1 or variance <= 0:
        return Estimate(value, 0.0, 0.0)
    df = variance**2 / sum(part[0] ** 2 / (part[1] - 1) for part in parts)
    return Estimate(value, float(np.sqrt(variance)), float(df))


def _variance(weight: Floats, heft: Floats, deviation: Floats) -> tuple[float, float]:
    """Return the variance of a weighted mean from its deviations, and the effective rows behind it."""
    rows = kish(weight, weight * heft)
    if rows <= 1:
        return 0.0, rows
    return float(np.sum(weight * heft * deviation**2) / weight.sum() ** 2 * rows / (rows - 1)), rows


def pr_auc(
    label: NDArray[np.integer], score: Floats, weight: Floats, heft: Floats | None = None
) -> Estimate | None:
    """Return the average precision, or None when no positive row has weight.

    The sum over distinct scores, highest first, of precision x step in recall; the base rate = no better than
    chance, 1 = every positive above every negative. The standard error is the infinitesimal jackknife (Efron
    1982, chapter 6): the square root of the sum over rows of (weight x derivative by that row's weight)^2;
    `heft` as in `roc_auc`.
    """
    second = weight if heft is None else heft
    rank = ranked(label, score, weight)
    total = rank.positive.sum()
    if not total > 0:
        return None
    above = np.cumsum(rank.positive)
    chosen = above + np.cumsum(rank.negative)
    precision = above / np.where(chosen > 0, chosen, 1)
    value = float(np.clip(rank.positive @ precision / total, 0, 1))
    # A row at this score counts in the precision at this and every lower score: sums from the end.
    safe = np.where(chosen > 0, chosen, np.inf)
    if_positive = np.cumsum((rank.positive * (chosen - above) / safe**2)[::-1])[::-1] / total
    if_negative = np.cumsum((rank.positive * above / safe**2)[::-1])[::-1] / total
    # The derivative of the average precision by a row's weight: a positive row adds its own step, and every
    # row counts in the precision at its score and at all lower ones.
    own = (precision - value) / total
    pull = np.where(label == 1, (own + if_positive)[rank.place], -if_negative[rank.place])
    rows = kish(weight[label == 1], (weight * second)[label == 1])
    if rows <= 1:
        return Estimate(value, 0.0, 0.0)
    # n / (n - 1), as for a sample variance: the squares are taken around an estimate, which lies too near to
    # them.
    se = float(np.sqrt(np.sum(weight * second * pull**2) * rows / (rows - 1)))
    return Estimate(
        value, se, rows - 1, without_self=_without_self(label, weight, second, rank, above, chosen)
    )


def _without_self(
    label: NDArray[np.integer], weight: Floats, heft: Floats, rank: Ranked, above: Floats, chosen: Floats
) -> float:
    """Return the average precision in which no positive row, nor its person's, counts at its own score."""
    own, whole, place = weight[label == 1], heft[label == 1], rank.place[label == 1]
    others, right = np.maximum(chosen[place] - whole, 0), np.maximum(above[place] - whole, 0)
    # With nobody else selected the precision is not known at all; chance is what can't flatter.
    base = rank.positive.sum() / chosen[-1]
    precision = np.where(others > 0, right / np.where(others > 0, others, 1), base)
    return float(np.clip(own @ precision / own.sum(), 0, 1))
