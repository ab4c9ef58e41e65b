"""Find rows of the raw files by their ids, and write the files without them, every other byte as it was."""

import codecs
import csv
import gzip
import io
from collections.abc import Collection
from pathlib import Path

from fairmark.data.raw import GZIP, Raw, read_raw
from fairmark.data.row_ids import content_ids, digests
from fairmark.data.row_rules import filtered, stripped
from fairmark.errors import InputError, StateError
from fairmark.files import first_departure
from fairmark.params.prepare import Csv, Prepare, Source

_BOM = "\ufeff"


def find(folder: Path, params: Prepare, ids: Collection[str]) -> tuple[dict[str, set[int]], set[str]]:
    """Return the numbers of the rows of `ids` (as `data.read` counts), by file, and the ids that no row has.

    An id is the value of the column `prepare.row_id`, or, with none, the id that `prepare` makes of a row's
    content (`_row_id` of artifacts/prepare/table.parquet).

    Raises
    ------
    InputError
        When a raw file can't be read.
    """
    wanted, places, left = set(ids), {}, set(ids)
    for source, raw, row_ids in _each(folder, params):
        here = [k for k, row_id in enumerate(row_ids) if row_id in wanted]
        places[source.name] = {int(raw.numbers[k]) for k in here}
        left -= {str(row_ids[k]) for k in here}
    return places, left


def counts(folder: Path, params: Prepare) -> dict[str, int]:
    """Return how many rows each raw file has, those among them that `prepare` leaves out."""
    sources = filter(None, (params.files.main, params.files.test))
    return {source.name: len(read_raw(folder, source, params).texts) for source in sources}


def without(path: Path, source: Source, params: Prepare, numbers: Collection[int]) -> bytes:
    """Return the bytes of a raw file without the rows of these numbers.

    CSV keeps every other byte. Parquet can't: it is written again with the same schema, its metadata, row
    groups and compression. What was packed by gzip is packed again.

    Raises
    ------
    StateError
        When the text can't be written back byte for byte (an encoding that has two ways to write it).
    """
    content = path.read_bytes()
    packed = content.startswith(GZIP)
    content = gzip.decompress(content) if packed else content
    if isinstance(params.format, Csv):
        left = _csv_without(content, source, params.format, set(numbers), path.name)
    else:
        left = _parquet_without(content, {number - 1 for number in numbers})
    # Without a time, so that the same rows are the same bytes.
    return gzip.compress(left, mtime=0) if packed else left


def _each(folder: Path, params: Prepare) -> list[tuple[Source, Raw, list[str | None]]]:
    sources = [("", params.files.main), *([("t", params.files.test)] if params.files.test else [])]
    raws = [(mark, source, read_raw(folder, source, params)) for mark, source in sources]
    if params.row_id is None:
        # An id made of content counts rows of the same content, as `prepare` does: of those that stay.
        raws = [(mark, source, filtered(raw, params).raw) for mark, source, raw in raws]
    faults = [line for _, _, raw in raws for line in raw.faults.lines]
    if faults:
        raise InputError(*faults)
    order = list(raws[0][2].texts.columns)
    return [(source, raw, _ids(raw, order, params, mark)) for mark, source, raw in raws]


def _ids(raw: Raw, order: list[str], params: Prepare, mark: str) -> list[str | None]:
    texts, label = raw.texts, params.target.column
    missing = [name for name in [*order, params.row_id] if name is not None and name not in texts]
    if missing:
        raise InputError(f"{raw.faults.where}: must have the columns {missing}, got none of them")
    if params.row_id is not None:
        return list(texts[params.row_id])
    if label in texts:
        texts = texts.assign(**{label: stripped(texts[label], params.target.strip)})
    content, alike = digests(texts[order], label)
    return list(content_ids(alike, content, mark))


def _csv_without(content: bytes, source: Source, form: Csv, numbers: set[int], name: str) -> bytes:
    encoding = _encoding(content, form.encoding)
    text = content.decode(encoding)
    mark, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    if (again := text.encode(encoding)) != content:
        raise StateError(
            f"{name}: must be {form.encoding} that is written one way, got {first_departure(content, again)}"
        )
    # The same lines as `data.read` sees: ended by \n, \r or \r\n, which stay as they are.
    lines = list(io.StringIO(body, newline=""))
    drop: set[int] = set()
    reader = csv.reader(
        iter(lines[source.skip_rows :]), delimiter=form.separator, skipinitialspace=True, strict=True
    )
    # A row may span lines, by a line feed in quotes. The reader counts the lines that it has taken, so a row
    # is the lines since the row before it.
    first = source.skip_rows + 1
    for _ in reader:
        after = source.skip_rows + reader.line_num
        if first in numbers:
            drop.update(range(first, after + 1))
        first = after + 1
    kept = "".join(line for number, line in enumerate(lines, 1) if number not in drop)
    return (mark + kept).encode(encoding)


def _encoding(content: bytes, name: str) -> str:
    """Return an encoding that takes a byte order mark for a character, so that it is written back."""
    plain = codecs.lookup(name).name
    if plain == "utf-8-sig":
        return "utf-8"
    if plain == "utf-16" and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    if plain == "utf-32" and content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32-le" if content.startswith(codecs.BOM_UTF32_LE) else "utf-32-be"
    return plain


def _parquet_without(content: bytes, rows: set[int]) -> bytes:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream, at = io.BytesIO(), 0
    with pq.ParquetFile(io.BytesIO(content)) as file:
        parts = file.metadata
        codec = {
            parts.schema.column(k).path: parts.row_group(0).column(k).compression
            for k in range(parts.num_columns)
            if parts.num_row_groups
        }
        compression = {column: "NONE" if name == "UNCOMPRESSED" else name for column, name in codec.items()}
        with pq.ParquetWriter(stream, file.schema_arrow, compression=compression or "NONE") as writer:
            for group in range(parts.num_row_groups):
                table = file.read_row_group(group)
                stay = np.array([at + k not in rows for k in range(table.num_rows)], bool)
                at += table.num_rows
                writer.write_table(table.filter(pa.array(stay)))
    return stream.getvalue()
