"""The kind of a column, the values that its texts stand for, and what each value must be.

A kind is number, category, rank, yes or no, or day; how a file writes its numbers (decimal mark, mark between
thousands, units beside them) is a part of it. What a column must hold is a Pandera schema built from
params.yaml, whose failures become plain faults.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.schema import KindName
from fairmark.errors import Faults
from fairmark.params.prepare import Column, Csv, Date, Numeric, Parquet, Rows

if TYPE_CHECKING:
    import pandera.pandas as pa

Cells = pd.Series
"""One typed column: floats, texts, booleans or days, missing where the text has no value."""
Cell = float | str | dt.datetime | None
"""One cell of a column: a number or a truth value, a text, a moment; None where it is missing."""
Test = Callable[[Cells], "pd.Series[bool]"]
"""Whether each cell of a column holds what it must."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
ENDLESS = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
SAME_MARKS = {" ": " \u00a0\u202f", "'": "'\u2019"}
"""Marks between thousands that are written in more than one way; within a number they are all alike."""
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)
LARGEST = 1e50
SMALLEST = 1e-50
"""Sizes of a number other than 0 that every stage can carry: a square of a ratio of two of them is finite."""
EARLIEST = pd.Timestamp("0001-01-01T00:00:00")
LATEST = pd.Timestamp("9999-12-31T23:59:59.999999")
DTYPES = {"numeric": "float64", "date": "datetime64[us]", "categorical": "str", "ordinal": "str"}


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
        return np.array([self._number(text) for text in texts], dtype=np.float64)

    def _number(self, text: str) -> float:
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


def written(form: Csv | Parquet, texts: Sequence[str], counts: npt.NDArray[np.int64]) -> Numerals:
    """Return how the numbers of a column are written: with the unit that most cells carry, or none.

    A column has one unit: `$5` beside `5 EUR`, or beside `5`, are no numbers of the same scale.

    Parameters
    ----------
    texts, counts
        The different texts of the column, and how many cells hold each.
    """
    decimal = form.decimal if isinstance(form, Csv) else "."
    each = [Numerals(decimal, form.thousands, unit) for unit in ("", *form.units)]
    if len(each) == 1:
        return each[0]
    return max(each, key=lambda one: int(counts[~np.isnan(one.read(texts))].sum()))


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
                return f"must be a date like {self.form or '2026-01-31 (ISO 8601)'}"
            case "boolean" if self.pair:
                return f"must be {self.pair[0]} or {self.pair[1]}"
        return "must be text"


@dataclass(frozen=True)
class Typed:
    """One column, read: [n] texts, [n] cells (missing without a readable text), [n] unreadable texts."""

    texts: "pd.Series[str]"
    cells: Cells
    unreadable: npt.NDArray[np.bool_]


def typed(texts: "pd.Series[str]", kind: Kind) -> Typed:
    """Return the values that the texts of one column stand for.

    Numeric columns become float64, dates datetime64[us] (times with a zone in UTC), booleans pandas' boolean.
    Categorical and ordinal columns stay texts; whether a text is a known one is the schema's to say.
    """
    if kind.name in {"categorical", "ordinal"}:
        return Typed(texts, texts, np.zeros(len(texts), bool))
    codes, different = pd.factorize(texts)
    spots = np.where(codes < 0, len(different), codes)
    match kind.name:
        case "numeric":
            known = kind.numerals.read(different.tolist())
            known = np.where(np.isinf(known), np.nan, known) + 0.0  # a zero below zero is zero
            cells = pd.Series(np.append(known, np.nan)[spots])
        case "date":
            moments = _moments(different, kind.form)
            cells = pd.Series(moments.append(pd.DatetimeIndex([pd.NaT]).as_unit("us"))[spots])
        case _:
            cells = pd.Series(_booleans(different, kind.pair or ("true", "false")).take(spots))
    return Typed(texts, cells, (cells.isna() & texts.notna()).to_numpy(bool))


def _moments(texts: "pd.Index[str]", form: str | None) -> pd.DatetimeIndex:
    # Words such as "now" and "today" would be read as the moment of the run.
    clean = [text if form or text[:4].isdigit() else None for text in texts.tolist()]
    moments = pd.to_datetime(pd.Index(clean), format=form or "ISO8601", errors="coerce", utc=True)
    return pd.DatetimeIndex(moments).tz_localize(None).as_unit("us")


def _booleans(texts: "pd.Index[str]", pair: tuple[str, str]) -> pd.arrays.BooleanArray:
    meaning: Mapping[str, bool] = {pair[0].lower(): True, pair[1].lower(): False}
    return pd.array([*(meaning.get(text.lower()) for text in texts.tolist()), None], dtype="boolean")


def check(
    columns: Mapping[str, tuple[Column, Kind, Typed]],
    rows: Rows,
    numbers: npt.NDArray[np.int64],
    refused: int,
    faults: Faults,
) -> None:
    """Note every cell and column that does not hold what its declaration says.

    Parameters
    ----------
    columns
        Of each column: what is said of it, its kind, and its values.
    rows
        How many rows the file may have.
    numbers
        [n] number of each row in the file.
    refused
        Rows that could not be read and are not among the n.
    """
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    for name, (_, kind, typed) in columns.items():
        _note_unreadable(name, kind, typed, numbers, faults)
    frame = pd.DataFrame({name: typed.cells for name, (_, _, typed) in columns.items()})
    sizes = pa.Check(
        lambda table: rows.min <= len(table) + refused <= rows.max,
        error=f"must have {rows.min:,} to {rows.max:,} rows, got {len(frame) + refused:,}",
    )
    schema = pa.DataFrameSchema(
        {name: _column(*declared) for name, declared in columns.items()}, checks=sizes
    )
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        _note(errors.failure_cases, columns, numbers, faults)


def _note_unreadable(
    name: str, kind: Kind, typed: Typed, numbers: npt.NDArray[np.int64], faults: Faults
) -> None:
    texts = typed.texts[typed.unreadable]
    faults.rows(numbers[typed.unreadable], f"column {name}: {kind.must}", texts)


def _column(column: Column, kind: Kind, typed: Typed) -> "pa.Column":
    import pandera.pandas as pa

    unread = int(typed.unreadable.sum())

    def few_missing(values: Cells) -> bool:
        return bool(values.isna().sum() - unread <= column.missing * len(values))

    absent = typed.cells.isna().mean() if len(typed.cells) else 0.0
    share = f"must be missing in at most {column.missing:g} of rows, got {absent:.4g}"
    checks = [pa.Check(few_missing, error=share, ignore_na=False)] if column.missing > 0 else []
    checks += [pa.Check(holds, error=must) for must, holds in bounds(column, kind)]
    # Categories are texts by their making.
    coded = isinstance(typed.cells.dtype, pd.CategoricalDtype)
    dtype = None if coded else DTYPES.get(kind.name) or pd.BooleanDtype()
    return pa.Column(dtype, checks, nullable=column.missing > 0)


def bounds(column: Column, kind: Kind) -> list[tuple[str, Test]]:
    """Return what each value that is given must hold, in words and as a vectorised test."""
    bounds: list[tuple[str, Test]] = []
    if kind.name == "numeric":
        sizes = f"must be 0 or of a size from {SMALLEST:g} to {LARGEST:g}"
        bounds.append((sizes, lambda values: (values == 0) | values.abs().between(SMALLEST, LARGEST)))
    if kind.name == "date":
        # A zone can take a moment of the first or last day out of the years that a calendar has.
        bounds.append(
            ("must be in the years 1 to 9999 (UTC)", lambda values: values.between(EARLIEST, LATEST))
        )
    if isinstance(column, Numeric):
        low, high = column.min, column.max
        if low is not None:
            bounds.append((f"must be at least {low:g}", lambda values: values >= low))
        if high is not None:
            bounds.append((f"must be at most {high:g}", lambda values: values <= high))
    if isinstance(column, Date):
        if column.earliest is not None:
            first = pd.Timestamp(column.earliest)
            bounds.append((f"must be {column.earliest} or later", lambda values: values >= first))
        if column.latest is not None:
            after = pd.Timestamp(column.latest) + dt.timedelta(days=1)
            bounds.append((f"must be {column.latest} or earlier", lambda values: values < after))
    if kind.declared and kind.categories is not None:
        known = list(kind.categories)
        listed = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        bounds.append((f"must be one of {listed}", lambda values: values.isin(known)))
    return bounds


def _note(
    cases: pd.DataFrame,
    columns: Mapping[str, tuple[Column, Kind, Typed]],
    numbers: npt.NDArray[np.int64],
    faults: Faults,
) -> None:
    cases = cases.fillna({"column": ""})
    for (name, must), failed in cases.groupby(["column", "check"], sort=False):
        if not name:
            faults.add(str(must))
        elif failed["index"].isna().all():
            faults.add(f"column {name}: {must}")
        else:
            _note_cells(str(name), str(must), failed["index"].to_numpy(np.int64), columns, numbers, faults)


def _note_cells(
    name: str,
    must: str,
    spots: npt.NDArray[np.int64],
    columns: Mapping[str, tuple[Column, Kind, Typed]],
    numbers: npt.NDArray[np.int64],
    faults: Faults,
) -> None:
    typed = columns[name][2]
    spots = np.sort(spots)
    if must == "not_nullable":
        # A cell that could not be read is a fault of its own, not a missing value.
        spots = spots[~typed.unreadable[spots]]
        faults.rows(numbers[spots], f"column {name}: must be given, got nothing")
    else:
        faults.rows(numbers[spots], f"column {name}: {must}", typed.texts.iloc[spots])
