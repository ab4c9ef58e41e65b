"""How every raw file is read: settled once, by params.yaml and the main file."""

from dataclasses import dataclass

from fairmark.data.kinds import Kind, kind_of
from fairmark.data.read import Raw
from fairmark.data.roles import Roles, declared, roles_of
from fairmark.sections.table import ByEdges, Column, Csv, Date, Numeric, Prepare


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
    decimal
        The decimal mark of numbers.
    """

    roles: Roles
    said: dict[str, Column]
    kinds: dict[str, Kind]
    decimal: str


def planned(main: Raw, params: Prepare) -> Plan:
    """Return how every file is read; what params.yaml says and the main file does not hold is noted."""
    roles = roles_of(list(main.texts.columns), params, main.faults)
    decimal = params.format.decimal if isinstance(params.format, Csv) else "."
    said = {name: declared(params, name) for name in (*roles.features, *roles.withheld)}
    said |= _said_of_time(params) | _said_of_weight(params)
    kinds = {}
    for name in [name for name in said if name in main.texts]:
        try:
            kinds[name] = kind_of(said[name], main.texts[name], main.types.get(name), decimal)
        except ValueError as error:
            main.faults.add(f"column {name}: {error}")
    _note_uncuttable(kinds, params, main)
    return Plan(roles, said, kinds, decimal)


def _said_of_time(params: Prepare) -> dict[str, Column]:
    """Return what the time must be: a date, given in every row, because a row without it has no order."""
    if params.time is None:
        return {}
    given = params.columns.get(params.time)
    if not isinstance(given, Date):
        given = Date(kind="date", format=None, earliest=None, latest=None, missing=0.0)
    return {params.time: given.model_copy(update={"missing": 0.0})}


def _said_of_weight(params: Prepare) -> dict[str, Column]:
    """Return what the weight must be: a number not below zero, given in every row."""
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
