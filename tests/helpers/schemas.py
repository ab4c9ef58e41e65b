"""The schema of made-up tables, built by its class."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairmark.data.schema import AttributeSchema, ColumnSchema, Label, Schema, WithheldColumn

PLAIN: dict[str, Any] = {"missing": 0.0, "pair": None, "format": None, "unit": ""}
Names = Sequence[str] | None


def column(name: str, kind: str = "numeric", categories: Names = None, **changes: Any) -> ColumnSchema:
    """Return a feature."""
    named = None if categories is None else tuple(categories)
    return ColumnSchema(**PLAIN | {"name": name, "kind": kind, "categories": named} | changes)


def withheld(
    name: str, kind: str = "categorical", categories: Names = None, **changes: Any
) -> WithheldColumn:
    """Return a column that the model never sees, protected unless `why` says otherwise."""
    known = {"why": "protected"} | changes
    why = known.pop("why")
    return WithheldColumn(**dict(column(name, kind, categories, **known)), why=why)


def attribute(column: str, groups: Sequence[str], **changes: Any) -> AttributeSchema:
    """Return an attribute that stands in a column."""
    return AttributeSchema(**{"by": "column", "columns": (column,), "groups": tuple(groups)} | changes)


def schema(
    features: Sequence[ColumnSchema] = (), groups: Mapping[str, Sequence[str]] | None = None, **changes: Any
) -> Schema:
    """Return a schema of these features and attributes, each attribute in a withheld column of its name.

    Parameters
    ----------
    groups
        The groups of each attribute.
    changes
        Fields that are otherwise.
    """
    known = groups or {}
    made: dict[str, Any] = {
        "attributes": {name: attribute(name, each) for name, each in known.items()},
        "features": tuple(features),
        "withheld": tuple(withheld(name) for name in known),
        "label": Label(column="paid", positive="yes", negative="no"),
        "row_id": None,
        "person": None,
        "timed": False,
        "weighted": False,
        "test_file": False,
    }
    return Schema(**made | changes)


def changed(found: Schema, **changes: Any) -> Schema:
    """Return a schema with some fields changed."""
    return found.model_copy(update=changes)


def regrouped(found: Schema, groups: Mapping[str, Sequence[str]]) -> Schema:
    """Return a schema whose attributes have these groups."""
    made = {
        name: each.model_copy(update={"groups": tuple(groups[name])})
        for name, each in found.attributes.items()
    }
    return changed(found, attributes=made)
