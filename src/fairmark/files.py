"""Read and write the small files that stages exchange, the same bytes every time."""

import errno
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from fairmark.errors import InputError, StateError

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT_DIGITS = 10
"""Written digits of a float in JSON: enough for a reader, few enough to hide the last-bit noise of a CPU."""


OTHER_BREAKS = re.compile("[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What `str.splitlines`, an editor or pip takes for the end of a line, and git does not."""


def lines_of(text: str) -> list[str]:
    """Return the lines of `text`, without their ends: at line feeds and nowhere else, as git reads them."""
    found = text.split("\n")
    return found[:-1] if found[-1] == "" else found


def plain_lines(text: str, where: str) -> list[str]:
    """Return the lines of a text that is read by other programs too, and must be the same lines to each.

    Raises
    ------
    InputError
        When it holds a sign at which some programs end a line and others do not.
    """
    found = lines_of(text)
    odd = [(number, match[0]) for number, line in enumerate(found, 1) if (match := OTHER_BREAKS.search(line))]
    if odd:
        raise InputError(
            *(
                f"{where}:{number}: must read one way to every reader, with lines that end at a line feed "
                f"alone, got U+{ord(sign):04X} in it"
                for number, sign in odd[:10]
            )
        )
    return found


def project_of(place: Path) -> Path:
    """Return the folder at or above `place` that DVC or git keeps its own folder in; without one, `place`."""
    if (place / ".dvc").is_dir() or (place / ".git").exists():
        return place
    above = place.resolve().parents
    return next((up for up in above if (up / ".dvc").is_dir() or (up / ".git").exists()), place)


def disk_fault(error: OSError, path: Path | None = None, must: str = "usable") -> str:
    """Return what an error of the disk means, in one line: a full one says nothing of the file at hand."""
    where = path or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        at = f" (at {where})" if where else ""
        return f"disk: must have room for what is written, got {error.strerror}{at}"
    return f"{where or 'disk'}: must be {must}, got {error.strerror or error}"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` that takes its place when the block ends well, and is gone otherwise.

    Raises
    ------
    StateError
        When the disk is full, the folder can't be written, or `path` is a device or a pipe; what stood there
        is untouched.
    """
    draft: Path | None = None
    try:
        # A device, such as /dev/null, would be gone for everybody on the machine.
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise StateError(f"{path}: must be a file to be replaced, got a device or a pipe")
        # In the same folder, because a file is renamed in one step only within one file system. The disk is
        # not waited for: what a power cut takes can be made again, and keys have a writer of their own.
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        draft = Path(name)
        # mkstemp gives the owner alone a file, and what is written here is for everybody to read.
        draft.chmod(0o644)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise StateError(disk_fault(error, path, "writable")) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


_AS_IT_IS = frozenset({str, int, bool, type(None)})


@overload
def canonical_floats(value: float) -> float: ...
@overload
def canonical_floats(value: object) -> object: ...
def canonical_floats(value: object) -> object:
    """Return `value` with every float rounded to `SIGNIFICANT_DIGITS`, ready for JSON.

    Raises
    ------
    ValueError
        On a float that is not finite: write None and say why beside it instead.
    """
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"measurement: must be finite, got {value}")
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): canonical_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical_floats(item) for item in value]
    return value


def canonical_json(value: object, errors: str = "strict") -> bytes:
    """Return JSON with sorted keys, no spaces, in UTF-8: one value, one text.

    Parameters
    ----------
    errors
        What becomes of a lone surrogate (the name of a file that is no UTF-8), which UTF-8 can't hold:
        "strict" raises ValueError, "replace" writes a question mark.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", errors)


def first_departure(found: bytes, wanted: bytes) -> str:
    """Return where bytes that should be the same depart from one another, and what stands there instead."""
    at = next((k for k, (one, two) in enumerate(zip(found, wanted, strict=False)) if one != two), None)
    at = min(len(found), len(wanted)) if at is None else at
    return f"{found[at : at + 20]!r} at byte {at}" if at < len(found) else f"an end at byte {at}"


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8 with line feeds, whole or not at all."""
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON with sorted keys, two spaces and a last line feed.

    Floats are rounded by `canonical_floats`; numpy scalars must be turned into Python's own first.
    """
    text = json.dumps(canonical_floats(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def keys_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON by its pairs (`object_pairs_hook` of `json.loads`).

    Raises
    ------
    ValueError
        When a key is given twice: programs differ in which value they take.
    """
    value: dict[str, object] = {}
    for key, item in pairs:
        if key in value:
            raise ValueError(f"a key given twice, {key[:80]!a}")
        value[key] = item
    return value


def content(path: Path) -> bytes | None:
    """Return the bytes of a file, or None where there is no file."""
    return path.read_bytes() if path.is_file() else None


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises
    ------
    InputError
        When the file is missing, is not JSON, or gives a key twice: programs differ in which one they take.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=keys_once)
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: must be JSON, got {error}") from error


GROUP_ROWS = 1 << 20
"""Rows of a row group of Parquet."""


def write_parquet(path: Path, frame: "pd.DataFrame") -> None:
    """Write `frame` as Parquet without an index, zstd inside, categoricals as their texts.

    Row groups have `GROUP_ROWS` rows, and no more are held as texts at a time: the bytes are those of the
    whole frame as texts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    coded = dict.fromkeys(frame.select_dtypes("category").columns, "str")
    with written_whole(path) as draft:
        writer: pq.ParquetWriter | None = None
        for start in range(0, max(1, len(frame)), GROUP_ROWS):
            block = frame.iloc[start : start + GROUP_ROWS].astype(coded)
            table = pa.Table.from_pandas(block, writer and writer.schema, preserve_index=False)
            writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=GROUP_ROWS)
        if writer is not None:
            writer.close()


def read_parquet(path: Path) -> "pd.DataFrame":
    """Return the table of a Parquet file.

    Raises
    ------
    InputError
        When the file is missing or is not Parquet.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path, engine="pyarrow")
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except Exception as error:  # pandas meets spoilt bytes with whatever its parts raise
        raise InputError(f"{path}: must be Parquet, got {type(error).__name__}: {error}") from error


PLAIN = frozenset({"_row_id", "_person"})
"""Columns that tell rows apart: their texts are not kept once each."""


def read_coded(path: Path) -> "pd.DataFrame":
    """Return the table of a Parquet file, its texts as categoricals: each text once, and a code in every row.

    A text costs a row one or two bytes instead of its length and eight. The categories are sorted, so that
    whoever sorts by them sorts as texts are sorted. The columns of `PLAIN` stay texts.

    Raises
    ------
    InputError
        When the file is missing or is not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        texts = [
            field.name
            for field in schema
            if (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
            and field.name not in PLAIN
        ]
        frame: pd.DataFrame = pq.read_table(path, read_dictionary=texts).to_pandas()
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except Exception as error:  # Arrow meets spoilt bytes with whatever its parts raise
        raise InputError(f"{path}: must be Parquet, got {type(error).__name__}: {error}") from error
    for name in texts:
        known = frame[name].cat.categories.astype("str")
        frame[name] = frame[name].cat.set_categories(known.sort_values())
    return frame


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write `frame` as CSV without an index, floats to `SIGNIFICANT_DIGITS`."""
    with written_whole(path) as draft:
        frame.to_csv(draft, index=False, float_format=f"%.{SIGNIFICANT_DIGITS}g", lineterminator="\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 lower-case hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
