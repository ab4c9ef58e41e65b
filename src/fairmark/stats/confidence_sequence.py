"""Confidence sequences: bounds of a rate, a ratio or a difference that hold at every look at once.

Each is what the e-processes of `e_process` leave standing: the values whose null was never rejected. So the
chance that a bound is ever on the wrong side of the truth, at any of all looks, is at most its `tail`.

A bound from blocks is looked for on a grid, and is the last value of the grid up to which every null was
rejected: the nulls are nested, so this errs only where the first one above the truth was rejected, and the
chance is that of one test, not of the whole grid. It is never narrower than the grid allows.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fairmark.stats.arrays import Bounds, Floats
from fairmark.stats.e_process import (
    Margin,
    Prior,
    against_beyond,
    against_beyond_counts,
    against_paired,
)
from fairmark.stats.score_test import Kind

_HALVINGS = 50
_TINY = 1e-9
_RATIOS = np.concatenate([np.arange(0.1, 0.5, 0.1), np.arange(0.5, 1, 0.02), 1 / np.arange(1, 0.1, -0.1)])
_DIFFERENCES = np.linspace(-0.99, 0.99, 199)
REACH = {"ratio": (0.0, np.inf), "difference": (-1.0, 1.0)}
"""Everything that is possible: the bounds where nothing is known."""


def rate(hits: ArrayLike, rows: ArrayLike, tail: float, prior: Prior) -> Bounds:
    """Return the bounds of each rate from counts alone; they err, both together, with chance `tail`.

    Those rates p at which the likelihood averaged over the prior is less than 1 / tail times that of p
    (Robbins 1970; equation 8 of Howard, Ramdas, McAuliffe and Sekhon 2021 for the normal case). The order of
    rows is not needed. 0 to 1 without rows.
    """
    from scipy.special import betaln, xlog1py, xlogy

    x, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64))
    level = betaln(x + prior.hits, n - x + prior.misses) - betaln(prior.hits, prior.misses) + np.log(tail)

    def excluded(p: Floats) -> Floats:
        return np.asarray(xlogy(x, p) + xlog1py(n - x, -p) < level)

    # The likelihood rises to the observed rate and falls after it.
    best = x / np.maximum(n, 1)
    low = _edge(excluded, np.zeros_like(best), best)
    high = _edge(excluded, np.ones_like(best), best)
    return np.where((n > 0) & (x > 0), low, 0.0), np.where((n > 0) & (x < n), high, 1.0)


def pair(hits: ArrayLike, rows: ArrayLike, kind: Kind, tail: float, prior: Prior) -> tuple[float, float]:
    """Return the bounds of rate 1 / rate 2, or rate 1 - rate 2, from blocks; each errs with chance `tail`.

    Parameters
    ----------
    hits, rows
        (blocks, 2), in the order in which they came.
    """
    x, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    swapped = prior.of([1, 0])
    low = _least(lambda margin: against_beyond(x, n, margin, prior), kind, tail)
    other = _least(lambda margin: against_beyond(x[:, ::-1], n[:, ::-1], margin, swapped), kind, tail)
    if kind == "ratio":
        return low, 1 / other if other > 0 else np.inf
    return low, -other


def pair_counts(
    hits: ArrayLike, rows: ArrayLike, kind: Kind, tail: float, prior: Prior
) -> tuple[float, float]:
    """Return the bounds of `pair` from total counts alone, for labels in any order; `hits` is (2,)."""
    x, n = np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    found = []
    for at in ([0, 1], [1, 0]):
        one = prior.of(at)

        def rejected(limit: float, at: list[int] = at, one: Prior = one) -> bool:
            log_e = against_beyond_counts(x[at], n[at], _margin(kind, limit), one)
            return bool(float(log_e) >= -np.log(tail))

        found.append(_last(rejected, kind))
    low, other = found
    if kind == "ratio":
        return low, 1 / other if other > 0 else np.inf
    return low, -other


def paired(counts: ArrayLike, tail: float, prior: ArrayLike) -> tuple[float, float]:
    """Return the bounds of the difference of two models' rates on the same rows; each errs with `tail`.

    Parameters
    ----------
    counts
        (blocks, 3): rows where only the second model has the property, both or none, only the first.
    prior
        As in `e_process.against_paired`.
    """
    x, start = np.asarray(counts, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    low = _paired_low(x, tail, start)
    high = -_paired_low(x[:, ::-1], tail, start[::-1])
    return low, high


def _paired_low(counts: Floats, tail: float, prior: Floats) -> float:
    best = -1.0
    for limit in _DIFFERENCES:
        if against_paired(counts, limit, prior).max(initial=0.0) < -np.log(tail):
            break
        best = float(limit)
    return best


def _margin(kind: Kind, limit: float) -> Margin:
    # A difference of at least `limit` is a margin of -limit.
    return Margin(kind, limit if kind == "ratio" else -limit)


def _least(process: Callable[[Margin], Floats], kind: Kind, tail: float) -> float:
    """Return the last value of the grid up to which every null "at most this" was rejected at some block."""
    best = REACH[kind][0]
    for limit in _RATIOS if kind == "ratio" else _DIFFERENCES:
        if process(_margin(kind, float(limit))).max(initial=0.0) < -np.log(tail):
            break
        best = float(limit)
    return best


def _last(rejected: Callable[[float], bool], kind: Kind) -> float:
    """Return the largest value whose null "at most this" is rejected, by halving: rejection falls with it."""
    low, high = (-20.0, 20.0) if kind == "ratio" else (-1 + _TINY, 1 - _TINY)

    def value(at: float) -> float:
        return float(np.exp(at)) if kind == "ratio" else at

    if not rejected(value(low)):
        return REACH[kind][0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(value(middle)) else (low, middle)
    return value(low)


def _edge(excluded: Callable[[Floats], Floats], out: Floats, within: Floats) -> Floats:
    """Return the last excluded value between one that may be excluded and one that is not."""
    for _ in range(_HALVINGS):
        middle = (out + within) / 2
        gone = excluded(middle)
        out, within = np.where(gone, middle, out), np.where(gone, within, middle)
    return np.asarray(out)
