"""Boosted trees by LightGBM, written as its own text, which holds numbers and nothing that runs.

LightGBM's reader is written for text that LightGBM wrote, and believes every number in it. It fills arrays of
the length that one line names with the numbers of another, follows children by their number, and so ends the
process, or reads what is not its own, on a text that was cut off or made up. Here each line is held against
the others first (`Tree::Tree(const char*)` and `GBDT::LoadModelFromString` of LightGBM 4 say what they must
be).
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fairmark.errors import InputError
from fairmark.model.model_file import Column
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    import lightgbm as lgb


END = "end of trees\n"
REST = f"{END}\nparameters:\nend of parameters\n\npandas_categorical:null\n"
"""What a reader is given behind the trees, in place of the importances and settings that LightGBM writes."""

MOST_LEAVES = 131_072
MOST_TREES = 100_000
MOST_CATEGORIES = 1_000_000

_HEADER = {
    "version": re.compile("v4"),
    "num_class": re.compile("1"),
    "num_tree_per_iteration": re.compile("1"),
    "label_index": re.compile("0"),
    "max_feature_idx": re.compile(r"\d{1,6}"),
    "objective": re.compile("binary sigmoid:1"),
    "feature_names": re.compile(r"[!-~]+(?: [!-~]+)*"),
    "monotone_constraints": re.compile(r"-?[01](?: -?[01])*"),
    "feature_infos": re.compile(r"[!-~]+(?: [!-~]+)*"),
    "tree_sizes": re.compile(r"\d{1,9}(?: \d{1,9})*"),
}
_MAY_MISS = {"objective", "monotone_constraints"}
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,9})")
_WHOLE_LINE = re.compile(r"(?:-?\d{1,10}(?: -?\d{1,10})*)?")
_LINE = re.compile(r"(?:[-+.e0-9inf]{1,400}(?: [-+.e0-9inf]{1,400})*)?")
_MAY_BE_INFINITE = ("split_gain", "threshold")  # a cut that sends all that is not missing to the left

# Of each line of a tree with n leaves and c cuts by category: how many numbers it holds.
_NODES, _LEAVES, _ONE = (lambda n, _: n - 1), (lambda n, _: n), (lambda *_: 1)
_LINES: Mapping[str, Callable[[int, int], int]] = {
    "num_leaves": _ONE,
    "num_cat": _ONE,
    "split_feature": _NODES,
    "split_gain": _NODES,
    "threshold": _NODES,
    "decision_type": _NODES,
    "left_child": _NODES,
    "right_child": _NODES,
    "leaf_value": _LEAVES,
    "leaf_weight": lambda n, _: n if n > 1 else 0,
    "leaf_count": _LEAVES,
    "internal_value": _NODES,
    "internal_weight": _NODES,
    "internal_count": _NODES,
    "cat_boundaries": lambda _, cuts: cuts + 1,
    "cat_threshold": lambda *_: -1,
    "is_linear": _ONE,
    "shrinkage": _ONE,
}
_OF_CATEGORIES = ("cat_boundaries", "cat_threshold")
_WHOLES = {
    "num_leaves",
    "num_cat",
    "split_feature",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_count",
    "internal_count",
    "is_linear",
    *_OF_CATEGORIES,
}


def check(text: str, features: int) -> None:
    """Do nothing for LightGBM's model text on so many `features`, safe to be read up to `END`.

    Raises
    ------
    InputError
        When a line is missing, is one too many, or does not fit the others.
    """
    try:
        head, trees = _parts(text)
        _check_header(head, features)
        sizes = [int(size) for size in head["tree_sizes"].split()]
        _require(len(trees) == len(sizes) <= MOST_TREES, "as many trees as tree_sizes names")
        for number, (tree, size) in enumerate(zip(trees, sizes, strict=True)):
            _require(len(tree) == size, f"tree {number} of the size that tree_sizes names")
            _check_tree(tree, number, features)
    except ValueError as error:
        raise InputError(
            f"booster.txt: must be LightGBM's model text with {error}, got a text of {len(text)} characters"
        ) from error


def _require(held: bool, what: str) -> None:
    if not held:
        raise ValueError(what)


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the lines of the header by key, and the text of each tree."""
    _require(not _odd(text), "printable ASCII in lines")
    # LightGBM's reader and this check must agree on where the trees end.
    _require(text.startswith("tree\n") and text.count(END) == 1, "one beginning and one end")
    head, blank, rest = text[len("tree\n") : text.index(END)].partition("\n\n")
    _require(bool(blank), "a header and trees")
    # Printable ASCII without this word elsewhere: a feature's name stands in the header, before all trees.
    trees = rest.split("Tree=")
    _require(trees[0] == "", "nothing before its trees")
    return _lines(head.split("\n")), [f"Tree={tree}" for tree in trees[1:]]


def _odd(text: str) -> bool:
    return not text.isascii() or any(
        (ord(char) < 32 and char != "\n") or ord(char) == 127 for char in set(text)
    )


def _lines(lines: Sequence[str]) -> dict[str, str]:
    pairs = [line.partition("=") for line in lines]
    found = {key: value for key, _, value in pairs}
    # Of two lines of one key LightGBM keeps one; which, is not written anywhere.
    _require(len(found) == len(pairs) and all(sign for _, sign, _ in pairs), "each key once, with a value")
    return found


def _check_header(head: Mapping[str, str], features: int) -> None:
    # In the order in which LightGBM writes them: a text with a key elsewhere is somebody else's.
    wanted = [key for key in _HEADER if key in head or key not in _MAY_MISS]
    _require(list(head) == wanted, f"the header {', '.join(wanted)}")
    for key, value in head.items():
        _require(_HEADER[key].fullmatch(value) is not None, f"a plain {key}")
    if int(head["max_feature_idx"]) != features - 1:
        raise InputError(
            f"booster.txt: must read {features} features, got {int(head['max_feature_idx']) + 1}"
        )
    for key in ("feature_names", "monotone_constraints", "feature_infos"):
        _require(key not in head or len(head[key].split(" ")) == features, f"{features} {key}")


def _check_tree(tree: str, number: int, features: int) -> None:
    where = f"a sound tree {number}"
    first, *lines = tree.split("\n")
    _require(first == f"Tree={number}" and lines[-3:] == ["", "", ""], where)
    found = _lines(lines[:-3])
    # The sizes first: everything below allocates or compares by them.
    leaves, cuts = _size(found, where)
    wanted = [key for key in _LINES if cuts or key not in _OF_CATEGORIES]
    _require(list(found) == wanted, f"{where}: its lines in order")
    values = {key: _numbers(key, text, where) for key, text in found.items()}
    for key, numbers in values.items():
        count = _LINES[key](leaves, cuts)
        # LightGBM takes as many numbers as the size says, whether they are there or not.
        _require(count in (-1, len(numbers)), f"{where}: {count} numbers of {key}")
    # A linear leaf has coefficients in further lines, which nothing here checks and no release has.
    _require(values["is_linear"] == [0], f"{where}: constant leaves")
    _check_children(values["left_child"], values["right_child"], f"{where}: every node and leaf once")
    _check_splits(values, cuts, features, where)


def _size(found: Mapping[str, str], where: str) -> tuple[int, int]:
    sizes = [found.get(key, "") for key in ("num_leaves", "num_cat")]
    _require(all(_WHOLE.fullmatch(size) for size in sizes), where)
    leaves, cuts = map(int, sizes)
    _require(1 <= leaves <= MOST_LEAVES and 0 <= cuts < max(leaves, 1), f"{where}: a size within bounds")
    return leaves, cuts


def _numbers(key: str, text: str, where: str) -> list[float]:
    form = _WHOLE_LINE if key in _WHOLES else _LINE
    if form.fullmatch(text):
        with suppress(ValueError):
            numbers = [float(word) for word in text.split(" ")] if text else []
            if all(map(math.isfinite, numbers)) or (
                key in _MAY_BE_INFINITE and not any(map(math.isnan, numbers))
            ):
                return numbers
    raise ValueError(f"{where}: finite numbers of {key}")


def _check_children(left: Sequence[float], right: Sequence[float], what: str) -> None:
    """Do nothing for a tree: a child below zero is a leaf, another a node made after its parent."""
    # Leaf k is written as -k - 1. Each node but the root, and each leaf, is the child of exactly one node.
    nodes = len(left)
    children = [child for pair in zip(left, right, strict=True) for child in pair]
    wanted = [*range(-nodes - 1, 0), *range(1, nodes)] if nodes else []
    _require(sorted(children) == wanted, what)
    # A child that stands before its parent would make a circle, and the descent would never end.
    _require(all(child < 0 or child > place // 2 for place, child in enumerate(children)), what)


def _check_splits(values: Mapping[str, Sequence[float]], cuts: int, features: int, where: str) -> None:
    _require(all(0 <= place < features for place in values["split_feature"]), f"{where}: splits of features")
    kinds = [int(kind) for kind in values["decision_type"]]
    # Bit 0: by category; bit 1: missing goes left; bits 2 and 3: what is missing (LightGBM's kinds 0 to 2).
    _require(all(0 <= kind < 12 for kind in kinds), f"{where}: decision types")
    by_category = [value for value, kind in zip(values["threshold"], kinds, strict=True) if kind & 1]
    _require(sorted(by_category) == list(range(cuts)), f"{where}: each cut by category once")
    if cuts:
        # Categories are bits in 32-bit words: cut k owns the words from bounds[k] up to bounds[k + 1].
        bounds, words = values["cat_boundaries"], values["cat_threshold"]
        _require(bounds[0] == 0 and bounds[-1] == len(words), f"{where}: boundaries of categories")
        _require(all(a < b for a, b in pairwise(bounds)), f"{where}: rising boundaries")
        _require(len(words) <= MOST_CATEGORIES, f"{where}: categories within bounds")
        _require(all(0 <= word < 2**32 for word in words), f"{where}: categories")


ADDITIVITY = 1e-6
"""Largest allowed distance of a row's summed contributions from its log-odds."""


@dataclass(frozen=True)
class Boosted:
    """Boosted trees, as LightGBM's model text."""

    text: str

    @cached_property
    def booster(self) -> "lgb.Booster":
        """LightGBM's own model of these trees, without what its text says of how they were learnt."""
        import lightgbm as lgb

        head, _, _ = self.text.partition(END)
        return lgb.Booster(model_str=head + REST)

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return int(self.booster.num_trees())

    def raw(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        if not len(matrix):
            return np.empty(0)
        return np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1], by LightGBM's `pred_contrib`.

        Raises
        ------
        ArithmeticError
            When they don't add up to the raw log-odds: wrong explanations are worse than none.
        """
        if not len(matrix):
            return np.empty((0, matrix.shape[1] + 1))
        values = np.asarray(self.booster.predict(matrix, pred_contrib=True, num_threads=1), dtype=np.float64)
        gap = float(np.abs(values.sum(axis=1) - self.raw(matrix)).max())
        if not gap <= ADDITIVITY:
            raise ArithmeticError(
                f"contributions: must add up to the log-odds within {ADDITIVITY}, got {gap}"
            )
        return values

    def dumps(self) -> str:
        """Return the model's text."""
        return self.text


def load(text: str, columns: Sequence[Column]) -> Boosted:
    """Return the trees that `dumps` wrote down.

    Raises
    ------
    InputError
        When the text is not LightGBM's, or speaks of another number of features.
    """
    check(text, len(columns))
    return Boosted(text)


def train_ranges(text: str) -> list[tuple[float, float] | None]:
    """Return the smallest and largest train value of each numeric feature, as LightGBM's text tells them.

    None for a feature of categories, and for one that no tree could use.
    """
    infos = _lines(
        [line for line in text.partition("\n\n")[0].split("\n") if line.startswith("feature_infos=")]
    )
    return [_range(info) for info in infos["feature_infos"].split(" ")]


def _range(info: str) -> tuple[float, float] | None:
    found = re.fullmatch(r"\[([^:\]]+):([^:\]]+)\]", info)
    if found is None:
        return None
    with suppress(ValueError):
        return float(found[1]), float(found[2])
    return None
