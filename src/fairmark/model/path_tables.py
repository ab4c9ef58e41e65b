"""Exact Shapley values of boosted trees by tables, an order quicker than LightGBM's own `pred_contrib`.

TreeSHAP (Lundberg, Erion and Lee 2018) gives a leaf's share to each feature f on its path by which of the
path's features the row satisfies: one o_f in {0, 1} for each of k features. With r_f the share of train rows
that follow the path at f's splits,

    phi_f = leaf (o_f - r_f) * integral over t in 0..1 of prod over g != f of (o_g t + r_g (1 - t)) dt,

a polynomial of degree k - 1, which Gauss and Legendre's rule with k points gives exactly. So a leaf has 2^k
answers, which are worked out once (Yang 2021, "Fast TreeSHAP", version 2): a row looks one up in each leaf.
Leaves beside one another ask much the same of a row, so that they share one table, of the sums of their
answers: its cells are the ways in which a row can meet them together. Trees whose tables would be too large
are left to LightGBM.
"""

import itertools
import math
import operator
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fairmark.model.boosted_trees import Boosted
from fairmark.model.tree import Leaf, Node, Split
from fairmark.model.tree import trees as parsed
from fairmark.stats.arrays import Floats

MOST_BYTES = 128 * 2**20
MOST_FEATURES = 12
"""Features on one path: 2^12 answers a leaf."""
SHARED_CELLS = 512
"""Cells up to which leaves share a table: more would save few look-ups, and not fit the processor's cache."""
ROWS = 64
"""Rows that are looked up at a time, likewise."""


@dataclass
class _Step:
    """What a row must have of one feature to follow a path: an interval, or categories; and if missing."""

    low: float = -math.inf
    high: float = math.inf
    codes: frozenset[int] | None = None
    without: frozenset[int] = frozenset()
    missing: bool = True
    share: float = 1.0


_Leaf = tuple[float, dict[int, _Step]]
"""A leaf's value with the steps of its path, by feature."""


@dataclass(frozen=True)
class _Feature:
    """One feature: the bin of a value, and which leaves' paths let each bin pass.

    Parameters
    ----------
    place
        Of the feature in a row.
    cuts
        Of numbers, rising: a value at a cut is in the bin below it; None for codes, each a bin of its own.
    passes
        [bins + 1, leaves]: whether the leaf's path lets the bin pass, 0 or 1. The last row is of a missing
        value.
    """

    place: int
    cuts: list[float] | None
    passes: npt.NDArray[np.uint8]

    def bin(self, value: float) -> int:
        """Return the bin of a value; that of a missing one is the last."""
        if math.isnan(value):
            return len(self.passes) - 1
        if self.cuts is not None:
            return bisect_left(self.cuts, value)
        return min(max(int(value), 0), len(self.passes) - 2)

    def bins(self, values: Floats) -> npt.NDArray[np.intp]:
        """Return the bins of values; law: each as `bin` gives it."""
        missing = np.isnan(values)
        if self.cuts is not None:
            found = np.searchsorted(self.cuts, values)
        else:
            found = np.clip(np.where(missing, 0, values), 0, len(self.passes) - 2).astype(np.intp)
        return np.where(missing, len(self.passes) - 1, found)


@dataclass(frozen=True)
class PathTables:
    """Tables of all leaves of some trees.

    Parameters
    ----------
    features
        Each feature that a tree reads.
    first
        Where the bins of each feature begin among all, [features].
    offset
        Where the answers of each table begin, [tables].
    steps
        [bins of all features, tables]: what a bin adds to the place in each table.
    answers
        All of them, [cells of all tables, p]: log-odds.
    base
        The mean raw log-odds over train rows.
    """

    features: tuple[_Feature, ...]
    first: tuple[int, ...]
    offset: npt.NDArray[np.int32]
    steps: npt.NDArray[np.int32]
    answers: Floats
    base: float

    def explain(self, row: Floats) -> list[float]:
        """Return exact Shapley values of the raw log-odds of one row, [p + 1]; the last is the base value."""
        values = row.tolist()
        place = self.offset.copy()
        for feature, first in zip(self.features, self.first, strict=True):
            # The place of a cell is in mixed radix: a digit for each feature.
            place += self.steps[first + feature.bin(values[feature.place])]
        # As a product, for NumPy adds up few columns slowly.
        found: list[float] = (self.ones @ self.answers.take(place, axis=0)).tolist()
        found.append(self.base)
        return found

    def explain_all(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds of rows, [n, p + 1], as `explain` gives them."""
        found = np.full((len(matrix), self.answers.shape[1] + 1), self.base)
        for at in range(0, len(matrix), ROWS):
            part = matrix[at : at + ROWS]
            place = np.tile(self.offset, (len(part), 1))
            for feature, first in zip(self.features, self.first, strict=True):
                place += self.steps.take(first + feature.bins(part[:, feature.place]), axis=0)
            found[at : at + ROWS, :-1] = self.ones @ self.answers.take(place, axis=0)
        return found

    @cached_property
    def ones(self) -> Floats:
        """One for each table."""
        return np.ones(len(self.offset))


def path_tables(trees: Boosted, features: int) -> PathTables | None:
    """Return the tables of trees on so many features; None where they would be too large."""
    try:
        leaves = [leaf for tree in parsed(trees.booster) for leaf in _leaves(tree, {})]
    except ValueError:
        return None
    # A leaf's share of train rows is the product of its features' shares: each split's proportion stands in
    # one of them.
    base = sum(value * math.prod(step.share for step in steps.values()) for value, steps in leaves)
    grown = [leaf for leaf in leaves if leaf[1]]  # a tree of one leaf says the same of every row
    sizes = [2 ** len(steps) for _, steps in grown]
    if not grown or max(sizes) > 2**MOST_FEATURES or sum(sizes) * features * 8 > MOST_BYTES:
        return None
    read = sorted({name for _, steps in grown for name in steps})
    made = {name: _feature(name, [steps for _, steps in grown]) for name in read}
    if sum(feature.passes.nbytes for feature in made.values()) > MOST_BYTES:
        return None
    bins = sum(len(feature.passes) for feature in made.values())
    for most in (SHARED_CELLS, 1):  # shared tables may be too large where those of single leaves are not
        groups = list(_groups(grown, made, most))
        if max(sum(group.cells for group in groups) * features * 8, bins * len(groups) * 4) <= MOST_BYTES:
            break
    else:
        return None
    first = dict(
        zip(made, itertools.accumulate([0, *(len(each.passes) for each in made.values())]), strict=False)
    )
    steps = np.zeros((bins, len(groups)), dtype=np.int32)
    for place, group in enumerate(groups):
        for name, stride in group.strides().items():
            states = group.states[name]
            steps[first[name] : first[name] + len(states), place] = states * stride
    offset = np.array([*itertools.accumulate([0, *(group.cells for group in groups[:-1])])], dtype=np.int32)
    answers = np.concatenate([group.table(grown, made, features) for group in groups])
    return PathTables(tuple(made.values()), tuple(first.values()), offset, steps, answers, float(base))


def _feature(name: int, leaves: Sequence[Mapping[int, _Step]]) -> _Feature:
    """Return one feature's bins, and which leaves let each pass."""
    steps = [(place, each[name]) for place, each in enumerate(leaves) if name in each]
    if any(step.codes is not None or step.without for _, step in steps):
        known = {code for _, step in steps for code in (step.codes or frozenset()) | step.without}
        bins, cuts = max(known) + 2, None  # the last one is of every code beyond
    else:
        edges = {edge for _, step in steps for edge in (step.low, step.high) if math.isfinite(edge)}
        cuts = sorted(edges)
        bins = len(cuts) + 1
    passes = np.zeros((bins + 1, len(leaves)), dtype=np.uint8)
    for place, step in steps:
        passes[bins, place] = step.missing
        if cuts is None:
            for code in range(bins):
                listed = step.codes is None or code in step.codes
                passes[code, place] = listed and code not in step.without
        else:
            # A value at a cut is in the bin below it: what lies above the low edge begins one bin later.
            low = 0 if step.low == -math.inf else bisect_left(cuts, step.low) + 1
            high = bins if step.high == math.inf else bisect_left(cuts, step.high) + 1
            passes[low:high, place] = 1
    return _Feature(name, cuts, passes)


@dataclass
class _Group:
    """Leaves that share a table, whose cells are the products of the states of features.

    Parameters
    ----------
    states
        By feature, its state in each bin, [bins + 1]: bins are of one state that each leaf takes alike.
    counts
        By feature, how many states there are.
    """

    leaves: list[int]
    states: dict[int, npt.NDArray[np.intp]]
    counts: dict[int, int]

    @property
    def cells(self) -> int:
        """How many answers the table has."""
        return math.prod(self.counts.values())

    def with_leaf(self, leaf: int, steps: Sequence[int], features: Mapping[int, _Feature]) -> "_Group":
        """Return the group with one leaf more, whose path has steps of these features."""
        states, counts = dict(self.states), dict(self.counts)
        for name in steps:
            passes = features[name].passes[:, leaf]
            both = passes if name not in states else 2 * states[name] + passes
            found, states[name] = np.unique(both, return_inverse=True)
            counts[name] = len(found)
        return _Group([*self.leaves, leaf], states, counts)

    def strides(self) -> dict[int, int]:
        """Return by feature what one state more adds to the place of a cell."""
        return dict(
            zip(self.counts, itertools.accumulate([1, *self.counts.values()], operator.mul), strict=False)
        )

    def table(self, leaves: Sequence[_Leaf], features: Mapping[int, _Feature], columns: int) -> Floats:
        """Return the sums of the leaves' answers, [cells, p]."""
        cells, strides = np.arange(self.cells), self.strides()
        at = {name: cells // strides[name] % count for name, count in self.counts.items()}
        one = {name: np.unique(states, return_index=True)[1] for name, states in self.states.items()}
        made = np.zeros((len(cells), columns))
        for leaf in self.leaves:
            value, steps = leaves[leaf]
            masks = np.zeros(len(cells), dtype=np.intp)
            for bit, name in enumerate(steps):
                masks |= features[name].passes[one[name], leaf].astype(np.intp)[at[name]] << bit
            made += _answers(value, steps, columns)[masks]
        return made


def _groups(leaves: Sequence[_Leaf], features: Mapping[int, _Feature], most: int) -> Iterator[_Group]:
    """Yield all leaves in their order, so many in a group as have at most `most` cells."""
    group = _Group([], {}, {})
    for leaf, (_, steps) in enumerate(leaves):
        larger = group.with_leaf(leaf, [*steps], features)
        if group.leaves and larger.cells > most:
            yield group
            larger = _Group([], {}, {}).with_leaf(leaf, [*steps], features)
        group = larger
    yield group


def _leaves(node: Node, steps: dict[int, _Step]) -> Iterator[_Leaf]:
    """Yield each leaf's value with the steps of its path, by feature."""
    if isinstance(node, Leaf):
        yield node.value, steps
        return
    name = node.feature
    if not node.rows > 0:
        raise ValueError("trees that do not say how many train rows went where have no mean")
    for child, left in ((node.left, True), (node.right, False)):
        before = steps.get(name, _Step())
        after = _narrowed(before, node, left=left)
        # Several splits by one feature are one condition, whose share is the product of theirs.
        after.share = before.share * child.rows / node.rows
        yield from _leaves(child, {**steps, name: after})


def _narrowed(before: _Step, split: Split, *, left: bool) -> _Step:
    """Return what a row must have to take a side as well."""
    after = _Step(before.low, before.high, before.codes, before.without, before.missing)
    if split.threshold is None:
        codes = split.codes
        if left:
            after.codes = codes if before.codes is None else before.codes & codes
        else:
            after.without = before.without | codes
        after.missing = before.missing and not left  # what has no code is in no list
        return after
    edge = split.threshold
    if left:
        after.high = min(before.high, edge)
    else:
        after.low = max(before.low, edge)
    if split.missing == "Zero":
        raise ValueError("zeros that count as missing are not told by tables")
    # Where nothing was missing in train rows, LightGBM takes NaN for 0.
    goes_left = split.default_left if split.missing == "NaN" else edge >= 0
    after.missing = before.missing and goes_left is left
    return after


def _answers(value: float, steps: Mapping[int, _Step], features: int) -> Floats:
    """Return a leaf's Shapley values by mask, [2^k, p]."""
    k = len(steps)
    # q points are exact up to degree 2 q - 1, and the polynomial is of degree k - 1.
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (k + 1) // 2))
    # From -1..1, on which the rule is tabled, to 0..1.
    t, w = (nodes + 1) / 2, weights / 2
    masks = np.arange(2**k)
    one = (masks[:, None] >> np.arange(k) & 1).astype(np.float64)  # [2^k, k]
    share = np.array([step.share for step in steps.values()])  # [k]
    factor = one[:, :, None] * t + share[:, None] * (1 - t)  # [2^k, k, q]
    whole = factor.prod(axis=1, keepdims=True)  # [2^k, 1, q]
    # The product over all but f, by division: no factor is 0 where train rows went both ways.
    weight = (whole / factor) @ w  # [2^k, k]
    made = np.zeros((2**k, features))
    made[:, list(steps)] = value * (one - share) * weight
    return made
