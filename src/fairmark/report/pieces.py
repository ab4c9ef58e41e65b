"""What a page is made of: tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

NUMBER = "number"
STRIP = "strip"
WORDS = "words"


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, and whether it holds words, numbers or strips."""

    label: str
    kind: str = WORDS


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell of each row heads it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()
    """The last row, for the scale of a column of strips."""
    marked: frozenset[int] = field(default_factory=frozenset)
    """The rows that stand out."""


@dataclass(frozen=True)
class Picture:
    """A picture with a caption; it carries its own words for those who don't see it."""

    svg: Markup
    caption: str
