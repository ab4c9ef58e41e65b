"""The reader of one raw row in plain Python: what `data.reader` reads of a table, without a data frame.

The service reads rows here. Law, held by a test over tables of every kind: a row reads to the same values, or
is refused, as `Reader` would read or refuse a table of that one row. A number comes as JSON has it, typed, or
as the text that a file of the release's format would hold.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from fairmark.data.cells import (
    LARGEST,
    SMALLEST,
    WHOLE_LIMIT,
    Bound,
    Cell,
    Kind,
    Numerals,
    bounds_of,
    in_words,
    kind_of,
    matches,
)
from fairmark.data.roles import declared
from fairmark.data.schema import Schema
from fairmark.params.prepare import Above, Below, Csv, DropRows, Prepare

LARGEST_INT = 2**63

Scalar = str | float | bool | None
"""One value of a row, as JSON has it."""

MOMENT = re.compile(
    r"(\d{4})(?:([-/. ])(\d{1,2})(?:\2(\d{1,2}))?|(\d\d)(\d\d))?"
    r"(?:[T ](\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?|(\d\d)(?:(\d\d)(?:\.(\d*))?)?)?"
    r"(?: ?(Z|[+-]\d{1,2}(?::?\d{1,2})?))?)?",
    re.ASCII,
)
"""ISO 8601 as pandas reads it; a time needs its day."""
ZONE = re.compile(r"([+-])(\d{1,2}):?(\d{1,2})?", re.ASCII)


class CellFault(Exception):  # noqa: N818 - one of many faults of a request, no error of the program
    """What one cell must hold, and what it holds."""

    def __init__(self, must: str, got: str) -> None:
        super().__init__(f"{must}, got {got}")
        self.must = must
        self.got = got


@dataclass(frozen=True)
class ColumnReader:
    """Reads the cells of one column.

    Parameters
    ----------
    name, kind
        The column, and how its texts are read.
    missing
        Texts that mean "not known", trimmed.
    spellings
        Texts that mean another one.
    required
        Whether a value must be given.
    bounds
        What a value that is given must hold.
    comma
        Whether a typed number is written with a decimal comma.
    left_out
        Which texts `prepare` leaves out, each rule with its words.
    """

    name: str
    kind: Kind
    missing: frozenset[str]
    spellings: Mapping[str, str]
    required: bool
    bounds: Sequence[Bound]
    comma: bool
    left_out: Sequence[tuple[str, Callable[[str | None], bool]]]

    @cached_property
    def quick(self) -> Callable[[object], Cell]:
        """What `read` does, and first looks for the usual: a listed text, or a number within its bounds."""
        read = self.read
        # The quick way is for the usual case alone: whatever a rule may change takes the whole one.
        if self.left_out or self.spellings or self.kind.name not in {"numeric", "categorical", "ordinal"}:
            return read
        if self.kind.name == "numeric":
            if self.kind.numerals.unit:
                return read
            least = max((float(b.least) for b in self.bounds if b.least is not None), default=-LARGEST)  # type: ignore[arg-type]
            most = min((float(b.most) for b in self.bounds if b.most is not None), default=LARGEST)  # type: ignore[arg-type]
            marks = frozenset(
                number for mark in self.missing if np.isfinite(number := self.kind.numerals.number(mark))
            )

            def typed_number(value: object) -> Cell:
                # Not isinstance: True is an int as well, and would be read as 1.
                kind = type(value)
                if (kind is int or kind is float) and least <= value <= most and value not in marks:  # type: ignore[operator]
                    # An int becomes a float, and a zero below zero zero.
                    found = value + 0.0  # type: ignore[operator]
                    if found == 0 or not -SMALLEST < found < SMALLEST:
                        return found
                return read(value)

            return typed_number
        listed = [text for text in self.kind.categories or () if text == text.strip()]
        texts = {text: text for text in listed if text not in self.missing}

        def listed_text(value: object) -> Cell:
            found = texts.get(value) if type(value) is str else None
            return read(value) if found is None else found

        return listed_text

    def read(self, value: object) -> Cell:
        """Return the value that a cell stands for, None where it is missing.

        Raises
        ------
        CellFault
            When `prepare` would refuse the cell, or leave its row out.
        """
        text = self.text(value)
        if text is None:
            cell: Cell = None
            if self.required:
                raise CellFault("must be given", "nothing")
        else:
            cell = self._of(text)
            for bound in self.bounds:
                if not bound.holds(cell):
                    raise CellFault(bound.must, repr(text)[:80])
        for words, fits in self.left_out:
            if fits(text):
                must = f"must be a row that prepare keeps (prepare.drop_rows: {words})"
                raise CellFault(must, "nothing" if text is None else repr(text)[:80])
        return cell

    def text(self, value: object) -> str | None:
        """Return the text that a cell would be in a file of the release's format, None where it is missing.

        Raises
        ------
        CellFault
            When it is no single value.
        """
        match value:
            case None:
                return None
            case bool():
                pair = self.kind.pair or ("true", "false")
                text = pair[0] if value else pair[1]
            case str():
                text = value
            case int() | float():
                text = self._number_text(value)
            case _:
                raise CellFault("must be a single value", f"a {type(value).__name__}")
        text = text.strip()
        if not text or text in self.missing:
            return None
        return self.spellings.get(text, text)

    def _number_text(self, value: float) -> str:
        if value != value:  # NaN  # noqa: PLR0124
            return ""
        if isinstance(value, int):
            return str(value) if abs(value) < LARGEST_INT else repr(_float(value))
        # As `data.raw` writes the floats of a Parquet file: 3.0 is the text 3.
        text = str(int(value)) if value.is_integer() and abs(value) < WHOLE_LIMIT else repr(value)
        return text.replace(".", ",") if self.comma else text

    def _of(self, text: str) -> Cell:
        match self.kind.name:
            case "numeric":
                number = self.kind.numerals.number(text)
                if not np.isfinite(number):
                    raise CellFault(self.kind.must, repr(text)[:80])
                return number + 0.0  # a zero below zero is zero
            case "date":
                moment = moment_of(text, self.kind.form)
                if moment is None:
                    raise CellFault(self.kind.must, repr(text)[:80])
                return moment
            case "boolean":
                true, false = self.kind.pair or ("true", "false")
                lowered = text.lower()
                if lowered not in {true.lower(), false.lower()}:
                    raise CellFault(self.kind.must, repr(text)[:80])
                return lowered == true.lower()
        return text


@dataclass(frozen=True)
class RowReader:
    """Reads raw rows as `prepare` read the main file, one by one."""

    columns: tuple[ColumnReader, ...]

    @classmethod
    def of(cls, params: Prepare, schema: Schema, names: Sequence[str]) -> Self:
        """Return the reader of these columns of the rows that schema.json describes.

        Raises
        ------
        KeyError
            When schema.json does not describe one of them.
        """
        described = {column.name: column for column in schema.columns}
        missing = frozenset(mark.strip() for mark in params.format.missing)
        comma = isinstance(params.format, Csv) and params.format.decimal == ","
        readers = []
        for name in names:
            rule, kind = declared(params, name), kind_of(described[name], params)
            readers.append(
                ColumnReader(
                    name,
                    kind,
                    missing,
                    params.spellings.get(name, {}),
                    rule.missing == 0,
                    tuple(bounds_of(rule, kind)),
                    comma,
                    tuple(_left_out(each, params) for each in params.drop_rows if each.column == name),
                )
            )
        return cls(tuple(readers))

    @property
    def names(self) -> list[str]:
        """The columns that are read, in order."""
        return [column.name for column in self.columns]


def moment_of(text: str, form: str | None) -> dt.datetime | None:
    """Return the moment that a text stands for, in UTC without a zone; None for none.

    Parameters
    ----------
    form
        As in strptime; None for ISO 8601.
    """
    try:
        if form is not None:
            moment = dt.datetime.strptime(text, form)  # noqa: DTZ007 - a zone is told by the text or not at all
        elif (found := MOMENT.fullmatch(text)) is not None:
            moment = _iso(*found.groups())
        else:
            return None
        if moment.tzinfo is None:
            return moment
        return moment.astimezone(dt.UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _iso(year: str, _: str | None, *rest: str | None) -> dt.datetime:
    month, day, whole_month, whole_day, hour, minute, second, part, minute_2, second_2, part_2, zone = rest
    if hour is not None and (day or whole_day) is None:
        raise ValueError("a time needs its day")
    fraction = (part or part_2 or "").ljust(6, "0")[:6]
    moment = dt.datetime(  # noqa: DTZ001 - the zone follows
        int(year),
        int(month or whole_month or 1),
        int(day or whole_day or 1),
        int(hour or 0),
        int(minute or minute_2 or 0),
        int(second or second_2 or 0),
        int(fraction),
    )
    if zone is None:
        return moment
    return moment.replace(tzinfo=_zone(zone))


def _zone(text: str) -> dt.tzinfo:
    found = ZONE.fullmatch(text)
    if found is None:
        return dt.UTC
    hours, minutes = int(found[2]), int(found[3] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError("no offset")
    offset = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-offset if found[1] == "-" else offset)


def _left_out(rule: DropRows, params: Prepare) -> tuple[str, Callable[[str | None], bool]]:
    """Return a rule of `prepare.drop_rows` in words, and whether it leaves a text out."""
    decimal = params.format.decimal if isinstance(params.format, Csv) else "."
    # A column has one unit, which the main file tells; one row is taken by any that its text has.
    ways = [Numerals(decimal, params.format.thousands, unit) for unit in ("", *params.format.units)]
    when = rule.when

    def fits(text: str | None) -> bool:
        if text is None or when == "missing":
            return text is None and when == "missing"
        match when:
            case Above(above=edge):
                return any(way.number(text) > edge for way in ways)
            case Below(below=edge):
                return any(way.number(text) < edge for way in ways)
        return any(matches(text, value, way) for value in when for way in ways)

    return in_words(rule), fits


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
