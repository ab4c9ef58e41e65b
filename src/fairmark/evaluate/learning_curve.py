"""Refits for a look: learning curves by rows and by history, and excluded features included again.

Each model here is learnt with other rows or other columns than the released one, decided and measured on
validation rows, and thrown away. Learning curves show quality and disparity against the number of rows, and
against the length of history. Re-inclusion shows what excluding forbidden columns does: hiding a column that
stands for a protected attribute can make groups harder, not easier, to treat alike, since a mitigated model
that sees the proxy can undo what the other columns carry of it. Protected columns are never included.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.dataset import Parts
from fairmark.errors import InputError
from fairmark.evaluate.documents import (
    ExcludedFeatures,
    FailedPoint,
    FailedReInclusion,
    FamilyCurve,
    LearningCurves,
    LearningPoint,
    ReIncludedFeatures,
)
from fairmark.evaluate.summary_metrics import Rows, model_metrics
from fairmark.learn.fit import fit_model
from fairmark.model.model import Model
from fairmark.params.evaluate import Checks
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy

LEFT_OUT = "left out"
"""The part of train rows that a point of a curve does not learn from."""

MOST_ALONE = 6
"""Forbidden columns that are included one by one, in the order of the schema; each costs a fit."""

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


def learning_curves(parts: Parts, model: Model, params: Checks, fits: Fits) -> LearningCurves:
    """Return the learning curves by number of rows, for each family, and by length of history.

    All points of a curve are measured on the same validation rows, which also choose the threshold and stop
    the rounds of every point: the curve's shape is telling, its height is slightly flattering. The family of
    `model` has the settings of `model`; the others have those of `params.plain`, and the same mitigation.
    """
    rows = Rows.of(parts, "valid")
    order = by_hash(parts, params.seed)
    curves = {
        family: FamilyCurve(
            plain=family != model.family,
            points=_curve(parts, order, params.sizes, model, chosen, rows, fits),
        )
        for family, chosen in _families(model.chosen, params).items()
    }
    if "_time" not in parts.table:
        return LearningCurves(part="valid", families=curves, history=None, why="no time column")
    latest = by_time(parts, params.seed)
    history = _curve(parts, latest, params.history, model, model.chosen, rows, fits)
    return LearningCurves(part="valid", families=curves, history=history, why=None)


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


def first_rows(parts: Parts, order: Order, share: float) -> Parts:
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


def _families(chosen: Chosen, params: Checks) -> dict[str, Chosen]:
    """Return the choices of each family's curve: plain settings for all but the chosen family."""
    others: dict[str, Chosen] = {
        family: chosen.model_copy(update={"family": family, "settings": settings})
        for family, settings in sorted(params.plain.items())
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
) -> list[LearningPoint | FailedPoint]:
    points: list[LearningPoint | FailedPoint] = []
    for share in sorted(set(shares)):
        fewer = first_rows(parts, order, share)
        size = int((fewer.belongs == "train").sum())
        try:
            # All rows with the chosen settings are the model itself: one fit less.
            whole = share == 1 and chosen == model.chosen
            fitted = model if whole else fits.model(fewer, chosen)
        except InputError as error:  # too few rows to learn from: that is a finding, not a fault
            points.append(FailedPoint(share=share, train_rows=size, why=str(error)))
        else:
            found = model_metrics(rows, fitted)
            points.append(LearningPoint(share=share, train_rows=size, **dict(found)))
    return points


def excluded_features(parts: Parts, model: Model, fits: Fits) -> ExcludedFeatures:
    """Return the ablation of the exclusions: the chosen settings with forbidden columns among the features.

    The first `MOST_ALONE` forbidden columns are included one by one, and where there are several all at once.
    """
    names = [column.name for column in parts.schema.withheld if column.why == "forbidden"]
    sets = [[name] for name in names[:MOST_ALONE]]
    if len(names) > 1:
        sets.append(names)
    return ExcludedFeatures(
        part="valid",
        without=model_metrics(Rows.of(parts, "valid"), model),
        re_included=[_re_included(parts, model, fits, columns) for columns in sets],
        not_looked_at=names[MOST_ALONE:],
    )


def with_excluded(parts: Parts, names: Sequence[str]) -> Parts:
    """Return the same parts with these excluded columns of the evidence among the features."""
    schema = parts.schema.with_features(*(each for each in parts.schema.withheld if each.name in names))
    columns = {name: parts.evidence[f"withheld:{name}"] for name in names}
    return replace(parts, schema=schema, table=parts.table.assign(**columns))


def _re_included(
    parts: Parts, model: Model, fits: Fits, names: Sequence[str]
) -> ReIncludedFeatures | FailedReInclusion:
    wider = with_excluded(parts, names)
    try:
        fitted = fits.model(wider, model.chosen)
    except InputError as error:  # settings that suit fewer columns may suit no more: a finding, not a fault
        return FailedReInclusion(columns=list(names), why=str(error))
    return ReIncludedFeatures(columns=list(names), **dict(model_metrics(Rows.of(wider, "valid"), fitted)))
