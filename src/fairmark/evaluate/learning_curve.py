"""Learning curves: quality and disparity on validation rows against the number of rows learnt from.

What withholding a column does: the model learnt again with forbidden columns given back, one by one.

Hiding a column that stands for a protected attribute can make groups harder, not easier, to treat alike: a
mitigated model that sees the proxy can undo what the other columns carry of it. These fits are measured on
validation rows and thrown away; protected columns themselves are never given back.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.dataset import Parts
from fairmark.errors import InputError
from fairmark.evaluate.summary_metrics import Rows, glance_at
from fairmark.learn.fit import fit_model
from fairmark.model.model import Model
from fairmark.params.evaluate import Checks
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy

LEFT_OUT = "left out"
"""The part of train rows that a point of a curve does not learn from."""
Order = NDArray[np.intp]


@dataclass(frozen=True)
class Fits:
    """All that a fit hangs on beside its rows and its choices."""

    base: Train
    policy: Policy

    def model(self, parts: Parts, chosen: Chosen) -> Model:
        """Return the model that these rows and choices make, decided on validation rows alone."""
        alone = chosen.model_copy(update={"folds": None})
        return fit_model(parts, alone, self.base, self.policy)


def learning(parts: Parts, model: Model, params: Checks, fits: Fits) -> dict[str, Any]:
    """Return the curves by number of rows, for each family, and by length of history.

    All points of a curve are measured on the same validation rows, which also choose the threshold and stop
    the rounds of every point: the curve's shape is telling, its height is slightly flattering. The family of
    `model` has the settings of `model`; the others have those of `params.plain`, and the same mitigation.

    Returns
    -------
    dict
        `{"part": "valid", "families": {family: {"plain": bool, "points": [point]}}, "history": [point] or
        None, "why"}`; a point is `{"share", "train_rows"}` with what `glance` says, or with "why" there is no
        model. `history` is None, and "why" says why, where rows have no time.
    """
    rows = Rows.of(parts, "valid")
    order = by_hash(parts, params.seed)
    curves = {
        family: {
            "plain": family != model.family,
            "points": _curve(parts, order, params.sizes, model, chosen, rows, fits),
        }
        for family, chosen in _families(model.chosen, params.plain).items()
    }
    if "_time" not in parts.table:
        return {"part": "valid", "families": curves, "history": None, "why": "no time column"}
    latest = by_time(parts, params.seed)
    history = _curve(parts, latest, params.history, model, model.chosen, rows, fits)
    return {"part": "valid", "families": curves, "history": history, "why": None}


def by_hash(parts: Parts, seed: int) -> Order:
    """Return the places of train rows by a hash of their ids, so that the order of the table is no matter.

    The rows of a person stand one after another.
    """
    places = np.flatnonzero((parts.belongs == "train").to_numpy())
    keys = [
        (hashlib.sha256(f"{seed}:{key}".encode()).digest(), name)
        for key, name in zip(parts.keys.iloc[places], parts.table["_row_id"].iloc[places], strict=True)
    ]
    return places[sorted(range(len(places)), key=keys.__getitem__)]


def by_time(parts: Parts, seed: int) -> Order:
    """Return the places of train rows, the latest first; rows without a time last, ties by hash."""
    places = by_hash(parts, seed)
    time = parts.table["_time"].iloc[places].reset_index(drop=True)
    latest = time.sort_values(ascending=False, kind="stable", na_position="last")
    return np.asarray(places[latest.index.to_numpy()], dtype=np.intp)


def first(parts: Parts, order: Order, share: float) -> Parts:
    """Return the same parts with the first `share` of `order` as the train rows; nested for rising shares.

    A person whose rows are cut through is left out whole, but for the first one.
    """
    kept = order[: max(1, round(share * len(order)))]
    if len(kept) < len(order):
        keys = parts.keys.iloc[order].to_numpy()
        last = keys[: len(kept)] == keys[len(kept)]
        kept = kept[~last] if not last.all() else kept
    belongs = parts.belongs.to_numpy(dtype=object, copy=True)
    belongs[order] = LEFT_OUT
    belongs[kept] = "train"
    return replace(parts, belongs=pd.Series(belongs, index=parts.belongs.index))


def _families(chosen: Chosen, plain: Mapping[Any, Any]) -> dict[str, Chosen]:
    others = {
        family: chosen.model_copy(update={"family": family, "settings": settings})
        for family, settings in sorted(plain.items())
    }
    return others | {chosen.family: chosen}


def _curve(
    parts: Parts,
    order: Order,
    shares: Sequence[float],
    model: Model,
    chosen: Chosen,
    rows: Rows,
    fits: Fits,
) -> list[dict[str, Any]]:
    points = []
    for share in sorted(set(shares)):
        fewer = first(parts, order, share)
        point: dict[str, Any] = {"share": share, "train_rows": int((fewer.belongs == "train").sum())}
        try:
            whole = share == 1 and chosen == model.chosen
            fitted = model if whole else fits.model(fewer, chosen)
        except InputError as error:  # too few rows to learn from: that is a finding, not a fault
            points.append(point | {"why": str(error)})
        else:
            points.append(point | glance_at(rows, fitted))
    return points


# ------------------------------------------------------------------ withheld


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
