"""What a column must hold: a Pandera schema built from params.yaml, and its failures as plain faults."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.kinds import Kind, Typed
from fairmark.errors import Faults
from fairmark.params.prepare import Column, Date, Numeric, Rows

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
