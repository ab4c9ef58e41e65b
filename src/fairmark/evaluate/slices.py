"""Slices of test rows, by up to two features or groups, with the highest error rates, and exact bounds.

Looking at many slices and showing the worst finds large errors by luck alone. So every bound holds for all
slices looked at together (Bonferroni). Which slices are looked at depends on their rows and never on labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fairmark.evaluate.documents import SliceCondition, SliceErrors, Slices
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.measurements import ConfusionCounts
from fairmark.model.model_file import Column
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import ConfusionMatrix, confusion_matrix
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.rates import rate_of

MISSING = "missing or unknown"


@dataclass(frozen=True)
class Binning:
    """How many bins of about equal size numbers and dates have, and which features are crossed."""

    bins: int
    crossed: Sequence[str]


@dataclass(frozen=True)
class Axis:
    """One way to part rows: what it is called, its values in words, and each row's place among them, [n]."""

    name: str
    kind: Literal["feature", "attribute"]
    values: Sequence[str]
    code: NDArray[np.intp]
    crossed: bool
    """Whether it is crossed with other axes."""


@dataclass(frozen=True)
class Slice:
    """One slice: `(axis, value)` once or twice, and its confusion matrix, [2, 2] each."""

    where: tuple[tuple[Axis, int], ...]
    count: NDArray[np.int64]
    weight: Floats
    square: Floats

    @property
    def rows(self) -> int:
        """How many rows are in it."""
        return int(self.count.sum())


def axes(columns: Sequence[Column], train: Floats, matrix: Floats, rows: Rows, how: Binning) -> list[Axis]:
    """Return the axes of the features, in their order, and then those of the protected attributes.

    Parameters
    ----------
    columns
        The encoded features, [p].
    train
        Encoded train rows, whose quantiles are the edges of bins, [m, p].
    matrix
        Encoded rows, [n, p]: slices are made of what the model sees, so rare categories stand together.
    rows
        The same rows, [n].
    how
        How many bins a number is cut into, and which features are crossed; attributes always are.
    """
    features = [_axis(column, train[:, k], matrix[:, k], how) for k, column in enumerate(columns)]
    groups = [Axis(name, "attribute", names, rows.codes(name), True) for name, names in rows.known.items()]
    return features + groups


def edges(values: Floats, bins: int) -> Floats:
    """Return the rising edges that cut `values` [m] into at most `bins` bins [low, high); NaN is left out.

    Where a quantile is the smallest value, the next value takes its place: a column that is mostly zero is
    parted into zero and more. A constant column has no edges.
    """
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) < 2:
        return np.empty(0)
    # "higher": an edge is a value of the column, so that its words name a value that rows have.
    cuts = np.quantile(values[~np.isnan(values)], np.arange(1, bins) / bins, method="higher")
    return np.unique(np.maximum(cuts, distinct[1]))


def _axis(column: Column, train: Floats, values: Floats, how: Binning) -> Axis:
    if column.categories is not None:
        names, code = column.categories, values
    elif column.kind == "boolean":
        names, code = ["false", "true"], values
    else:
        cuts = edges(train, how.bins)
        names, code = _spans(_spoken(cuts, column.kind)), _binned(values, cuts)
    place = np.where(np.isnan(code), len(names), code).astype(np.intp)
    names = [f'"{name}"' if name == MISSING else name for name in names]
    return Axis(column.name, "feature", [*names, MISSING], place, column.name in how.crossed)


def _binned(values: Floats, cuts: Floats) -> Floats:
    return np.where(np.isnan(values), np.nan, np.searchsorted(cuts, values, side="right"))


def _spans(cuts: list[str]) -> list[str]:
    if not cuts:
        return ["any"]
    between = [f"{low} to <{high}" for low, high in pairwise(cuts)]
    return [f"<{cuts[0]}", *between, f">={cuts[-1]}"]


def _spoken(cuts: Floats, kind: str) -> list[str]:
    """Return edges in words: in as few digits, from six on, as tell them apart, as they are rows' values."""
    if kind == "date":
        # A cut within a day parts whole days before the next one.
        days = [str(np.datetime64(int(np.ceil(cut)), "D")) for cut in cuts]
        moments = [str(np.datetime64(round(cut * 86_400_000_000), "us")) for cut in cuts]
        return days if len(set(days)) == len(days) else moments
    written = ([f"{cut:.{digits}g}" for cut in cuts] for digits in range(6, 18))
    return next(names for names in written if len(set(names)) == len(names))


def candidate_slices(
    rows: Rows, decision: NDArray[np.integer], axes: Sequence[Axis], least: int
) -> list[Slice]:
    """Return every slice of at least `least` rows: of one axis, and of two that are crossed.

    Left out are slices that hold all rows, and a pair that holds the same rows as one of its two: it is that
    slice under a longer name.
    """
    single = [_along(rows, decision, (axis,)) for axis in axes]
    candidates = [part for own in single for part in own if least <= part.rows < len(rows.label)]
    crossed = [pair for pair in zip(axes, single, strict=True) if pair[0].crossed]
    for (one, ones), (two, twos) in combinations(crossed, 2):
        pairs = _along(rows, decision, (one, two))
        parents = ((ones[part.where[0][1]], twos[part.where[1][1]]) for part in pairs)
        candidates += [
            part
            for part, both in zip(pairs, parents, strict=True)
            # A pair that holds all rows of one of its two says nothing new, and each candidate widens every
            # bound.
            if least <= part.rows < min(parent.rows for parent in both)
        ]
    return candidates


def _along(rows: Rows, decision: NDArray[np.integer], along: tuple[Axis, ...]) -> list[Slice]:
    """Return every slice of one axis, or of the crossing of several, in the order of their values."""
    sizes = tuple(len(axis.values) for axis in along)
    # Each combination of values is one number, so that one pass over the rows counts all of them.
    code = np.ravel_multi_index([axis.code for axis in along], sizes)
    cells = confusion_matrix(rows.label, decision, code, int(np.prod(sizes)), rows.weight, rows.person_weight)
    return [
        Slice(
            tuple(zip(along, map(int, np.unravel_index(at, sizes)), strict=True)),
            cells.count[at],
            cells.weight[at],
            cells.square[at],
        )
        for at in range(len(cells.count))
    ]


def worst_slices(
    rows: Rows, decision: NDArray[np.integer], axes: Sequence[Axis], least: int, worst: int, level: float
) -> Slices:
    """Return the `worst` slices by the lower bound of their error rate.

    The error rate is the share of wrong decisions; 0 = none, 1 = all. `low` is its exact lower bound (Clopper
    and Pearson 1934; approximate where rows weigh) at `level` / the number of slices looked at, so that with
    chance at least 1 - `level` all the bounds hold at once. A slice is left out when one that holds it wholly
    stands higher.
    """
    candidates = candidate_slices(rows, decision, axes, least)
    # Which slices are looked at depends on features alone, so that their number is fixed before any label is
    # seen: that is what lets Bonferroni pay for picking the worst.
    tail = level / max(len(candidates), 1)
    overall = float(_errors(rows.confusion(decision), tail)[0][0])
    return Slices(
        looked_at=len(candidates),
        min_rows=least,
        level=level,
        tail=tail,
        error=overall,
        worst=_ranked(candidates, tail, overall, worst) if candidates else [],
    )


def _ranked(candidates: Sequence[Slice], tail: float, overall: float, worst: int) -> list[SliceErrors]:
    """Return the first `worst` slices by falling lower bound, without those within one further up."""
    cells = ConfusionMatrix(
        *(np.stack(part) for part in zip(*((s.count, s.weight, s.square) for s in candidates), strict=True))
    )  # [slices, 2, 2]
    error, low = _errors(cells, tail)
    # By the lower bound: by the rate itself the smallest slices would always stand first.
    order = sorted(range(len(candidates)), key=lambda at: (-low[at], -error[at], at))
    return [
        SliceErrors(
            where=[
                SliceCondition(name=axis.name, kind=axis.kind, value=axis.values[place])
                for axis, place in candidates[at].where
            ],
            rows=candidates[at].rows,
            error=float(error[at]),
            low=float(low[at]),
            above_overall=bool(low[at] > overall),
            cells=ConfusionCounts.of(cells, at),
        )
        for at in _not_within(candidates, order)[:worst]
    ]


def _errors(cells: ConfusionMatrix, tail: float) -> tuple[Floats, Floats]:
    """Return the error rate of each group of cells and its lower bound, [groups] each; 0 without weight."""
    _, right, size = rate_of(cells, "accuracy")
    wrong = size - right
    # Effective rows can be a fraction, and a slice of weight 0 has none: any divisor but 0 gives its 0.
    return wrong / np.maximum(size, 1e-300), clopper_pearson(wrong, size, tail)[0]


def _not_within(candidates: Sequence[Slice], order: Sequence[int]) -> list[int]:
    """Return the places in `order` without the pairs that lie within a single slice further up."""
    above: set[tuple[str, str, int]] = set()
    kept = []
    for at in order:
        keys = {(axis.kind, axis.name, place) for axis, place in candidates[at].where}
        if len(keys) == 1:
            above |= keys
        if len(keys) == 1 or not above & keys:
            kept.append(at)
    return kept
