"""Read a raw file, CSV or Parquet, into one table of texts: trimmed, null where a value is missing.

What follows does not ask where a row came from: the typed columns of a Parquet file become the texts that a
CSV file would hold. Each row keeps its number in the file, so that a fault can name its line.
"""

import csv
import gzip
import io
import json
import zlib
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fairmark.data.cells import WHOLE_LIMIT
from fairmark.data.roles import columns_named
from fairmark.errors import Faults
from fairmark.files import lines_of
from fairmark.params.prepare import Csv, Parquet, Prepare, Source


def without_index(table: pa.Table, named: Collection[str]) -> tuple[pa.Table, list[str]]:
    """Return the table without what its own metadata calls an index, and the names of what was left out.

    pandas writes a row number that it keeps beside the columns as a column of its own (`__index_level_0__`,
    or the index's name) and says so under the key "pandas" of the schema's metadata. It says where a row
    stood, so that a file that is sorted by its label gives the label away. A column that params name stays.
    """
    metadata = (table.schema.metadata or {}).get(b"pandas")
    try:
        columns = json.loads(metadata)["index_columns"] if metadata else []
    except (ValueError, KeyError, TypeError):
        columns = []
    if not isinstance(columns, list):
        columns = []  # what is not as pandas writes it names nothing
    index = [
        one for one in columns if isinstance(one, str) and one in table.column_names and one not in named
    ]
    return table.drop_columns(index), index


def texts_of(
    table: pa.Table, names: list[str], dropped: Collection[str], faults: Faults
) -> tuple[dict[str, pa.ChunkedArray], dict[str, Literal["boolean", "date"]], dict[str, str]]:
    """Return each column as texts (null = missing; NaN too), columns typed boolean or date, and unread ones.

    Integers that a writer turned into floats, as pandas does beside nulls, read as integers again. Times with
    a zone are moved to UTC. Columns of lists, structs or bytes are not read: they are faults, unless they
    are `dropped`.
    """
    texts: dict[str, pa.ChunkedArray] = {}
    types: dict[str, Literal["boolean", "date"]] = {}
    unread: dict[str, str] = {}
    for name, raw in zip(names, table.columns, strict=True):
        column = raw.cast(raw.type.value_type) if pa.types.is_dictionary(raw.type) else raw
        kind = column.type
        if pa.types.is_floating(kind):
            texts[name] = _floats(column.cast(pa.float64()))
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            types[name] = "date"
            texts[name] = _moments(column)
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            unread[name] = str(kind)
            if name not in dropped:
                must = "must hold single values, or stand in prepare.drop"
                faults.add(f"column {name}: {must}, got {kind}")
        else:
            if pa.types.is_boolean(kind):
                types[name] = "boolean"
            texts[name] = column.cast(pa.string())
    return texts, types, unread


def _floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    given = pc.if_else(pc.is_nan(column), None, column)
    # A missing cell turns integers into floats in many writers: 3.0 is `3` again, or a code would match no
    # category.
    whole = pc.and_(pc.equal(pc.floor(given), given), pc.less(pc.abs(given), WHOLE_LIMIT))
    integers = pc.if_else(whole, given, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(integers, given.cast(pa.string()))


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Microseconds hold every day from year 1 to 9999; finer digits are cut.
    moments = pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    return moments.cast(pa.timestamp("us")).cast(pa.string())


BLOCK_ROWS = 1 << 18
"""Rows of Parquet held as texts at a time."""
CHUNK_CELLS = 600_000
"""Cells held as Python texts at a time; the rest stands in Arrow memory, a fifth of the size."""

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
        [n, columns] str, or categories of str; null where a value is missing.
    refused
        Rows left out of `texts` because they could not be read.
    types
        The file's own type of a column, where it has one that says more than text.
    packed
        Whether the file is packed by gzip.
    unread
        Dropped columns that hold no single values and were not read, each with its type.
    respelt
        Of each column of `prepare.spellings`, the rows whose text was taken for another.
    index
        Columns that a Parquet file's own metadata calls an index, which were not read.
    """

    faults: Faults
    numbers: npt.NDArray[np.int64]
    texts: pd.DataFrame
    refused: int
    types: dict[str, Own] = field(default_factory=dict)
    packed: bool = False
    unread: dict[str, str] = field(default_factory=dict)
    respelt: dict[str, int] = field(default_factory=dict)
    index: list[str] = field(default_factory=list)


def read_raw(folder: Path, source: Source, params: Prepare, *, coded: bool = False) -> Raw:
    """Return a raw file; its faults are noted in `.faults`, and what could be read stands beside them.

    With `coded`, a column whose texts stand in two rows or more on average is a categorical: a fraction of
    the memory, and the same texts.
    """
    path, form = folder / source.name, params.format
    faults = Faults(path.as_posix(), "line" if form.type == "csv" else "row")
    content = _content(path, faults)
    packed = False
    if content is not None and content.startswith(GZIP):
        packed, content = True, _unpacked(content, faults)
    if content is None or _is_another(content, form, faults):
        return _nothing(faults)
    if isinstance(form, Parquet):
        raw = _parquet(content, source, form, params, faults)
    else:
        raw = _csv(content, source, form, faults)
    if not coded:
        raw = replace(raw, texts=raw.texts.astype("str"))
    return respelt(replace(raw, packed=packed), params.spellings)


def respelt(raw: Raw, spellings: Mapping[str, Mapping[str, str]]) -> Raw:
    """Return a raw file with texts replaced as `prepare.spellings` says, and how many rows had them."""
    texts, rows = raw.texts, dict[str, int]()
    for name, means in spellings.items():
        if name in texts:
            codes, different = pd.factorize(texts[name])
            # The last entry is of a missing cell, whose code is -1.
            named = np.append(different.isin(list(means)), False)[codes]
            rows[name] = int(named.sum())
            replaced = np.array([*(means.get(text, text) for text in different), None], dtype=object)
            texts = texts.assign(**{name: pd.Series(replaced[codes], dtype="str")})
        elif len(texts.columns):
            raw.faults.add(f"column {name}: must be in the file (prepare.spellings), got no such column")
    return replace(raw, texts=texts, respelt=rows)


GZIP = b"\x1f\x8b"
OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"PAR1": "a Parquet file",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}
"""The first bytes of what is neither text nor unpacked."""
WAYS = {
    b"PK\x03\x04": "save its sheet as CSV in UTF-8, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "save its sheet as CSV in UTF-8",
    b"PAR1": "say prepare.format: {type: parquet, ...}",
}


def _unpacked(content: bytes, faults: Faults) -> bytes | None:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        faults.add(f"must be whole, got damaged gzip ({error})")
    return None


def _is_another(content: bytes, form: Csv | Parquet, faults: Faults) -> bool:
    """Return whether a file is neither text nor Parquet by its first bytes; then it is noted what it is."""
    for first, what in OTHERS.items():
        if content.startswith(first) and not (first == b"PAR1" and isinstance(form, Parquet)):
            way = WAYS.get(first, "unpack it, or save it as CSV in UTF-8")
            kind = "Parquet" if isinstance(form, Parquet) else "text"
            faults.add(f"must be {kind} as prepare.format says, got {what}: {way}")
            return True
    return False


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


def _parquet(content: bytes, source: Source, form: Parquet, params: Prepare, faults: Faults) -> Raw:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        nothing, index = without_index(
            file.schema_arrow.empty_table(), {column for column, _ in columns_named(params)}
        )
        names = _named(nothing.column_names, faults)
        found, types, unread = texts_of(nothing, names, params.drop, faults)
        chunks: dict[str, list[pa.Array]] = {name: [] for name in found}
        rows, skipped = 0, source.skip_rows
        # A block at a time: the texts of all rows at once would be the largest thing that the stage holds.
        for batch in file.iter_batches(BLOCK_ROWS):
            block = pa.Table.from_batches([batch]).drop_columns(index).slice(skipped)
            rows, skipped = rows + block.num_rows, skipped - min(skipped, batch.num_rows)
            texts, _, _ = texts_of(block, names, params.drop, Faults(faults.where, "row"))
            for name, column in texts.items():
                chunks[name] += column.dictionary_encode().chunks
    except (pa.ArrowException, OSError, ValueError) as error:
        faults.add(f"must be a whole Parquet file, got {lines_of(str(error))[0]}")
        return _nothing(faults)
    coded = pa.dictionary(pa.int32(), pa.string())
    columns = {name: pa.chunked_array(chunks.pop(name), coded) for name in list(chunks)}
    numbers = np.arange(rows, dtype=np.int64) + 1 + source.skip_rows
    return Raw(faults, numbers, as_codes(columns, form.missing), 0, types, unread=unread, index=index)


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
    # Lines and not records: what stands above a table is no CSV.
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
        # A name of its own all the same, so that the rest is read and all faults are told at once.
        kept.append(name if name and name not in seen else f"{name}#{position}")
        seen.add(name)
    return kept


def _table(records: Iterator[tuple[int, list[str]]], names: list[str], form: Csv, faults: Faults) -> Raw:
    numbers = array("q")
    chunks: list[list[pa.Array]] = []
    pending: list[list[str]] = []
    odd: list[tuple[int, int]] = []
    for line, cells in records:
        if len(cells) != len(names):
            odd.append((line, len(cells)))
            continue
        numbers.append(line)
        pending.append(cells)
        if len(pending) * len(names) >= CHUNK_CELLS:
            chunks.append(_arrays(pending))
            pending = []
    if pending:
        chunks.append(_arrays(pending))
    faults.rows([line for line, _ in odd], f"must have {len(names)} columns", [width for _, width in odd])
    columns = {
        name: pa.chunked_array([chunk[k] for chunk in chunks], pa.dictionary(pa.int32(), pa.string()))
        for k, name in enumerate(names)
    }
    return Raw(faults, np.array(numbers, np.int64), as_codes(columns, form.missing), len(odd))


def _arrays(rows: list[list[str]]) -> list[pa.Array]:
    return [pa.array(cells, pa.string()).dictionary_encode() for cells in zip(*rows, strict=True)]


def as_codes(columns: dict[str, pa.ChunkedArray], missing: Sequence[str]) -> pd.DataFrame:
    """Return what `cleaned` does, as categoricals where a text stands in two rows or more on average.

    Categories stand in the order in which the rows have them. `columns` is emptied, so that no column is
    held twice for longer than it takes.
    """
    marks = _marks(missing)
    return pd.DataFrame({name: _as_codes(columns.pop(name), marks) for name in list(columns)})


def _as_codes(column: pa.ChunkedArray, marks: pa.Array) -> "pd.Series[Any]":
    texts = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = texts.unify_dictionaries()
    if not texts.num_chunks:
        return pd.Series(dtype="str")
    # Each different text is trimmed once; then two may be one, and one may mean missing.
    each = pd.Series(_given(texts.chunk(0).dictionary, marks).to_pandas(), dtype="str")
    places, different = pd.factorize(each)
    # A missing cell is given the place behind the last text, and is -1 there.
    codes = np.concatenate([chunk.indices.fill_null(len(each)).to_numpy() for chunk in texts.chunks])
    found = np.append(places, -1)[codes]
    if 2 * len(different) > len(found):
        return pd.Series(different.take(found, allow_fill=True, fill_value=np.nan), dtype="str")
    return pd.Series(pd.Categorical.from_codes(found, different))


def _marks(missing: Sequence[str]) -> pa.Array:
    return pa.array(sorted({"", *(mark.strip() for mark in missing)}), pa.string())


def _given(texts: pa.ChunkedArray, marks: pa.Array) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, marks), None, trimmed)


def cleaned(columns: Mapping[str, pa.ChunkedArray], missing: Sequence[str]) -> pd.DataFrame:
    """Return columns as every reader of rows takes them: trimmed, null where a text means missing."""
    marks = _marks(missing)
    return pd.DataFrame(
        {name: pd.Series(_given(column, marks).to_pandas(), dtype="str") for name, column in columns.items()}
    )
