"""Check that the data card says what the params, the schema, the statement and the measurements say."""

import html
import re

from fairmark.data.schema import ColumnSchema
from fairmark.errors import VerificationError
from fairmark.files import plain_lines
from fairmark.release.folder import ReleaseFolder
from fairmark.report.labels import count, number

NAME = "data-card.md"
ROLES = {"protected": "protected", "forbidden": "withheld"}


def data_card(release: ReleaseFolder) -> str:
    """Check the card's columns, files, test rows, governance and times against the rest of the release."""
    text = release.text(NAME)
    written = plain_lines(text, NAME)
    lines = {_plain(line) for line in written}
    tables = (line for line in written if line.startswith("|"))
    rows = {tuple(map(_plain, re.split(r"(?<!\\)\|", line)[1:-1])) for line in tables}
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        by_first.setdefault(row[0], []).append(row)
    faults = [
        *_column_faults(release, by_first),
        *(f"{' '.join(wanted)!r} must stand in a table" for wanted in _rows(release) if wanted not in rows),
        *(f"{line!r} must stand on it" for line in _lines(release) if line not in lines),
    ]
    if faults:
        raise VerificationError(*(f"{NAME}: {fault}, got something else" for fault in faults))
    return f"its {len(_columns(release))} columns, files, test rows and times are those of the release"


def _column_faults(release: ReleaseFolder, by_first: dict[str, list[tuple[str, ...]]]) -> list[str]:
    personal = set(release.params.privacy.personal)
    faults = []
    for column, role in _columns(release):
        name = _spaced(column.name)
        said = [row for row in by_first.get(name, []) if len(row) == 5]
        wanted = "yes" if column.name in personal or role == "protected" else "no"
        if [row[1:3] for row in said] != [(column.kind, role)] or not said[0][4].startswith(wanted):
            faults.append(f"column {name} must be {column.kind}, {role}, personal: {wanted}")
    known = {_spaced(column.name) for column, _ in _columns(release)}
    seen = {"feature", *ROLES.values()}
    return faults + [
        f"{name} must be no {row[2]} column, as the schema has none of that name"
        for name, rows in by_first.items()
        for row in rows
        if len(row) == 5 and row[2] in seen and name not in known
    ]


def _columns(release: ReleaseFolder) -> list[tuple[ColumnSchema, str]]:
    features = [(column, "feature") for column in release.schema.features]
    return features + [(column, ROLES[column.why]) for column in release.schema.withheld]


def _rows(release: ReleaseFolder) -> list[tuple[str, ...]]:
    """Return the rows of tables that must stand on the card."""
    times = release.params.privacy.retention
    data, decimals = release.measurements.data, release.params.document.decimals
    found = [
        ("A version of the data", str(times.data_days)),
        ("A release", str(times.releases_days)),
        ("An entry of the audit trail", str(times.trail_days)),
    ]
    rate = number(data.positives / data.rows, decimals)
    return [*found, ("Test", count(data.rows), rate)]


def _lines(release: ReleaseFolder) -> list[str]:
    """Return the lines that must stand on the card."""
    roles = release.params.release.governance
    found = [
        _spaced(f"- Owner: {roles.owner}."),
        _spaced(f"- Custodian, who keeps it: {roles.custodian}."),
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


def _plain(text: str) -> str:
    """Return a line or a cell without Markdown's escapes; of a line about a file, its name and digest."""
    bare = html.unescape(re.sub(r"\\(.)", r"\1", text.strip()))
    file = re.fullmatch(r"- (.+): [\d,]+ rows, SHA-256 `([0-9a-f]{64})`\.", bare)
    return f"{file[1]} {file[2]}" if file else bare


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text)
