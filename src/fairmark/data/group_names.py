"""The name of a group: one value of a protected attribute, or one interval of its values, as a text.

Apart from `data.groups`, which names whole columns in pandas, so that one row can be named without it.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from fairmark.data.cells import Cell, Kind
from fairmark.data.schema import AND, MISSING


def name_of(value: Cell, kind: Kind) -> str:
    """Return the name of the group of one value; law: different values have different names.

    A number is written in the fewest digits that read back as it, a boolean as params.yaml or the data spell
    it, a day as in ISO 8601. A text is itself, or itself in quotes where it could be taken for something
    else: for the group `missing`, for a crossing of groups, or for a text in quotes.
    """
    match value:
        case dt.datetime():
            return str(value.date()) if value.time() == dt.time() else value.isoformat()
        case int() | float() if kind.name == "numeric":
            return shortest(float(value))
    if kind.name == "boolean" and kind.pair:
        return quoted(kind.pair[0] if value else kind.pair[1])
    return quoted(str(value))


def shortest(number: float) -> str:
    """Return the fewest digits that read back as a number; a whole one has no point."""
    return str(int(number)) if number.is_integer() else repr(number)


def quoted(text: str, *, always: bool = False) -> str:
    """Return a text as a group's name; law: texts share none with each other, nor with a crossing.

    Texts with an `&` between, before or after spaces are quoted, so that a name parts into those it was
    joined of in one way only.
    """
    # A text that looks like our own names would share one with another group, and two groups would be one.
    taken = always or text == MISSING or text.startswith('"') or AND in f" {text} "
    return '"' + text.replace('"', '""') + '"' if taken else text


def intervals(edges: Sequence[float]) -> list[str]:
    """Return the names of the intervals that edges make, lowest first: `<25`, `25 to <60`, `>=60`."""
    marks = [shortest(float(edge)) for edge in edges]
    return [f"<{marks[0]}", *(f"{low} to <{high}" for low, high in pairwise(marks)), f">={marks[-1]}"]


def interval_of(number: float | None, edges: Sequence[float]) -> str:
    """Return the name of the interval [low, high) that a number falls into; `missing` without one."""
    return MISSING if number is None else intervals(edges)[bisect_right(edges, number)]


def crossed_name(parts: Sequence[str]) -> str:
    """Return the name of an intersection of groups, joined from the names of its parts."""
    return AND.join(parts)
