"""The groups of protected attributes: evidence for every fairness measurement, and never a feature."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.cells import Kind
from fairmark.data.group_names import intervals, name_of
from fairmark.data.kinds import Cells, Typed
from fairmark.data.schema import AND, MISSING
from fairmark.errors import Faults
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, Protected


def groups(
    protected: Mapping[str, Protected], columns: dict[str, Cells], kinds: dict[str, Kind]
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
    # Crossings last, for they are made of the names of the others.
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


def crossed(parts: "Sequence[pd.Series[str]]") -> "pd.Series[str]":
    """Return the name of each row's intersection of groups, joined from the names of its parts."""
    return reduce(lambda left, right: left + AND + right, parts)


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
