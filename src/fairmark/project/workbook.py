"""A sheet of an Excel workbook as CSV in UTF-8: saved values, days in ISO 8601, nothing evaluated.

What `prepare` reads later is this CSV, whose texts hang on no reader of workbooks. A formula counts by the
result that was saved beside it; macros, links and pictures are not looked at.
"""

import csv
import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from fairmark.data.cells import WHOLE_LIMIT
from fairmark.errors import InputError, UsageError
from fairmark.extras import required
from fairmark.files import disk_fault
from fairmark.project.choices import Ask

UNPACKED = 4 << 30
"""Bytes that a workbook may have unpacked: a small archive can be made to fill a disk."""

LOOKED_AT = 40
"""Rows of a sheet by which it is told whether it holds a table."""

_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):[A-Z]+(\d+)"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


@dataclass(frozen=True)
class Taken:
    """A file that became a table: what it was, and what a reader should know of it.

    Parameters
    ----------
    table
        The CSV that stands for it.
    origin
        Where the rows come from, for the datasheet.
    notes
        What a person should look at, a sentence each.
    """

    table: Path
    origin: str
    notes: tuple[str, ...]


def is_workbook(path: Path) -> bool:
    """Return whether a file is a workbook of Excel 2007 and later (ECMA-376), with macros or without."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


@contextmanager
def as_tables(
    files: Sequence[Path], sheet: str | None, ask: Ask | None
) -> Iterator[tuple[list[Path], list[Taken]]]:
    """Yield the files with a CSV in the place of each workbook, while it is needed, and what these were.

    Parameters
    ----------
    sheet
        The sheet that was named; None: the only one that holds a table.
    ask
        Asks a person; None where there is no terminal.

    Raises
    ------
    UsageError
        When several sheets hold tables and none is named, or the named one is not there.
    InputError
        When a workbook is damaged, holds no table, or formulas without their results.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        taken = {path: _taken(path, sheet, ask, Path(place)) for path in files if is_workbook(path)}
        if sheet is not None and not taken:
            raise UsageError(f"--sheet: must come with a workbook, got {', '.join(map(str, files))}")
        yield [taken[path].table if path in taken else path for path in files], [*taken.values()]


def _taken(path: Path, sheet: str | None, ask: Ask | None, place: Path) -> Taken:
    _refuse_hostile(path)
    table = place / f"{path.stem}.csv"
    with required():
        from openpyxl import load_workbook
    try:
        with path.open("rb") as stream, path.open("rb") as again:
            values = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            name, notes = _chosen(path, values, sheet, ask)
            marks = _marks(path, name)
            formulas = load_workbook(again, read_only=True, keep_links=False) if marks.formulas else None
            notes += _written(path, table, values[name], formulas and formulas[name], marks)
    except OSError as error:
        raise InputError(disk_fault(error, path, "readable")) from error
    # Of a damaged part openpyxl raises what its readers of XML, numbers and indices raise.
    except (zipfile.BadZipFile, SyntaxError, KeyError, ValueError, TypeError, EOFError) as error:
        raise InputError(f"{path}: must be a whole Excel workbook, got {error}") from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Taken(table, f"the sheet {name!r} of {path.name}, SHA-256 {digest}", tuple(notes))


def _refuse_hostile(path: Path) -> None:
    """Refuse a workbook that unpacks to very much, or whose XML declares entities, as Excel's never does."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        size = sum(part.file_size for part in parts)
        if size > UNPACKED:
            raise InputError(f"{path}: must unpack to at most {UNPACKED:,} bytes, got {size:,}")
        for part in parts:
            if part.filename.endswith((".xml", ".rels")):
                with archive.open(part) as stream:
                    head = stream.read(1024)
                if b"<!DOCTYPE" in head:
                    raise InputError(f"{path}: must hold XML without a DOCTYPE, got one in {part.filename}")


def _chosen(path: Path, book: Any, sheet: str | None, ask: Ask | None) -> tuple[str, list[str]]:
    """Return the name of the sheet that is read, and what is to be said of the choice."""
    heads = {one.title: _head(one) for one in book.worksheets}
    if sheet is not None:
        if sheet not in heads:
            raise UsageError(f"--sheet: must be one of {', '.join(map(repr, heads))}, got {sheet!r}")
        return sheet, []
    tables = {name: _first_names(rows) for name, rows in heads.items() if _is_table(rows)}
    if not tables:
        raise InputError(f"{path}: must hold a table of two columns or more on a sheet, got none")
    name = next(iter(tables))
    if len(tables) > 1:
        if ask is None:
            listed = [f"  --sheet {each!r}   ({first})" for each, first in tables.items()]
            raise UsageError(
                f"--sheet: must name the sheet of {path.name} to be read, got none; with tables:", *listed
            )
        name = ask(f"Which sheet of {path.name} holds the rows?", tables)
        if name not in tables:
            raise UsageError(f"sheet: must be one of {', '.join(map(repr, tables))}, got {name!r}")
    others = [each for each in heads if each != name]
    return name, [f"The sheet {name!r} is read; {', '.join(map(repr, others))} is not."] if others else []


def _head(sheet: Any) -> list[list[Any]]:
    # What a workbook says of a sheet's extent may be wrong, and then hides rows.
    sheet.reset_dimensions()
    return [[*row] for row in sheet.iter_rows(max_row=LOOKED_AT, values_only=True)]


def _is_table(rows: Iterable[Sequence[Any]]) -> bool:
    # A row whose cells are formulas may have no results yet, and is a row all the same.
    given = [sum(cell is not None for cell in row) for row in rows]
    return max(given, default=0) > 1 and sum(count > 0 for count in given) > 1


def _first_names(rows: Iterable[Sequence[Any]]) -> str:
    wide = next((row for row in rows if sum(cell is not None for cell in row) > 1), ())
    return ", ".join(str(cell) for cell in wide if cell is not None)[:60]


@dataclass(frozen=True)
class _Marks:
    """What of a sheet its cells do not tell: whether it has formulas, and cells merged over several rows."""

    formulas: bool
    merged: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    """The columns and the last rows of merged cells, by their first row; all from 0."""


def _marks(path: Path, name: str) -> _Marks:
    from openpyxl.utils import column_index_from_string

    formulas, merged = False, dict[int, list[tuple[int, int]]]()
    with zipfile.ZipFile(path) as archive, archive.open(_part(archive, name)) as stream:
        rest = b""
        while chunk := stream.read(1 << 20):
            # A tag may lie across two chunks.
            seen = rest + chunk
            formulas = formulas or _FORMULA.search(seen) is not None
            found = [*_MERGED.finditer(seen)]
            for column, first, last in (match.groups() for match in found):
                if last != first:
                    cells = merged.setdefault(int(first) - 1, [])
                    cells.append((column_index_from_string(column.decode()) - 1, int(last) - 1))
            rest = seen[max(found[-1].end() if found else 0, len(seen) - 256) :]
    return _Marks(formulas, merged)


def _part(archive: zipfile.ZipFile, name: str) -> str:
    """Return the part of a workbook that holds a sheet (ECMA-376-1, clauses 18.2.19 and 9.2)."""

    def tags(part: str) -> Iterator[Any]:
        return ET.fromstring(archive.read(part)).iter()  # noqa: S314 - no part declares entities

    targets = {tag.get("Id"): tag.get("Target") for tag in tags("xl/_rels/workbook.xml.rels")}
    sheet = next(tag for tag in tags("xl/workbook.xml") if tag.get("name") == name and tag.get(_RELATION))
    target = str(targets[sheet.get(_RELATION)])
    return target[1:] if target.startswith("/") else f"xl/{target}"


def _written(path: Path, table: Path, values: Any, formulas: Any, marks: _Marks) -> list[str]:
    """Write a sheet's rows as CSV, and return what is to be said of them."""
    ragged = table.with_suffix(".ragged")
    filled, saved, counted = 0, Counter[int](), Counter[int]()
    over: dict[int, tuple[int, str]] = {}  # by column: the last row of the merged cell there, and its text
    width, beside = 0, repeat(()) if formulas is None else formulas.iter_rows()
    with ragged.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for place, (row, own) in enumerate(zip(values.iter_rows(), beside, strict=False)):
            texts = [_text(cell) for cell in row]
            held = [k for k, cell in enumerate(own) if cell.data_type == "f"]
            counted.update(held)
            saved.update(k for k in held if k < len(texts) and texts[k])
            over = {k: one for k, one in over.items() if one[0] >= place}
            filled += _fill(texts, over)
            over |= {k: (last, texts[k]) for k, last in marks.merged.get(place, ()) if k < len(texts)}
            if any(texts):
                writer.writerow(texts)
                width = max(width, *(k + 1 for k, text in enumerate(texts) if text))
    if not width:
        raise InputError(f"{path}: must hold rows on the sheet {values.title!r}, got none")
    _refuse_unsaved(path, counted, saved)
    _padded(ragged, table, width)
    return [
        *([f"{filled:,} cells have the value of the merged cell that lies over them."] if filled else []),
        *([f"{counted.total():,} formulas count by the results that were saved."] if counted else []),
    ]


def _fill(texts: list[str], over: Mapping[int, tuple[int, str]]) -> int:
    """Give cells below the first one of a merged cell its text, and return how many have got one."""
    texts += [""] * (max(over, default=-1) + 1 - len(texts))
    for k, (_, text) in over.items():
        texts[k] = text
    return sum(bool(text) for _, text in over.values())


def _padded(ragged: Path, table: Path, width: int) -> None:
    """Write rows of one width: a sheet's rows end with their last cell."""
    with (
        ragged.open(encoding="utf-8", newline="") as old,
        table.open("w", encoding="utf-8", newline="") as new,
    ):
        writer = csv.writer(new, lineterminator="\n")
        writer.writerows([*row[:width], *[""] * (width - len(row))] for row in csv.reader(old))
    ragged.unlink()


def _refuse_unsaved(path: Path, counted: Mapping[int, int], saved: Mapping[int, int]) -> None:
    from openpyxl.utils import get_column_letter

    # One formula without a result may give an empty text; of a whole column nobody ever worked out any.
    lacking = [get_column_letter(k + 1) for k in sorted(counted) if k not in saved]
    if lacking:
        raise InputError(
            f"{path}: must hold the results of its formulas, got none in the columns "
            f"{', '.join(lacking[:10])}: open it in a spreadsheet program, and save it"
        )


def _text(cell: Any) -> str:
    value = cell.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime) and value.time() == time(0):
        return value.date().isoformat()
    if isinstance(value, date):
        return (
            value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else value.isoformat()
        )
    if isinstance(value, int | float):
        return _number(value, cell.number_format)
    return "" if value is None else str(value).strip()


def _number(value: float, shown: str) -> str:
    if value != int(value) or abs(value) >= WHOLE_LIMIT:
        return repr(float(value))
    # The format `00000` shows the zeros before a code, and the code is what a person means.
    return f"{int(value):0{len(shown)}d}" if re.fullmatch(r"0{2,}", shown) else str(int(value))
