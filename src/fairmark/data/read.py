"""Read a raw file into texts: trimmed, missing marks taken out, each row with its number in the file.

CSV and Parquet meet here: what follows sees one table of texts and does not ask where it came from.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fairmark.data.columnar import texts_of
from fairmark.data.faults import Faults
from fairmark.files import lines_of
from fairmark.sections.table import Csv, Parquet, Source

CHUNK_ROWS = 5_000
"""Rows held as Python texts at a time; the rest stands in Arrow memory, a fifth of the size."""

Own = Literal["boolean", "date"]


@dataclass(frozen=True)
class Raw:
    """A raw file as texts.

    Parameters
    ----------
    faults
        Where the file's faults are noted, those of reading first.
    numbers
        [n] number of each row in its file, from 1.
    texts
        [n, columns] str; null where a value is missing.
    refused
        Rows left out of `texts` because they could not be read.
    types
        The file's own type of a column, where it has one that says more than text.
    """

    faults: Faults
    numbers: npt.NDArray[np.int64]
    texts: pd.DataFrame
    refused: int
    types: dict[str, Own] = field(default_factory=dict)


def read_raw(folder: Path, source: Source, form: Csv | Parquet) -> Raw:
    """Return a raw file; its faults are noted in `.faults`, and what could be read stands beside them."""
    path = folder / source.name
    faults = Faults(path.as_posix(), "line" if form.type == "csv" else "row")
    content = _content(path, faults)
    if content is None:
        return _nothing(faults)
    if isinstance(form, Parquet):
        return _parquet(content, source, form, faults)
    return _csv(content, source, form, faults)


def _content(path: Path, faults: Faults) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        faults.add("must exist, got no such file")
    except OSError as error:
        faults.add(f"must be readable, got {error.strerror or error}")
    else:
        if content:
            return content
        faults.add("must hold rows, got an empty file")
    return None


def _nothing(faults: Faults, refused: int = 0) -> Raw:
    return Raw(faults, np.empty(0, np.int64), pd.DataFrame(), refused)


# ------------------------------------------------------------------ Parquet


def _parquet(content: bytes, source: Source, form: Parquet, faults: Faults) -> Raw:
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content)).slice(source.skip_rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        faults.add(f"must be a whole Parquet file, got {lines_of(str(error))[0]}")
        return _nothing(faults)
    names = _named(table.column_names, faults)
    columns, types = texts_of(table, names, faults)
    numbers = np.arange(table.num_rows, dtype=np.int64) + 1 + source.skip_rows
    return Raw(faults, numbers, _frame(columns, form.missing), 0, types)


# ------------------------------------------------------------------ CSV


def _csv(content: bytes, source: Source, form: Csv, faults: Faults) -> Raw:
    encoding = _encoding(form.encoding)
    if not _is_text(content, encoding, form.encoding, faults):
        return _nothing(faults)
    records = _records(io.TextIOWrapper(io.BytesIO(content), encoding, newline=""), source, form, faults)
    header = form.header
    if header is None:
        _, header = next(records, (0, []))
    if not header:
        faults.add("must begin with a line of column names, got none")
        return _nothing(faults)
    return _table(records, _named([name.strip() for name in header], faults), form, faults)


def _encoding(name: str) -> str:
    # utf-8-sig reads UTF-8 with and without a byte order mark.
    return "utf-8-sig" if name.lower().replace("_", "-") in {"utf-8", "utf8"} else name


def _is_text(content: bytes, encoding: str, shown: str, faults: Faults) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        faults.rows([line], f"must be text in {shown}, got byte 0x{content[start]:02x}")
        return False
    except LookupError:
        faults.add(f"prepare.format.encoding must be a known encoding, got {shown!r}")
        return False
    if "\0" in text:
        faults.rows([text.count("\n", 0, text.index("\0")) + 1], "must be text, got a NUL character")
        return False
    return True


def _records(stream: TextIO, source: Source, form: Csv, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Yield the first physical line and the cells of each record that is not blank."""
    for _ in range(source.skip_rows):
        stream.readline()
    reader = csv.reader(stream, delimiter=form.separator, skipinitialspace=True, strict=True)
    line = source.skip_rows + 1
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield line, cells
            line = source.skip_rows + reader.line_num + 1
    except csv.Error as error:
        faults.rows([line], f"must be separated text from here on, got: {error}")


def _named(names: Sequence[str], faults: Faults) -> list[str]:
    """Return the column names, each once and none empty; what is wrong with them is noted."""
    blank = [position for position, name in enumerate(names, 1) if not name]
    if blank:
        faults.add(f"must name every column, got no name for column {', '.join(map(str, blank))}")
    twice = sorted({name for name in names if name and list(names).count(name) > 1})
    if twice:
        faults.add(f"must name each column once, got {', '.join(map(repr, twice))} more than once")
    seen: set[str] = set()
    kept = []
    for position, name in enumerate(names, 1):
        kept.append(name if name and name not in seen else f"{name}#{position}")
        seen.add(name)
    return kept


def _table(records: Iterator[tuple[int, list[str]]], names: list[str], form: Csv, faults: Faults) -> Raw:
    numbers: list[int] = []
    chunks: list[list[pa.Array]] = []
    pending: list[list[str]] = []
    odd: list[tuple[int, int]] = []
    for line, cells in records:
        if len(cells) != len(names):
            odd.append((line, len(cells)))
            continue
        numbers.append(line)
        pending.append(cells)
        if len(pending) == CHUNK_ROWS:
            chunks.append(_arrays(pending))
            pending = []
    if pending:
        chunks.append(_arrays(pending))
    faults.rows([line for line, _ in odd], f"must have {len(names)} columns", [width for _, width in odd])
    columns = {
        name: pa.chunked_array([chunk[k] for chunk in chunks], pa.string()) for k, name in enumerate(names)
    }
    return Raw(faults, np.array(numbers, np.int64), _frame(columns, form.missing), len(odd))


def _arrays(rows: list[list[str]]) -> list[pa.Array]:
    return [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)]


def _frame(columns: dict[str, pa.ChunkedArray], missing: list[str]) -> pd.DataFrame:
    marks = pa.array(sorted({"", *(mark.strip() for mark in missing)}), pa.string())
    texts = {}
    for name, column in columns.items():
        trimmed = pc.utf8_trim_whitespace(column)
        given = pc.if_else(pc.is_in(trimmed, marks), None, trimmed)
        texts[name] = pd.Series(given.to_pandas(), dtype="str")
    return pd.DataFrame(texts)
