"""Refits: learning curves, ablation (excluded features included again), and a random column as a probe.

Each model here is learnt with other rows or other columns than the released one, decided and measured on
validation rows, and thrown away. Learning curves show quality and disparity against the number of rows, and
against the length of history. Re-inclusion shows what excluding forbidden columns does: hiding a column that
stands for a protected attribute can make groups harder, not easier, to treat alike, since a mitigated model
that sees the proxy can undo what the other columns carry of it. Protected columns are never included.

Irrelevant features are found by permutation importance (Breiman 2001, section 10; Fisher, Rudin and Dominici
2019), the fall of the ROC AUC when a feature's values are shuffled, beside that of a random column, the
probe. It says how much of that a useless feature gets by chance, as in the shadow features of Kursa and
Rudnicki (2010).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from fairmark.data.roles import ROW_ID, TIME
from fairmark.data.schema import ColumnSchema
from fairmark.data.split import Parts
from fairmark.errors import InputError
from fairmark.evaluate.documents import (
    AucChange,
    DroppedFeatures,
    ExcludedFeatures,
    FailedPoint,
    FailedReInclusion,
    FamilyCurve,
    LearningCurves,
    LearningPoint,
    Probe,
    ProbedFeature,
    ProbeDrops,
    ReIncludedFeatures,
)
from fairmark.evaluate.summary_metrics import Rows, model_metrics
from fairmark.learn.fit import fit_model
from fairmark.model.model import Model
from fairmark.params.evaluate import Checks
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats, Places
from fairmark.stats.score_measures import mean_loss, ranked

LEFT_OUT = "left out"
"""The part of train rows that a point of a curve does not learn from."""
MOST_ALONE = 6
"""Forbidden columns that are included one by one, in the order of the schema; each costs a fit."""


@dataclass(frozen=True)
class Fits:
    """All that a fit hangs on beside its rows and its choices."""

    base: Train
    policy: Policy

    def model(self, parts: Parts, chosen: Chosen) -> Model:
        """Return the model that these rows and choices make, decided on validation rows alone."""
        # With folds each fit would learn from the validation rows in turn, which only measure here.
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
    if TIME not in parts.table:
        return LearningCurves(part="valid", families=curves, history=None, why="no time column")
    latest = by_time(parts, params.seed)
    history = _curve(parts, latest, params.history, model, model.chosen, rows, fits)
    return LearningCurves(part="valid", families=curves, history=history, why=None)


def by_hash(parts: Parts, seed: int) -> Places:
    """Return the places of train rows by a hash of their ids, so that the order of the table is no matter.

    The rows of a person stand one after another.
    """
    places = np.flatnonzero((parts.belongs == "train").to_numpy())
    keys = [
        (hashlib.sha256(f"{seed}:{key}".encode()).digest(), name)
        for key, name in zip(parts.keys.iloc[places], parts.table[ROW_ID].iloc[places], strict=True)
    ]
    return places[sorted(range(len(places)), key=keys.__getitem__)]


def by_time(parts: Parts, seed: int) -> Places:
    """Return the places of train rows, the latest first; rows without a time last, ties by hash."""
    places = by_hash(parts, seed)
    time = parts.table[TIME].iloc[places].reset_index(drop=True)
    latest = time.sort_values(ascending=False, kind="stable", na_position="last")
    return np.asarray(places[latest.index.to_numpy()], dtype=np.intp)


def first_rows(parts: Parts, order: Places, share: float) -> Parts:
    """Return the same parts with the first `share` of `order` as the train rows; nested for rising shares.

    A person whose rows are cut through is left out whole, but for the first one.
    """
    kept = order[: max(1, round(share * len(order)))]
    if len(kept) < len(order):
        keys = parts.keys.iloc[order].to_numpy()
        # A person on both sides of the cut would be learnt from at one point and again, in part, at the next.
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
    # Last, so that the chosen family keeps its own settings where params have plain ones for it too.
    return others | {chosen.family: chosen}


def _curve(
    parts: Parts,
    order: Places,
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
            metrics = model_metrics(rows, fitted)
            points.append(LearningPoint(share=share, train_rows=size, **dict(metrics)))
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


def probe(parts: Parts, model: Model, params: Checks, fits: Fits, level: float) -> Probe:
    """Return which features do no more for the model than a random column, and what dropping them changes.

    The model is learnt once more with a standard normal column added, and each of its columns is shuffled
    `params.repeats` times on validation rows. A feature is useful when the AUC falls further without it than
    without the probe: the lower bound of `excess`, at `level` / number of features, is above 0.
    """
    rows = Rows.of(parts, "valid")
    name = _free_name(model.features)
    with_probe = _with(parts, name, params.seed)
    wide = fits.model(with_probe, model.chosen)
    matrix = wide.encoder.transform(with_probe.part("valid")[0])
    # By log-odds: they rank as probabilities do, which near 0 and 1 round to the same number and would tie.
    whole = placements(rows, wide.margin_of(matrix))
    shuffled = {feature: _shuffled(rows, wide, matrix, k, params) for k, feature in enumerate(wide.features)}
    blank = shuffled.pop(name)
    # One test for each feature: all of those that are called useful hold together with chance 1 - level.
    tail = level / len(shuffled)
    features = [
        _probed(rows, feature, whole, placed, blank, tail) for feature, placed in sorted(shuffled.items())
    ]
    features.sort(key=lambda each: -each.drop)
    indistinct = [each.feature for each in features if not each.useful]
    dropped, why = _dropped(parts, model, indistinct, rows, fits, level)
    return Probe(
        part="valid",
        rows=len(rows.label),
        repeats=params.repeats,
        level=level,
        tail=tail,
        roc_auc=_area(rows, whole),
        probe=ProbeDrops(drops=[_area(rows, whole) - _area(rows, one) for one in blank]),
        features=features,
        indistinct=indistinct,
        dropped=dropped,
        why=why,
    )


def placements(rows: Rows, score: Floats) -> Floats:
    """Return the share of the other class that each row beats (positives) or loses to (negatives), [n].

    Ties count one half. The weighted mean over either class is the AUC: equations 3 and 4 of DeLong, DeLong
    and Clarke-Pearson (1988). Both classes must have weight.
    """
    # Mid-ranks in one sort (Sun and Xu 2014): all pairs would take rows squared.
    rank = ranked(rows.label, score, rows.weight)
    beaten = (rank.negative.sum() - np.cumsum(rank.negative) + rank.negative / 2) / rank.negative.sum()
    beating = (np.cumsum(rank.positive) - rank.positive / 2) / rank.positive.sum()
    return np.where(rows.label == 1, beaten[rank.place], beating[rank.place])


def auc_change(rows: Rows, before: Floats, after: Floats, tail: float) -> AucChange:
    """Return the AUC of placements `after` minus that of `before`, [n] each, with bounds that err at `tail`.

    Variance of two correlated AUCs (DeLong et al. 1988, equation 7), with Student's t at the degrees of
    freedom of the smaller class. Rows of a person count as what they are (`confusion.of_people`).
    """
    # A person's weight counts the rows of both labels, so that the variances of the two classes, which are
    # not independent where a person has rows in both, still add up to an upper bound.
    person_weight = rows.weight if rows.person_weight is None else rows.person_weight
    # The AUC is the mean placement of either class, so its change is the mean change of placements: the same
    # value from both classes, and the variances of both means add (positives first, then negatives).
    classes = [
        mean_loss((after - before)[one], rows.weight[one], person_weight[one])
        for one in (rows.label == side for side in (1, 0))
    ]
    se = float(np.hypot(classes[0].se, classes[1].se))
    value, df = classes[0].value, min(each.df for each in classes)
    if not df > 0:
        return AucChange(value=value, low=None, high=None)
    half = -float(stdtrit(df, tail)) * se
    return AucChange(value=value, low=value - half, high=value + half)


def _free_name(taken: Sequence[str]) -> str:
    name = "random"
    while name in taken:
        name += "_"
    return name


def _with(parts: Parts, name: str, seed: int) -> Parts:
    values = np.random.default_rng([seed, 1]).standard_normal(len(parts.table))
    feature = ColumnSchema(
        name=name, kind="numeric", categories=None, missing=0.0, pair=None, format=None, unit=""
    )
    return replace(
        parts, schema=parts.schema.with_features(feature), table=parts.table.assign(**{name: values})
    )


def _without(parts: Parts, names: Sequence[str]) -> Parts:
    return replace(parts, schema=parts.schema.without_features(names), table=parts.table.drop(columns=names))


def _shuffled(rows: Rows, model: Model, matrix: Floats, column: int, params: Checks) -> list[Floats]:
    """Return the placements of each repeat with one column shuffled."""
    before = model.margin_of(matrix)
    repeats = []
    for repeat in range(params.repeats):
        # The same orders for every feature and for the probe: what differs between them is the feature, not
        # the luck.
        order: NDArray[np.intp] = np.random.default_rng([params.seed, 2, repeat]).permutation(len(matrix))
        other = matrix.copy()
        other[:, column] = matrix[order, column]
        changed = other[:, column] != matrix[:, column]  # NaN for NaN counts too, and changes nothing
        margin = before.copy()
        margin[changed] = model.margin_of(other[changed])
        repeats.append(placements(rows, margin))
    return repeats


def _probed(
    rows: Rows, feature: str, whole: Floats, shuffled: Sequence[Floats], blank: Sequence[Floats], tail: float
) -> ProbedFeature:
    # Both sides are shuffled columns of the same wide model: the excess is what this one's shuffling costs
    # beyond that of the probe, with its error from the same rows.
    excess = auc_change(rows, np.mean(shuffled, axis=0), np.mean(blank, axis=0), tail)
    drops = [_area(rows, whole) - _area(rows, one) for one in shuffled]
    return ProbedFeature(
        feature=feature,
        drop=float(np.mean(drops)),
        drops=drops,
        excess=excess,
        useful=excess.low is not None and excess.low > 0,
    )


def _area(rows: Rows, placed: Floats) -> float:
    positive = rows.label == 1
    return float(np.average(placed[positive], weights=rows.weight[positive]))


def _dropped(
    parts: Parts, model: Model, names: Sequence[str], rows: Rows, fits: Fits, level: float
) -> tuple[DroppedFeatures | None, str | None]:
    """Return the model without these features beside the model as it is, or why there is none."""
    if not names:
        return None, "every feature does more than the probe"
    if len(names) == len(model.features):
        return None, "no feature does more than the probe"
    try:
        fewer = fits.model(_without(parts, names), model.chosen)
    except InputError as error:
        return None, str(error)
    placed = [placements(rows, one.margin(rows.table)) for one in (model, fewer)]
    dropped = DroppedFeatures(
        before=model_metrics(rows, model),
        after=model_metrics(rows, fewer),
        roc_auc_change=auc_change(rows, placed[0], placed[1], level / 2),
    )
    return dropped, None
