"""The decision trees of a booster node by node: LightGBM's `dump_model`, parsed once.

What measures a tree's shape (whether it is monotone, its Shapley tables, which features it lets interact)
reads these nodes; what scores rows leaves the trees to LightGBM or to compiled tables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import lightgbm as lgb

Missing = Literal["None", "NaN", "Zero"]
"""What a split takes for missing: nothing (NaN counts as 0), NaN, or 0 as well."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The end of a path.

    Parameters
    ----------
    value
        What it adds to the raw log-odds.
    rows
        Train rows that ended here; 0 where the tree does not say, which a tree of one leaf doesn't.
    """

    value: float
    rows: float


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node: a row goes left where its feature is at most the threshold, or in the list of codes.

    Parameters
    ----------
    feature
        Place of the feature in the matrix.
    threshold
        The greatest value that goes left; None for a split by category.
    codes
        The categories that go left; empty for a split by value.
    missing, default_left
        What is missing, and whether it goes left.
    gain
        What the split took off the loss, at least 0.
    rows
        Train rows that came here.
    """

    feature: int
    threshold: float | None
    codes: frozenset[int]
    missing: Missing
    default_left: bool
    gain: float
    rows: float
    left: "Node"
    right: "Node"

    def splits(self) -> Iterator["Split"]:
        """Yield this split and all below it, from the root to the left first."""
        yield self
        for child in (self.left, self.right):
            if isinstance(child, Split):
                yield from child.splits()


Node = Split | Leaf


def trees(booster: "lgb.Booster", first: int | None = None) -> list[Node]:
    """Return the root of each tree of a booster, or of the `first` ones, in the order of their sum."""
    return [_node(each["tree_structure"]) for each in booster.dump_model(first)["tree_info"]]


def splits(node: Node) -> Iterator[Split]:
    """Yield the splits of a tree, none where it is one leaf."""
    return node.splits() if isinstance(node, Split) else iter(())


def leaf_values(node: Node) -> list[float]:
    """Return the values of all leaves from left to right."""
    if isinstance(node, Leaf):
        return [node.value]
    return [*leaf_values(node.left), *leaf_values(node.right)]


def _node(dumped: Mapping[str, object]) -> Node:
    match dumped:
        case {"leaf_value": float() | int() as value}:
            return Leaf(float(value), float(str(dumped.get("leaf_count", 0))))
        case {
            "split_feature": int() as feature,
            "threshold": edge,
            "decision_type": "<=" | "==" as kind,
            "missing_type": "None" | "NaN" | "Zero" as missing,
            "default_left": bool() as default_left,
            "split_gain": gain,
            "internal_count": rows,
            "left_child": dict() as left,
            "right_child": dict() as right,
        }:
            return Split(
                feature=feature,
                threshold=float(str(edge)) if kind == "<=" else None,
                # LightGBM writes the codes of a split by category as 1||4||7.
                codes=frozenset() if kind == "<=" else frozenset(map(int, str(edge).split("||"))),
                missing=missing,
                default_left=default_left,
                gain=float(str(gain)),
                rows=float(str(rows)),
                left=_node(left),
                right=_node(right),
            )
    raise ValueError(f"tree: must be nodes of LightGBM 4, got keys {sorted(dumped)}")
