"""What each column of a table is proposed to be: its kind and range, or why it is left out.

Kinds are those that `prepare` infers. Where it would refuse to infer (a column of numbers and words, days
that are not written as ISO 8601), the kind is settled here and the reason stands beside it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from fairmark.data.cells import Kind
from fairmark.data.inference import kind_of
from fairmark.data.kinds import typed
from fairmark.data.pii import personal
from fairmark.params.prepare import Csv, Inferred, Parquet
from fairmark.project.number_format import day_format
from fairmark.project.words import ID_WORDS, WHOSE, words_of

LISTED = 30
"""Different values up to which a category's values are written down, so that a new one is refused."""

MANY = 1000
"""Categories beyond which a column of texts tells single rows apart more than kinds of rows."""

SHARE = 0.5
"""Share of given cells that must look like personal data to be called so, as `prepare` has it."""

IDENTIFYING = frozenset(
    {"e-mail", "national id", "ip address", "card number", "bank account"}
    | {"phone", "name", "address", "free text"}
)
"""Kinds of personal data that tell a person by name, and no model should learn."""


@dataclass(frozen=True)
class Column:
    """A column, read.

    Parameters
    ----------
    name
        As the file has it.
    kind
        As which it is read; None where no row has a value.
    said
        Its entry in `prepare.columns`; empty where no row has a value.
    why
        What a reader of params.yaml should know of the choice, one sentence without its full stop.
    left_out
        Why it should be no feature; None where nothing speaks against it.
    different
        How many different values it holds.
    missing
        Share of cells without a value.
    values
        Its different texts, where there are no more than `LISTED`.
    identifier
        Whether its values tell rows apart, each another.
    looks
        What personal data it seems to hold, such as `e-mail`.
    """

    name: str
    kind: Kind | None
    said: dict[str, object]
    why: str
    left_out: str | None
    different: int
    missing: float
    values: tuple[str, ...] | None
    identifier: bool
    looks: tuple[str, ...]
    cells: "pd.Series[Any]"
    doubt: str = ""
    """Why its kind is not what most of its cells seem to be; empty where nothing is to be asked."""

    @property
    def kind_name(self) -> str:
        """Return the name of its kind, or `none`."""
        return self.kind.name if self.kind else "none"


def columns_of(texts: pd.DataFrame, types: Mapping[str, str], form: Csv | Parquet) -> dict[str, Column]:
    """Return every column of a file, read.

    Parameters
    ----------
    texts
        [n, columns] trimmed texts, null where a value is missing.
    types
        The file's own types of columns.
    """
    return {str(name): _column(str(name), texts[name], types.get(str(name)), form) for name in texts}


def _column(name: str, texts: "pd.Series[str]", own: str | None, form: Csv | Parquet) -> Column:
    counts = texts.value_counts()
    missing = float(texts.isna().mean())
    values = tuple(sorted(map(str, counts.index))) if len(counts) <= LISTED else None
    shared: dict[str, Any] = {"different": len(counts), "missing": missing, "values": values}
    if counts.empty:
        out = "no row has a value"
        return Column(name, None, {}, "", out, **shared, identifier=False, looks=(), cells=texts)
    kind, said, why, doubt = _kind(name, texts, own, form)
    cells = typed(texts, kind).cells
    looks = _looks(name, cells, kind)
    doubt = doubt or (_sentinel(cells) if kind.name == "numeric" else "")
    # Counts leave out missing cells, so that a column with a gap is never one that tells every row apart.
    alone = len(counts) == len(texts) > 1
    named = kind.name != "date" and bool({*words_of(name)} & ID_WORDS)
    said = said | (_range(cells) if kind.name == "numeric" else {}) | {"missing": _allowed(missing)}
    inexact = "2^53" in doubt
    why_out = _left_out(len(counts), len(texts), kind, looks)
    # Doubles hold whole numbers exactly up to 2^53 only: above it two ids may be read as one.
    if inexact and why_out is None:
        why_out = "it holds whole numbers above 2^53, as ids are"
    identifier = alone and ("id-like" in looks or named or inexact)
    shared |= {"identifier": identifier, "looks": looks, "doubt": doubt}
    return Column(name, kind, said, why, why_out, **shared, cells=cells)


def _kind(
    name: str, texts: "pd.Series[str]", own: str | None, form: Csv | Parquet
) -> tuple[Kind, dict[str, object], str, str]:
    """Return the kind of a column, its entry but for ranges, what is to be said of it, and its doubt."""
    found = [str(text) for text in texts.dropna().unique()]
    entry: dict[str, object]
    try:
        kind = kind_of(name, Inferred(kind="infer", missing=1.0), texts, own, form)
    except ValueError as error:
        days = day_format(found)
        if days is not None:
            said: dict[str, object] = {"kind": "date", "format": days[0], "earliest": None, "latest": None}
            why = (
                f"read as {days[0]}; {' and '.join(days[1:])} would read it too: look which holds"
                if days[1:]
                else ""
            )
            return Kind("date", form=days[0]), said, why, why
        listed = sorted(found) if len(found) <= LISTED else None
        why = str(error).partition(";")[0].removeprefix("must say its kind, because ")
        return (
            Kind("categorical", tuple(sorted(found))),
            {"kind": "categorical", "values": listed},
            f"{why}: read as texts",
            why,
        )
    why = ""
    match kind.name:
        case "boolean":
            true, false = cast("tuple[str, str]", kind.pair)
            entry = {"kind": "boolean", "true": true, "false": false}
        case "date":
            entry = {"kind": "date", "format": None, "earliest": None, "latest": None}
        case "numeric":
            entry = {"kind": "numeric"}
            few = len(found) <= 10 and set(found) != {"0", "1"}
            why = (
                f"{len(found)} different numbers: where they are codes of kinds, say categorical"
                if few
                else ""
            )
        case _:
            entry = {"kind": "categorical", "values": sorted(found) if len(found) <= LISTED else None}
    return kind, entry, why, ""


def _looks(name: str, cells: "pd.Series[Any]", kind: Kind) -> tuple[str, ...]:
    """Return what personal data a column seems to hold; numbers with decimals are nobody's."""
    if kind.name == "numeric" and (cells.dropna() % 1 != 0).any():
        return ()
    return tuple(one.kind for one in personal(name, cells, kind.name, SHARE))


SENTINEL = re.compile(r"-?9+|-1|-8+|-7+")
"""Numbers that stand for a gap in many files: 99, -999, -1, and survey codes such as -8."""


def _sentinel(cells: "pd.Series[float]") -> str:
    """Return what speaks for a number at one end meaning "not known", or nothing.

    It is written as such numbers are, stands in two rows or more, and lies farther from all others than these
    lie from each other.
    """
    values, counts = np.unique(cells.dropna().to_numpy(np.float64), return_counts=True)
    for end, rest in ((-1, values[:-1]), (0, values[1:])):
        if len(rest) < 3 or counts[end] < 2 or not SENTINEL.fullmatch(f"{values[end]:.15g}"):
            continue
        near = rest[-1] if end else rest[0]
        if abs(values[end] - near) > rest[-1] - rest[0]:
            inside = f"{rest[0]:g} to {rest[-1]:g}"
            return f"{values[end]:g} stands in {counts[end]:,} rows, far from the others ({inside})"
    return ""


def _range(cells: "pd.Series[float]") -> dict[str, object]:
    return {"min": plain_number(float(cells.min())), "max": plain_number(float(cells.max()))}


def plain_number(value: float) -> float | int:
    """Return a number as a person writes it: without a point where it is whole."""
    # Below 1e15 each whole double is exact and all of its digits are meant; above it they feign precision.
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def _allowed(missing: float) -> float:
    """Return the share of missing cells that the next table may have: a quarter more, and at least 0.01."""
    return 0 if missing == 0 else min(1.0, float(np.ceil(max(missing * 1.25, 0.01) * 100) / 100))


def _left_out(different: int, rows: int, kind: Kind, looks: tuple[str, ...]) -> str | None:
    """Return why a column is no feature, or None."""
    if different == 1:
        return "every row that has a value has the same one"
    named = [look for look in looks if look in IDENTIFYING]
    if named:
        return f"looks like {' and '.join(named)}: personal data by which a person is known"
    if "id-like" in looks:
        return "each row has its own value, as an id has"
    # Both bounds: a large table may well have thousands of places, each with enough rows to learn from.
    if kind.name == "categorical" and different > MANY and different > rows / 20:
        return f"{different:,} different texts in {rows:,} rows tell rows apart more than kinds of rows"
    return None


def is_persons(column: Column, rows: int) -> bool:
    """Return whether a column seems to say whose a row is: an id of people that comes back."""
    words = {*words_of(column.name)}
    named = bool(words & WHOSE) and bool(words & ID_WORDS)
    # More than 100 rows a person are rather a branch's or a clerk's, whose id says nothing of whom a row is
    # about.
    return named and column.missing == 0 and 1 < column.different < rows and rows <= 100 * column.different
