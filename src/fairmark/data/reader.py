"""The one reader of raw rows: what `prepare` takes a row for, so does whoever scores one.

A model that is handed rows reads them here, by the texts, kinds and bounds of the file that it learnt from:
spaces are trimmed, missing marks and spellings taken for what they stand for, and numbers, days and booleans
read from texts or taken from typed columns alike. The rule at every door: rows are refused, with every fault
of every row, where `prepare` would refuse them or leave them out. A share of missing cells is a fault of a
file, not of a row: a cell may be missing wherever `prepare` lets any be.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fairmark.data.cells import WHOLE_LIMIT, Kind, in_words, kind_of
from fairmark.data.kinds import Cells, Typed, bounds, typed
from fairmark.data.raw import Raw, cleaned, respelt, texts_of
from fairmark.data.roles import declared
from fairmark.data.row_rules import filtered
from fairmark.data.schema import Schema
from fairmark.errors import Faults, stop
from fairmark.files import lines_of
from fairmark.params.prepare import Csv, Prepare


@dataclass(frozen=True)
class Reader:
    """Reads raw rows as `prepare` read the main file.

    Parameters
    ----------
    params
        What params.yaml says of the raw files.
    kinds
        Of what kind each column was found to be: features and withheld columns.
    """

    params: Prepare
    kinds: dict[str, Kind]

    @classmethod
    def of(cls, params: Prepare, schema: Schema) -> Self:
        """Return the reader of the rows that schema.json describes."""
        return cls(params, {column.name: kind_of(column, params) for column in schema.columns})

    def read(self, rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """Return the typed columns of raw rows, as they would stand in the table of `prepare`.

        Parameters
        ----------
        rows
            The raw columns, as texts or typed, such as pandas reads them; others are not looked at.
        columns
            The names of the columns to read.

        Raises
        ------
        InputError
            With every fault of every row: what `prepare` would refuse, or leave out.
        """
        faults, known = self._typed(rows, columns)
        stop([faults])
        return pd.DataFrame({name: one.cells.set_axis(rows.index) for name, one in known.items()})

    def faults(self, rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
        """Return what `read` would refuse, one line each."""
        return self._typed(rows, columns)[0].lines

    def _typed(self, rows: pd.DataFrame, columns: Sequence[str]) -> tuple[Faults, dict[str, Typed]]:
        faults = Faults("rows", "row")
        raw = self._raw(rows, columns, faults)
        known = {name: typed(raw.texts[name], self.kinds[name]) for name in columns if name in raw.texts}
        for name, one in known.items():
            self._note(name, one, raw)
        self._note_left_out(raw)
        return faults, known

    def _raw(self, rows: pd.DataFrame, columns: Sequence[str], faults: Faults) -> Raw:
        """Return the rows as the texts that a file of this format would hold."""
        twice = sorted({str(name) for name in rows.columns[rows.columns.duplicated()]} & set(columns))
        absent = [name for name in columns if name not in rows.columns]
        if absent:
            faults.add(f"must hold every column that the model reads, got none of {', '.join(absent)}")
        if twice:
            faults.add(f"must hold each column once, got {', '.join(twice)} more than once")
        here = [name for name in columns if name not in {*absent, *twice}]
        comma = isinstance(self.params.format, Csv) and self.params.format.decimal == ","
        arrays = {name: array for name in here if (array := _array(name, rows[name], faults)) is not None}
        texts, _, _ = texts_of(pa.table(arrays), list(arrays), (), faults)
        for name, array in arrays.items():
            if name in texts and comma and pa.types.is_floating(array.type):
                texts[name] = pc.replace_substring(texts[name], ".", ",")
        # From here on a typed boolean or day is a text like any other, spelled as the kind reads it.
        numbers = np.arange(len(rows), dtype=np.int64) + 1
        raw = Raw(faults, numbers, cleaned(self._spelled(texts, arrays), self.params.format.missing), 0)
        return respelt(raw, {name: means for name, means in self.params.spellings.items() if name in texts})

    def _spelled(
        self, texts: Mapping[str, pa.ChunkedArray], arrays: Mapping[str, pa.Array]
    ) -> dict[str, pa.ChunkedArray]:
        spelled = dict(texts)
        for name, array in arrays.items():
            kind = self.kinds[name]
            if pa.types.is_boolean(array.type) and kind.pair is not None:
                true, false = (pa.scalar(text, pa.string()) for text in kind.pair)
                spelled[name] = pa.chunked_array([pc.if_else(array, true, false)])
            elif kind.name == "date" and kind.form is not None and _is_day(array.type):
                days = [None if day is None else day.strftime(kind.form) for day in array.to_pylist()]
                spelled[name] = pa.chunked_array([pa.array(days, pa.string())])
        return spelled

    def _note(self, name: str, one: Typed, raw: Raw) -> None:
        rule, kind = declared(self.params, name), self.kinds[name]
        where, given = f"column {name}:", one.cells.notna().to_numpy(bool)
        raw.faults.rows(raw.numbers[one.unreadable], f"{where} {kind.must}", one.texts[one.unreadable])
        if rule.missing == 0:
            raw.faults.rows(
                raw.numbers[one.texts.isna().to_numpy(bool)], f"{where} must be given, got nothing"
            )
        for must, holds in bounds(rule, kind):
            odd = given & ~np.asarray(holds(one.cells), dtype=bool)
            raw.faults.rows(raw.numbers[odd], f"{where} {must}", one.texts[odd])

    def _note_left_out(self, raw: Raw) -> None:
        if raw.faults.lines:
            return  # a rule that compares numbers needs them to be numbers
        for rule in self.params.drop_rows:
            if rule.column in raw.texts:
                stays = filtered(raw, self.params.model_copy(update={"drop_rows": [rule]})).raw.numbers
                out = ~np.isin(raw.numbers, stays)
                must = f"must be a row that prepare keeps (prepare.drop_rows: {in_words(rule)})"
                raw.faults.rows(
                    raw.numbers[out], f"column {rule.column}: {must}", raw.texts[rule.column][out]
                )


def _is_day(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _array(name: str, values: Cells, faults: Faults) -> pa.Array | None:
    """Return one column in Arrow; values of mixed types become the texts that they would be in a file."""
    try:
        mixed = values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) not in OF_ONE_TYPE
        array = (
            pa.array([_text(value) for value in values.tolist()], pa.string())
            if mixed
            else pa.Array.from_pandas(values)
        )
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        faults.add(f"column {name}: must hold single values, got {lines_of(str(error))[0][:100]}")
        return None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


OF_ONE_TYPE = {
    "boolean",
    "date",
    "datetime",
    "datetime64",
    "empty",
    "floating",
    "integer",
    "mixed-integer-float",
}
"""What a column of Python objects may be that Arrow reads as a typed one."""


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | dict | set | bytes | np.ndarray):
        raise TypeError(f"a {type(value).__name__}")
    if pd.isna(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < WHOLE_LIMIT else repr(number)
    return value.isoformat() if isinstance(value, dt.date) else str(value)
