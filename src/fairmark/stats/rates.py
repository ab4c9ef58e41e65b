"""Rates of confusion matrices by group, with or without row weights: value, hits and effective rows."""

import numpy as np

from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.measures import MEASURES, Composite, Share, share, summed


def rate_of(matrix: ConfusionMatrix, name: str) -> tuple[Floats, Floats, Floats]:
    """Return `(value, hits, rows)` of a rate in every group, shape `[groups]` each; NaN without rows.

    Without weights, hits and rows are the counts. With weights the value is weighted, `rows` is the effective
    number of rows and hits = value * rows: the smaller of Kish's size and of Korn and Graubard's (1998),
    p (1 - p) / var(p), where var is the linearised variance; so bounds from them are approximate, not exact.
    """
    formula = share(name)
    value = formula(matrix.weight)
    top, bottom = summed(matrix.weight, formula.hits), summed(matrix.weight, formula.rows)
    if not matrix.weighted:
        return value, top, bottom
    square_in = summed(matrix.square, formula.hits)
    square_out = summed(matrix.square, formula.rows) - square_in
    with np.errstate(divide="ignore", invalid="ignore"):
        by_kish = bottom**2 / (square_in + square_out)
        spread = ((1 - value) ** 2 * square_in + value**2 * square_out) / bottom**2
        rows = np.fmin(by_kish, np.where(spread > 0, value * (1 - value) / spread, np.inf))
    rows = np.where(bottom > 0, np.nan_to_num(rows), 0.0)
    return value, np.nan_to_num(value) * rows, rows


def value_of(matrix: ConfusionMatrix, name: str) -> Floats:
    """Return a measure of decisions in every group, shape `[groups]`; NaN where it is not defined."""
    return values_of(matrix.weight, name)


def values_of(table: Floats, name: str) -> Floats:
    """Return a measure of decisions for each confusion matrix of `table`, `[..., 2, 2]` to `[...]`.

    Raises
    ------
    KeyError
        When the confusion matrix does not say it.
    """
    formula = MEASURES[name].formula
    if not isinstance(formula, Share | Composite):
        raise KeyError(name)
    return formula(table)
