"""Choose the score from which a row is decided 1, on validation rows alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmark.files import SIGNIFICANT_DIGITS
from fairmark.stats.arrays import Floats, Labels
from fairmark.stats.rates import values_of

Goal = str
"""One of `measures.GOALS`."""
Admissible = Callable[[Floats], npt.NDArray[np.bool_]]
"""Says of each cut, [k], whether it may be chosen."""

SAME = 1e-8
"""Scores nearer than this are never parted: a cut between them would not survive being written down."""
EVERYBODY, NOBODY = 0.0, 1.000001


@dataclass(frozen=True)
class Threshold:
    """A cut, what it reaches of its goal, and whether it was admissible."""

    cut: float
    quality: float
    admissible: bool


def choose(
    score: Floats, label: Labels, weight: Floats, maximise: Goal, admissible: Admissible | None = None
) -> Threshold:
    """Return the best of all cuts that part the rows in different ways.

    A cut lies midway between two neighbouring scores, or takes everybody or nobody. Of equally good cuts the
    one nearest to 0.5 is chosen, then the lower. When no cut is admissible, the best of all is chosen.

    Parameters
    ----------
    score
        Probabilities of validation rows, [n], 0..1.
    label, weight
        Labels and weights of the same rows, [n].
    maximise
        Weighted accuracy, mean of the two classes' recalls, or F1; each 0..1.
    """
    cut, hit, false = cuts(score, label, weight)
    # Equal up to the last bits of a weighted sum counts as equal, so that ties are broken by rule.
    reached = np.round(_goal(maximise, hit, false, label, weight), 12)
    allowed = np.ones(len(cut), dtype=bool) if admissible is None else admissible(cut)
    pool = np.flatnonzero(allowed) if allowed.any() else np.arange(len(cut))
    best = pool[np.lexsort((cut[pool], np.round(np.abs(cut[pool] - 0.5), 12), -reached[pool]))[0]]
    return Threshold(float(cut[best]), float(reached[best]), bool(allowed[best]))


def cuts(score: Floats, label: Labels, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return all cuts from the highest down, and the weight of true and of false positives at each, [k]."""
    order = np.argsort(-score, kind="stable")
    down, heavy = score[order], weight[order]
    last = np.flatnonzero(down[:-1] - down[1:] > SAME)  # the last row above each cut
    middle = [_short((down[i] + down[i + 1]) / 2) for i in last]
    hit = np.cumsum(heavy * (label[order] == 1))
    false = np.cumsum(heavy * (label[order] == 0))
    ends = [0.0], [hit[-1]], [false[-1]]
    return (
        np.array([NOBODY, *middle, EVERYBODY]),
        np.concatenate([ends[0], hit[last], ends[1]]),
        np.concatenate([ends[0], false[last], ends[2]]),
    )


def _goal(maximise: Goal, hit: Floats, false: Floats, label: Labels, weight: Floats) -> Floats:
    """Return what each cut reaches of the goal, [k]; of rows of one label alone, what it does on these."""
    positive, negative = (float(weight[label == value].sum()) for value in (1, 0))
    table = np.stack([negative - false, false, positive - hit, hit], axis=-1).reshape(-1, 2, 2)
    if maximise == "balanced_accuracy" and not (positive and negative):
        return (1 + values_of(table, "accuracy")) / 2  # the rate of the other label counts as 1
    return np.nan_to_num(values_of(table, maximise))


def _short(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
