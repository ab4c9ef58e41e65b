"""A model on test rows that can be changed and scored again: what every scenario of stress works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairmark.judge.cells import Floats
from fairmark.judge.glance import Rows
from fairmark.learn.model import Model, probability


@dataclass(frozen=True)
class Rig:
    """A model with test rows to stress it on.

    Parameters
    ----------
    model
        The model.
    rows
        Test rows, [n].
    matrix
        The same rows, encoded, [n, p].
    train
        Encoded train rows, whose spread is the unit of shifts and whose range bounds them, [m, p].
    leading
        The features that are stressed one by one.
    """

    model: Model
    rows: Rows
    matrix: Floats
    train: Floats
    leading: Sequence[str]

    @cached_property
    def base(self) -> Floats:
        """The scores of the rows as they are, [n]."""
        return probability(self.model.margin_of(self.matrix))

    def score(self, matrix: Floats) -> Floats:
        """Return the scores of the rows after a change, [n]; only rows that changed are scored again."""
        same = (matrix == self.matrix) | (np.isnan(matrix) & np.isnan(self.matrix))
        changed = ~same.all(axis=1)
        scores = self.base.copy()
        scores[changed] = probability(self.model.margin_of(matrix[changed]))
        return scores

    def changed(self, score: Floats) -> NDArray[np.bool_]:
        """Return which rows are decided otherwise by these scores, [n]."""
        return np.asarray(self.decide(score) != self.decide(self.base))

    def decide(self, score: Floats) -> NDArray[np.bool_]:
        """Return which scores are decided 1, [n]."""
        return np.asarray(score >= self.cut)

    @cached_property
    def cut(self) -> float | Floats:
        """The threshold, or that of each row, [n], where groups have thresholds of their own."""
        return self.model.cut(self.rows.groups)

    @property
    def columns(self) -> dict[str, int]:
        """The leading features' places in the matrix."""
        return {name: self.model.features.index(name) for name in self.leading}

    @property
    def numbers(self) -> dict[str, int]:
        """The leading numeric features that vary over train rows, and their places in the matrix."""
        kinds = self.model.encoder.kinds
        return {
            name: k
            for name, k in self.columns.items()
            if kinds[k] == "numeric" and spread(self.train[:, k]) > 0
        }

    def moved(self, matrix: Floats, column: int, spreads: float) -> Floats:
        """Return a copy with one number moved by so many spreads, and kept in the range of train rows."""
        values, seen = matrix[:, column], self.train[:, column]
        low, high = np.fmin(np.nanmin(seen), values), np.fmax(np.nanmax(seen), values)
        other = matrix.copy()
        other[:, column] = np.clip(values + spreads * spread(seen), low, high)
        return other


def spread(values: Floats) -> float:
    """Return the standard deviation of the values that are not missing; 0 when all are."""
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0
