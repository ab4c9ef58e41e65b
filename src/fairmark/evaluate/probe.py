"""Irrelevant features: what shuffling each feature costs, beside shuffling a column of pure chance.

Permutation importance (Breiman 2001, section 10; Fisher, Rudin and Dominici 2019) says how much a model leans
on a feature. A random column, the probe, says how much of that a useless feature gets by chance, as in the
shadow features of Kursa and Rudnicki (2010).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from fairmark.data.dataset import Parts
from fairmark.errors import InputError
from fairmark.evaluate.learning_curve import Fits
from fairmark.evaluate.summary_metrics import Rows, glance_at
from fairmark.model.model import Model
from fairmark.params.evaluate import Checks
from fairmark.stats.arrays import Floats
from fairmark.stats.auc import ranked
from fairmark.stats.losses import mean_loss


@dataclass(frozen=True)
class Change:
    """A difference of two AUCs on the same rows, -1..1, with one-sided bounds (None without enough rows)."""

    value: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """Return `{"value", "low", "high"}`."""
        return {"value": self.value, "low": self.low, "high": self.high}


def probe(parts: Parts, model: Model, params: Checks, fits: Fits, level: float) -> dict[str, Any]:
    """Return which features do no more for the model than a random column, and what dropping them changes.

    The model is learnt once more with a standard normal column added, and each of its columns is shuffled
    `params.repeats` times on validation rows. A feature is useful when the AUC falls further without it than
    without the probe: the lower bound of `excess`, at `level` / number of features, is above 0.

    Returns
    -------
    dict
        `{"part": "valid", "rows", "repeats", "level", "tail", "roc_auc" (with the probe), "probe": {"drops"},
        "features": [{"feature", "drop", "drops", "excess": {"value", "low", "high"}, "useful"}] by falling
        drop, "indistinct": [feature], "dropped": {"before", "after" (glances), "roc_auc_change"} or None,
        "why"}`. A drop is AUC before - after: 0 = the feature does nothing, below 0 = it misleads.
    """
    rows = Rows.of(parts, "valid")
    name = _free_name(model.features)
    wide = fits.model(_with(parts, name, params.seed), model.chosen)
    matrix = wide.encoder.transform(_with(parts, name, params.seed).part("valid")[0])
    whole = placements(rows, wide.margin_of(matrix))
    shuffled = {feature: _shuffled(rows, wide, matrix, k, params) for k, feature in enumerate(wide.features)}
    blank = shuffled.pop(name)
    tail = level / len(shuffled)
    features = [
        _entry(rows, feature, whole, found, blank, tail) for feature, found in sorted(shuffled.items())
    ]
    features.sort(key=lambda entry: -entry["drop"])
    indistinct = [entry["feature"] for entry in features if not entry["useful"]]
    return {
        "part": "valid",
        "rows": len(rows.label),
        "repeats": params.repeats,
        "level": level,
        "tail": tail,
        "roc_auc": _area(rows, whole),
        "probe": {"drops": [_area(rows, whole) - _area(rows, one) for one in blank]},
        "features": features,
        "indistinct": indistinct,
    } | _dropped(parts, model, indistinct, rows, fits, level)


def placements(rows: Rows, score: Floats) -> Floats:
    """Return the share of the other class that each row beats (positives) or loses to (negatives), [n].

    Ties count one half. The weighted mean over either class is the AUC: equations 3 and 4 of DeLong, DeLong
    and Clarke-Pearson (1988). Both classes must have weight.
    """
    rank = ranked(rows.label, score, rows.weight)
    beaten = (rank.negative.sum() - np.cumsum(rank.negative) + rank.negative / 2) / rank.negative.sum()
    beating = (np.cumsum(rank.positive) - rank.positive / 2) / rank.positive.sum()
    return np.where(rows.label == 1, beaten[rank.place], beating[rank.place])


def change(rows: Rows, before: Floats, after: Floats, tail: float) -> Change:
    """Return the AUC of placements `after` minus that of `before`, [n] each, with bounds that err at `tail`.

    Variance of two correlated AUCs (DeLong et al. 1988, equation 7), with Student's t at the degrees of
    freedom of the smaller class. Rows of a person count as what they are (`cells.of_people`).
    """
    # Whose weight counts the person's rows of both labels, so that the two variances add to an upper bound.
    heft = rows.weight if rows.heft is None else rows.heft
    parts = [
        mean_loss((after - before)[one], rows.weight[one], heft[one])
        for one in (rows.label == side for side in (1, 0))
    ]
    se = float(np.hypot(parts[0].se, parts[1].se))
    value, df = parts[0].value, min(part.df for part in parts)
    if not df > 0:
        return Change(value, None, None)
    half = -float(stdtrit(df, tail)) * se
    return Change(value, value - half, value + half)


def _free_name(taken: Sequence[str]) -> str:
    name = "random"
    while name in taken:
        name += "_"
    return name


def _with(parts: Parts, name: str, seed: int) -> Parts:
    values = np.random.default_rng([seed, 1]).standard_normal(len(parts.table))
    feature = {"name": name, "kind": "numeric", "categories": None, "missing": 0.0}
    schema = {**parts.schema, "features": [*parts.schema["features"], feature]}
    return replace(parts, schema=schema, table=parts.table.assign(**{name: values}))


def _without(parts: Parts, names: Sequence[str]) -> Parts:
    left = [feature for feature in parts.schema["features"] if feature["name"] not in names]
    return replace(parts, schema={**parts.schema, "features": left}, table=parts.table.drop(columns=names))


def _shuffled(rows: Rows, model: Model, matrix: Floats, column: int, params: Checks) -> list[Floats]:
    """Return the placements of each repeat with one column shuffled."""
    before = model.margin_of(matrix)
    found = []
    for repeat in range(params.repeats):
        order: NDArray[np.intp] = np.random.default_rng([params.seed, 2, repeat]).permutation(len(matrix))
        other = matrix.copy()
        other[:, column] = matrix[order, column]
        changed = other[:, column] != matrix[:, column]  # NaN for NaN counts too, and changes nothing
        margin = before.copy()
        margin[changed] = model.margin_of(other[changed])
        found.append(placements(rows, margin))
    return found


def _entry(
    rows: Rows, feature: str, whole: Floats, found: Sequence[Floats], blank: Sequence[Floats], tail: float
) -> dict[str, Any]:
    excess = change(rows, np.mean(found, axis=0), np.mean(blank, axis=0), tail)
    drops = [_area(rows, whole) - _area(rows, one) for one in found]
    return {
        "feature": feature,
        "drop": float(np.mean(drops)),
        "drops": drops,
        "excess": excess.to_json(),
        "useful": excess.low is not None and excess.low > 0,
    }


def _area(rows: Rows, placed: Floats) -> float:
    positive = rows.label == 1
    return float(np.average(placed[positive], weights=rows.weight[positive]))


def _dropped(
    parts: Parts, model: Model, names: Sequence[str], rows: Rows, fits: Fits, level: float
) -> dict[str, Any]:
    if not names:
        return {"dropped": None, "why": "every feature does more than the probe"}
    if len(names) == len(model.features):
        return {"dropped": None, "why": "no feature does more than the probe"}
    try:
        fewer = fits.model(_without(parts, names), model.chosen)
    except InputError as error:
        return {"dropped": None, "why": str(error)}
    placed = [placements(rows, one.margin(rows.table)) for one in (model, fewer)]
    dropped = {
        "before": glance_at(rows, model),
        "after": glance_at(rows, fewer),
        "roc_auc_change": change(rows, placed[0], placed[1], level / 2).to_json(),
    }
    return {"dropped": dropped, "why": None}
