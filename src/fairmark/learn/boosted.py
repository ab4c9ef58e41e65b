"""Boosted trees by LightGBM, written as its own text, which holds numbers and nothing that runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fairmark.errors import InputError
from fairmark.learn.encode import Column, Floats
from fairmark.learn.sample import Sample
from fairmark.params import Train

if TYPE_CHECKING:
    import lightgbm as lgb

FIXED = {
    "objective": "binary",
    "boost_from_average": True,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""What makes a fit the same on every machine, whatever is searched over."""
ADDITIVITY = 1e-6
"""Largest allowed distance of a row's summed contributions from its log-odds."""


@dataclass(frozen=True)
class Boosted:
    """Boosted trees, as LightGBM's model text."""

    text: str

    @cached_property
    def _booster(self) -> "lgb.Booster":
        import lightgbm as lgb

        return lgb.Booster(model_str=self.text)

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return int(self._booster.num_trees())

    def raw(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        if not len(matrix):
            return np.empty(0)
        return np.asarray(self._booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1], by LightGBM's `pred_contrib`.

        Raises
        ------
        ArithmeticError
            When they don't add up to the raw log-odds: wrong explanations are worse than none.
        """
        if not len(matrix):
            return np.empty((0, matrix.shape[1] + 1))
        values = np.asarray(self._booster.predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)
        gap = float(np.abs(values.sum(axis=1) - self.raw(matrix)).max())
        if not gap <= ADDITIVITY:
            raise ArithmeticError(
                f"contributions: must add up to the log-odds within {ADDITIVITY}, got {gap}"
            )
        return values

    def dumps(self) -> str:
        """Return the model's text."""
        return self.text


def fit(
    train: Sample,
    valid: Sample,
    columns: Sequence[Column],
    settings: Mapping[str, float | int | str | bool],
    base: Train,
) -> Boosted:
    """Learn boosted trees until validation log loss has not fallen for `base.patience` rounds.

    `settings` are LightGBM's own parameters, by its scikit-learn names or its native ones.
    """
    import lightgbm as lgb

    own: dict[str, Any] = {**settings, **FIXED, "metric": "binary_logloss", "seed": base.seed}
    coded = [place for place, column in enumerate(columns) if column.kind == "categorical"]
    options = {"categorical_feature": coded, "free_raw_data": False, "params": own}
    rows = lgb.Dataset(train.matrix, train.label, weight=train.weight, **options)
    watched = lgb.Dataset(valid.matrix, valid.label, weight=valid.weight, reference=rows, **options)
    booster = lgb.train(
        own,
        rows,
        num_boost_round=base.max_rounds,
        valid_sets=[watched],
        callbacks=[lgb.early_stopping(base.patience, verbose=False)],
    )
    return Boosted(_steady_text(booster.model_to_string(num_iteration=booster.best_iteration)))


def load(text: str, columns: Sequence[Column]) -> Boosted:
    """Return the trees that `dumps` wrote down.

    Raises
    ------
    InputError
        When the text is not LightGBM's, or speaks of another number of features.
    """
    import lightgbm as lgb

    if not text.startswith("tree\n") or "\nend of trees\n" not in text:
        raise InputError("booster.txt: must be LightGBM's model text, got something else")
    model = Boosted(text)
    try:
        features = model._booster.num_feature()  # noqa: SLF001 - our own
    except lgb.basic.LightGBMError as error:
        raise InputError(f"booster.txt: must be LightGBM's model text, got {error}") from error
    if features != len(columns):
        raise InputError(f"booster.txt: must read {len(columns)} features, got {features}")
    return model


def _steady_text(text: str) -> str:
    # The text lists every parameter, the number of threads among them, though it changes no prediction.
    return re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 1]", text, flags=re.MULTILINE)
