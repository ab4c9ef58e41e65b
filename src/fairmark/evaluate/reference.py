"""Count the reference of a release: features on train and test rows, scores and decisions on test rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fairmark.data.groups import places
from fairmark.data.reference import (
    BOOLEANS,
    DecidedRows,
    FeatureReference,
    Moments,
    Reference,
    ScoreReference,
)
from fairmark.data.roles import LABEL
from fairmark.data.schema import ColumnSchema
from fairmark.judge.measurements import Measurements
from fairmark.model.encoder import DAY
from fairmark.stats.arrays import Floats, Ints

EXTRA = 3
"""Places beside those of bins and categories: other, missing, unseen."""


def reference(
    train: pd.DataFrame,
    test: pd.DataFrame,
    features: Sequence[ColumnSchema],
    scores: Floats,
    measured: Measurements,
    *,
    bins: int,
    most: int,
    smallest: int,
) -> Reference:
    """Return the reference of a model.

    Parameters
    ----------
    train, test
        Rows of the table.
    features
        The model's.
    scores
        Of the test rows, 0..1, shape `[test rows]`.
    measured
        Of the same test rows: decisions by group are counted there.
    bins
        Of a number, a date and the score, by quantiles; fewer where many rows share a value.
    most
        Categories with a place of their own at most, the most frequent ones of train rows.
    smallest
        Fewest rows that a count may stand for; places with fewer share a cell.
    """
    counted = [_feature(each, train[each.name], test[each.name], bins, most, smallest) for each in features]
    return Reference(
        model_sha256=measured.model.sha256,
        smallest_cell=smallest,
        train_rows=len(train),
        test_rows=len(test),
        features=tuple(counted),
        merged=sum(len(each.cells) - len(each.train) for each in counted),
        scores=_scores(scores, test[LABEL].to_numpy(np.int64), bins, smallest),
        decided=_decided(measured.cells),
        groups={
            attribute: {group: _decided(entry.cells) for group, entry in groups.items()}
            for attribute, groups in measured.groups.items()
        },
    )


def _decided(cells: object) -> DecidedRows:
    return DecidedRows(**{name: getattr(cells, name) for name in DecidedRows.model_fields})


def _feature(
    feature: ColumnSchema, train: pd.Series, test: pd.Series, bins: int, most: int, smallest: int
) -> FeatureReference:
    if feature.kind in {"numeric", "date"}:
        return _number(feature, _numbers(train), _numbers(test), bins, smallest)
    known, others = _categories(feature, train, most, smallest)
    train_at, test_at = (_named(part, known, others) for part in (train, test))
    counts = np.stack([np.bincount(at, minlength=len(known) + EXTRA) for at in (train_at, test_at)])
    cells, merged = _merge(counts, smallest, 0)
    return FeatureReference(
        name=feature.name,
        kind=feature.kind,
        edges=None,
        low=None,
        high=None,
        categories=tuple(known),
        others=tuple(others),
        cells=cells,
        train=tuple(merged[0].tolist()),
        test=tuple(merged[1].tolist()),
    )


def _numbers(values: pd.Series) -> Floats:
    """Return numbers as they are and dates as days since 1970-01-01, NaN where missing."""
    if values.dtype.kind == "M":
        moments = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        days: Floats = (moments - np.datetime64(0, "us")) / DAY
        return days
    return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)


def _number(feature: ColumnSchema, train: Floats, test: Floats, bins: int, smallest: int) -> FeatureReference:
    known = np.sort(train[~np.isnan(train)])
    edges = quantile_edges(known, bins)
    counts = np.zeros((2, len(edges) + 1 + EXTRA), dtype=np.int64)
    for k, part in enumerate((train, test)):
        at = np.searchsorted(edges, part[~np.isnan(part)], side="left")
        counts[k, : len(edges) + 1] = np.bincount(at, minlength=len(edges) + 1)
        # Three places stand behind the bins: other, missing, unseen.
        counts[k, len(edges) + 2] = np.isnan(part).sum()
    cells, merged = _merge(counts, smallest, len(edges) + 1)
    # Where an extreme is of one row, it would tell that person's value.
    enough = len(known) >= smallest
    return FeatureReference(
        name=feature.name,
        kind=feature.kind,
        edges=tuple(edges.tolist()),
        low=float(known[smallest - 1]) if enough else None,
        high=float(known[-smallest]) if enough else None,
        categories=None,
        cells=cells,
        train=tuple(merged[0].tolist()),
        test=tuple(merged[1].tolist()),
        train_moments=_moments(train, smallest),
        test_moments=_moments(test, smallest),
    )


def quantile_edges(ordered: Floats, bins: int) -> Floats:
    """Return the inner edges of at most `bins` bins of about equal rows.

    An edge lies halfway between two values; equal values share a bin, and no bin is empty of the rows that it
    was made from.
    """
    if not len(ordered):
        return np.empty(0)
    # The lowest value with a share of k / bins of the rows at or below it.
    at = np.ceil(np.arange(1, bins) / bins * len(ordered)).astype(np.int64) - 1
    edges = np.unique(ordered[np.maximum(at, 0)])
    # Above the highest value there is nothing to be parted from.
    edges = edges[edges < ordered[-1]]
    # A value itself could be one person's.
    above = ordered[np.searchsorted(ordered, edges, side="right")]
    halfway: Floats = edges + (above - edges) / 2
    # Between neighbours in the last bit halfway is one of them, and parts nothing.
    return halfway[np.flatnonzero((halfway >= edges) & (halfway < above))]


def _moments(values: Floats, smallest: int) -> Moments:
    known = values[~np.isnan(values)]
    if len(known) < max(2, smallest):
        return Moments(mean=None, sd=None)
    return Moments(mean=float(known.mean()), sd=float(known.std(ddof=1)))


def _categories(
    feature: ColumnSchema, train: pd.Series, most: int, smallest: int
) -> tuple[list[str], list[str]]:
    """Return the categories with a place of their own, and those of train rows that share one."""
    if feature.kind == "boolean":
        return list(BOOLEANS), []
    counts = train.dropna().astype("str").value_counts()
    named = sorted(counts[counts > 0].index, key=lambda name: (-int(counts[name]), name))
    own = {name for name in named[:most] if counts[name] >= smallest}
    # An ordinal keeps the order of its ranks, so that a person reads it as one.
    ranked = [name for name in feature.categories or () if name in own] if feature.kind == "ordinal" else []
    return ranked or [name for name in named if name in own], sorted(set(named) - own)


def _named(values: pd.Series, known: Sequence[str], others: Sequence[str]) -> Ints:
    absent = values.isna().to_numpy(bool)
    texts = values.astype("object").where(~values.isna(), "").astype(str)
    texts = texts.str.lower() if list(known) == list(BOOLEANS) else texts
    own, other = places(texts.astype("str"), list(known)), places(texts.astype("str"), list(others))
    unseen = np.where(other >= 0, len(known), len(known) + 2)
    at: Ints = np.where(own >= 0, own, unseen).astype(np.int64)
    at[absent] = len(known) + 1
    return at


def _merge(counts: Ints, smallest: int, ordered: int) -> tuple[tuple[int, ...], Ints]:
    """Return the cell of each place and the counts of each cell, none of fewer rows than `smallest` but 0.

    Parameters
    ----------
    counts
        Rows of each place, shape `[2, places]`: train and test.
    ordered
        So many places at the start have neighbours, and share a cell with the smaller one; others share one
        with the smallest there is.
    """
    cells = [[place] for place in range(counts.shape[1])]

    def total(cell: Sequence[int]) -> Ints:
        sums: Ints = counts[:, cell].sum(axis=1)
        return sums

    while len(cells) > 1:
        sums = [total(cell) for cell in cells]
        small = [k for k, each in enumerate(sums) if ((each > 0) & (each < smallest)).any()]
        if not small:
            break
        # The smallest first: what it makes large enough needs no merge of its own.
        k = min(small, key=lambda at: int(sums[at].sum()))
        near = [j for j in (k - 1, k + 1) if 0 <= j < len(cells)]
        # A bin shares with a neighbour, so that a cell stays one stretch of numbers.
        beside = [j for j in near if max(cells[k][0], cells[j][0]) < ordered]
        filled = [j for j in range(len(cells)) if j != k and sums[j].sum() > 0]
        others = (beside if cells[k][0] < ordered else []) or filled or near
        into = min(others, key=lambda at: (int(sums[at].sum()), at))
        cells[min(k, into)] = sorted(cells[k] + cells[into])
        del cells[max(k, into)]
    of = {place: k for k, cell in enumerate(cells) for place in cell}
    return tuple(of[place] for place in range(counts.shape[1])), np.stack([total(c) for c in cells], axis=1)


def _scores(scores: Floats, label: Ints, bins: int, smallest: int) -> ScoreReference:
    edges = quantile_edges(np.sort(scores), bins)
    while True:
        at = np.searchsorted(edges, scores, side="left")
        counts = np.stack([np.bincount(at[label == k], minlength=len(edges) + 1) for k in (0, 1)])
        small = np.flatnonzero(((counts > 0) & (counts < smallest)).any(axis=0))
        if not small.size or not len(edges):
            break
        # The bin gives up the edge to its smaller neighbour.
        k = int(small[0])
        below, above = (counts[:, j].sum() if 0 <= j < counts.shape[1] else np.inf for j in (k - 1, k + 1))
        # Edge k - 1 lies below bin k, and edge k above it.
        edges = np.delete(edges, k - 1 if below <= above else k)
    return ScoreReference(
        edges=tuple(edges.tolist()),
        negatives=tuple(counts[0].tolist()),
        positives=tuple(counts[1].tolist()),
        mean=float(scores.mean()),
    )
