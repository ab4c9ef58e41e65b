"""From raw files to a typed table, its evidence, and what both hold, or to every fault of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmark.data import identity
from fairmark.data.checked import Checked, checked
from fairmark.data.describe import described, summary
from fairmark.data.evidence import groups
from fairmark.data.exclusion import kept
from fairmark.data.faults import stop
from fairmark.data.plan import Plan, note_personal, planned
from fairmark.data.read import read_raw
from fairmark.data.roles import WITHHELD
from fairmark.data.spelling import note_alike
from fairmark.data.weight import normalised, note_spread
from fairmark.sections.table import Prepare


@dataclass(frozen=True)
class Prepared:
    """What `prepare` writes: two tables with the same rows in the same order, and two descriptions."""

    table: pd.DataFrame
    evidence: pd.DataFrame
    schema: dict[str, Any]
    summary: dict[str, Any]


def prepared(folder: Path, params: Prepare) -> Prepared:
    """Return the tables that the raw files of `folder` hold.

    Raises
    ------
    InputError
        With every fault of every file, one line each.
    """
    sources = {"main": params.files.main, "test": params.files.test}
    files = {
        name: kept(read_raw(folder, source, params), params) for name, source in sources.items() if source
    }
    raws = {name: file.raw for name, file in files.items()}
    main = raws["main"]
    if main.texts.empty:
        if not main.faults.lines:
            main.faults.add("must hold at least one whole row, got none")
        stop(raw.faults for raw in raws.values())
    plan = planned(main, params)
    known = {"main": checked(files["main"], params.files.main.rows, plan, params, None)}
    if params.files.test:
        known["test"] = checked(files["test"], params.files.test.rows, plan, params, known["main"])
    _note_of_all(plan, params, known)
    stop(raw.faults for raw in raws.values())
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
    columns = {
        name: pd.concat([one.columns[name].cells for one in files.values()], ignore_index=True)
        for name in plan.kinds
    }
    table = _marks(params, columns, files)
    found, order = groups(params.protected, columns, plan.kinds)
    withheld = pd.DataFrame({f"{WITHHELD}{name}": columns[name] for name in plan.roles.withheld})
    features = pd.DataFrame({name: columns[name] for name in plan.roles.features})
    return Prepared(
        table=pd.concat([table, features], axis=1),
        evidence=pd.concat([table[["_row_id", "_label"]], found, withheld], axis=1),
        schema=described(params, plan, files, order),
        summary=summary(folder, params, plan, files),
    )


def _marks(params: Prepare, columns: "dict[str, pd.Series[Any]]", files: dict[str, Checked]) -> pd.DataFrame:
    """Return the reserved columns of the table."""
    rows = [len(one.labels) for one in files.values()]
    row_ids: list[str] = []
    for name, one in files.items():
        row_ids += (
            identity.ids(one.alike, one.content, "t" if name == "test" else "")
            if params.row_id is None
            else one.raw.texts[params.row_id].tolist()
        )
    table = pd.DataFrame(
        {
            "_row_id": pd.Series(row_ids, dtype="str"),
            "_label": np.concatenate([one.labels for one in files.values()]),
            "_source": pd.Series(np.repeat(list(files), rows), dtype="str"),
            "_weight": 1.0 if params.weight is None else normalised(columns[params.weight].to_numpy()),
        }
    )
    if params.person is not None:
        people = [one.raw.texts[params.person] for one in files.values()]
        table["_person"] = pd.concat(people, ignore_index=True)
    return table if params.time is None else table.assign(_time=columns[params.time])
