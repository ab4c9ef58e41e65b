"""Shapley values by shap's explainers, and the file of them that `shap.Explanation` opens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmark.data.schema import ColumnSchema
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import value_text
from fairmark.files import steady, written_whole
from fairmark.model.boosted_trees import Boosted
from fairmark.model.families import Scorer
from fairmark.model.model import Model
from fairmark.model.scorecard import Scorecard
from fairmark.stats.arrays import Floats


def shapley_values(model: Model, frame: pd.DataFrame) -> Floats:
    """Return exact Shapley values of the calibrated log-odds, [n, p + 1], by shap's explainers.

    The last column is the base value, and each row adds up to its `margin`. `Model.contributions` returns the
    same numbers without shap, whose import costs a second and 100 MB.
    """
    values = _raw(model.scorer, model.encoder.transform(frame)) * model.calibration.a
    values[:, -1] += model.calibration.b
    return values


def _raw(scorer: Scorer, matrix: Floats) -> Floats:
    """Return Shapley values of the raw log-odds of rows [n, p], [n, p + 1]."""
    import shap

    explainer: Any
    match scorer:
        case Boosted():
            # Without a background it is "path-dependent": the background is the rows that each leaf learnt
            # from, and shap hands over to LightGBM's own C++, which knows splits by category.
            explainer = shap.TreeExplainer(scorer.booster)
            values = explainer.shap_values(matrix)
        case Scorecard():
            # Linear in the points of its features, each with coefficient 1, however they bend with a feature.
            size = matrix.shape[1]
            background = (scorer.averages, np.zeros((size, size)))  # the mean; the covariance is not read
            explainer = shap.LinearExplainer((np.ones(size), scorer.intercept), background)
            values = explainer.shap_values(scorer.points(matrix))
        case _:
            raise TypeError(f"scorer: must be of a family that shap explains, got {type(scorer).__name__}")
    return np.column_stack([values, np.full(len(matrix), explainer.expected_value)])


def write_shapley(
    path: Path,
    model: Model,
    rows: pd.DataFrame,
    features: Sequence[ColumnSchema],
    contributions: Floats,
) -> None:
    """Write Shapley values as NumPy's .npz: `shap.Explanation(**numpy.load(path))` opens it.

    It holds `values`, [n, p], and `base_values`, [n], in calibrated log-odds, which add up to the margin of
    each row but for their rounding to ten digits; `data`, [n, p], the rows as the model's encoder turns them
    into numbers, NaN where missing; `display_data`, [n, p], the same rows in words; and `feature_names`, [p].
    Nothing of it is pickled.

    Parameters
    ----------
    rows
        The explained rows, [n].
    features
        Their descriptions in schema.json, in the order of the contributions, [p].
    contributions
        Shapley values with the base value in the last column, [n, p + 1].
    """
    rounded = np.array(steady(contributions.tolist()), dtype=np.float64)
    words = [[value_text(cell_value(value, each.kind)) for value in rows[each.name]] for each in features]
    with written_whole(path) as draft, draft.open("wb") as stream:
        np.savez(
            stream,
            values=rounded[:, :-1],
            base_values=rounded[:, -1],
            data=model.encoder.transform(rows),
            display_data=np.array(words, dtype=np.str_).T,
            feature_names=np.array(model.features, dtype=np.str_),
        )
