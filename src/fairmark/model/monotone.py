"""Whether a model's score never falls, or never rises, as one feature grows: for every row there could be.

Trees: two rows that differ in one feature alone part ways at a cut on that feature. So a tree never falls
in it if, at each such cut, no leaf on the lower side is above a leaf on the upper one; and a sum of such
trees, added in one order, never falls either, to the last bit, because rounding keeps order. Scorecards:
the sign of the coefficient. A missing value has no place in the order of a feature, and is compared with
nothing.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from fairmark.data.schema import Schema
from fairmark.errors import ParamsError
from fairmark.model.boosted_trees import Boosted
from fairmark.model.model import Scorer
from fairmark.model.scorecard import Line, Scorecard
from fairmark.model.tree import Node, leaf_values, splits, trees
from fairmark.params.learn import Direction
from fairmark.stats.arrays import Floats

SIGNS: Mapping[Direction, int] = {"increasing": 1, "decreasing": -1}


def signs(names: Iterable[str], monotone: Mapping[str, Direction]) -> list[int]:
    """Return 1 for each name that the score must not fall with, -1 for each it must not rise with, else 0."""
    return [SIGNS[monotone[name]] if name in monotone else 0 for name in names]


def require_ordered(schema: Schema, monotone: Mapping[str, Direction]) -> None:
    """Do nothing where every constraint is on a feature whose values have an order.

    Raises
    ------
    ParamsError
        With one line for each that is on a categorical feature, on a column that is withheld, or on none.
    """
    kinds = {feature.name: feature.kind for feature in schema.features}
    withheld = {column.name: f"one that is withheld ({column.why})" for column in schema.withheld}
    faults = [
        f"params.yaml: train.monotone.{name} must be a feature whose values have an order (numeric, ordinal, "
        f"boolean or date), got {kinds.get(name) or withheld.get(name) or 'no column of the table'}"
        for name in monotone
        if kinds.get(name, "categorical") == "categorical"
    ]
    if faults:
        raise ParamsError(*faults)


def is_monotone(scorer: Scorer, place: int, direction: Direction) -> bool:
    """Return whether the raw log-odds are shown to follow the feature at `place` one way, whatever the row.

    A family whose shape is not known here is shown nothing of.
    """
    sign = SIGNS[direction]
    match scorer:
        case Boosted():
            return all(_follows(tree, place, sign) for tree in trees(scorer.booster))
        case Scorecard():
            line = scorer.features[place]
            return isinstance(line, Line) and sign * line.coef >= 0
    return False


def cuts(scorer: Scorer, place: int) -> Floats:
    """Return every value at which the trees cut the feature at `place`, rising; none for other families.

    A value at a cut goes to its lower side, so between two of them the score stays as it is.
    """
    if not isinstance(scorer, Boosted):
        return np.empty(0)
    values = {
        split.threshold
        for tree in trees(scorer.booster)
        for split in splits(tree)
        if split.feature == place and split.threshold is not None
    }
    return np.array(sorted(values))


def _follows(tree: Node, place: int, sign: int) -> bool:
    for split in splits(tree):
        if split.feature != place:
            continue
        # Where 0 counts as missing it leaves its place in the order, so that a cut says nothing of it.
        if split.threshold is None or split.missing == "Zero":
            return False
        # All leaves of one side against all of the other: more than is needed where other features part them,
        # but what is shown so holds of any row.
        lower, upper = leaf_values(split.left), leaf_values(split.right)
        if max(sign * value for value in lower) > min(sign * value for value in upper):
            return False
    return True
