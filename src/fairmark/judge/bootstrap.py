"""Resampling of rows without touching a row: a bootstrap of counts is one multinomial draw of the cells.

Drawing n rows with replacement and counting them by group, label and decision gives Multinomial(n, cells / n)
exactly. So a replicate costs as much as there are cells, 10 or 10 million rows alike. For weighted rows the
weight that falls into a cell, given its number of draws, is a sum of that many drawn weights: normal with the
cell's mean and variance of weights, but for cells of very few rows.

A bootstrap shows spread. It is no bound for the gate: the percentile interval of a maximum over groups never
covers parity (the proofs show it), which is why `intervals`, `score` and `exact` exist.
"""

import numpy as np
from numpy.typing import NDArray

from fairmark.judge.cells import Cells, Floats
from fairmark.judge.metrics import RATES


def draw(cells: Cells, replicates: int, rng: np.random.Generator) -> Floats:
    """Return resampled sums of weights (counts, where rows weigh 1), shape `[replicates, groups, 2, 2]`."""
    count = cells.count.ravel()
    rows = int(count.sum())
    drawn = rng.multinomial(rows, count / max(rows, 1), size=replicates).astype(np.float64)
    if cells.weighted:
        size = np.maximum(count, 1)
        mean = cells.weight.ravel() / size
        spread = np.sqrt(np.maximum(cells.square.ravel() / size - mean**2, 0))
        drawn = np.maximum(drawn * mean + np.sqrt(drawn) * spread * rng.standard_normal(drawn.shape), 0)
    return drawn.reshape(replicates, *cells.count.shape)


def rates(drawn: Floats, name: str) -> Floats:
    """Return a rate in every replicate and group, shape `[replicates, groups]`, NaN without rows."""
    rate = RATES[name]
    top, bottom = (
        np.einsum("rgld,ld->rg", drawn, np.array(mask, dtype=np.float64)) for mask in (rate.hits, rate.rows)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / bottom, dtype=np.float64)


def ratio(values: Floats) -> Floats:
    """Return lowest / highest over the groups of each replicate, shape `[replicates]`; 1 = parity."""
    highest = _over_groups(values, np.fmax)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _over_groups(values, np.fmin) / highest


def difference(values: Floats) -> Floats:
    """Return highest - lowest over the groups of each replicate, shape `[replicates]`; 0 = parity."""
    return _over_groups(values, np.fmax) - _over_groups(values, np.fmin)


def worst(values: Floats) -> Floats:
    """Return the lowest over the groups of each replicate, shape `[replicates]`."""
    return _over_groups(values, np.fmin)


def _over_groups(values: Floats, pick: np.ufunc) -> Floats:
    # Column by column: many times faster than a reduction along a short last axis, and NaN stands aside.
    found = values[:, 0]
    for column in range(1, values.shape[1]):
        found = pick(found, values[:, column])
    return found


def percentile(values: Floats, tail: float) -> tuple[float, float]:
    """Return the percentile interval, the one of the peers; NaN replicates are left out."""
    kept = values[np.isfinite(values)]
    if not kept.size:
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def spread(values: Floats) -> float:
    """Return the standard deviation over the finite replicates; 0 with fewer than two."""
    kept: NDArray[np.float64] = values[np.isfinite(values)]
    return float(kept.std(ddof=1)) if kept.size > 1 else 0.0
