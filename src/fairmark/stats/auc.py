"""Areas under the ROC and precision-recall curves with their standard errors, in one sort of the scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import kish
from fairmark.stats.losses import Estimate


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


def roc_auc(
    label: NDArray[np.integer], score: Floats, weight: Floats, heft: Floats | None = None
) -> Estimate | None:
    """Return the area under the ROC curve, or None when one of the two classes has no weight.

    The chance that a positive row scores above a negative one, ties counting one half (Mann-Whitney); 0.5 =
    no better than chance, 1 = every positive above every negative. The standard error is that of DeLong,
    DeLong and Clarke-Pearson (1988), equations 3-6, from mid-ranks in one sort (Sun and Xu 2014); with
    weights it is the linearised one with Kish's sizes. The degrees of freedom are Welch's, as Brunner and
    Munzel (2000) take them for this very statistic. `heft` (`cells.of_people`) makes it an upper bound where
    people have several rows.
    """
    second = weight if heft is None else heft
    rank = ranked(label, score, weight)
    total, rest = rank.positive.sum(), rank.negative.sum()
    if not (total > 0 and rest > 0):
        return None
    # The share of the other class that a row beats (positive) or loses to (negative), at each distinct score.
    beaten = (rest - np.cumsum(rank.negative) + rank.negative / 2) / rest
    beating = (np.cumsum(rank.positive) - rank.positive / 2) / total
    value = float(np.clip(rank.positive @ beaten / total, 0, 1))  # sums of weights round past the ends
    parts = [
        _variance(weight[side], second[side], share[rank.place[side]] - value)
        for side, share in ((label == 1, beaten), (label == 0, beating))
    ]
    variance = sum(part[0] for part in parts)
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
    own = (precision - value) / total
    pull = np.where(label == 1, (own + if_positive)[rank.place], -if_negative[rank.place])
    rows = kish(weight[label == 1], (weight * second)[label == 1])
    if rows <= 1:
        return Estimate(value, 0.0, 0.0)
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
    base = rank.positive.sum() / chosen[-1]
    precision = np.where(others > 0, right / np.where(others > 0, others, 1), base)
    return float(np.clip(own @ precision / own.sum(), 0, 1))
