"""Quality at equal selection-rate ratio, with the standard error that the test rows leave it.

A method that has a knob is a curve of points (ratio, quality). It is read at our ratio: along the points
that none of its own points beats in both, by straight lines, which a lottery between two neighbours would
reach. A point further to the right may be given up for quality, so left of its first point a curve is
flat; on the right it ends in deciding everybody alike, which anybody can, at a ratio of 1. The peers'
points are laid out on test rows, ours was chosen before them: what errs, errs for the peers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fairmark.stats.arrays import Floats

REPLICATES = 200
LEAST_GROUP = 30
"""Test rows under which a group is left out of every side's ratio."""


@dataclass(frozen=True)
class Judge:
    """Test rows, and what decisions on them are measured by."""

    label: npt.NDArray[np.int8]
    group: npt.NDArray[np.intp]
    """The number of each row's group, -1 for a group that is left out of the ratio, [n]."""
    goal: str
    """`accuracy` or `balanced_accuracy`."""

    @classmethod
    def of(cls, label: npt.NDArray[np.int8], names: Sequence[str], goal: str) -> "Judge":
        """Return the judge of rows with these labels and group names, [n] each."""
        _, place, counts = np.unique(np.asarray(names, dtype=str), return_inverse=True, return_counts=True)
        large = counts >= LEAST_GROUP
        kept = np.where(large, np.cumsum(large) - 1, -1)
        return cls(label, kept[place], goal)

    def trivial(self) -> float:
        """Return the quality of the better of deciding everybody alike."""
        share = float(self.label.mean())
        return max(share, 1 - share) if self.goal == "accuracy" else 0.5

    def measured(self, decide: Floats, weight: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the ratio and the quality of each of k ways to decide, [k] each.

        `decide` are the chances of deciding 1, [k, n]; `weight` counts each row so often, [n].
        """
        heavy = np.ones(len(self.label)) if weight is None else weight
        groups = int(self.group.max()) + 1
        of_group = [heavy * (self.group == number) for number in range(groups)]
        rate = np.stack([decide @ own / own.sum() for own in of_group])  # [groups, k]
        positive, negative = heavy * (self.label == 1), heavy * (self.label == 0)
        hit, kept = decide @ positive, negative.sum() - decide @ negative
        if self.goal == "accuracy":
            quality = (hit + kept) / heavy.sum()
        else:
            quality = (hit / positive.sum() + kept / negative.sum()) / 2
        high = rate.max(axis=0)
        return np.divide(rate.min(axis=0), high, out=np.ones_like(high), where=high > 0), quality

    def gain(self, ours: Floats, theirs: Floats, seed: int = 1) -> tuple[float, float, float]:
        """Return the peer's quality at our ratio, what ours has more, and that difference's standard error.

        `ours` is [n], `theirs` [k, n]. The error is that of a bootstrap over test rows, which moves our
        ratio and the peer's whole curve together.
        """
        alike = np.vstack([np.zeros(len(ours)), np.ones(len(ours))])
        whole = np.vstack([ours, theirs, alike])
        value = _at_ours(*self.measured(whole))
        draw = np.random.default_rng(seed)
        differences = []
        for _ in range(REPLICATES):
            weight = draw.multinomial(len(self.label), np.full(len(self.label), 1 / len(self.label)))
            ratio, quality = self.measured(whole, weight.astype(np.float64))
            differences.append(quality[0] - _at_ours(ratio, quality))
        return value, float(self.measured(whole)[1][0] - value), float(np.std(differences, ddof=1))


def _at_ours(ratio: Floats, quality: Floats) -> float:
    """Return the curve of all points but the first, read at the ratio of the first."""
    order = np.argsort(ratio[1:], kind="stable")
    x, y = ratio[1:][order], quality[1:][order]
    # From the right: what is as good as all that is fairer stays.
    best = np.maximum.accumulate(y[::-1])[::-1]
    front = y >= best
    x, y = x[front], y[front]
    return float(np.interp(ratio[0], x, y))
