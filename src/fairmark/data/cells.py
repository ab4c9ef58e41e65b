"""One cell of a raw file: of what kind it is, which value its text stands for, and what the value must hold.

A kind is number, category, rank, yes or no, or day; how a file writes its numbers (decimal mark, mark between
thousands, units beside them) is a part of it. `data.kinds` reads whole columns by it in pandas, `data.row`
reads one row in plain Python: the service has no data frames.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from fairmark.data.roles import declared
from fairmark.data.schema import ColumnSchema, KindName
from fairmark.params.prepare import (
    Above,
    Below,
    Categorical,
    Column,
    Csv,
    Date,
    DropRows,
    Numeric,
    Ordinal,
    Prepare,
    Value,
)

Cell = float | str | dt.datetime | None
"""One cell of a column: a number or a truth value, a text, a moment; None where it is missing."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
ENDLESS = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
SAME_MARKS = {" ": " \u00a0\u202f", "'": "'\u2019"}
"""Marks between thousands that are written in more than one way; within a number they are all alike."""
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)
TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})
"""Spellings of a boolean of params.yaml."""
WHOLE_LIMIT = 1e15
"""Whole numbers below this are exact in float64 and written without a point, as integers are."""
LARGEST = 1e50
SMALLEST = 1e-50
"""Sizes of a number other than 0 that every stage can carry: a square of a ratio of two of them is finite."""


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a file, or of one of its columns, are written.

    Parameters
    ----------
    decimal
        The decimal mark, a point or a comma.
    thousands
        The mark between groups of three digits; None where there is none.
    unit
        What stands before or after every number, such as `$`; empty where nothing does.
    """

    decimal: str = "."
    thousands: str | None = None
    unit: str = ""

    def read(self, texts: Iterable[str]) -> npt.NDArray[np.float64]:
        """Return the number each text stands for: NaN for none, infinity for `nan`, `inf` and overflow."""
        return np.array([self.number(text) for text in texts], dtype=np.float64)

    def number(self, text: str) -> float:
        """Return the number that one text stands for, as `read`."""
        bare = without_unit(text, self.unit) if self.unit else text
        if bare is None:
            return np.nan
        # Only whole groups of three lose their marks: `1,5` with a comma between thousands is no number, not
        # 15.
        if self.thousands and _grouped(self.thousands, self.decimal).fullmatch(bare):
            bare = re.sub(f"[{SAME_MARKS.get(self.thousands, self.thousands)}]", "", bare)
        if self.decimal == ",":
            # A point where the decimal mark is a comma is no number, rather than one a thousand times too
            # large.
            bare = bare.replace(",", ".") if "." not in bare else "x"
        if NUMBER.fullmatch(bare):
            return float(bare)
        return np.inf if ENDLESS.fullmatch(bare) else np.nan


@cache
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    mark = SAME_MARKS.get(thousands, thousands)
    return re.compile(rf"[+-]?\d{{1,3}}([{mark}])\d{{3}}(\1\d{{3}})*([{decimal}]\d*)?", re.ASCII)


def without_unit(text: str, unit: str) -> str | None:
    """Return a text without the unit before or after its number, sign kept; None where it has none."""
    sign, rest = (text[0], text[1:].lstrip()) if text[:1] in {"+", "-"} else ("", text)
    if rest.startswith(unit):
        return sign + rest[len(unit) :].lstrip()
    return sign + rest[: -len(unit)].rstrip() if rest.endswith(unit) else None


@dataclass(frozen=True)
class Kind:
    """How the texts of one column are read.

    Parameters
    ----------
    categories
        Sorted values of a categorical, ranked values of an ordinal; None for the other kinds.
    declared
        Whether params.yaml lists the categories; if not, they are those found in the main file.
    pair
        The texts of a boolean's true and false; case does not matter in the data.
    form
        A date's strptime format; None for ISO 8601.
    numerals
        How a numeric's numbers are written.
    """

    name: KindName
    categories: tuple[str, ...] | None = None
    declared: bool = False
    pair: tuple[str, str] | None = None
    form: str | None = None
    numerals: Numerals = field(default_factory=Numerals)

    @property
    def must(self) -> str:
        """What a text of this kind must be, in words."""
        match self.name:
            case "numeric":
                unit = self.numerals.unit
                return f"must be a finite number with {unit}" if unit else "must be a finite number"
            case "date":
                day, form = dt.date(2026, 1, 31), self.form or "%Y-%m-%d"
                return f"must be a date like {day:{form}} ({self.form or 'ISO 8601'})"
            case "boolean" if self.pair:
                return f"must be {self.pair[0]} or {self.pair[1]}"
        return "must be text"


@dataclass(frozen=True)
class Bound:
    """What a value that is given must hold: a place in an order, or a place in a list.

    Parameters
    ----------
    must
        In words.
    least, most, before
        Smallest and largest value, and the first that is too large; None where there is none.
    among
        All values there are; None where they are not listed.
    sized
        Whether a number other than 0 must be of a size that every stage can carry.
    """

    must: str
    least: float | dt.datetime | None = None
    most: float | dt.datetime | None = None
    before: dt.datetime | None = None
    among: tuple[str, ...] | None = None
    sized: bool = False

    def holds(self, value: Cell) -> bool:
        """Return whether a value, which is of the column's kind, is as it must be."""
        if self.among is not None:
            return value in self.among
        if self.sized:
            return value == 0 or SMALLEST <= abs(value) <= LARGEST  # type: ignore[arg-type]
        return (
            (self.least is None or value >= self.least)  # type: ignore[operator]
            and (self.most is None or value <= self.most)  # type: ignore[operator]
            and (self.before is None or value < self.before)  # type: ignore[operator]
        )


def bounds_of(column: Column, kind: Kind) -> list[Bound]:
    """Return what each value that is given must hold."""
    bounds: list[Bound] = []
    if kind.name == "numeric":
        bounds.append(Bound(f"must be 0 or of a size from {SMALLEST:g} to {LARGEST:g}", sized=True))
    if kind.name == "date":
        # A zone can take a moment of the first or last day out of the years that a calendar has.
        last = dt.datetime.max  # noqa: DTZ901 - moments are kept in UTC without a zone
        bounds.append(Bound(YEARS, dt.datetime.min, last))  # noqa: DTZ901
    if isinstance(column, Numeric):
        if column.min is not None:
            bounds.append(Bound(f"must be at least {column.min:g}", least=column.min))
        if column.max is not None:
            bounds.append(Bound(f"must be at most {column.max:g}", most=column.max))
    if isinstance(column, Date):
        if column.earliest is not None:
            first = dt.datetime.combine(column.earliest, dt.time())
            bounds.append(Bound(f"must be {column.earliest} or later", least=first))
        # After the last day of the calendar there is none to name, and `YEARS` says so already.
        if column.latest is not None and column.latest < dt.date.max:
            after = dt.datetime.combine(column.latest, dt.time()) + dt.timedelta(days=1)
            bounds.append(Bound(f"must be {column.latest} or earlier", before=after))
    if kind.declared and kind.categories is not None:
        known = list(kind.categories)
        listed = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        bounds.append(Bound(f"must be one of {listed}", among=kind.categories))
    return bounds


YEARS = "must be in the years 1 to 9999 (UTC)"


def kind_of(column: ColumnSchema, params: Prepare) -> Kind:
    """Return how the texts of a column of schema.json are read."""
    rule, form = declared(params, column.name), params.format
    return Kind(
        column.kind,
        column.categories,
        declared=isinstance(rule, Ordinal) or (isinstance(rule, Categorical) and _lists(rule)),
        pair=column.pair,
        form=column.format,
        numerals=Numerals(form.decimal if isinstance(form, Csv) else ".", form.thousands, column.unit),
    )


def _lists(column: Categorical) -> bool:
    listed = column.values
    return listed is not None


def matches(text: str, value: Value, numerals: Numerals) -> bool:
    """Return whether a text stands for a value of params.yaml.

    A boolean is met by its usual spellings, because YAML reads `yes` and `true` as the same value; a number
    by any spelling of that number; a text by itself alone.
    """
    if isinstance(value, bool):
        return text.lower() in (TRUE if value else FALSE)
    if isinstance(value, str):
        return text == value
    return bool(numerals.read([text])[0] == value)


def in_words(rule: DropRows) -> str:
    """Return when a row is left out, as a clause: `is missing`, `is a or b`, `is above 9`."""
    match rule.when:
        case Above(above=number):
            return f"is above {number:.15g}"
        case Below(below=number):
            return f"is below {number:.15g}"
        case "missing":
            return "is missing"
    return f"is {' or '.join(map(str, rule.when))}"
