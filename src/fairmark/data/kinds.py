"""The values that the texts of a whole column stand for, and what each value must be.

What a column must hold is a Pandera schema built from params.yaml, whose failures become plain faults; of
what kind a cell is, and how its text is read, `data.cells` says.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.cells import LARGEST, SMALLEST, Bound, Kind, Numerals, bounds_of
from fairmark.errors import Faults
from fairmark.params.prepare import Column, Csv, Parquet, Rows

if TYPE_CHECKING:
    import pandera.pandas as pa

Cells = pd.Series
"""One typed column: floats, texts, booleans or days, missing where the text has no value."""
Test = Callable[[Cells], "pd.Series[bool]"]
"""Whether each cell of a column holds what it must."""
DTYPES = {"numeric": "float64", "date": "datetime64[us]", "categorical": "str", "ordinal": "str"}


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
    # A missing cell reads the entry behind the last one.
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
    frame = pd.DataFrame({name: typed.cells for name, (_, _, typed) in columns.items()}, copy=False)
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
        # What could not be read is a fault of its own, and no missing cell.
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
    return [(bound.must, _vectorised(bound)) for bound in bounds_of(column, kind)]


def _vectorised(bound: Bound) -> Test:
    if bound.among is not None:
        known = list(bound.among)
        return lambda values: values.isin(known)
    if bound.sized:
        return lambda values: (values == 0) | values.abs().between(SMALLEST, LARGEST)
    # Moments as pandas has them: a bound in Python's own would be compared one by one.
    least, most, before = (
        pd.Timestamp(edge) if isinstance(edge, dt.datetime) else edge
        for edge in (bound.least, bound.most, bound.before)
    )

    def within(values: Cells) -> "pd.Series[bool]":
        holds = pd.Series(True, index=values.index)
        if least is not None:
            holds &= values >= least
        if most is not None:
            holds &= values <= most
        return holds & (values < before) if before is not None else holds

    return within


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
