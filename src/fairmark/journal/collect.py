"""Training data collected from the journal: labelled rows as a raw file, for a retrain on newer data.

Each decision whose outcome came is one row: the inputs that were scored, or those of its newest correction;
the label; groups that are known for certain, from the memberships; and what its owner keeps beside, by
decision id. Every cell is read back as `prepare` will read it: a row that would be refused is left out and
counted, and a file that would be refused for what its columns lack is not written.

Outcomes may exist for the selected alone (selective labels). What is written then stands for those whom a
release let through, and the summary says so.
"""

import csv
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import msgspec
import numpy as np

from fairmark.data.roles import declared
from fairmark.data.row import CellFault, RowReader
from fairmark.data.schema import Schema
from fairmark.errors import InputError, ParamsError
from fairmark.files import written_whole
from fairmark.journal.entry import DAY_US, Stored, moment
from fairmark.journal.memberships import Memberships
from fairmark.journal.store import Journal
from fairmark.params.prepare import ByColumn, Csv, Prepare
from fairmark.record import Record

PAGE = 1000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CERTAIN = 1 - 1e-9
SELECTIVE = 0.05
"""Shares of the selected and of the others with an outcome that differ by more make labels selective."""


class Share(Record):
    """Of the decisions that were one way: how many there were, and for how many an outcome came."""

    decisions: int
    outcomes: int

    @property
    def share(self) -> float | None:
        """The share with an outcome, 0..1; None without a decision."""
        return self.outcomes / self.decisions if self.decisions else None


class Collected(Record):
    """What was collected, for the datasheet of the new data.

    Parameters
    ----------
    rows
        Rows that were written.
    positives
        Those with the positive label.
    erased
        Decisions with an outcome whose inputs were erased.
    left_out
        Rows that would not be read, by what was wrong with them.
    delay_days
        Quantiles of the days from a decision to its outcome, by their share; without rows, empty.
    selected, others
        Decisions of 1 and of 0.
    releases
        Rows by the release that decided.
    first, last
        Days of the first and the last decision that was written, in UTC.
    groups_unknown
        Protected columns whose group is not known for certain, and in how many rows.
    selective
        Whether outcomes came for the one kind of decision much more often than for the other.
    """

    rows: int
    positives: int
    erased: int
    left_out: dict[str, int]
    delay_days: dict[str, float]
    selected: Share
    others: Share
    releases: dict[str, int]
    first: str | None
    last: str | None
    groups_unknown: dict[str, int]
    selective: bool

    def lines(self) -> list[str]:
        """Return it for a person."""
        lines = [f"{self.rows} rows, {self.positives} of them positive, decided {self.first} to {self.last}"]
        lines += [f"left out: {count} rows, {fault}" for fault, count in self.left_out.items()]
        if self.erased:
            lines.append(f"left out: {self.erased} rows whose inputs were erased")
        lines += [f"column {name}: not known in {count} rows" for name, count in self.groups_unknown.items()]
        quantiles = ", ".join(f"{days:g} ({share})" for share, days in self.delay_days.items())
        lines.append(f"days from decision to outcome, by quantile: {quantiles or 'none'}")
        for words, part in (("selected", self.selected), ("others", self.others)):
            lines.append(f"{words}: outcomes for {part.outcomes} of {part.decisions} decisions")
        if self.selective:
            lines.append(
                "SELECTIVE LABELS: outcomes came much more often for one kind of decision; a model that "
                "learns from these rows knows little of the others, and no measure on them is of everybody"
            )
        return lines


@dataclass(frozen=True)
class Form:
    """The raw form of a project's rows.

    Parameters
    ----------
    prepare, schema
        The section of params.yaml, and what `prepare` wrote of the present data.
    """

    prepare: Prepare
    schema: Schema

    @property
    def csv(self) -> Csv:
        """The text format.

        Raises
        ------
        ParamsError
            When the raw files are no text.
        """
        if not isinstance(self.prepare.format, Csv):
            raise ParamsError("prepare.format: must be csv for rows to be collected, got parquet")
        return self.prepare.format

    @property
    def names(self) -> list[str]:
        """The columns of a file, in order."""
        if self.csv.header is not None:
            return list(self.csv.header)
        prepare = self.prepare
        roles = [prepare.row_id, prepare.person, prepare.time, prepare.weight]
        described = [column.name for column in self.schema.columns]
        return list(dict.fromkeys([*filter(None, roles), *described, *prepare.drop, prepare.target.column]))

    def reader(self) -> RowReader:
        """Return what reads the cells of features and withheld columns."""
        return RowReader.of(self.prepare, self.schema, [column.name for column in self.schema.columns])

    def text(self, name: str, value: object) -> str:
        """Return a cell that no reader reads, as it is written: a label, an id, a weight, a dropped one."""
        if value is None:
            return self.missing
        text = str(value)
        comma = isinstance(value, float) and self.csv.decimal == ","
        if "\n" in text or "\r" in text:
            raise InputError(f"column {name}: must be one line, got a line feed")
        return text.replace(".", ",") if comma else text

    @property
    def missing(self) -> str:
        """How a cell without a value is written."""
        return self.csv.missing[0] if self.csv.missing else ""


@dataclass
class _Tally:
    """What is counted while rows are written."""

    labels: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    decided: Counter[int] = field(default_factory=Counter)
    labelled: Counter[int] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    erased: int = 0


def read_beside(path: Path) -> dict[str, dict[str, str]]:
    """Return the columns that a service is not told, by decision, from a CSV file with a column `decision`.

    Raises
    ------
    InputError
        When the file can't be read, has no such column, or gives a decision twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: must be CSV in UTF-8, got {error}") from error
    if not lines or "decision" not in lines[0]:
        raise InputError(
            f"{path}: must have a column decision, got {', '.join(lines[0]) if lines else 'no row'}"
        )
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(lines, 2):
        if None in line or None in line.values() or line["decision"] in found:
            raise InputError(
                f"{path}: row {number} must have a cell for each column, and a decision of its own"
            )
        found[line.pop("decision")] = line
    return found


async def collect(
    journal: Journal,
    memberships: Memberships | None,
    form: Form,
    into: Path,
    *,
    since_us: int = 0,
    before_us: int = 2**63 - 1,
    beside: Mapping[str, Mapping[str, str]] | None = None,
) -> Collected:
    """Write the labelled rows of decisions from `since_us` to before `before_us`; return what they are.

    Parameters
    ----------
    into
        The raw file; it is written whole or not at all.
    beside
        Decision id -> texts of columns that the service is not told, as the raw file would hold them.

    Raises
    ------
    InputError
        When no row can be written, or a column lacks more values than params.yaml allows: each in a line.
    ParamsError
        When the raw files are no text.
    """
    # One pass over all that came after decisions, for it may come months later.
    tally, newest = _Tally(), await _after_decisions(journal)
    with (
        written_whole(into) as draft,
        draft.open("w", encoding=form.csv.encoding, newline="") as stream,
    ):
        writer = _writer(stream, form)
        reader = form.reader()
        async for page in _decisions(journal, since_us, before_us):
            groups = await _groups(memberships, form, [each.entry.id for each in page])
            for each in page:
                one = _cells(each, newest.get(each.entry.id), groups, beside or {}, form, tally)
                if one is not None:
                    _write(writer, reader, form, one, tally)
        _refuse_lacking(form, tally)
    return _told(tally)


@dataclass(frozen=True)
class _After:
    """What came after a decision: the newest outcome's label and time, and the newest correction."""

    label: int | None = None
    at_us: int = 0
    correction: Stored | None = None


async def _after_decisions(journal: Journal) -> dict[str, _After]:
    found: dict[str, _After] = {}
    of_correction: dict[str, str] = {}
    number = 0
    while page := await journal.after(number, PAGE, ["outcome", "correction"]):
        number = page[-1].number
        for each in page:
            # An outcome may be about a correction, which is about the decision.
            about = of_correction.get(str(each.entry.about), str(each.entry.about))
            known = found.get(about, _After())
            if each.entry.kind == "correction":
                of_correction[each.entry.id] = about
                found[about] = _After(known.label, known.at_us, each)
            elif each.entry.decision is not None:
                found[about] = _After(each.entry.decision, each.entry.at_us, known.correction)
    return found


async def _decisions(journal: Journal, since_us: int, before_us: int) -> AsyncIterator[list[Stored]]:
    number = 0
    while page := await journal.after(number, PAGE, ["decision"]):
        number = page[-1].number
        yield [each for each in page if since_us <= each.entry.at_us < before_us]


async def _groups(
    memberships: Memberships | None, form: Form, ids: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return, by decision, the raw text of each protected column whose group is known for certain."""
    if memberships is None:
        return {}
    columns = {
        name: each.column for name, each in form.prepare.protected.items() if isinstance(each, ByColumn)
    }
    found: dict[str, dict[str, str]] = {}
    for item in await memberships.of_decisions(ids):
        group, share = max(item.groups.items(), key=lambda pair: pair[1])
        if share >= CERTAIN and item.attribute in columns:
            found.setdefault(item.decision, {})[columns[item.attribute]] = _unquoted(group)
    return found


def _unquoted(group: str) -> str:
    """Return the text that a group is named after (`data.group_names.quoted`)."""
    inside = group[1:-1].replace('""', '"')
    return inside if group.startswith('"') and group.endswith('"') and len(group) > 1 else group


def _cells(
    kept: Stored,
    after: _After | None,
    groups: Mapping[str, Mapping[str, str]],
    beside: Mapping[str, Mapping[str, str]],
    form: Form,
    tally: _Tally,
) -> dict[str, Any] | None:
    """Return the values of a decision's row by column, or None where it has no label or no inputs."""
    entry, decided = kept.entry, 0 if kept.entry.decision is None else kept.entry.decision
    if entry.decision is not None:
        tally.decided[decided] += 1
    if after is None or after.label is None:
        return None
    if entry.decision is not None:
        tally.labelled[decided] += 1
    source = kept if after.correction is None else after.correction
    if source.entry.personal is None:
        tally.erased += 1
        return None
    row: dict[str, Any] = msgspec.json.decode(source.entry.personal).get("row", {})
    prepare, label = form.prepare, form.schema.label
    more = {**groups.get(entry.id, {}), **beside.get(entry.id, {})}
    # The last one wins: what was scored goes before what somebody says of it.
    found = {**more, **row, prepare.target.column: label.positive if after.label else label.negative}
    # Under the empty name, which no column has: what belongs to the row and is none of its cells.
    found |= {"": (after.label, entry.at_us, (after.at_us - entry.at_us) / DAY_US, entry.release)}
    if prepare.row_id is not None:
        found.setdefault(prepare.row_id, entry.id)
    if prepare.person is not None:
        found.setdefault(prepare.person, entry.subject)
    if prepare.time is not None:
        rule = declared(prepare, prepare.time)
        written = moment(entry.at_us).strftime(getattr(rule, "format", None) or "%Y-%m-%d")
        found.setdefault(prepare.time, written)
    return found


def _writer(stream: TextIO, form: Form) -> Any:
    # As many lines above the table as its reader skips.
    stream.write("\n" * form.prepare.files.main.skip_rows)
    writer = csv.writer(stream, delimiter=form.csv.separator, lineterminator="\n")
    if form.csv.header is None:
        writer.writerow(form.names)
    return writer


def _write(writer: Any, reader: RowReader, form: Form, values: dict[str, Any], tally: _Tally) -> None:
    """Write a row as text, unless `prepare` would not read its cells back as they were scored."""
    label, at_us, delay, release = values.pop("")
    cells = {name: form.text(name, values.get(name)) for name in form.names}
    faults = []
    for column in reader.columns:
        value = values.get(column.name)
        try:
            cell, text = column.read(value), column.text(value)
            if text is not None and column.read(text) != cell:
                raise CellFault("must be written as it was read", repr(text)[:80])
        except CellFault as error:
            faults.append(f"column {column.name}: {error.must}")
            continue
        cells[column.name] = form.missing if text is None else text
    tally.faults.update(faults)
    if faults:
        return
    described = {column.name for column in reader.columns}
    tally.empty.update(name for name in described if cells[name] == form.missing)
    withheld = {column.name for column in form.schema.withheld if column.why == "protected"}
    tally.unknown.update(name for name in withheld if cells[name] == form.missing)
    tally.empty.update(
        name for name in (form.prepare.weight, form.prepare.person) if name and values.get(name) is None
    )
    writer.writerow([cells[name] for name in form.names])
    tally.labels[label] += 1
    tally.releases[str(release)] += 1
    tally.delays.append(delay)
    tally.times.append(at_us)


def _refuse_lacking(form: Form, tally: _Tally) -> None:
    rows = tally.labels.total()
    if not rows:
        left = [f"left out: {fault}, in {count} rows" for fault, count in tally.faults.most_common()]
        raise InputError("journal: must hold a decision that can be written, got none (--beside)", *left)
    allowed = {each.name: declared(form.prepare, each.name).missing for each in form.schema.columns}
    lacking = {name: tally.empty[name] / rows for name in allowed}
    faults = [
        f"column {name}: may be missing in a share of {allowed[name]:g} (prepare.columns), got {share:.3g} "
        "(give what the service is not told with --beside)"
        for name, share in lacking.items()
        if share > allowed[name]
    ]
    faults += [
        f"column {name}: must be given for each row, got nothing in {tally.empty[name]} (--beside)"
        for name in (form.prepare.weight, form.prepare.person)
        if name is not None and tally.empty[name]
    ]
    if faults:
        raise InputError(*faults)


def _told(tally: _Tally) -> Collected:
    shares = {
        value: Share(decisions=tally.decided[value], outcomes=tally.labelled[value]) for value in (1, 0)
    }
    both = [each.share for each in shares.values() if each.share is not None]
    quantiles = np.quantile(tally.delays, QUANTILES).tolist()
    days = [moment(us).date() for us in (min(tally.times), max(tally.times))]
    return Collected(
        rows=tally.labels.total(),
        positives=tally.labels[1],
        erased=tally.erased,
        left_out=dict(sorted(tally.faults.items())),
        delay_days={f"{share:g}": round(each, 3) for share, each in zip(QUANTILES, quantiles, strict=True)},
        selected=shares[1],
        others=shares[0],
        releases=dict(sorted(tally.releases.items())),
        first=str(days[0]),
        last=str(days[1]),
        groups_unknown=dict(sorted(tally.unknown.items())),
        selective=len(both) == 2 and abs(both[0] - both[1]) > SELECTIVE,
    )
