"""Check that the pages of a release show what was measured and stated, and no more of single people.

Every number on the model card is one that was measured, the data card agrees with params, schema, statement
and measurements, and the report discloses no more than the release's own params allow.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmark.data.schema import ColumnSchema
from fairmark.errors import VerificationError
from fairmark.release.disclosure import BOOSTER, REPORT, shown
from fairmark.release.folder import ReleaseFolder
from fairmark.report.labels import count, measured, number
from fairmark.verify.card_text import Block, CardTable, Heading, Line, blocks
from fairmark.verify.card_text import shown as shown_text

if TYPE_CHECKING:
    from fairmark.judge.measurements import Measurements


MODEL_CARD = "model-card.md"
VALUE = "Value (interval)"
"""Header of the column that holds a measure's value, as `fairmark.report.model_card` writes it."""

_BY = Heading(3, "By ")
"""How the heading of an attribute's tables begins."""


@dataclass(frozen=True)
class Cell:
    """One number on the card: by which attribute ("" for all rows), in which row and column of a table."""

    attribute: str
    row: str
    column: str
    text: str


def model_card(release: ReleaseFolder) -> str:
    """Check the tables of measures on the card, all rows and by group, against the measurements."""
    wanted = _wanted(release.measurements, release.params.document.decimals)
    cells = [
        ((cell.attribute, cell.row, cell.column), cell.text) for cell in table_cells(release.text(MODEL_CARD))
    ]
    # A dict alone keeps the last of two cells, so that a wrong number could hide before a right one: hence
    # the count.
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
        # By group the card shows some of the measures only; of all rows it has to show each.
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
        raise VerificationError(*(f"{MODEL_CARD}: {fault}" for fault in wrong))
    return f"{len(known)} numbers of the card are those measured"


def _unshown(release: ReleaseFolder, known: Mapping[tuple[str, str, str], str]) -> list[str]:
    shown = {attribute for attribute, _, _ in known}
    return sorted(set(map(shown_text, release.measurements.groups)) - shown)


def _wanted(measurements: "Measurements", decimals: int) -> dict[tuple[str, str, str], str]:
    """Return what each place for a number on a card has to say: (attribute, row, column) -> text."""
    from fairmark.stats.measures import label as title

    found = {
        ("", title(name), VALUE): measured(entry, decimals) for name, entry in measurements.overall.items()
    }
    for attribute, groups in measurements.groups.items():
        for group, cell in groups.items():
            for name, entry in cell.measures.items():
                found[shown_text(attribute), shown_text(group), title(name)] = measured(entry, decimals)
    for attribute, gaps in measurements.disparities.items():
        for name, entry in gaps.items():
            found[shown_text(attribute), title(name), VALUE] = measured(entry, decimals)
    return found


def table_cells(text: str) -> Iterator[Cell]:
    """Yield every cell of every table of a card, but those of its first column.

    Raises
    ------
    VerificationError
        When it is not written as a card is (`card_text.blocks`).
    """
    attribute = ""
    for block in blocks(text, MODEL_CARD):
        if isinstance(block, Heading) and block.level <= _BY.level:
            # Any heading as high ends an attribute's part, else the next table would be checked against its
            # groups.
            is_by = block.level == _BY.level and block.text.startswith(_BY.text)
            attribute = block.text.removeprefix(_BY.text) if is_by else ""
        if isinstance(block, CardTable):
            for row in block.rows:
                yield from (
                    Cell(attribute, row[0], column, cell)
                    for column, cell in zip(block.header[1:], row[1:], strict=True)
                )


DATA_CARD = "data-card.md"
ROLES = {"protected": "protected", "forbidden": "withheld"}
Table = tuple[str, tuple[str, ...]]
COLUMNS: Table = ("Columns", ("Column", "Kind", "Role", "Missing", "Personal"))
TIMES: Table = ("Personal data", ("What", "Days"))
PARTS: Table = ("Who is in it", ("Part", "Rows", "Share labelled positive"))
"""Heading and header of the tables that are checked, as `report/templates/data-card.md.j2` writes them."""

Rows = Sequence[tuple[str, ...]]


def data_card(release: ReleaseFolder) -> str:
    """Check the card's columns, files, test rows, governance and times against the rest of the release."""
    found = [*blocks(release.text(DATA_CARD), DATA_CARD)]
    lines = {_of_file(block.text) for block in found if isinstance(block, Line)}
    tables = {which: _table(found, *which) for which in (COLUMNS, TIMES, PARTS)}
    faults = [
        *_column_faults(release, tables[COLUMNS]),
        *(
            f"{' '.join(wanted)!r} must stand once in the table below {which[0]!r}, got {_texts(named)}"
            for which, wanted in _rows(release)
            if (named := [row for row in tables[which] if row[0] == wanted[0]]) != [wanted]
        ),
        *(f"{line!r} must stand on it, got no such line" for line in _lines(release) if line not in lines),
    ]
    if faults:
        raise VerificationError(*(f"{DATA_CARD}: {fault}" for fault in faults))
    return f"its {len(_columns(release))} columns, files, test rows and times are those of the release"


def _table(found: Sequence[Block], heading: str, header: tuple[str, ...]) -> Rows:
    """Return the rows of the one table with this header, which stands below this heading.

    A group or a part of the data may have the name of a column, and its row the same number of cells: what a
    row says is known by its table alone.

    Raises
    ------
    VerificationError
        When there is no such table there, or another one of its header on the card.
    """
    at, places = "", list[tuple[str, CardTable]]()
    for block in found:
        if isinstance(block, Heading):
            at = block.text
        if isinstance(block, CardTable) and block.header == header:
            places.append((at, block))
    if [place for place, _ in places] != [heading]:
        where = ascii(", ".join(place for place, _ in places)[:80]) if places else "none"
        raise VerificationError(
            f"{DATA_CARD}: one table of {', '.join(header)} must stand on it, below {heading!r}, got {where}"
        )
    return places[0][1].rows


def _column_faults(release: ReleaseFolder, rows: Rows) -> list[str]:
    personal = set(release.params.privacy.personal)
    faults = []
    for column, role in _columns(release):
        name = shown_text(column.name)
        said = [row for row in rows if row[0] == name]
        wanted = "yes" if column.name in personal or role == "protected" else "no"
        if [row[1:3] for row in said] != [(column.kind, role)] or not said[0][4].startswith(wanted):
            fault = f"column {name} must be {column.kind}, {role}, personal: {wanted}"
            faults.append(f"{fault}, got {_texts(said)}")
    known = {shown_text(column.name) for column, _ in _columns(release)}
    seen = {"feature", *ROLES.values()}
    return faults + [
        f"{row[0]} must be no {row[2]} column, as the schema has none of that name, got {_texts([row])}"
        for row in rows
        if row[2] in seen and row[0] not in known
    ]


def _texts(rows: Rows) -> str:
    return ascii("; ".join(" ".join(row) for row in rows)[:80]) if rows else "no row"


def _columns(release: ReleaseFolder) -> list[tuple[ColumnSchema, str]]:
    features = [(column, "feature") for column in release.schema.features]
    return features + [(column, ROLES[column.why]) for column in release.schema.withheld]


def _rows(release: ReleaseFolder) -> list[tuple[Table, tuple[str, ...]]]:
    """Return the rows that must stand on the card, each with its table."""
    times = release.params.privacy.retention
    data, decimals = release.measurements.data, release.params.document.decimals
    found = [
        (TIMES, ("A version of the data", str(times.data_days))),
        (TIMES, ("A release", str(times.releases_days))),
        (TIMES, ("An entry of the audit trail", str(times.trail_days))),
    ]
    rate = number(data.positives / data.rows, decimals)
    return [*found, (PARTS, ("Test", count(data.rows), rate))]


def _lines(release: ReleaseFolder) -> list[str]:
    """Return the lines that must stand on the card."""
    roles = release.params.release.governance
    found = [
        shown_text(f"- Owner: {roles.owner}."),
        shown_text(f"- Custodian, who keeps it: {roles.custodian}."),
    ]
    sources = _sources(release)
    for name, digest in release.statement.digests_of_inputs.items():
        source = name.removeprefix("data/")
        if source in sources:
            found.append(f"{source} {digest}")
    return found


def _sources(release: ReleaseFolder) -> set[str]:
    files = release.params.prepare.files
    return {source.name for source in (files.main, files.test) if source is not None}


def _of_file(line: str) -> str:
    """Return of a line about a file its name and digest, and any other line as it is."""
    file = re.fullmatch(r"- (.+): [\d,]+ rows, SHA-256 `([0-9a-f]{64})`\.", line)
    return f"{file[1]} {file[2]}" if file else line


def personal(release: ReleaseFolder) -> str:
    """Check that the release shows no more of single people than its own params allow."""
    booster = release.text(BOOSTER) if BOOSTER in release.files else None
    binned = release.reference if release.has_reference else None
    found = shown(release.text(REPORT), booster, release.measurements, binned, release.alternatives)
    allowed = release.params.privacy
    if faults := found.faults(allowed):
        raise VerificationError(*faults)
    most = allowed.decisions_shown
    words = [f"{found.decisions} decisions and {found.lines} lines of single rows (at most {most})"]
    if found.leaf is not None:
        words.append(f"leaves of {found.leaf} rows or more ({allowed.smallest_leaf})")
    cells = [cell for cell, _ in filter(None, (found.cell, found.reference, found.alternatives))]
    if cells:
        words.append(f"counts of {min(cells)} or more ({allowed.smallest_cell})")
    return ", ".join(words)
