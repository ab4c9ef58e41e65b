"""A paper as blocks: headings, paragraphs, items, tables and figures, whatever file it becomes.

The card of a release is Markdown that was sealed; it becomes blocks as CommonMark (0.31) reads it, so that a
paper says what the card says, word by word.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fairmark.terminal import printable

if TYPE_CHECKING:
    from markdown_it.token import Token

CAPTION = "Table: "
"""How a paragraph begins that is the caption of the table below it, on the cards."""
MOST_COLUMNS = 6
"""Of a table on a page; a wider one is told in parts, each with its first column."""


@dataclass(frozen=True)
class Run:
    """A piece of text, plain, bold, or as code."""

    text: str
    bold: bool = False
    code: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading, level 1 being the highest below the title."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, or an item of a list."""

    runs: tuple[Run, ...]
    item: bool = False

    @property
    def text(self) -> str:
        """Its whole text."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True)
class Grid:
    """A table: its caption, its header, its rows as wide as the header, and which columns hold numbers."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A picture (PNG), and what it says in words: its caption, and what is read where it can't be seen."""

    caption: str
    png: bytes
    width: float
    """Of the text's width, 0..1."""
    height: float
    """As a share of its own width."""


Block: TypeAlias = Heading | Paragraph | Grid | Figure


@dataclass(frozen=True)
class Paper:
    """A title, what stands under it, and the blocks."""

    title: str
    subtitle: str
    blocks: tuple[Block, ...]

    def texts(self) -> Iterator[str]:
        """Yield every text of it, in order."""
        yield from (self.title, self.subtitle)
        for block in self.blocks:
            if isinstance(block, Grid):
                yield from (block.caption, *block.header, *(cell for row in block.rows for cell in row))
            elif isinstance(block, Figure):
                yield block.caption
            else:
                yield block.text


def said(text: str, *, item: bool = False, bold: bool = False) -> Paragraph:
    """Return a plain text as a paragraph, without what a page can't show."""
    return Paragraph((Run(printable(text), bold),), item)


def grid(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()
) -> Iterator[Grid]:
    """Yield a table, in parts of at most `MOST_COLUMNS` columns that each begin with the first one."""
    step = MOST_COLUMNS - 1
    starts = range(1, max(len(header), 2), step)
    for start in starts:
        chosen = [0, *range(start, min(start + step, len(header)))]
        part = f" (part {starts.index(start) + 1} of {len(starts)})" if len(starts) > 1 else ""
        yield Grid(
            printable(caption + part),
            tuple(printable(header[at]) for at in chosen),
            tuple(tuple(printable(row[at]) for at in chosen) for row in rows),
            frozenset(place for place, at in enumerate(chosen) if at in numbers),
        )


def of_markdown(text: str) -> Paper:
    """Return a card's Markdown as a paper; its first heading is the title."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    blocks = [*_blocks(tokens)]
    title = next((each.text for each in blocks if isinstance(each, Heading)), "")
    rest = blocks[1:] if blocks and isinstance(blocks[0], Heading) else blocks
    lowered = (Heading(each.level - 1, each.text) if isinstance(each, Heading) else each for each in rest)
    return Paper(title, "", tuple(lowered))


def _blocks(tokens: "Sequence[Token]") -> Iterator[Block]:
    caption, depth, at = "", 0, 0
    while at < len(tokens):
        token = tokens[at]
        if token.type == "table_open":
            end = next(place for place in range(at, len(tokens)) if tokens[place].type == "table_close")
            yield from _grids(tokens[at:end], caption)
            caption, at = "", end
        elif token.type == "heading_open":
            yield Heading(int(token.tag[1:]), _text(tokens[at + 1]))
        elif token.type in {"list_item_open", "list_item_close"}:
            depth += 1 if token.type == "list_item_open" else -1
        elif token.type == "paragraph_open":
            runs = tuple(_runs(tokens[at + 1]))
            whole = "".join(run.text for run in runs)
            if whole.startswith(CAPTION) and not depth:
                caption = whole.removeprefix(CAPTION)
            else:
                yield Paragraph(runs, item=depth > 0)
        at += 1


def _grids(tokens: "Sequence[Token]", caption: str) -> Iterator[Grid]:
    rows: list[list[str]] = []
    numbers: set[int] = set()
    for at, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in {"th_open", "td_open"}:
            if token.attrGet("style") == "text-align:right":
                numbers.add(len(rows[-1]))
            rows[-1].append(_text(tokens[at + 1]))
    yield from grid(caption, rows[0], rows[1:], sorted(numbers))


def _text(token: "Token") -> str:
    return "".join(run.text for run in _runs(token))


def _runs(token: "Token") -> Iterator[Run]:
    bold = False
    for child in token.children or []:
        if child.type in {"strong_open", "strong_close"}:
            bold = child.type == "strong_open"
        elif child.type in {"softbreak", "hardbreak"}:
            yield Run(" ", bold)
        elif child.content:
            yield Run(printable(re.sub(r"\s+", " ", child.content)), bold, code=child.type == "code_inline")
