"""What a column must hold, as a Pandera schema built from params.yaml, and its failures as plain faults.

Which column of the raw files plays which part.

What the texts of a column are: a number, a category, a rank, a yes or no, a day.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.numerals import Numerals
from fairmark.errors import Faults
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, Column, Date, Inferred, Numeric, Prepare, Rows

RESERVED = ("_row_id", "_label", "_source", "_weight", "_time", "_person")
WITHHELD = "withheld:"
"""Prefix, in the evidence table, of a raw column that the model never sees."""


@dataclass(frozen=True)
class Roles:
    """The part of each column, in the order of the file.

    Parameters
    ----------
    features
        Columns that a model may see.
    withheld
        Columns that a model must not see, each with why: `protected` or `forbidden`.
    """

    features: tuple[str, ...]
    withheld: dict[str, str]


def roles_of(header: list[str], params: Prepare, faults: Faults) -> Roles:
    """Return the part of each column of a file; columns that are missing or unlisted are noted.

    A column named in `drop` is dropped whatever else is said of it. The target, row id, person, time and
    weight columns are never features, even where `columns` says of what kind they are.
    """
    here = set(header)
    for column, whence in columns_named(params):
        if column not in here:
            faults.add(f"column {column}: must be in the file ({whence}), got no such column")
    for name in params.protected:
        if name in RESERVED or name.startswith(WITHHELD):
            faults.add(f"prepare.protected.{name} must not be a reserved name, got {name!r}")
    withheld = _withheld(header, params)
    apart = {*_own(params), *params.drop, *withheld}
    features = tuple(column for column in header if column not in apart)
    for column in features:
        if column in RESERVED:
            faults.add(f"column {column}: must not have a reserved name, got {column!r}")
        if column not in params.columns and params.unlisted == "refuse":
            faults.add(f"column {column}: must be in prepare.columns or prepare.drop, got an unlisted column")
    if not features:
        faults.add("must hold a column that a model may see, got none")
    return Roles(features, withheld)


def sources(params: Prepare, name: str) -> list[str]:
    """Return the raw columns that a protected attribute comes from."""
    attribute = params.protected[name]
    if isinstance(attribute, ByCross):
        return list(dict.fromkeys(column for part in attribute.of for column in sources(params, part)))
    return [attribute.column]


def declared(params: Prepare, column: str) -> Column:
    """Return what params.yaml says of a column; with nothing said, its kind is inferred."""
    return params.columns.get(column) or Inferred(kind="infer", missing=1.0)


def _own(params: Prepare) -> set[str | None]:
    """Return the columns that play a part of their own."""
    return {params.target.column, params.row_id, params.person, params.time, params.weight}


def _withheld(header: list[str], params: Prepare) -> dict[str, str]:
    own = _own(params)
    protected = {column for name in params.protected for column in sources(params, name)}
    return {
        column: "protected" if column in protected else "forbidden"
        for column in header
        if column in protected or (column in params.forbidden and column not in {*own, *params.drop})
    }


def columns_named(params: Prepare) -> Iterator[tuple[str, str]]:
    """Yield each column that params.yaml names, once, with where."""
    places = [("target.column", params.target.column)]
    places += [
        (role, column)
        for role, column in [
            ("row_id", params.row_id),
            ("person", params.person),
            ("time", params.time),
            ("weight", params.weight),
        ]
        if column is not None
    ]
    places += [("drop", column) for column in params.drop]
    places += [(f"columns.{column}", column) for column in params.columns]
    places += [
        (f"protected.{name}", attribute.column)
        for name, attribute in params.protected.items()
        if isinstance(attribute, ByColumn | ByEdges)
    ]
    places += [("forbidden", column) for column in params.forbidden]
    first: dict[str, str] = {}
    for place, column in places:
        first.setdefault(column, f"prepare.{place}")
    yield from first.items()


# ------------------------------------------------------------------ kinds


ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """How the texts of one column are read.

    Parameters
    ----------
    name
        `numeric`, `categorical`, `ordinal`, `boolean` or `date`.
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

    name: str
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
    cells: "pd.Series[Any]"
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


def _booleans(texts: "pd.Index[str]", pair: tuple[str, str]) -> Any:
    meaning: Mapping[str, bool] = {pair[0].lower(): True, pair[1].lower(): False}
    return pd.array([*(meaning.get(text.lower()) for text in texts.tolist()), None], dtype="boolean")


# ------------------------------------------------------------------ schema


LARGEST = 1e50
SMALLEST = 1e-50
"""Sizes of a number other than 0 that every stage can carry: a square of a ratio of two of them is finite."""

EARLIEST = pd.Timestamp("0001-01-01T00:00:00")
LATEST = pd.Timestamp("9999-12-31T23:59:59.999999")

DTYPES = {"numeric": "float64", "date": "datetime64[us]", "categorical": "str", "ordinal": "str"}


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
    schema = pa.DataFrameSchema({name: _column(*said) for name, said in columns.items()}, checks=sizes)
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        _note(errors.failure_cases, columns, numbers, faults)


def _note_unreadable(
    name: str, kind: Kind, typed: Typed, numbers: npt.NDArray[np.int64], faults: Faults
) -> None:
    texts = typed.texts[typed.unreadable]
    faults.rows(numbers[typed.unreadable], f"column {name}: {kind.must}", texts)


def _column(column: Column, kind: Kind, typed: Typed) -> Any:
    import pandera.pandas as pa

    unread = int(typed.unreadable.sum())

    def few_missing(values: "pd.Series[Any]") -> bool:
        return bool(values.isna().sum() - unread <= column.missing * len(values))

    absent = typed.cells.isna().mean() if len(typed.cells) else 0.0
    share = f"must be missing in at most {column.missing:g} of rows, got {absent:.4g}"
    checks = [pa.Check(few_missing, error=share, ignore_na=False)] if column.missing > 0 else []
    checks += [pa.Check(holds, error=must) for must, holds in bounds(column, kind)]
    dtype = DTYPES.get(kind.name) or pd.BooleanDtype()
    return pa.Column(dtype, checks, nullable=column.missing > 0)


def bounds(column: Column, kind: Kind) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return what each value that is given must hold, in words and as a vectorised test."""
    bounds: list[tuple[str, Callable[[Any], Any]]] = []
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
