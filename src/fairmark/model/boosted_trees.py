"""Boosted trees by LightGBM, written as its own text, which holds numbers and nothing that runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fairmark.model import lightgbm_text
from fairmark.model.encoder import Column
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    import lightgbm as lgb

ADDITIVITY = 1e-6
"""Largest allowed distance of a row's summed contributions from its log-odds."""


@dataclass(frozen=True)
class Boosted:
    """Boosted trees, as LightGBM's model text."""

    text: str

    @cached_property
    def booster(self) -> "lgb.Booster":
        """LightGBM's own model of these trees, without what its text says of how they were learnt."""
        import lightgbm as lgb

        head, _, _ = self.text.partition(lightgbm_text.END)
        return lgb.Booster(model_str=head + lightgbm_text.REST)

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return int(self.booster.num_trees())

    def raw(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        if not len(matrix):
            return np.empty(0)
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1], by LightGBM's `pred_contrib`.

        Raises
        ------
        ArithmeticError
            When they don't add up to the raw log-odds: wrong explanations are worse than none.
        """
        if not len(matrix):
            return np.empty((0, matrix.shape[1] + 1))
        values = np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)
        gap = float(np.abs(values.sum(axis=1) - self.raw(matrix)).max())
        if not gap <= ADDITIVITY:
            raise ArithmeticError(
                f"contributions: must add up to the log-odds within {ADDITIVITY}, got {gap}"
            )
        return values

    def dumps(self) -> str:
        """Return the model's text."""
        return self.text


def load(text: str, columns: Sequence[Column]) -> Boosted:
    """Return the trees that `dumps` wrote down.

    Raises
    ------
    InputError
        When the text is not LightGBM's, or speaks of another number of features.
    """
    lightgbm_text.check(text, len(columns))
    return Boosted(text)
