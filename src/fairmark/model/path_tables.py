"""Exact Shapley values of boosted trees by tables, an order quicker than LightGBM's own `pred_contrib`.

TreeSHAP (Lundberg, Erion and Lee 2018) gives a leaf's share to each feature f on its path by which of the
path's features the row satisfies: one o_f in {0, 1} for each of k features. With r_f the share of train rows
that follow the path at f's splits,

    phi_f = leaf (o_f - r_f) * integral over t in 0..1 of prod over g != f of (o_g t + r_g (1 - t)) dt,

a polynomial of degree k - 1, which Gauss and Legendre's rule with k points gives exactly. So a leaf has 2^k
answers, which are worked out once (Yang 2021, "Fast TreeSHAP", version 2): a row looks one up in each leaf.
Trees whose tables would be too large are left to LightGBM.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fairmark.model.boosted_trees import Boosted
from fairmark.stats.arrays import Floats

MOST_BYTES = 128 * 2**20
MOST_FEATURES = 12
"""Features on one path: 2^12 answers a leaf."""
Node = Mapping[str, Any]


@dataclass
class _Step:
    """What a row must have of one feature to follow a path: an interval, or categories; and if missing."""

    low: float = -math.inf
    high: float = math.inf
    codes: frozenset[int] | None = None
    without: frozenset[int] = frozenset()
    missing: bool = True
    share: float = 1.0


@dataclass(frozen=True)
class _Feature:
    """One feature: the bin of a value, and which leaves' paths let each bin pass.

    Parameters
    ----------
    cuts
        Of numbers, rising: a value at a cut is in the bin below it; None for codes, each a bin of its own.
    bits
        [bins + 1, leaves]: the feature's bit in a leaf's mask where its path lets the bin pass, else 0. The
        last row is of a missing value.
    """

    cuts: list[float] | None
    bits: npt.NDArray[np.uint16]

    def row(self, value: float) -> npt.NDArray[np.uint16]:
        """Return the bits of a value, [leaves]."""
        if math.isnan(value):
            place = -1
        elif self.cuts is not None:
            place = bisect_left(self.cuts, value)
        else:
            place = min(max(int(value), 0), len(self.bits) - 2)
        bits: npt.NDArray[np.uint16] = self.bits[place]
        return bits


@dataclass(frozen=True)
class PathTables:
    """Tables of all leaves of some trees.

    Parameters
    ----------
    features
        Place and tables of each feature that a tree reads.
    offset, answers
        Where the answers of each leaf begin, [leaves], and all of them, [sum of 2^k, p]: by mask, log-odds.
    base
        The mean raw log-odds over train rows.
    """

    features: tuple[tuple[int, _Feature], ...]
    offset: npt.NDArray[np.intp]
    answers: Floats
    base: float

    def explain(self, row: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds of one row, [p + 1]; the last is the base value."""
        values = row.tolist()
        place = self.offset.copy()
        for name, feature in self.features:
            # Features have different bits in a leaf's mask, so that adding them up is or-ing them.
            place += feature.row(values[name])
        # As a product, for NumPy adds up few columns slowly.
        return np.append(self.ones @ self.answers.take(place, axis=0), self.base)

    @cached_property
    def ones(self) -> Floats:
        """One for each leaf."""
        return np.ones(len(self.offset))


def path_tables(trees: Boosted, features: int) -> PathTables | None:
    """Return the tables of trees on so many features; None where they would be too large."""
    dumped = [each["tree_structure"] for each in trees.booster.dump_model()["tree_info"]]
    try:
        leaves = [leaf for tree in dumped for leaf in _leaves(tree, {})]
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
    made = tuple((name, _feature(name, [steps for _, steps in grown])) for name in read)
    if sum(feature.bits.nbytes for _, feature in made) > MOST_BYTES:
        return None
    offset = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    answers = np.concatenate([_answers(value, steps, features) for value, steps in grown])
    return PathTables(made, offset, answers, float(base))


def _feature(name: int, leaves: Sequence[Mapping[int, _Step]]) -> _Feature:
    """Return the tables of one feature over all leaves."""
    steps = [
        (place, each[name], 1 << [*each].index(name)) for place, each in enumerate(leaves) if name in each
    ]
    if any(step.codes is not None or step.without for _, step, _ in steps):
        known = {code for _, step, _ in steps for code in (step.codes or frozenset()) | step.without}
        bins, cuts = max(known) + 2, None  # the last one is of every code beyond
    else:
        edges = {edge for _, step, _ in steps for edge in (step.low, step.high) if math.isfinite(edge)}
        cuts = sorted(edges)
        bins = len(cuts) + 1
    bits = np.zeros((bins + 1, len(leaves)), dtype=np.uint16)
    for place, step, bit in steps:
        bits[bins, place] = bit * step.missing
        if cuts is None:
            for code in range(bins):
                listed = step.codes is None or code in step.codes
                bits[code, place] = bit * (listed and code not in step.without)
        else:
            # A value at a cut is in the bin below it: what lies above the low edge begins one bin later.
            low = 0 if step.low == -math.inf else bisect_left(cuts, step.low) + 1
            high = bins if step.high == math.inf else bisect_left(cuts, step.high) + 1
            bits[low:high, place] = bit
    return _Feature(cuts, bits)


def _leaves(node: Node, steps: dict[int, _Step]) -> Iterator[tuple[float, dict[int, _Step]]]:
    """Yield each leaf's value with the steps of its path, by feature."""
    if "leaf_value" in node:
        yield float(node["leaf_value"]), steps
        return
    name = int(node["split_feature"])
    rows = _rows(node)
    if not rows > 0:
        raise ValueError("trees that do not say how many train rows went where have no mean")
    for child, left in ((node["left_child"], True), (node["right_child"], False)):
        before = steps.get(name, _Step())
        after = _narrowed(before, node, left=left)
        # Several splits by one feature are one condition, whose share is the product of theirs.
        after.share = before.share * _rows(child) / rows
        yield from _leaves(child, {**steps, name: after})


def _rows(node: Node) -> float:
    return float(node["internal_count"] if "internal_count" in node else node["leaf_count"])


def _narrowed(before: _Step, node: Node, *, left: bool) -> _Step:
    """Return what a row must have to take a side as well."""
    after = _Step(before.low, before.high, before.codes, before.without, before.missing)
    if node["decision_type"] == "==":
        codes = frozenset(int(code) for code in str(node["threshold"]).split("||"))
        if left:
            after.codes = codes if before.codes is None else before.codes & codes
        else:
            after.without = before.without | codes
        after.missing = before.missing and not left  # what has no code is in no list
        return after
    edge = float(node["threshold"])
    if left:
        after.high = min(before.high, edge)
    else:
        after.low = max(before.low, edge)
    kind = node["missing_type"]
    if kind == "Zero":
        raise ValueError("zeros that count as missing are not told by tables")
    # Where nothing was missing in train rows, LightGBM takes NaN for 0.
    goes_left = bool(node["default_left"]) if kind == "NaN" else edge >= 0
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
