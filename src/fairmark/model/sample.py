"""Rows ready to be learnt from: a matrix, labels, weights, and what fairness makes of deciding 1."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from fairmark.stats.arrays import Floats, Labels


@dataclass(frozen=True)
class Sample:
    """n encoded rows of p features."""

    matrix: Floats
    """[n, p], NaN where a value is missing."""
    label: Labels
    """[n], 1 = positive."""
    weight: Floats
    """[n], >= 0."""
    cost: Floats
    """[n], what deciding 1 gains beside being right, in mistakes; 0 without mitigation."""

    @classmethod
    def plain(cls, matrix: Floats, label: Labels, weight: Floats) -> Self:
        """Return rows without any mitigation."""
        return cls(matrix, label, weight, np.zeros(len(label)))

    @property
    def mitigated(self) -> bool:
        """True when some row's decision costs more or less than its being right."""
        return bool(self.cost.any())

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the rows at these places, in this order; a place may come twice."""
        return type(self)(self.matrix[rows], self.label[rows], self.weight[rows], self.cost[rows])
