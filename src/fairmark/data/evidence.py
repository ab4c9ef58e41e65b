"""The groups of protected attributes: evidence for every fairness measurement, and never a feature."""

from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fairmark.data.kinds import Kind
from fairmark.sections.table import ByColumn, ByCross, ByEdges, Protected

MISSING = "missing"
"""The group of rows whose protected attribute is not known."""

AND = " & "


def groups(
    protected: dict[str, Protected], columns: "dict[str, pd.Series[Any]]", kinds: dict[str, Kind]
) -> pd.DataFrame:
    """Return [n, attributes] group names, str without missing values.

    Parameters
    ----------
    protected
        The attributes, in order.
    columns, kinds
        Values and kind of each raw column that an attribute comes from.
    """
    found: dict[str, pd.Series[str]] = {}
    for name, attribute in protected.items():
        match attribute:
            case ByColumn():
                found[name] = names(columns[attribute.column], kinds[attribute.column])
            case ByEdges():
                found[name] = cut(columns[attribute.column], attribute.edges)
    for name, attribute in protected.items():
        if isinstance(attribute, ByCross):
            first, *rest = (found[part] for part in attribute.of)
            found[name] = reduce(lambda left, right: left + AND + right, rest, first)
    return pd.DataFrame({name: found[name] for name in protected})


def names(values: "pd.Series[Any]", kind: Kind) -> "pd.Series[str]":
    """Return the group name of each value: the text itself, a number in its shortest form, `true`, a day."""
    codes, different = pd.factorize(values)
    texts = [_name(value, kind) for value in different]
    return pd.Series(np.array([*texts, MISSING], dtype=object)[codes], dtype="str", index=values.index)


def _name(value: Any, kind: Kind) -> str:
    match kind.name:
        case "numeric":
            return str(int(value)) if float(value).is_integer() else repr(float(value))
        case "boolean" if kind.pair:
            return kind.pair[0] if value else kind.pair[1]
        case "date":
            moment = pd.Timestamp(value)
            return str(moment.date()) if moment == moment.normalize() else moment.isoformat()
    return str(value)


def cut(values: "pd.Series[float]", edges: list[float]) -> "pd.Series[str]":
    """Return the interval [low, high) that each number falls into: `<25`, `25 to <60`, `>=60`."""
    marks = [f"{edge:g}" for edge in edges]
    between = [f"{low} to <{high}" for low, high in pairwise(marks)]
    labels = [f"<{marks[0]}", *between, f">={marks[-1]}", MISSING]
    numbers = values.to_numpy(np.float64)
    spots = np.searchsorted(np.array(edges), numbers, side="right")
    spots = np.where(np.isnan(numbers), len(labels) - 1, spots)
    return pd.Series(np.array(labels, dtype=object)[spots], dtype="str", index=values.index)
