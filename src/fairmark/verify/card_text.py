"""The Markdown of a card, read by its structure: headings, tables and other lines, and nothing besides.

Cards are written in a small part of Markdown (`fairmark.report.rendering.markdown`). What a reader's program
would show as a table or as markup, and this would not see, is refused: a table without a bar before its rows
or in a quotation, raw HTML, a block of code (GitHub Flavored Markdown 0.29: 4.10, 4.5, 4.6).
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairmark.errors import VerificationError
from fairmark.files import plain_lines

MOST_COLUMNS = 1_000

BAR = "\N{BROKEN BAR}"
"""Stands for a bar of a text, which is written `\\|`: the others are a table's own."""

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_DELIMITER = re.compile(r":?-{3,}:?")
_HEADING = re.compile(r"(#{1,6}) (.+)")
_FOREIGN = re.compile(r"`{3}|~{3}|[ \t]*>|\t| {4,}\S|(?:=+|-+)[ \t]*$|[ \t]*\[[^\]]+\]:")
"""What begins code, a quotation, an underlined heading or a definition; a fault where a card has it."""


@dataclass(frozen=True)
class Heading:
    """A heading: its level, 1 the highest, and its text."""

    level: int
    text: str


@dataclass(frozen=True)
class CardTable:
    """A table: the cells of its header, and of each row, as many each."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Line:
    """Any other line: part of a paragraph, or an item of a list with its mark."""

    text: str


Block = Heading | CardTable | Line


def blocks(text: str, where: str) -> Iterator[Block]:
    """Yield what a card consists of, in order, without Markdown's escapes and with single blanks.

    Raises
    ------
    VerificationError
        At the first line that is none of these parts, or a table whose rows are not as wide as its header.
    """
    table: list[tuple[str, ...]] = []
    for number, line in enumerate([*plain_lines(text, where), ""], 1):
        place = f"{where}:{number}"
        if line.startswith("|"):
            table.append(_cells(line, place))
            continue
        if table:
            yield _table(table, place)
            table = []
        _refuse_foreign(line, place)
        if heading := _HEADING.fullmatch(line):
            yield Heading(len(heading[1]), plain(heading[2]))
        elif line.strip():
            yield Line(plain(line))


def plain(text: str) -> str:
    """Return Markdown text without its escapes (`fairmark.report.rendering.literal`), in single blanks."""
    kept = _ESCAPED.sub(lambda found: BAR if found[1] == "|" else found[1], text)
    return spaced(html.unescape(kept))


def shown(text: str) -> str:
    """Return a text as `plain` gives it back from where a card shows it."""
    return spaced(text).replace("|", BAR)


def spaced(text: str) -> str:
    """Return a text in single blanks."""
    return re.sub(r"\s+", " ", text).strip()


def _cells(line: str, place: str) -> tuple[str, ...]:
    if line.count("|") > MOST_COLUMNS:
        raise VerificationError(f"{place}: a table must have at most {MOST_COLUMNS} columns, got more")
    _refuse_markup(line, place)
    parts = re.split(r"(?<!\\)\|", line)
    if len(parts) < 3 or parts[-1].strip():
        raise VerificationError(f"{place}: a row of a table must end with a bar, got {line[-40:]!a}")
    return tuple(map(plain, parts[1:-1]))


def _table(found: Sequence[tuple[str, ...]], place: str) -> CardTable:
    header, *rest = found
    if not rest or not all(map(_DELIMITER.fullmatch, rest[0])):
        raise VerificationError(f"{place}: a table must have its line of dashes above, got none")
    if odd := next((row for row in rest if len(row) != len(header)), None):
        raise VerificationError(
            f"{place}: a table above must have {len(header)} cells in each row, got {len(odd)} "
            f"in the one that begins {odd[0][:40]!a}"
        )
    return CardTable(header, tuple(rest[1:]))


def _refuse_foreign(line: str, place: str) -> None:
    _refuse_markup(line, place)
    if re.search(r"(?<!\\)\|", line):
        raise VerificationError(f"{place}: a bar must begin a row of a table, got {line[:60]!a}")
    if _FOREIGN.match(line):
        raise VerificationError(f"{place}: must be a heading, a table, an item or a text, got {line[:60]!a}")


def _refuse_markup(line: str, place: str) -> None:
    if "<" in line:  # of a text it is written as an entity
        raise VerificationError(f"{place}: must hold no HTML, got {line[line.index('<') :][:40]!a}")
