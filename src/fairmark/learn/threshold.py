"""Choose the score from which a row is decided 1, on validation rows alone."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmark.files import SIGNIFICANT_DIGITS
from fairmark.learn.goal import Goal
from fairmark.stats.arrays import Floats, Labels

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
    score: Floats,
    label: Labels,
    weight: Floats,
    goal: Goal,
    admissible: Admissible | None = None,
    selected: tuple[float, float] | None = None,
) -> Threshold:
    """Return the best of all cuts that part the rows in different ways.

    A cut lies midway between two neighbouring scores, or takes everybody or nobody. Of equally good cuts the
    one nearest to 0.5 is chosen, then the lower. Cuts that select too few or too many, or are not admissible,
    are left out: where that leaves none, the admissible ones come back last. Under a capacity no cut may
    select more, and the best is the one that selects most.

    Parameters
    ----------
    score
        Probabilities of validation rows, [n], 0..1.
    label, weight
        Labels and weights of the same rows, [n].
    goal
        What is to be as large as can be.
    selected
        The least and the largest share of rows that may be selected.
    """
    cut, hit, false = cuts(score, label, weight)
    if goal.at is not None:
        taken = score >= goal.at
        cut = np.array([goal.at])
        hit, false = (np.array([float(weight[taken & (label == value)].sum())]) for value in (1, 0))
    positive, negative = (float(weight[label == value].sum()) for value in (1, 0))
    table = np.stack([negative - false, false, positive - hit, hit], axis=-1).reshape(-1, 2, 2)
    # Equal up to the last bits of a weighted sum counts as equal, so that ties are broken by rule.
    reached = np.round(goal.reached(table), 12)
    share = (hit + false) / (positive + negative)
    kept = np.ones(len(cut), dtype=bool) if goal.select is None else share <= goal.select + 1e-12
    within = kept if selected is None else kept & (share >= selected[0]) & (share <= selected[1])
    allowed = np.ones(len(cut), dtype=bool) if admissible is None else admissible(cut)
    asked = reached if goal.select is None else np.round(share, 12)
    pool = np.flatnonzero(
        next((each for each in (allowed & within, within, kept) if each.any()), allowed | True)
    )
    best = pool[np.lexsort((cut[pool], np.round(np.abs(cut[pool] - 0.5), 12), -asked[pool]))[0]]
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


def _short(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
