"""Every column of the raw files, read and checked by one plan.

The plan is settled once, by params.yaml and the main file: which column plays which part, what each must
hold and of what kind it is. A published test file is then read by the plan of the main file, so that a value
means the same in both.

A weight says how many cases a row stands for. Each is given, a number above 0, and at most `SPREAD` times the
smallest; rows of weight 0 stand for nobody, so params.yaml leaves them out or they are a fault. The table
holds weights that are 1 on average.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data import kinds as validation
from fairmark.data import row_ids
from fairmark.data.cells import Kind, Numerals
from fairmark.data.inference import kind_of
from fairmark.data.kinds import Typed, typed
from fairmark.data.pii import personal
from fairmark.data.raw import Raw
from fairmark.data.roles import Roles, declared, roles_of
from fairmark.data.row_rules import FilteredRows, Meaning, labels, stripped
from fairmark.errors import Faults, shown
from fairmark.params.prepare import ByEdges, Column, Date, Inferred, Numeric, Prepare, Rows
from fairmark.stats.arrays import Floats


@dataclass(frozen=True)
class Plan:
    """Roles and kinds of the columns of every file.

    Parameters
    ----------
    roles
        Which column plays which part.
    rules
        What a value of each column must be.
    kinds
        Of what kind each column is.
    """

    roles: Roles
    rules: dict[str, Column]
    kinds: dict[str, Kind]


def planned(main: Raw, params: Prepare) -> Plan:
    """Return how every file is read; what params.yaml says and the main file does not hold is noted."""
    # A column that was not read (of lists, of bytes) is still there, and may be named in `drop`.
    roles = roles_of([*main.texts.columns, *main.unread], params, main.faults)
    rules = {name: declared(params, name) for name in (*roles.features, *roles.withheld)}
    rules |= _time_rule(params) | _weight_rule(params)
    kinds = {}
    for name in [name for name in rules if name in main.texts]:
        try:
            own = main.types.get(name)
            kinds[name] = kind_of(name, rules[name], main.texts[name], own, params.format)
        except ValueError as error:
            main.faults.add(f"column {name}: {error}")
    _note_uncuttable(kinds, params, main)
    return Plan(roles, rules, kinds)


def _time_rule(params: Prepare) -> dict[str, Column]:
    """Return what the time must be: a date, given in every row, because a row without it has no order."""
    if params.time is None:
        return {}
    given = params.columns.get(params.time)
    if not isinstance(given, Date):
        given = Date(kind="date", format=None, earliest=None, latest=None, missing=0.0)
    return {params.time: given.model_copy(update={"missing": 0.0})}


def _weight_rule(params: Prepare) -> dict[str, Column]:
    """Return what the weight must be: a number, given in every row; `weight` holds the rest of its rule."""
    if params.weight is None:
        return {}
    given = params.columns.get(params.weight)
    if not isinstance(given, Numeric):
        given = Numeric(kind="numeric", min=None, max=None, missing=0.0)
    return {params.weight: given.model_copy(update={"missing": 0.0, "min": max(given.min or 0.0, 0.0)})}


def _note_uncuttable(kinds: dict[str, Kind], params: Prepare, main: Raw) -> None:
    for name, attribute in params.protected.items():
        if isinstance(attribute, ByEdges) and attribute.column in kinds:
            kind = kinds[attribute.column].name
            if kind != "numeric":
                main.faults.add(
                    f"column {attribute.column}: must be numeric to be cut by the edges of "
                    f"prepare.protected.{name}, got {kind}"
                )


PERSONAL_SHARE = 0.5
"""Share of its given cells that must look like personal data before an inferred column is refused."""


def note_personal(plan: Plan, columns: Mapping[str, Typed], faults: Faults) -> None:
    """Note features whose kind was read off the data, and which seem to hold personal data.

    Whoever says a column's kind in params.yaml has looked at it; one that nobody looked at must not become
    a feature by being there.
    """
    for name in plan.roles.features:
        if name not in columns or not isinstance(plan.rules[name], Inferred):
            continue
        signs = personal(name, columns[name].cells, plan.kinds[name].name, PERSONAL_SHARE)
        if signs:
            kinds = " and ".join(f"{one.kind} in {100 * one.share:.3g}% of its cells" for one in signs)
            key = json.dumps(name, ensure_ascii=False)
            faults.add(
                f"column {name}: must be no personal data to become a feature by itself, got what looks like "
                f"{kinds}; params.yaml settles it by prepare.drop: [..., {key}], by prepare.forbidden: "
                f"[..., {key}], by prepare.row_id: {key} where it names each row, or by its kind in "
                "prepare.columns"
            )


@dataclass(frozen=True)
class Checked:
    """One raw file, read.

    Parameters
    ----------
    raw
        The file as texts, with its faults.
    columns
        Its features, withheld columns, time and weight, typed.
    labels
        [n] 1 = positive, 0 = negative.
    meaning
        What the positive and the negative label are.
    dropped
        Rows that each of `prepare.drop_rows` left out.
    content
        [n] digest of each row, its id apart.
    alike
        [n] the same without the label: what an id that is made from content may know.
    """

    raw: Raw
    columns: dict[str, Typed]
    labels: npt.NDArray[np.int8]
    meaning: Meaning
    dropped: tuple[int, ...]
    content: "pd.Series[str]"
    alike: "pd.Series[str]"


def checked(file: FilteredRows, rows: Rows, plan: Plan, params: Prepare, main: Checked | None) -> Checked:
    """Return a file with every column read; whatever is wrong with it is noted in `raw.faults`.

    Parameters
    ----------
    file
        The rows of a raw file that stay.
    rows
        How many rows it may have.
    main
        The main file, when this is the test file.
    """
    raw, name = file.raw, params.target.column
    texts = raw.texts
    order = list((main.raw if main else raw).texts.columns)
    if main and len(texts.columns):
        _note_other_columns(raw, order, main.raw.faults.where)
    columns = {column: typed(texts[column], kind) for column, kind in plan.kinds.items() if column in texts}
    _note_cells(file, columns, rows, plan, params, main)
    label, meaning = np.zeros(len(texts), np.int8), Meaning("", "", [], Numerals())
    if name in texts:
        texts = texts.assign(**{name: stripped(texts[name], params.target.strip)})
        known = main.meaning if main else None
        label, meaning = labels(texts[name], params.target, known, raw.numbers, params.format, raw.faults)
    names = [column for column in order if column in texts and column != params.row_id]
    return Checked(raw, columns, label, meaning, file.dropped, *row_ids.digests(texts[names], name))


def _note_cells(
    file: FilteredRows,
    columns: dict[str, Typed],
    rows: Rows,
    plan: Plan,
    params: Prepare,
    main: Checked | None,
) -> None:
    raw = file.raw
    known = {name: (plan.rules[name], plan.kinds[name], one) for name, one in columns.items()}
    if len(raw.texts.columns):
        validation.check(known, rows, raw.numbers, raw.refused + sum(file.dropped), raw.faults)
    if params.weight in columns:
        note_zeros(params.weight, columns[params.weight].cells.to_numpy(), raw.numbers, raw.faults)
    if params.person is not None and params.person in raw.texts:
        absent = raw.texts[params.person].isna().to_numpy(bool)
        raw.faults.rows(raw.numbers[absent], f"column {params.person}: the person must be given, got nothing")
    if params.row_id is not None and params.row_id in raw.texts:
        taken: pd.Series[str] | None = main.raw.texts.get(params.row_id) if main else None
        row_ids.note_ids(params.row_id, raw.texts[params.row_id], raw.numbers, taken, raw.faults)


def _note_other_columns(raw: Raw, wanted: Sequence[str], where: str) -> None:
    lacking = [name for name in wanted if name not in raw.texts]
    extra = [name for name in raw.texts.columns if name not in wanted]
    words = [f"none of {shown(lacking)}"] if lacking else []
    words += [f"also {shown(extra)}"] if extra else []
    if words:
        raw.faults.add(f"must have the columns of {where}, got {' and '.join(words)}")


SPREAD = 1e9
"""The largest weight over the smallest. Beyond it a sum of squares would lose the small ones altogether."""


def note_zeros(name: str, weights: Floats, numbers: npt.NDArray[np.int64], faults: Faults) -> None:
    """Note rows of weight 0; the schema sees to each weight being given and not negative."""
    rule = f"prepare.drop_rows: [{{column: {name}, when: [0], reason: ...}}] leaves such rows out"
    faults.rows(numbers[weights == 0], f"column {name}: the weight must be above 0 ({rule}), got 0")


def note_spread(name: str, weights: Sequence[Floats], faults: Faults) -> None:
    """Note weights that differ by more than `SPREAD` over all files."""
    known = np.concatenate([np.empty(0), *weights])
    known = known[known > 0]
    if len(known) and known.min() < known.max() / SPREAD:
        must = f"the largest weight must be at most {SPREAD:g} times the smallest"
        faults.add(f"column {name}: {must}, got {known.min():g} to {known.max():g}")


def normalised(weights: Floats) -> Floats:
    """Return the weights over their mean, [n]: they sum to the number of rows, and equal ones are all 1."""
    if (weights == weights[0]).all():
        return np.ones_like(weights)
    # The largest is taken out first, so that no sum of finite weights is infinite.
    share = weights / weights.max()
    return np.asarray(share * (len(share) / share.sum()))
