"""What withholding a column does: the model learnt again with forbidden columns given back, one by one.

Hiding a column that stands for a protected attribute can make groups harder, not easier, to treat alike: a
mitigated model that sees the proxy can undo what the other columns carry of it. These fits are measured on
validation rows and thrown away; protected columns themselves are never given back.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fairmark.errors import InputError
from fairmark.judge.glance import Rows, glance_at
from fairmark.judge.learning import Fits
from fairmark.learn.model import Model
from fairmark.learn.parts import Parts

MOST = 6
"""Forbidden columns that are looked at one by one, in the order of the schema; each costs a fit."""


def withheld(parts: Parts, model: Model, fits: Fits) -> dict[str, Any]:
    """Return what the chosen settings come to on validation rows with forbidden columns given back.

    Returns
    -------
    dict
        `{"part": "valid", "without": glance, "given_back": [{"columns": [names]} with what `glance` says, or
        with "why" there is no model], "not_looked_at": [names]}`; the last entry of several gives all back.
    """
    names = [column["name"] for column in parts.schema["withheld"] if column["why"] == "forbidden"]
    alone = [[name] for name in names[:MOST]]
    return {
        "part": "valid",
        "without": glance_at(Rows.of(parts, "valid"), model),
        "given_back": [
            _entry(parts, model, fits, back) for back in (*alone, *([names] if names[1:] else []))
        ],
        "not_looked_at": names[MOST:],
    }


def given_back(parts: Parts, names: Sequence[str]) -> Parts:
    """Return the same parts with these withheld columns of the evidence among the features."""
    described = [column for column in parts.schema["withheld"] if column["name"] in names]
    features = [*parts.schema["features"], *described]
    columns = {name: parts.evidence[f"withheld:{name}"] for name in names}
    return replace(parts, schema={**parts.schema, "features": features}, table=parts.table.assign(**columns))


def _entry(parts: Parts, model: Model, fits: Fits, names: Sequence[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"columns": list(names)}
    wider = given_back(parts, names)
    try:
        fitted = fits.model(wider, model.chosen)
    except InputError as error:  # settings that suit fewer columns may suit no more: a finding, not a fault
        return entry | {"why": str(error)}
    return entry | glance_at(Rows.of(wider, "valid"), fitted)
