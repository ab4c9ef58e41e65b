"""Is every number on the model card the one that was measured."""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmark.errors import VerificationError
from fairmark.files import plain_lines
from fairmark.release.folder import ReleaseFolder
from fairmark.report.labels import measured

if TYPE_CHECKING:
    from fairmark.judge.measurements import Measurements

NAME = "model-card.md"
VALUE = "Value (interval)"
"""Header of the column that holds a measure's value, as `fairmark.report.model_card` writes it."""

MOST_COLUMNS = 1_000

_SECTION = "### By "


@dataclass(frozen=True)
class Cell:
    """One number on the card: by which attribute ("" for all rows), in which row and column of a table."""

    attribute: str
    row: str
    column: str
    text: str


def card(release: ReleaseFolder) -> str:
    """Check the tables of measures on the card, all rows and by group, against the measurements."""
    wanted = _wanted(release.measurements, release.params.document.decimals)
    cells = [((cell.attribute, cell.row, cell.column), cell.text) for cell in table_cells(release.text(NAME))]
    shown, times = dict(cells), Counter(key for key, _ in cells)
    known = {key: text for key, text in shown.items() if key in wanted}
    wrong = [
        f"{row} {attribute} must be {wanted[attribute, row, column]}, got {text}"
        for (attribute, row, column), text in known.items()
        if text != wanted[attribute, row, column]
    ]
    wrong += [
        f"{row} must stand on the card, got nothing"
        for attribute, row, column in wanted
        if not attribute and (attribute, row, column) not in known
    ]
    wrong += [
        f"{row} {attribute} must stand on the card once, got it {times[attribute, row, column]} times"
        for attribute, row, column in known
        if times[attribute, row, column] > 1
    ]
    wrong += [
        f"{row} {attribute} must be a measure that was measured, got {text}"
        for (attribute, row, column), text in shown.items()
        if column == VALUE and (attribute, row, column) not in wanted
    ]
    wrong += [f"a table by {name} must stand on the card, got none" for name in _unshown(release, known)]
    if wrong:
        raise VerificationError(*(f"{NAME}: {fault}" for fault in wrong))
    return f"{len(known)} numbers of the card are those measured"


def _unshown(release: ReleaseFolder, known: Mapping[tuple[str, str, str], str]) -> list[str]:
    shown = {attribute for attribute, _, _ in known}
    return sorted(set(map(_spaced, release.measurements.groups)) - shown)


def _wanted(measurements: "Measurements", decimals: int) -> dict[tuple[str, str, str], str]:
    """Return what each place for a number on a card has to say: (attribute, row, column) -> text."""
    from fairmark.stats.measures import label as title

    found = {
        ("", title(name), VALUE): measured(entry, decimals) for name, entry in measurements.overall.items()
    }
    for attribute, groups in measurements.groups.items():
        for group, cell in groups.items():
            for name, entry in cell.measures.items():
                found[_spaced(attribute), _spaced(group), title(name)] = measured(entry, decimals)
    for attribute, gaps in measurements.disparities.items():
        for name, entry in gaps.items():
            found[_spaced(attribute), title(name), VALUE] = measured(entry, decimals)
    return found


def table_cells(text: str) -> Iterator[Cell]:
    """Yield every cell of every table of a card, but those of its first column."""
    attribute = ""
    header: list[str] = []
    for line in plain_lines(text, NAME):
        if line.startswith(_SECTION):
            attribute = _plain(line.removeprefix(_SECTION))
        if not line.startswith("|"):
            header = []
            continue
        if line.count("|") > MOST_COLUMNS:
            raise VerificationError(f"{NAME}: a table must have at most {MOST_COLUMNS} columns, got more")
        cells = [_plain(part) for part in re.split(r"(?<!\\)\|", line)[1:-1]]
        if header and cells[0].strip("-:"):
            yield from (
                Cell(attribute, cells[0], column, cell)
                for column, cell in zip(header[1:], cells[1:], strict=False)
            )
        header = header or cells


def _plain(text: str) -> str:
    """Return Markdown text without its escapes (`fairmark.report.rendering.literal`)."""
    return html.unescape(re.sub(r"\\(.)", r"\1", text.strip()))


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text)
