"""Measures by group as a `MetricFrame` of Fairlearn: of rows, or of the measurements that `evaluate` wrote.

`by_group`, `difference()` and `ratio()` of it hold the numbers of a measurements document, to the last of its
digits. Where fewer than two groups have a rate, Fairlearn says 0 and 1, and fairmark that there is no value.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairmark.errors import InputError
from fairmark.extras import required
from fairmark.judge.measurements import Measurements
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.measures import COMPARED, MEASURES, PLACE
from fairmark.stats.rates import value_of

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

OF_DECISIONS = tuple(name for name, measure in MEASURES.items() if measure.counted)
"""The measures that confusion counts are enough for."""


def metric_frame(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sensitive_features: object,
    *,
    sample_weight: ArrayLike | None = None,
    measures: Sequence[str] = COMPARED,
) -> "MetricFrame":
    """Return measures of decisions, over all rows and by group; NaN where a group has no row to divide by.

    Parameters
    ----------
    y_true, y_pred
        The label and the decision of each row, 0 or 1, [n].
    sensitive_features
        Their groups, [n], as a series, an array, a list or a dict; a table of several columns is crossed.
    sample_weight
        Row weights >= 0, [n]; None when each row weighs 1.
    measures
        Names out of `OF_DECISIONS`.

    Raises
    ------
    InputError
        When a measure is none of them, or a label or a decision is neither 0 nor 1.
    StateError
        When Fairlearn is not installed.
    """
    with required():
        from fairlearn.metrics import MetricFrame

    unknown = [name for name in measures if name not in OF_DECISIONS]
    if unknown:
        raise InputError(
            f"measures: must be of {', '.join(OF_DECISIONS)}, got {', '.join(map(repr, unknown))}"
        )
    label, decision = _binary("y_true", y_true), _binary("y_pred", y_pred)
    if not len(label) or len(label) != len(decision):
        raise InputError(f"y_pred: must have a row for each of y_true, got {len(decision)} for {len(label)}")
    weight = _weights(sample_weight, len(label))
    try:
        return MetricFrame(
            metrics={name: _metric(name) for name in measures},
            y_true=label,
            y_pred=decision,
            sensitive_features=sensitive_features,
            sample_params={name: {"sample_weight": weight} for name in measures},
        )
    except ValueError as error:
        raise InputError(f"sensitive_features: must be a group for each row, got {error}") from error


def metric_frame_of(
    measurements: Measurements, attribute: str, measures: Sequence[str] = COMPARED
) -> "MetricFrame":
    """Return the measures of measurements.json by the groups of one protected attribute.

    The confusion counts of each group stand for its rows: four rows, which weigh as much as all rows alike.

    Parameters
    ----------
    measurements
        As `evaluate` writes them and a release holds them (`Measurements.read`).

    Raises
    ------
    InputError
        When they know no such attribute, or a measure is none of `OF_DECISIONS`.
    """
    groups = measurements.groups
    if attribute not in groups:
        raise InputError(f"attribute: must be of {', '.join(sorted(groups))}, got {attribute!r}")
    # A row for each label and decision, with the weight of all that are alike.
    at = list(PLACE.values())
    matrices = {name: entry.cells.matrix for name, entry in groups[attribute].items()}
    return metric_frame(
        np.tile([label for label, _ in at], len(matrices)),
        np.tile([decision for _, decision in at], len(matrices)),
        pd.Series(np.repeat(list(matrices), len(at)), name=attribute),
        sample_weight=[each.weight[0][place] for each in matrices.values() for place in at],
        measures=measures,
    )


def _weights(values: ArrayLike | None, rows: int) -> Floats:
    if values is None:
        return np.ones(rows)
    try:
        given = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight: must be numbers, got {error}") from error
    if given.shape != (rows,):
        raise InputError(f"sample_weight: must have the shape {(rows,)}, got {given.shape}")
    odd = given[~(np.isfinite(given) & (given >= 0))]
    if odd.size:
        raise InputError(f"sample_weight: must be finite and at least 0, got {odd[0]:g}")
    return given


def _metric(name: str) -> Callable[..., float]:
    def measure(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike) -> float:
        matrix = confusion_matrix(y_true, y_pred, np.zeros(np.shape(y_true)), 1, sample_weight)
        return float(value_of(matrix, name)[0])

    measure.__name__ = name
    return measure


def _binary(where: str, values: ArrayLike) -> NDArray[np.int8]:
    given = np.asarray(values)
    odd = given[~np.isin(given, (0, 1))]
    if odd.size:
        raise InputError(f"{where}: must hold 0 and 1, got {odd.ravel()[0]!r}")
    return given.astype(np.int8)
