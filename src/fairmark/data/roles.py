"""Which column of the raw files plays which part: feature, withheld, label, row id, person, time, weight."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fairmark.errors import Faults
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, ByProbabilities, Column, Inferred, Prepare

ROW_ID = "_row_id"
LABEL = "_label"
SOURCE = "_source"
WEIGHT = "_weight"
TIME = "_time"
PERSON = "_person"
RESERVED = (ROW_ID, LABEL, SOURCE, WEIGHT, TIME, PERSON)
"""Columns of the prepared table that are no feature: which row, its label, the file it came from, its weight
(mean 1), and where params.yaml names them its time and its person."""
WITHHELD = "withheld:"
"""Prefix, in the evidence table, of a raw column that the model never sees."""


@dataclass(frozen=True)
class Roles:
    """The part of each column, in the order of the file.

    Parameters
    ----------
    features
        Columns that a model may see.
    withheld
        Columns that a model must not see, each with why: `protected` or `forbidden`.
    """

    features: tuple[str, ...]
    withheld: dict[str, Literal["protected", "forbidden"]]


def roles_of(header: list[str], params: Prepare, faults: Faults) -> Roles:
    """Return the part of each column of a file; columns that are missing or unlisted are noted.

    A column named in `drop` is dropped whatever else is said of it. The target, row id, person, time and
    weight columns are never features, even where `columns` says of what kind they are.
    """
    here = set(header)
    for column, whence in columns_named(params):
        if column not in here:
            faults.add(f"column {column}: must be in the file ({whence}), got no such column")
    for name in params.protected:
        if name in RESERVED or name.startswith(WITHHELD):
            faults.add(f"prepare.protected.{name} must not be a reserved name, got {name!r}")
    withheld = _withheld(header, params)
    excluded = {*_own(params), *params.drop, *withheld}
    features = tuple(column for column in header if column not in excluded)
    for column in features:
        if column in RESERVED:
            faults.add(f"column {column}: must not have a reserved name, got {column!r}")
        if column not in params.columns and params.unlisted == "refuse":
            faults.add(f"column {column}: must be in prepare.columns or prepare.drop, got an unlisted column")
    if not features:
        faults.add("must hold a column that a model may see, got none")
    return Roles(features, withheld)


def sources(params: Prepare, name: str) -> list[str]:
    """Return the raw columns that a protected attribute comes from."""
    attribute = params.protected[name]
    if isinstance(attribute, ByCross):
        return list(dict.fromkeys(column for part in attribute.of for column in sources(params, part)))
    if isinstance(attribute, ByProbabilities):
        return [*attribute.columns.values()]
    return [attribute.column]


def declared(params: Prepare, column: str) -> Column:
    """Return what params.yaml says of a column; with nothing said, its kind is inferred."""
    return params.columns.get(column) or Inferred(kind="infer", missing=1.0)


def _own(params: Prepare) -> set[str | None]:
    """Return the columns that play a part of their own."""
    return {params.target.column, params.row_id, params.person, params.time, params.weight}


def _withheld(header: list[str], params: Prepare) -> dict[str, Literal["protected", "forbidden"]]:
    own = _own(params)
    protected = {column for name in params.protected for column in sources(params, name)}
    return {
        column: "protected" if column in protected else "forbidden"
        for column in header
        if column in protected or (column in params.forbidden and column not in {*own, *params.drop})
    }


def columns_named(params: Prepare) -> Iterator[tuple[str, str]]:
    """Yield each column that params.yaml names, once, with where."""
    places = [("target.column", params.target.column)]
    places += [
        (role, column)
        for role, column in [
            ("row_id", params.row_id),
            ("person", params.person),
            ("time", params.time),
            ("weight", params.weight),
        ]
        if column is not None
    ]
    places += [("drop", column) for column in params.drop]
    places += [(f"columns.{column}", column) for column in params.columns]
    places += [
        (f"protected.{name}", attribute.column)
        for name, attribute in params.protected.items()
        if isinstance(attribute, ByColumn | ByEdges)
    ]
    places += [
        (f"protected.{name}", column)
        for name, attribute in params.by_probability.items()
        for column in attribute.columns.values()
    ]
    places += [("forbidden", column) for column in params.forbidden]
    first: dict[str, str] = {}
    for place, column in places:
        first.setdefault(column, f"prepare.{place}")
    yield from first.items()
