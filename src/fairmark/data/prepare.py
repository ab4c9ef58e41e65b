"""From raw files to the typed table, its evidence, schema and summary, or to every fault of the files.

All files are read before anything is written, and every fault of every file is collected, so that whoever
mends a table sees all of it at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from fairmark.data.columns import Checked, Plan, checked, normalised, note_personal, note_spread, planned
from fairmark.data.groups import alike, groups, note_alike
from fairmark.data.inference import ZERO_LED, numeric_share
from fairmark.data.kinds import Cells
from fairmark.data.raw import read_raw
from fairmark.data.roles import LABEL, PERSON, ROW_ID, SOURCE, WEIGHT, WITHHELD, sources
from fairmark.data.row_ids import content_ids
from fairmark.data.row_rules import exclusions, filtered
from fairmark.data.schema import (
    AttributePart,
    AttributeSchema,
    ColumnSchema,
    Label,
    ProbableAttribute,
    Schema,
    WithheldColumn,
)
from fairmark.data.summaries import ColumnReading, PrepareSummary, SourceFile, SourceFiles
from fairmark.errors import stop
from fairmark.files import sha256
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, Inferred, Prepare, Source
from fairmark.terminal import silent

SHOWN = 60
"""Columns of which a line is printed."""


def described(params: Prepare, plan: Plan, files: dict[str, Checked], groups: dict[str, list[str]]) -> Schema:
    """Return what the columns, the label and the groups are: the content of schema.json.

    Parameters
    ----------
    files
        The raw files, `main` and where there is one `test`.
    groups
        The groups of each attribute, in order.
    """
    main = files["main"]
    meaning = main.meaning
    return Schema(
        attributes={name: _attribute(params, plan, name, groups[name]) for name in params.grouped},
        features=tuple(_column(name, plan, main) for name in plan.roles.features),
        label=Label(column=params.target.column, positive=meaning.positive, negative=meaning.negative),
        person=params.person,
        row_id=params.row_id,
        timed=params.time is not None,
        weighted=params.weight is not None,
        test_file=params.files.test is not None,
        **_by_probability(params),
        withheld=tuple(
            WithheldColumn(**dict(_column(name, plan, main)), why=why)
            for name, why in plan.roles.withheld.items()
        ),
    )


def _by_probability(params: Prepare) -> dict[str, Any]:
    known = params.by_probability.items()
    found = {name: ProbableAttribute(**each.model_dump(exclude={"by"})) for name, each in known}
    return {"by_probability": found} if found else {}


def _attribute(params: Prepare, plan: Plan, name: str, groups: list[str]) -> AttributeSchema:
    attribute, columns = params.grouped[name], tuple(sources(params, name))
    parts = _parts(params, plan, attribute)
    # Naming the columns says it all, unless a number is cut, a boolean named, or a column taken twice.
    if all(part.edges is None and part.pair is None for part in parts) and len(columns) == len(parts):
        return AttributeSchema(by=attribute.by, columns=columns, groups=tuple(groups))
    return AttributeSchema(by=attribute.by, columns=columns, groups=tuple(groups), parts=parts)


def _parts(params: Prepare, plan: Plan, attribute: ByColumn | ByEdges | ByCross) -> tuple[AttributePart, ...]:
    """Return each raw column of an attribute with what turns its values into groups."""
    match attribute:
        case ByCross():
            return tuple(part for name in attribute.of for part in _parts(params, plan, params.grouped[name]))
        case ByEdges():
            return (AttributePart(column=attribute.column, edges=tuple(attribute.edges), pair=None),)
        case ByColumn():
            pair = plan.kinds[attribute.column].pair
            return (AttributePart(column=attribute.column, edges=None, pair=pair),)


def _column(name: str, plan: Plan, main: Checked) -> ColumnSchema:
    kind = plan.kinds[name]
    return ColumnSchema(
        name=name,
        kind=kind.name,
        categories=kind.categories,
        missing=float(main.columns[name].cells.isna().mean()),
        pair=kind.pair,
        format=kind.form,
        unit=kind.numerals.unit,
    )


def summary(folder: Path, params: Prepare, plan: Plan, files: dict[str, Checked]) -> PrepareSummary:
    """Return what was read and how much of it is missing or repeated."""
    content = pd.concat([one.content for one in files.values()], ignore_index=True)
    main, test = params.files.main, params.files.test
    return PrepareSummary(
        files=SourceFiles(
            main=_file(folder, main, files["main"]),
            test=None if test is None else _file(folder, test, files["test"]),
        ),
        rows=len(content),
        duplicates=len(content) - content.nunique(),
        shared_rows=_shared(files) if test else 0,
        positives=sum(int(one.labels.sum()) for one in files.values()),
        missing={
            name: sum(int(one.columns[name].cells.isna().sum()) for one in files.values()) / len(content)
            for name in (*plan.roles.features, *plan.roles.withheld)
        },
        unseen=_unseen(plan, files["test"]) if test else {},
        dropped=tuple(params.drop),
        unread=files["main"].raw.unread,
        index=tuple(files["main"].raw.index),
        excluded=exclusions(params, [one.dropped for one in files.values()]),
        respelt={name: sum(one.raw.respelt[name] for one in files.values()) for name in params.spellings},
        columns={name: _reading(name, plan, params, files["main"]) for name in plan.kinds},
    )


def _reading(name: str, plan: Plan, params: Prepare, main: Checked) -> ColumnReading:
    texts, kind = main.raw.texts[name], plan.kinds[name]
    named = kind.name in {"categorical", "ordinal"}
    return ColumnReading(
        kind=kind.name,
        said=not isinstance(plan.rules[name], Inferred),
        missing=float(texts.isna().mean()),
        values=len(kind.categories) if kind.categories is not None else None,
        numbers=numeric_share(texts, params.format) if named else None,
        zero_led=bool(named and texts.dropna().str.fullmatch(ZERO_LED.pattern).any()),
        alike=sum(map(len, alike(kind.categories or ()))),
        unit=kind.numerals.unit or None,
    )


def reading_lines(summary: PrepareSummary) -> list[str]:
    """Return what was read and what each column was taken for, as lines for a person."""
    columns = summary.columns
    declared = [name for name, one in columns.items() if one.said]
    read = {name: one for name, one in columns.items() if not one.said}
    whose = f"columns as params.yaml says: {len(declared)}, as every cell of them reads: {len(read)}"
    lines = [f"prepare: {summary.rows:,} rows; {whose}"]
    width = min(max(map(len, read), default=0), 40)
    lines += [f"  {name:{width}} {_as_words(one)}" for name, one in list(read.items())[:SHOWN]]
    if len(read) > SHOWN:
        lines.append(f"  and {len(read) - SHOWN:,} more, all of them in summary.json")
    lines += [f"  left out: {one.rows:,} rows whose {one.column} {one.when}" for one in summary.excluded]
    lines += [f"  respelt: {rows:,} rows of {name}" for name, rows in summary.respelt.items()]
    lines += [f"  not read, as dropped: {name} ({kind})" for name, kind in summary.unread.items()]
    lines += [f"  not read, as the file's own metadata calls it an index: {name}" for name in summary.index]
    lines += [
        f"  alike but for case, spaces or Unicode form: {one.alike} values of {name}"
        for name, one in columns.items()
        if one.alike
    ]
    return lines


def _as_words(one: ColumnReading) -> str:
    words: list[str] = [one.kind]
    if one.unit:
        words.append(f"all with {one.unit}")
    values = one.values  # noqa: PD011 - of the summary, no table's
    if values is not None:
        words.append(f"{values:,} values")
    if one.numbers:
        why = " (codes with leading zeros)" if one.zero_led else ""
        words.append(f"{_percent(one.numbers)} read as numbers{why}")
    if one.missing:
        words.append(f"{_percent(one.missing)} missing")
    return ", ".join(words)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _file(folder: Path, source: Source, one: Checked) -> SourceFile:
    return SourceFile(
        name=source.name,
        rows=len(one.labels),
        packed=one.raw.packed,
        duplicates=len(one.content) - one.content.nunique(),
        sha256=sha256(folder / source.name),
    )


def _shared(files: dict[str, Checked]) -> int:
    """Return how many different rows stand in both files."""
    different = pd.Series(files["test"].content.unique(), dtype="str")
    return int(different.isin(files["main"].content).sum())


def _unseen(plan: Plan, test: Checked) -> dict[str, int]:
    counts = {
        name: int((~one.texts.isin(list(kind.categories)) & one.texts.notna()).sum())
        for name, one in test.columns.items()
        if (kind := plan.kinds[name]).categories is not None
    }
    return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True)
class Prepared:
    """What `prepare` writes: two tables with the same rows in the same order, and two descriptions."""

    table: pd.DataFrame
    evidence: pd.DataFrame
    schema: Schema
    summary: PrepareSummary


def prepared(folder: Path, params: Prepare, step: Callable[[str], None] = silent) -> Prepared:
    """Return the tables that the raw files of `folder` hold.

    Raises
    ------
    InputError
        With every fault of every file, one line each.
    """
    sources = {"main": params.files.main, "test": params.files.test}
    files = {}
    for name, source in sources.items():
        if source:
            step(f"reading {source.name}")
            files[name] = filtered(read_raw(folder, source, params, coded=True), params)
    raws = {name: file.raw for name, file in files.items()}
    main = raws["main"]
    if main.texts.empty:
        if not main.faults.lines:
            main.faults.add("must hold at least one whole row, got none")
        stop(raw.faults for raw in raws.values())
    plan = planned(main, params)
    step(f"checking {sum(len(raw.texts) for raw in raws.values()):,} rows")
    known = {"main": checked(files["main"], params.files.main.rows, plan, params, None)}
    if params.files.test:
        known["test"] = checked(files["test"], params.files.test.rows, plan, params, known["main"])
    _note_of_all(plan, params, known)
    stop(raw.faults for raw in raws.values())
    step("ids, groups and the summary")
    return _joined(folder, params, plan, known)


def _note_of_all(plan: Plan, params: Prepare, files: dict[str, Checked]) -> None:
    """Note what only all files together show."""
    faults = files["main"].raw.faults
    note_personal(plan, files["main"].columns, faults)
    note_alike(params.protected, plan.kinds, [one.columns for one in files.values()], faults)
    if params.weight is not None:
        weights = [one.columns[params.weight] for one in files.values() if params.weight in one.columns]
        note_spread(params.weight, [one.cells.to_numpy(np.float64) for one in weights], faults)


def _joined(folder: Path, params: Prepare, plan: Plan, files: dict[str, Checked]) -> Prepared:
    columns = {name: _stacked([one.columns[name].cells for one in files.values()]) for name in plan.kinds}
    table = _marks(params, columns, files)
    evidence, order = groups(params.grouped, columns, plan.kinds)
    # Not copied: every cell would be held twice from here to the end.
    withheld = pd.DataFrame({f"{WITHHELD}{name}": columns[name] for name in plan.roles.withheld}, copy=False)
    features = pd.DataFrame({name: columns[name] for name in plan.roles.features}, copy=False)
    return Prepared(
        table=pd.concat([table, features], axis=1),
        evidence=pd.concat([table[[ROW_ID, LABEL]], evidence, withheld], axis=1),
        schema=described(params, plan, files, order),
        summary=summary(folder, params, plan, files),
    )


def _stacked(cells: list[Cells]) -> Cells:
    """Return the cells of one column of all files, one after another; coded where they are coded in each."""
    if all(isinstance(one.dtype, pd.CategoricalDtype) for one in cells):
        return pd.Series(union_categoricals([one.array for one in cells], sort_categories=True))
    if any(isinstance(one.dtype, pd.CategoricalDtype) for one in cells):
        cells = [one.astype("str") for one in cells]
    return cells[0].reset_index(drop=True) if len(cells) == 1 else pd.concat(cells, ignore_index=True)


def _marks(params: Prepare, columns: dict[str, Cells], files: dict[str, Checked]) -> pd.DataFrame:
    """Return the reserved columns of the table."""
    rows = [len(one.labels) for one in files.values()]
    row_ids = [
        # Marked by their file, for the same row may stand in both.
        content_ids(one.alike, one.content, "t" if name == "test" else "")
        if params.row_id is None
        else one.raw.texts[params.row_id].astype("str")
        for name, one in files.items()
    ]
    table = pd.DataFrame(
        {
            ROW_ID: pd.concat(row_ids, ignore_index=True),
            LABEL: np.concatenate([one.labels for one in files.values()]),
            SOURCE: pd.Series(np.repeat(list(files), rows), dtype="str"),
            WEIGHT: 1.0 if params.weight is None else normalised(columns[params.weight].to_numpy()),
        }
    )
    if params.person is not None:
        people = [one.raw.texts[params.person].astype("str") for one in files.values()]
        table[PERSON] = pd.concat(people, ignore_index=True)
    return table if params.time is None else table.assign(_time=columns[params.time])
