"""The groups of protected attributes: evidence for every fairness measurement, and never a feature."""

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.kinds import Cell, Cells, Kind, Typed
from fairmark.data.schema import AND, MISSING
from fairmark.errors import Faults
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, Protected


def groups(
    protected: dict[str, Protected], columns: dict[str, Cells], kinds: dict[str, Kind]
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return [n, attributes] group names, str without missing values, and each attribute's groups in order.

    Law: two rows have the same name if and only if they are of the same group. Groups of numbers, days and
    edges are in the order of their values, ordinals by rank, other texts as texts; `missing` comes last.

    Parameters
    ----------
    protected
        The attributes, in order.
    columns, kinds
        Values and kind of each raw column that an attribute comes from.
    """
    names_of: dict[str, pd.Series[str]] = {}
    order: dict[str, list[str]] = {}
    for name, attribute in protected.items():
        match attribute:
            case ByColumn():
                values, kind = columns[attribute.column], kinds[attribute.column]
                names_of[name], order[name] = names(values, kind), _by_value(values, kind)
            case ByEdges():
                names_of[name] = cut(columns[attribute.column], attribute.edges)
                order[name] = intervals(attribute.edges)
    for name, attribute in protected.items():
        if isinstance(attribute, ByCross):
            parts = [names_of[part] for part in attribute.of]
            names_of[name] = crossed(parts)
            order[name] = _by_parts(parts, [order[part] for part in attribute.of])
    evidence = pd.DataFrame({name: names_of[name] for name in protected})
    return evidence, {name: _occurring(evidence[name], order[name]) for name in protected}


def places(values: Cells, known: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the place of each value among the known ones, [n]; -1 for a missing or unknown one."""
    index = pd.Index(list(known), dtype=object)
    if isinstance(values.dtype, pd.CategoricalDtype):
        # Each category is looked up once, and missing values, code -1, take the last place.
        each = index.get_indexer(pd.Index(values.cat.categories.astype(object)))
        return np.append(each, -1)[values.cat.codes.to_numpy()]
    return index.get_indexer(pd.Index(values.astype(object)))


def _occurring(column: "pd.Series[str]", order: list[str]) -> list[str]:
    here = set(column.unique())
    return [group for group in [*order, *([] if MISSING in order else [MISSING])] if group in here]


def _by_value(values: Cells, kind: Kind) -> list[str]:
    different = values.dropna().unique().tolist()
    if kind.name == "ordinal":
        different = list(kind.categories or ())
    elif kind.name != "boolean":
        different.sort()
    known = [name_of(value, kind) for value in different]
    return sorted(known) if kind.name == "boolean" else known


def _by_parts(parts: "list[pd.Series[str]]", orders: list[list[str]]) -> list[str]:
    """Return the crossings that occur, by the place of their first part, then of the second, and so on."""
    places = [{group: k for k, group in enumerate([*order, MISSING])} for order in orders]
    cells = pd.concat(parts, axis=1, keys=range(len(parts))).drop_duplicates()
    rows = cells.itertuples(index=False, name=None)
    first = sorted(rows, key=lambda row: [place[part] for place, part in zip(places, row, strict=True)])
    return [AND.join(row) for row in first]


def names(values: Cells, kind: Kind) -> "pd.Series[str]":
    """Return the group name of each value, `missing` for those without one."""
    codes, different = pd.factorize(values)
    texts = [name_of(value, kind) for value in different]
    return pd.Series(np.array([*texts, MISSING], dtype=object)[codes], dtype="str", index=values.index)


def name_of(value: Cell, kind: Kind) -> str:
    """Return the name of the group of one value; law: different values have different names.

    A number is written in the fewest digits that read back as it, a boolean as params.yaml or the data spell
    it, a day as in ISO 8601. A text is itself, or itself in quotes where it could be taken for something
    else: for the group `missing`, for a crossing of groups, or for a text in quotes.
    """
    match value:
        case dt.datetime():
            moment = pd.Timestamp(value)
            return str(moment.date()) if moment == moment.normalize() else moment.isoformat()
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


def crossed(parts: "Sequence[pd.Series[str]]") -> "pd.Series[str]":
    """Return the name of each row's intersection of groups, joined from the names of its parts."""
    return reduce(lambda left, right: left + AND + right, parts)


def intervals(edges: Sequence[float]) -> list[str]:
    """Return the names of the intervals that edges make, lowest first: `<25`, `25 to <60`, `>=60`."""
    marks = [shortest(float(edge)) for edge in edges]
    return [f"<{marks[0]}", *(f"{low} to <{high}" for low, high in pairwise(marks)), f">={marks[-1]}"]


def cut(values: "pd.Series[float]", edges: Sequence[float]) -> "pd.Series[str]":
    """Return the name of the interval [low, high) that each number falls into."""
    labels = [*intervals(edges), MISSING]
    numbers = values.to_numpy(np.float64)
    spots = np.searchsorted(np.array(edges), numbers, side="right")
    spots = np.where(np.isnan(numbers), len(labels) - 1, spots)
    return pd.Series(np.array(labels, dtype=object)[spots], dtype="str", index=values.index)


def folded(text: str) -> str:
    """Return a text without case, signs that do not show, and more than single spaces; NFKC of Unicode."""
    # Once before folding case and once after: folding can make texts that are not normal any more.
    wide = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    shown = "".join(char for char in wide if unicodedata.category(char) != "Cf")
    return re.sub(r"\s+", " ", shown).strip()


def alike(texts: Iterable[str]) -> list[list[str]]:
    """Return the sets of different texts that are the same when `folded`, sorted."""
    same: dict[str, list[str]] = {}
    for text in sorted(set(texts)):
        same.setdefault(folded(text), []).append(text)
    return [each for each in same.values() if len(each) > 1]


def note_alike(
    protected: Mapping[str, Protected],
    kinds: Mapping[str, Kind],
    files: Sequence[Mapping[str, Typed]],
    faults: Faults,
) -> None:
    """Note texts of a protected column that would make two groups of one.

    Two texts that params.yaml lists as values are meant to be two. In other columns they are told alone.
    """
    of = [each.column for each in protected.values() if isinstance(each, ByColumn)]
    for name in dict.fromkeys(of):
        kind = kinds.get(name)
        if kind is None or kind.name != "categorical" or kind.declared:
            continue
        for texts in alike(
            text for file in files if name in file for text in file[name].texts.dropna().unique()
        ):
            means = ", ".join(f"{json.dumps(text)}: {json.dumps(texts[0])}" for text in texts[1:])
            faults.add(
                f"column {name}: groups must differ in more than case, spaces and Unicode form, got "
                f"{' and '.join(map(ascii, texts))}; params.yaml settles it by prepare.spellings: {{{name}: "
                f"{{{means}}}}}, or by listing both as values in prepare.columns"
            )
