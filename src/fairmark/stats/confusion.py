"""Confusion matrix of every group: all that a rate, its bound and its resampling need, for any rows.

Counts are indexed `[group, label, decision]`, so `[:, 1, 0]` are the false negatives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairmark.stats.arrays import Floats, Ints, Labels, Places


@dataclass(frozen=True)
class ConfusionMatrix:
    """Rows, sums of weights and sums of squared weights by group, label and decision.

    Parameters
    ----------
    count
        Rows, whole numbers, shape `[groups, 2, 2]`.
    weight
        Sums of row weights, same shape; equal to `count` when every weight is 1.
    square
        Sums of squared row weights, same shape; what a bound needs to know how uneven the weights are. Where
        people have several rows, sums of row weight x weight of the row's person (`of_people`).
    """

    count: Ints
    weight: Floats
    square: Floats

    @property
    def weighted(self) -> bool:
        """True unless every row weighs 1."""
        return not (np.array_equal(self.count, self.weight) and np.array_equal(self.count, self.square))

    def total(self) -> "ConfusionMatrix":
        """Return the confusion matrix of all groups together, shape `[1, 2, 2]`."""
        parts = (self.count, self.weight, self.square)
        count, weight, square = (part.sum(axis=0, keepdims=True) for part in parts)
        return ConfusionMatrix(count, weight, square)

    def group(self, index: int) -> "ConfusionMatrix":
        """Return the confusion matrix of one group, shape `[1, 2, 2]`."""
        at = slice(index, index + 1)
        return ConfusionMatrix(self.count[at], self.weight[at], self.square[at])


def kish(weight: ArrayLike, square: ArrayLike) -> float:
    """Return the effective number of rows, (sum of w)^2 / sum of w^2; 0 without rows.

    Equal weights give the number of rows, and uneven ones less (Kish 1965, section 11.2).
    """
    total, squares = float(np.sum(weight)), float(np.sum(square))
    return total * total / squares if squares > 0 else 0.0


def of_people(weight: Floats, person: ArrayLike) -> Floats:
    """Return [rows] the weight of all rows of each row's person.

    In the place of the second factor of w^2 it makes every variance an upper bound for rows of a person that
    hang together in any way: for row deviations d, (sum over a person's rows of w d)^2 <= W sum of w d^2 by
    Cauchy and Schwarz, W being the person's weight. Equal where the rows of a person are all alike: then ten
    rows a person count as one. Across two groups it holds too, since W counts the person's rows in both.
    """
    _, place = np.unique(np.asarray(person), return_inverse=True)
    return np.asarray(np.bincount(place, weights=weight)[place], dtype=np.float64)


def confusion_matrix(
    label: ArrayLike,
    decision: ArrayLike,
    code: ArrayLike,
    groups: int,
    weight: ArrayLike | None = None,
    heft: ArrayLike | None = None,
) -> ConfusionMatrix:
    """Return the confusion matrices of `groups` groups in one pass over the rows.

    Parameters
    ----------
    label, decision
        0 or 1 a row, shape `[rows]`.
    code
        The number of each row's group, 0 to `groups` - 1, shape `[rows]`.
    weight
        Row weights >= 0, shape `[rows]`; None when each row weighs 1.
    heft
        The weight of each row's person (`of_people`); None when each row is somebody else's.
    """
    # Group, label and decision as the digits of one number, built in place: one count over the rows, however
    # many groups there are.
    place = np.asarray(code).astype(np.intp)
    place *= 2
    place += np.asarray(label) != 0
    place *= 2
    place += np.asarray(decision) != 0
    shape = (groups, 2, 2)
    count = np.bincount(place, minlength=groups * 4).reshape(shape).astype(np.int64)
    if weight is None and heft is None:
        return ConfusionMatrix(count, count.astype(np.float64), count.astype(np.float64))
    heavy = np.ones(len(place)) if weight is None else np.asarray(weight, dtype=np.float64)
    second = heavy if heft is None else np.asarray(heft, dtype=np.float64)

    def summed(weights: Floats) -> Floats:
        sums = np.bincount(place, weights=weights, minlength=groups * 4)
        return np.asarray(sums, dtype=np.float64).reshape(shape)

    return ConfusionMatrix(count, summed(heavy), summed(heavy * second))


def matrices_by_threshold(
    score: Floats, label: Labels, weight: Floats, code: Places, groups: int, threshold: Floats
) -> Floats:
    """Return the confusion matrix of each group at each threshold, `[thresholds, groups, 2, 2]` of weights.

    Parameters
    ----------
    score, label, weight, code
        Score, label, weight and number of the group of each row, shape `[rows]`; rows of a group < 0 are
        left out.
    threshold
        A row is decided 1 from its threshold on, shape `[thresholds]`.
    """
    table = np.zeros((len(threshold), groups, 2, 2))
    for group in range(groups):
        for value in (0, 1):
            rows = (code == group) & (label == value)
            order = np.argsort(score[rows], kind="stable")
            # Weight below each place in the order: a threshold's place says what it leaves out, at once.
            below = np.r_[0.0, np.cumsum(weight[rows][order])]
            under = below[np.searchsorted(score[rows][order], threshold, side="left")]
            table[:, group, value] = np.stack([under, below[-1] - under], axis=-1)
    return table


def as_one_threshold(score: Floats, threshold: float | Floats) -> tuple[Floats, Floats]:
    """Return scores and one threshold, shape `[1]`, that decide as one threshold or each row's own does."""
    if np.ndim(threshold) == 0:
        return score, np.array([threshold], dtype=np.float64)
    return (score >= threshold).astype(np.float64), np.array([0.5])
