"""A raw table, read once: how its file is written, what each column is, and what there is to choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from fairmark.data.raw import Raw, read_raw
from fairmark.errors import InputError, stop
from fairmark.params.parse import typed
from fairmark.params.prepare import Csv, Parquet, Prepare
from fairmark.project.columns import Column, columns_of
from fairmark.project.file_format import FileFormat, Overrides, file_format
from fairmark.project.number_format import NumberFormat, number_format

NOBODY = "(no column)"
"""Stands for a column where a section must name one and nothing is known yet: no file has it."""


@dataclass(frozen=True)
class Table:
    """A raw table.

    Parameters
    ----------
    path
        Where the file lies.
    file, numbers
        How it is written.
    columns
        Its columns, in order.
    texts
        [rows, columns] texts, null where a value is missing.
    """

    path: Path
    file: FileFormat
    numbers: NumberFormat
    columns: Mapping[str, Column]
    texts: pd.DataFrame

    @property
    def rows(self) -> int:
        """Return how many rows it has."""
        return len(self.texts)

    @property
    def form(self) -> dict[str, Any]:
        """Return the entry `prepare.format`."""
        return _form(self.file, self.numbers)


def read_table(path: Path, given: Overrides, decimal: str | None = None) -> Table:
    """Return a table with its columns read.

    Raises
    ------
    InputError
        With every fault of the file that stops it from being a table.
    """
    file = file_format(path, given)
    nested = _nested(path) if file.type == "parquet" else []
    raw = _raw(path, file, _form(file, NumberFormat(".", None, (), (), ())), nested)
    stop([raw.faults])
    if not len(raw.texts):
        raise InputError(f"{path}: must hold rows below its column names, got none")
    if len(raw.texts.columns) < 2:
        raise InputError(f"{path}: must be a table of two columns or more, got {len(raw.texts.columns)}")
    separator = file.separator if file.type == "csv" else None
    numbers = number_format(raw.texts, raw.types, separator, decimal)
    marks = set(numbers.missing)
    # What means missing is known by the numbers around it, and goes out before kinds are told.
    texts = raw.texts.where(~raw.texts.isin(marks)) if marks else raw.texts
    said, where = _form(file, numbers), "prepare.format"
    form = typed(Csv, said, where) if file.type == "csv" else typed(Parquet, said, where)
    columns = columns_of(texts, raw.types, form)
    for name in nested:
        texts[name] = None
        columns[name] = replace(columns_of(texts[[name]], {}, form)[name], left_out=NESTED)
    return Table(path, file, numbers, columns, texts)


NESTED = "it holds lists, mappings or bytes, not single values"


def _nested(path: Path) -> list[str]:
    """Return the columns of a Parquet file that hold no single values; of a damaged file none."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except (OSError, pa.ArrowException):  # whose fault is told by who reads it
        return []
    odd = (pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
    return [field.name for field in schema if any(one(field.type) for one in odd)]


def _form(file: FileFormat, numbers: NumberFormat) -> dict[str, Any]:
    marks = {
        "missing": list(numbers.missing),
        "thousands": numbers.thousands,
        "units": list(numbers.units),
    }
    if file.type == "parquet":
        return {"type": "parquet", **marks}
    return {
        "type": "csv",
        "separator": file.separator,
        "decimal": numbers.decimal,
        "header": None if file.header is None else list(file.header),
        **marks,
        "encoding": file.encoding,
    }


def _raw(path: Path, file: FileFormat, form: Mapping[str, Any], drop: Sequence[str]) -> Raw:
    section: dict[str, Any] = {
        "files": {
            "main": {"name": "table", "skip_rows": file.skip_rows, "rows": {"min": 1, "max": 1}},
            "test": None,
        },
        "format": form,
        "target": {"column": "(no target)", "positive": "1", "negative": None, "strip": ""},
        "row_id": None,
        "person": None,
        "time": None,
        "weight": None,
        "spellings": {},
        "drop_rows": [],
        "drop": [*drop],
        "columns": {},
        "unlisted": "infer",
        "protected": {"nobody": {"by": "column", "column": NOBODY}},
        "forbidden": [],
    }
    params = typed(Prepare, section, "prepare")
    # The name goes round the rule for names in params.yaml: the file is read where it lies.
    source = params.files.main.model_copy(update={"name": path.name})
    return read_raw(path.parent, source, params)
