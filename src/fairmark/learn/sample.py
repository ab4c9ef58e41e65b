"""Rows ready to be learnt from: a matrix, its labels, and its weights."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from fairmark.learn.encode import Floats

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Sample:
    """n encoded rows of p features."""

    matrix: Floats
    """[n, p], NaN where a value is missing."""
    label: Labels
    """[n], 1 = positive."""
    weight: Floats
    """[n], >= 0."""

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the rows at these places, in this order; a place may come twice."""
        return type(self)(self.matrix[rows], self.label[rows], self.weight[rows])

    def relabelled(self, label: Labels, weight: Floats) -> Self:
        """Return the same rows with other labels and weights."""
        return type(self)(self.matrix, label, weight)
