"""Shapley values by shap's explainers, feature importance, and the file that `shap.Explanation` opens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.schema import ColumnSchema
from fairmark.errors import InputError, StateError
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import FeatureImportance, GroupImportance, value_text
from fairmark.files import canonical_floats, written_whole
from fairmark.model.boosted_trees import Boosted
from fairmark.model.model import Model, Scorer
from fairmark.model.scorecard import Scorecard
from fairmark.stats.arrays import Floats

TOLERANCE = 1e-6
"""Largest allowed gap, in log-odds, between a row's margin and the sum of its contributions."""


def sample_positions(rows: int, size: int, seed: int) -> NDArray[np.int64]:
    """Return rising positions of `size` of `rows` rows, drawn without replacement, or all when fewer.

    Raises
    ------
    InputError
        When there are no rows.
    """
    if rows == 0:
        raise InputError("explain: must have test rows to explain, got none")
    if size >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng([seed, rows]).choice(rows, size, replace=False))


def shapley_values(model: Model, frame: pd.DataFrame) -> Floats:
    """Return exact Shapley values of the calibrated log-odds, [n, p + 1], by shap's explainers.

    The last column is the base value, and each row adds up to its `margin`. `Model.contributions` returns the
    same numbers without shap, whose import costs a second and 100 MB.
    """
    # Calibration is a line on the log-odds, so that it scales every contribution and moves the base value
    # alone.
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


def additivity(contributions: Floats, margin: Floats) -> float:
    """Return the largest gap between a margin and the sum of its contributions, in log-odds; 0 is exact.

    Local accuracy: Lundberg and Lee (2017), "A unified approach to interpreting model predictions",
    property 1.

    Parameters
    ----------
    contributions
        Shapley values with the base value in the last column, [n, p + 1].
    margin
        Log-odds of the same rows, [n].

    Raises
    ------
    StateError
        When the gap is above `TOLERANCE`: these numbers would explain another model.
    """
    # Checked on every row and not on a few: a library that explains another model than the one that scores is
    # the fault that no picture shows.
    gap = float(np.max(np.abs(contributions.sum(axis=1) - margin)))
    if not gap <= TOLERANCE:
        raise StateError(
            f"model: contributions must add up to the margin within {TOLERANCE:g}, got a gap of {gap:g}"
        )
    return gap


def importance(values: Floats, features: Sequence[str], weight: Floats) -> list[FeatureImportance]:
    """Return each feature's mean absolute Shapley value, largest first, ties by name; 0 = it never moves.

    Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for
    trees", section "SHAP summary plots".

    Parameters
    ----------
    values
        Shapley values in log-odds without the base value, [n, p].
    features
        Their names, [p].
    weight
        Row weights, [n]; their sum must be above 0.
    """
    means = np.average(np.abs(values), axis=0, weights=weight)
    pairs = sorted(zip(features, means.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [FeatureImportance(feature=name, mean_abs_shap=mean) for name, mean in pairs]


def group_importance(
    values: Floats,
    features: Sequence[str],
    weight: Floats,
    groups: pd.DataFrame,
    known: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, GroupImportance]]:
    """Return what moves the score within every group of every protected attribute, by attribute and group.

    The mean margins of two groups differ by exactly the sum of the differences of their `mean_shap`, so
    these say which features carry a gap between groups.

    Parameters
    ----------
    values, features, weight
        As in `importance`.
    groups
        One column of group names per attribute, [n].
    known
        The groups of each attribute; each is returned even when the sample holds no row of it.
    """
    return {
        attribute: {group: _group(values, features, weight, groups[attribute] == group) for group in names}
        for attribute, names in known.items()
    }


def _group(
    values: Floats, features: Sequence[str], weight: Floats, member: "pd.Series[bool]"
) -> GroupImportance:
    inside = member.to_numpy(dtype=bool)
    if weight[inside].sum() <= 0:
        return GroupImportance(rows=int(inside.sum()), mean_abs_shap=None, mean_shap=None)
    part = values[inside]  # [rows of the group, p]
    absolute = np.average(np.abs(part), axis=0, weights=weight[inside]).tolist()
    signed = np.average(part, axis=0, weights=weight[inside]).tolist()
    return GroupImportance(
        rows=len(part),
        mean_abs_shap=dict(zip(features, absolute, strict=True)),
        mean_shap=dict(zip(features, signed, strict=True)),
    )


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
    rounded = np.array(canonical_floats(contributions.tolist()), dtype=np.float64)
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
