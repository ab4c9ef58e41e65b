"""Partial dependence: how the score changes along one feature, for single rows too, and where the data is."""

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd

from fairmark.data.cells import Cell
from fairmark.data.kinds import Cells
from fairmark.data.roles import WEIGHT
from fairmark.data.schema import ColumnSchema
from fairmark.explain.documents import Dependence, MissingDependence, Value
from fairmark.stats.arrays import Floats

Score = Callable[[pd.DataFrame], Floats]
"""Turns rows into scores in 0..1, [n]."""

LINES = 20
"""Rows of the background that are drawn as lines of their own."""


def cell_value(value: Cell, kind: str) -> Value:
    """Return one cell as JSON: a number, a truth value, a text (days as ISO 8601), or null when missing."""
    if pd.isna(value):
        return None
    if isinstance(value, dt.datetime):
        moment = pd.Timestamp(value)
        return moment.date().isoformat() if moment == moment.normalize() else moment.isoformat()
    match kind:
        case "numeric":
            return float(value)
        case "boolean":
            return bool(value)
    return str(value)


def dependence(
    score: Score, background: pd.DataFrame, data: pd.DataFrame, feature: ColumnSchema, points: int
) -> Dependence:
    """Return the partial dependence of the score on one feature, single lines, and the density of the data.

    Partial dependence: Friedman (2001), "Greedy function approximation", section 8.2: the mean score when
    the feature is set to a value in every row. Single lines (ICE): Goldstein et al. (2015), "Peeking
    inside the black box". Where density is low, the curve is a guess of the model.

    Parameters
    ----------
    score
        Turns rows into scores in 0..1.
    background
        Rows whose feature is overwritten, [b]; their `_weight` weighs the mean.
    data
        Rows that show where the data is, [n]; the grid is taken from their quantiles or their names.
    feature
        Its description in schema.json.
    points
        Most points of the grid, and bins of the histogram.
    """
    column = data[feature.name]
    grid, unshown = _grid(column, feature, points)
    edges, density = _density(column, feature.kind, grid, points)
    lines = _lines(score, background, feature.name, grid)  # [grid, b]
    # The mean stands for the table's rows, so that each counts with its weight; single lines stand for
    # themselves.
    weight = background[WEIGHT].to_numpy(dtype=np.float64)
    missing = None
    if column.isna().any():
        # Missing is a value that the model has learnt from: it has a score of its own, and no place on the
        # axis.
        without = _lines(score, background, feature.name, [None])
        missing = MissingDependence(
            share=float(column.isna().mean()), mean=float(np.average(without[0], weights=weight))
        )
    return Dependence(
        kind=feature.kind,
        grid=[value for each in grid if (value := cell_value(each, feature.kind)) is not None],
        mean=[float(np.average(line, weights=weight)) for line in lines],
        ice=lines[:, :LINES].T.tolist(),
        edges=edges,
        density=density,
        near=_near(column, feature.kind, grid) if edges else density,
        missing=missing,
        unshown=unshown,
    )


def _grid(column: Cells, feature: ColumnSchema, points: int) -> tuple[list[Cell], int]:
    """Return the values to set, at most `points`, and how many names were left out."""
    known = column.dropna()
    match feature.kind:
        case "numeric" | "date":
            return _quantiles(known, points), 0
        case "boolean":
            return [value for value in (False, True) if (known == value).any()], 0
        case "ordinal":
            present = set(known)
            names = [name for name in feature.categories or () if name in present]
        case _:
            counts = known.value_counts()
            names = sorted(counts.index, key=lambda name: (-counts[name], name))
    return [*names[:points]], len(names[points:])


def _quantiles(known: Cells, points: int) -> list[Cell]:
    """Return rising values of the data at even steps of its ranks.

    A column that is mostly one value (capital gains: 0) has few distinct quantiles; the places left over
    go to even steps among its distinct values, so that its tail is seen.
    """
    if known.empty:
        return []
    # "nearest": values that rows have, for a mean of two may be nobody's.
    steps = known.quantile(np.linspace(0, 1, points), interpolation="nearest").drop_duplicates()
    distinct = known.drop_duplicates().sort_values()
    # Quantiles of equal values are one value: what they leave free goes to the values themselves.
    left = min(points - len(steps), len(distinct))
    if left > 1:
        extra = distinct.quantile(np.linspace(0, 1, left), interpolation="nearest")
        steps = pd.concat([steps, extra]).drop_duplicates()
    return list(steps.sort_values())


def _density(
    column: Cells, kind: str, grid: list[Cell], points: int
) -> tuple[list[float] | None, list[float]]:
    """Return the edges (null for names) and the shares of the known values."""
    known = column.dropna()
    if kind not in {"numeric", "date"}:
        return None, [float((known == value).mean()) for value in grid]
    if known.empty:
        return [], []
    numbers = _numbers(known, kind)
    # The range is given: NumPy's own guess for a single value fails where the value is too large for it.
    counts, edges = np.histogram(numbers, bins=points, range=_range(numbers))
    return edges.tolist(), (counts / counts.sum()).tolist()


def _range(numbers: Floats) -> tuple[float, float]:
    """Return where the bins begin and end: apart from each other even where all numbers are one."""
    low, high = float(numbers.min()), float(numbers.max())
    size = max(abs(low), abs(high))
    # Between numbers that differ in their last bits only, bins would have edges that are the same number.
    wide = high - low > 1e-12 * size
    half = 0.0 if wide else max(0.5, 1e-6 * size)
    return low - half, high + half


def _near(column: Cells, kind: str, grid: list[Cell]) -> list[float]:
    """Return the share of the known values nearest to each value of the grid, the lower of two as near."""
    places = _numbers(pd.Series(grid), kind)
    numbers = _numbers(column.dropna(), kind)
    # The midpoints between neighbours of the grid part the values; one on a midpoint goes to the lower.
    nearest = np.searchsorted((places[1:] + places[:-1]) / 2, numbers, side="left")
    shares = np.bincount(nearest, minlength=len(grid)) / len(numbers)
    return [float(share) for share in shares]


def _numbers(known: Cells, kind: str) -> Floats:
    """Return numbers as they are, and moments as days since 1970-01-01."""
    if kind == "date":
        # Not by pd.Timestamp, whose nanoseconds end in 2262.
        moments = known.to_numpy(dtype="datetime64[us]")
        return np.asarray((moments - np.datetime64(0, "us")) / np.timedelta64(1, "D"))
    return np.asarray(known, dtype=np.float64)


def _lines(score: Score, background: pd.DataFrame, name: str, grid: list[Cell]) -> Floats:
    """Return the score of every background row with the feature set to each value, [grid, b]."""
    if not grid:
        return np.empty((0, len(background)))
    rows = len(background)
    # One long table of all combinations, so that the model is called once.
    wide = pd.concat([background] * len(grid), ignore_index=True)
    filled = [value for value in grid for _ in range(rows)]
    wide[name] = pd.Series(filled, dtype=background[name].dtype)
    return score(wide).reshape(len(grid), rows)
