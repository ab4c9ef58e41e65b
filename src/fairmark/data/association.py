"""How well one column alone gives something away: a group, or the label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS = 20
"""Quantile bins of a number or a day."""

SMOOTHING = 10.0
"""Rows that the overall rate counts for beside the rows of one level."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Power:
    """What a column gives away: AUC over all groups, and the group it singles out best with its AUC."""

    auc: float
    group: str
    group_auc: float


def levels(cells: "pd.Series[Any]", kind: str) -> Ints:
    """Return [n] the level of each cell, counted from 0: its category or quantile bin; missing is one too.

    There are `BINS` bins of about the same size; equal values share one. Where a column holds no more than
    `BINS` different values, each is a level.
    """
    if kind in {"numeric", "date"} and cells.nunique() > BINS:
        ranks = cells.rank(method="average", pct=True).to_numpy(np.float64)
        codes = np.where(np.isnan(ranks), -1, np.ceil(np.nan_to_num(ranks) * BINS))
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    codes, _ = pd.factorize(cells, use_na_sentinel=False)
    return codes.astype(np.int64)


def folds(rows: int, count: int, seed: int) -> Ints:
    """Return [n] the fold of each row: `count` folds of nearly the same size, drawn from the seed."""
    return np.random.default_rng([seed, 0]).permutation(np.arange(rows) % count).astype(np.int64)


def power(level: Ints, fold: Ints, group: Ints, names: list[str], counted: list[int]) -> Power | None:
    """Return how well the levels of a column predict the group, out of fold; None where nothing can be said.

    Each row is scored by the rate of the group among rows of its level in the other folds, drawn towards the
    overall rate by `SMOOTHING` rows. The AUC is taken in each fold and averaged, one group against the rest;
    0.5 says nothing and 1 gives the group away. An AUC below 0.5 counts as 1 - AUC, because it gives away as
    much.

    Parameters
    ----------
    level, fold, group
        [n] level, fold and group of each row, counted from 0.
    names
        The name of each group.
    counted
        The groups whose AUCs are averaged.
    """
    shape = (int(level.max()) + 1, int(fold.max()) + 1, len(names))
    spots = np.ravel_multi_index((level, fold, group), shape)
    cells = (
        np.bincount(spots, minlength=np.prod(shape)).reshape(shape).astype(np.float64)
    )  # [levels, folds, groups]
    found = {k: value for k in counted if (value := _one_against_rest(cells, k)) is not None}
    if not found:
        return None
    best = max(found, key=lambda k: found[k])
    return Power(float(np.mean(list(found.values()))), names[best], found[best])


def _one_against_rest(cells: Floats, k: int) -> float | None:
    ours = cells[:, :, k]  # [levels, folds]
    everyone = cells.sum(axis=2)
    others = ours.sum(axis=1, keepdims=True) - ours
    rows = everyone.sum(axis=1, keepdims=True) - everyone
    prior = others.sum(axis=0) / np.maximum(rows.sum(axis=0), 1)  # [folds]
    rate = (others + SMOOTHING * prior) / (rows + SMOOTHING)
    aucs = [auc(rate[:, f], ours[:, f], everyone[:, f] - ours[:, f]) for f in range(cells.shape[1])]
    known = [value for value in aucs if value is not None]
    if not known:
        return None
    mean = float(np.mean(known))
    return max(mean, 1 - mean)


def auc(score: Floats, positives: Floats, negatives: Floats) -> float | None:
    """Return the area under the ROC curve of scores that many rows share: 0.5 = no order, 1 = all in order.

    The chance that a positive row stands above a negative one, ties counted half (Mann and Whitney 1947).

    Parameters
    ----------
    score
        [m] scores.
    positives, negatives
        [m] rows of each class that have this score.

    Returns
    -------
    float or None
        0..1; None where there are no positive or no negative rows.
    """
    total = positives.sum() * negatives.sum()
    if total == 0:
        return None
    _, place = np.unique(score, return_inverse=True)
    above = np.bincount(place, weights=positives)
    below = np.bincount(place, weights=negatives)
    lower = np.cumsum(below) - below
    return float(np.sum(above * (lower + below / 2)) / total)
