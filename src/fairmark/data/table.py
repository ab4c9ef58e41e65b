"""From raw files to a typed table, its evidence, and what both hold, or to every fault of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data import identity, schema
from fairmark.data.evidence import groups
from fairmark.data.faults import shown, stop
from fairmark.data.kinds import Kind, Typed, kind_of, typed
from fairmark.data.label import labels, note_weights, stripped
from fairmark.data.read import Raw, read_raw
from fairmark.data.roles import WITHHELD, Roles, declared, roles_of, sources
from fairmark.files import sha256
from fairmark.params import ByEdges, Column, Csv, Date, Numeric, Prepare, Rows, Source


@dataclass(frozen=True)
class Prepared:
    """What `prepare` writes: two tables with the same rows in the same order, and two descriptions."""

    table: pd.DataFrame
    evidence: pd.DataFrame
    schema: dict[str, Any]
    summary: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How every file is read, settled by params.yaml and the main file.

    Parameters
    ----------
    roles
        Which column plays which part.
    said
        What a value of each column must be.
    kinds
        Of what kind each column is.
    decimal
        The decimal mark of numbers.
    """

    roles: Roles
    said: dict[str, Column]
    kinds: dict[str, Kind]
    decimal: str


@dataclass(frozen=True)
class Side:
    """One raw file, read: [n] labels (1 = positive), the two label texts, [n] digest of each row."""

    raw: Raw
    columns: dict[str, Typed]
    labels: npt.NDArray[np.int8]
    meaning: tuple[str, str]
    content: npt.NDArray[np.str_]


def prepared(folder: Path, params: Prepare) -> Prepared:
    """Return the tables that the raw files of `folder` hold.

    Raises
    ------
    InputError
        With every fault of every file, one line each.
    """
    sources = {"main": params.files.main, "test": params.files.test}
    raws = {name: read_raw(folder, source, params.format) for name, source in sources.items() if source}
    main = raws["main"]
    if main.texts.empty:
        main.faults.add("must hold at least one whole row, got none")
        stop(raw.faults for raw in raws.values())
    plan = _planned(main, params)
    sides = {"main": _side(main, params.files.main.rows, plan, params, None)}
    if params.files.test:
        _note_other_columns(raws["test"], main)
        sides["test"] = _side(raws["test"], params.files.test.rows, plan, params, sides["main"])
    stop(raw.faults for raw in raws.values())
    return _joined(folder, params, plan, sides)


def _planned(main: Raw, params: Prepare) -> Plan:
    roles = roles_of(list(main.texts.columns), params, main.faults)
    decimal = params.format.decimal if isinstance(params.format, Csv) else "."
    said = {name: declared(params, name) for name in (*roles.features, *roles.withheld)}
    said |= _said_of_marks(params)
    kinds = {}
    for name in [name for name in said if name in main.texts]:
        try:
            kinds[name] = kind_of(said[name], main.texts[name], main.types.get(name), decimal)
        except ValueError as error:
            main.faults.add(f"column {name}: {error}")
    for name, attribute in params.protected.items():
        if isinstance(attribute, ByEdges) and attribute.column in kinds:
            kind = kinds[attribute.column].name
            if kind != "numeric":
                main.faults.add(
                    f"column {attribute.column}: must be numeric to be cut by the edges of "
                    f"prepare.protected.{name}, got {kind}"
                )
    return Plan(roles, said, kinds, decimal)


def _said_of_marks(params: Prepare) -> dict[str, Column]:
    """Return what the time and the weight must be: given in every row, and a weight not below zero."""
    said: dict[str, Column] = {}
    if params.time is not None:
        given = params.columns.get(params.time)
        time = (
            given
            if isinstance(given, Date)
            else Date(kind="date", format=None, earliest=None, latest=None, missing=0)
        )
        said[params.time] = time.model_copy(update={"missing": 0.0})
    if params.weight is not None:
        given = params.columns.get(params.weight)
        weight = (
            given if isinstance(given, Numeric) else Numeric(kind="numeric", min=None, max=None, missing=0)
        )
        said[params.weight] = weight.model_copy(update={"missing": 0.0, "min": max(weight.min or 0.0, 0.0)})
    return said


def _note_other_columns(raw: Raw, main: Raw) -> None:
    if raw.texts.empty:
        return
    lacking = [name for name in main.texts if name not in raw.texts]
    extra = [name for name in raw.texts if name not in main.texts]
    if lacking or extra:
        words = [f"without {shown(lacking)}"] if lacking else []
        words += [f"also {shown(extra)}"] if extra else []
        raw.faults.add(f"must have the columns of {main.faults.where}, got them {' and '.join(words)}")


def _side(raw: Raw, rows: Rows, plan: Plan, params: Prepare, main: Side | None) -> Side:
    """Return one file with every column read; whatever is wrong with it is noted."""
    target = params.target
    texts = raw.texts
    columns = {
        name: typed(texts[name], kind, plan.decimal) for name, kind in plan.kinds.items() if name in texts
    }
    known = {name: (plan.said[name], plan.kinds[name], values) for name, values in columns.items()}
    schema.check(known, rows, raw.numbers, raw.refused, raw.faults)
    if params.weight in columns:
        note_weights(params.weight, columns[params.weight], raw.faults)
    if params.row_id is not None and params.row_id in texts:
        taken = main.raw.texts[params.row_id] if main and params.row_id in main.raw.texts else None
        identity.note_ids(params.row_id, texts[params.row_id], raw.numbers, taken, raw.faults)
    found, meaning = np.zeros(len(texts), np.int8), ("", "")
    if target.column in texts:
        texts = texts.assign(**{target.column: stripped(texts[target.column], target.strip)})
        other = main.meaning[1] if main else None
        found, meaning = labels(texts[target.column], target, other, raw.numbers, raw.faults)
    content = identity.contents(texts.drop(columns=[params.row_id or ""], errors="ignore"))
    return Side(raw, columns, found, meaning, content)


# ------------------------------------------------------------------ from files to tables


def _joined(folder: Path, params: Prepare, plan: Plan, sides: dict[str, Side]) -> Prepared:
    columns = {
        name: pd.concat([side.columns[name].cells for side in sides.values()], ignore_index=True)
        for name in plan.kinds
    }
    table = _marks(params, columns, sides)
    found = groups(params.protected, columns, plan.kinds)
    withheld = pd.DataFrame({f"{WITHHELD}{name}": columns[name] for name in plan.roles.withheld})
    features = pd.DataFrame({name: columns[name] for name in plan.roles.features})
    return Prepared(
        table=pd.concat([table, features], axis=1),
        evidence=pd.concat([table[["_row_id", "_label"]], found, withheld], axis=1),
        schema=_described(params, plan, sides, found),
        summary=_summary(folder, params, plan, sides),
    )


def _marks(params: Prepare, columns: "dict[str, pd.Series[Any]]", sides: dict[str, Side]) -> pd.DataFrame:
    """Return the reserved columns of the table."""
    rows = [len(side.labels) for side in sides.values()]
    row_ids: list[str] = []
    for name, side in sides.items():
        row_ids += (
            identity.ids(side.content, "t" if name == "test" else "")
            if params.row_id is None
            else side.raw.texts[params.row_id].tolist()
        )
    table = pd.DataFrame(
        {
            "_row_id": pd.Series(row_ids, dtype="str"),
            "_label": np.concatenate([side.labels for side in sides.values()]),
            "_source": pd.Series(np.repeat(list(sides), rows), dtype="str"),
            "_weight": 1.0 if params.weight is None else columns[params.weight],
        }
    )
    return table if params.time is None else table.assign(_time=columns[params.time])


def _described(params: Prepare, plan: Plan, sides: dict[str, Side], found: pd.DataFrame) -> dict[str, Any]:
    main = sides["main"]
    positive, negative = main.meaning
    return {
        "attributes": {
            name: {
                "by": attribute.by,
                "columns": sources(params, name),
                "groups": sorted(str(group) for group in found[name].unique()),
            }
            for name, attribute in params.protected.items()
        },
        "features": [_descriptor(name, plan, main) for name in plan.roles.features],
        "label": {"column": params.target.column, "positive": positive, "negative": negative},
        "row_id": params.row_id,
        "timed": params.time is not None,
        "weighted": params.weight is not None,
        "test_file": params.files.test is not None,
        "withheld": [
            {**_descriptor(name, plan, main), "why": why} for name, why in plan.roles.withheld.items()
        ],
    }


def _descriptor(name: str, plan: Plan, main: Side) -> dict[str, Any]:
    kind = plan.kinds[name]
    return {
        "name": name,
        "kind": kind.name,
        "categories": None if kind.categories is None else list(kind.categories),
        "missing": float(main.columns[name].cells.isna().mean()),
    }


def _summary(folder: Path, params: Prepare, plan: Plan, sides: dict[str, Side]) -> dict[str, Any]:
    sources = {"main": params.files.main, "test": params.files.test}
    files = {
        name: source and _file(folder / source.name, source, sides[name]) for name, source in sources.items()
    }
    content = np.concatenate([side.content for side in sides.values()])
    seen = [*plan.roles.features, *plan.roles.withheld]
    rows = len(content)
    absent = {
        name: sum(int(side.columns[name].cells.isna().sum()) for side in sides.values()) / rows
        for name in seen
    }
    shared = set(sides["main"].content) & set(sides["test"].content) if "test" in sides else set()
    return {
        "files": files,
        "rows": rows,
        "duplicates": rows - len(set(content)),
        "shared_rows": len(shared),
        "positives": sum(int(side.labels.sum()) for side in sides.values()),
        "missing": absent,
        "unseen": _unseen(plan, sides),
        "dropped": list(params.drop),
    }


def _file(path: Path, source: Source, side: Side) -> dict[str, Any]:
    return {
        "name": source.name,
        "rows": len(side.labels),
        "duplicates": len(side.content) - len(set(side.content)),
        "sha256": sha256(path),
    }


def _unseen(plan: Plan, sides: dict[str, Side]) -> dict[str, int]:
    """Return, per column, the rows of the test file whose category the main file does not hold."""
    if "test" not in sides:
        return {}
    counts = {
        name: int((~values.texts.isin(list(kind.categories)) & values.texts.notna()).sum())
        for name, values in sides["test"].columns.items()
        if (kind := plan.kinds[name]).categories is not None and not kind.declared
    }
    return {name: count for name, count in counts.items() if count}
