"""How a raw file is written, read off its bytes: encoding, separator, lines above the table, header.

Nothing here says what a cell means; `number_format` says how the cells are written.
"""

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from fairmark.data.cells import ISO_DAY, Numerals
from fairmark.data.raw import GZIP, OTHERS, WAYS
from fairmark.errors import InputError
from fairmark.files import disk_fault
from fairmark.project.number_format import LIKELY, SURE

HEAD = 1 << 20
"""Characters of a file that are looked at for its separator and header."""

RECORDS = 500
"""Records that are looked at."""

PREAMBLE = 20
"""Lines above a table (a title, a date) that are left out."""

ALIKE = 0.9
"""Share of records that must have as many cells as most for a sign to be the separator."""

SEPARATORS = ("\t", ";", "|", ",", " ")
"""In the order in which they are believed: a comma stands inside numbers and a space inside texts."""

CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""Characters that no text table holds."""

GAPS = frozenset({*SURE, *LIKELY, ""})
"""Texts that stand where nothing is known."""

NUMBERS = (Numerals("."), Numerals(","))


@dataclass(frozen=True)
class FileFormat:
    """How a file is written.

    Parameters
    ----------
    type
        `csv` or `parquet`.
    encoding, separator
        Of separated text.
    skip_rows
        Lines above the table.
    header
        The column names, or None where the first line that is read names them.
    notes
        What a person should know of how this was found, a sentence each.
    """

    type: str
    encoding: str = "utf-8"
    separator: str = ","
    skip_rows: int = 0
    header: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overrides:
    """What a person says of the file, each in the place of what would be found."""

    encoding: str | None = None
    separator: str | None = None
    names: tuple[str, ...] | None = None


def file_format(path: Path, given: Overrides) -> FileFormat:
    """Return how a file is written.

    Raises
    ------
    InputError
        When it is empty, no table, or not to be read here, with what to do about it.
    """
    content = _content(path)
    if content.startswith(b"PAR1"):
        return FileFormat("parquet")
    for first, what in OTHERS.items():
        if content.startswith(first):
            way = WAYS.get(first, "unpack it, or save it as CSV in UTF-8")
            raise InputError(f"{path}: must be separated text or Parquet, got {what}: {way}")
    encoding, text, notes, marked = _decoded(path, content, given.encoding)
    return _separated(path, text, encoding, given, notes, marked=marked)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except OSError as error:
        raise InputError(disk_fault(error, path, "readable")) from error
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: must be whole, got damaged gzip ({error})") from error
    if not content.strip():
        raise InputError(f"{path}: must hold rows, got an empty file")
    return content


def _decoded(path: Path, content: bytes, encoding: str | None) -> tuple[str, str, list[str], bool]:
    """Return the encoding, the text, notes, and whether a mark of UTF-8 stands before what is not UTF-8."""
    marked = content.startswith(b"\xef\xbb\xbf")
    tried = _encodings(content) if encoding is None else [encoding]
    fails = f"{tried[0]} fails"
    for name in tried:
        try:
            text = content.decode("utf-8-sig" if name.lower() in {"utf-8", "utf8"} else name)
        except LookupError as error:
            raise InputError(f"--encoding: must be a known encoding, got {name!r}") from error
        except UnicodeError:
            continue
        # A wrong encoding gives control characters in numbers; a stray one proves nothing.
        odd_signs = CONTROLS.findall(text[:HEAD])
        if len(odd_signs) > len(text[:HEAD]) / 1000:
            fails = f"{name} gives control characters such as {odd_signs[0]!a}"
            break
        odd = marked and name in {"cp1252", "latin-1"}
        notes = []
        if name in {"cp1252", "latin-1"} and encoding is None:
            notes.append(
                f"The bytes are no UTF-8: read as {name}, which is a guess; look at letters with accents."
            )
        if odd:
            notes.append(
                "The mark of UTF-8 stands before bytes that are none: it is left out with the header."
            )
        return name, text.removeprefix("\u00ef\u00bb\u00bf") if odd else text, notes, odd
    raise InputError(f"{path}: must be separated text or Parquet, got bytes that are neither ({fails})")


def _encodings(content: bytes) -> list[str]:
    """Return the encodings to try, the likeliest first."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return ["utf-32"]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    if unmarked := _utf_16(content):
        return [unmarked]
    # Windows' Western code holds the euro sign, and reads as Latin-1 wherever both have a letter.
    return ["utf-8", "cp1252", "latin-1"]


def _utf_16(content: bytes) -> str | None:
    """Return the form of UTF-16 that a file without a mark has: each second byte of Latin letters is 0."""
    head = content[:4096]
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        # But not nearly all bytes: a file of zeros is no text.
        if len(zeros) > 8 and zeros.count(0) > 0.8 * len(zeros) and head.count(0) < 0.6 * len(head):
            return name
    return None


_MARKUP = re.compile(r"\s*(?:<(?:!doctype|html|\?xml|table)\b|(?P<json>[\[{]\s*[\[{\"\]}]))", re.IGNORECASE)


def _separated(
    path: Path, text: str, encoding: str, given: Overrides, notes: list[str], *, marked: bool
) -> FileFormat:
    said = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text)  # the line by which Excel is told
    above = 1 if said else 0
    body = text[said.end() :] if said else text
    whole = len(body) <= HEAD
    named = given.separator or (said[1] if said else None)
    found = [
        one
        for sign in ((named,) if named else SEPARATORS)
        if (one := _shape(body[:HEAD], sign, whole=whole)) is not None
    ]
    if markup := _MARKUP.match(body[:1000]):
        what = "JSON" if markup["json"] else "a web page or XML"
        raise InputError(f"{path}: must be separated text or Parquet, got {what}: save its table as CSV")
    if not found:
        raise InputError(
            f"{path}: must be a table of two columns or more, got lines in which no separator "
            f"({', '.join(map(repr, (named,) if named else SEPARATORS))}) makes as many cells each; "
            "name it by --separator"
        )
    # Rounded, so that of separators which fit about as well the one with fewer lines above the table wins.
    best = max(found, key=lambda one: (round(one.alike, 2), -one.above))
    if best.above:
        notes.append(f"{best.above} lines above the table are left out.")
    best, merged = _below_merged(best)
    if merged:
        notes.append(f"{merged} lines with merged cells above the column names are left out.")
    skip, records = above + best.above, best.records
    if given.names is not None:
        if len(given.names) != best.width:
            raise InputError(f"--names: must name {best.width} columns, got {len(given.names)}")
        return FileFormat("csv", encoding, best.separator, skip, given.names, tuple(notes))
    if not _is_header(records):
        _refuse_lost_names(path, best)
        names = tuple(f"column_{k}" for k in range(1, best.width + 1))
        notes.append("No line names the columns: they are numbered; name them by --names.")
        return FileFormat("csv", encoding, best.separator, skip, names, tuple(notes))
    first = [cell.strip() for cell in records[0]]
    _refuse_twice(path, first)
    if marked or "" in first:
        if "" in first:
            notes.append("A column without a name has got one from its place.")
        names = tuple(cell or f"column_{k}" for k, cell in enumerate(first, 1))
        return FileFormat("csv", encoding, best.separator, skip + best.lines, names, tuple(notes))
    return FileFormat("csv", encoding, best.separator, skip, None, tuple(notes))


MERGED = 5
"""Lines with merged cells that may stand above the names of columns."""


def _below_merged(shape: "_Shape") -> "tuple[_Shape, int]":
    """Return the table below lines with merged cells, as a workbook's titles are, and how many there were.

    Such a line has gaps between its texts, and a line that names every column stands below it.
    """
    records = shape.records
    for k, cells in enumerate(records[: len(shape.heights)]):
        names = [cell.strip() for cell in cells]
        if all(names) and len({*names}) == len(names):
            if k == 0 or not _is_header(records[k:]) or any(map(_is_value, names)):
                break
            above = shape.above + sum(shape.heights[:k])
            below = replace(shape, records=records[k:], above=above, lines=shape.heights[k], before=[])
            return below, k
        if any(map(_is_value, names)) or "" not in names[1:]:
            break
    return shape, 0


def _refuse_twice(path: Path, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        shown = ", ".join(map(repr, twice[:5]))
        raise InputError(f"{path}: must name each column once, got {shown} more than once")


@dataclass(frozen=True)
class _Shape:
    """What a separator makes of a text: the table's records, lines above it, lines of its first record.

    `before` holds the cells of the line right above the table.
    """

    separator: str
    width: int
    alike: float
    above: int
    lines: int
    records: list[list[str]]
    before: list[str]
    heights: tuple[int, ...] = ()
    """Lines of each of the first records, while all of them are of the table's width."""


def _shape(text: str, separator: str, *, whole: bool) -> _Shape | None:
    found: list[tuple[int, int, list[str]]] = []  # first line, lines, cells
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    line = 0
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                found.append((line, reader.line_num - line, cells))
            line = reader.line_num
            if len(found) > RECORDS:
                break
    except csv.Error:
        if whole and not found:
            return None
    if not whole and len(found) > 1:
        found.pop()  # it may be cut off
    if not found:
        return None
    width = Counter(len(cells) for _, _, cells in found).most_common(1)[0][0]
    start = next(k for k, (_, _, cells) in enumerate(found) if len(cells) == width)
    kept = found[start:]
    alike = sum(len(cells) == width for _, _, cells in kept) / len(kept)
    if width < 2 or alike < ALIKE or found[start][0] > PREAMBLE:
        return None
    records = [cells for _, _, cells in kept if len(cells) == width]
    before = found[start - 1][2] if start else []
    plain = takewhile(lambda one: len(one[2]) == width, kept[: MERGED + 1])
    heights = tuple(lines for _, lines, _ in plain)
    return _Shape(separator, width, alike, found[start][0], found[start][1], records, before, heights)


def _refuse_lost_names(path: Path, shape: _Shape) -> None:
    """Refuse a line of names that can't be taken as one: its columns would be numbered in silence."""
    first, width = shape.records[0], shape.width
    others = [row for row in shape.records if row != first]
    if others and shape.records.count(first) > 1 and _is_header([first, *others]):
        shown = ", ".join(map(repr, first[:3]))
        raise InputError(
            f"{path}: must name its columns in one line, got {shown} in {shape.records.count(first)} "
            f"of the first {len(shape.records):,}: take out all but the first"
        )
    # A separator at the end of each row, or R's row names before it: which, only the user knows.
    before = [cell.strip() for cell in shape.before]
    if len(before) == width - 1 and all(before) and not any(_is_value(cell) for cell in before):
        raise InputError(
            f"{path}: must have a name for each column, got {width - 1} names above rows of {width} cells: "
            "name all by --names"
        )


def _is_header(records: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names columns, and is no row like the others."""
    first, rest = [cell.strip() for cell in records[0]], records[1:]
    if first in ([str(k) for k in range(len(first))], [str(k) for k in range(1, len(first) + 1)]):
        return len(first) > 2  # as pandas numbers columns that nobody named
    columns = [{row[k].strip() for row in rest} for k in range(len(first))]
    numbered = [cells != {""} and all(_is_value(cell) for cell in cells if cell) for cells in columns]
    values = [_is_value(cell) for cell in first]
    if any(values):
        # Columns may be called 2019 and 2020: a word above numbers alone names its column, unless it stands
        # for a gap, and then the others name theirs.
        words = [cell not in GAPS and not value for cell, value in zip(first, values, strict=True)]
        named = any(word and number for word, number in zip(words, numbered, strict=True))
        return named and "" not in first and len({*first}) == len(first)
    if first.count("") > 1:
        return False
    if any(numbered):
        return True
    return sum(cell not in cells for cell, cells in zip(first, columns, strict=True)) > len(first) / 2


def _is_value(text: str) -> bool:
    """Return whether a text is a number or a day, which no column is called."""
    return bool(ISO_DAY.fullmatch(text)) or any(
        numerals.read([text])[0] == numerals.read([text])[0] for numerals in NUMBERS
    )
