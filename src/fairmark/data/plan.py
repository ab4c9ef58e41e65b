"""How every raw file is read: settled once, by params.yaml and the main file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fairmark.data.faults import Faults
from fairmark.data.inference import kind_of
from fairmark.data.kinds import Kind, Typed
from fairmark.data.personal import personal
from fairmark.data.read import Raw
from fairmark.data.roles import Roles, declared, roles_of
from fairmark.sections.table import ByEdges, Column, Date, Inferred, Numeric, Prepare


@dataclass(frozen=True)
class Plan:
    """Roles and kinds of the columns of every file.

    Parameters
    ----------
    roles
        Which column plays which part.
    said
        What a value of each column must be.
    kinds
        Of what kind each column is.
    """

    roles: Roles
    said: dict[str, Column]
    kinds: dict[str, Kind]


def planned(main: Raw, params: Prepare) -> Plan:
    """Return how every file is read; what params.yaml says and the main file does not hold is noted."""
    roles = roles_of([*main.texts.columns, *main.unread], params, main.faults)
    said = {name: declared(params, name) for name in (*roles.features, *roles.withheld)}
    said |= _said_of_time(params) | _said_of_weight(params)
    kinds = {}
    for name in [name for name in said if name in main.texts]:
        try:
            own = main.types.get(name)
            kinds[name] = kind_of(name, said[name], main.texts[name], own, params.format)
        except ValueError as error:
            main.faults.add(f"column {name}: {error}")
    _note_uncuttable(kinds, params, main)
    return Plan(roles, said, kinds)


def _said_of_time(params: Prepare) -> dict[str, Column]:
    """Return what the time must be: a date, given in every row, because a row without it has no order."""
    if params.time is None:
        return {}
    given = params.columns.get(params.time)
    if not isinstance(given, Date):
        given = Date(kind="date", format=None, earliest=None, latest=None, missing=0.0)
    return {params.time: given.model_copy(update={"missing": 0.0})}


def _said_of_weight(params: Prepare) -> dict[str, Column]:
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
        if name not in columns or not isinstance(plan.said[name], Inferred):
            continue
        found = personal(name, columns[name].cells, plan.kinds[name].name, PERSONAL_SHARE)
        if found:
            kinds = " and ".join(f"{one.kind} in {100 * one.share:.3g}% of its cells" for one in found)
            key = json.dumps(name, ensure_ascii=False)
            faults.add(
                f"column {name}: must be no personal data to become a feature by itself, got what looks like "
                f"{kinds}; params.yaml settles it by prepare.drop: [..., {key}], by prepare.forbidden: "
                f"[..., {key}], by prepare.row_id: {key} where it names each row, or by its kind in "
                "prepare.columns"
            )
