"""Irrelevant features: the permutation importance of each feature beside that of a random column, the probe.

Permutation importance (Breiman 2001, section 10; Fisher, Rudin and Dominici 2019) is the fall of the ROC AUC
when a feature's values are shuffled. The probe says how much of that a useless feature gets by chance, as in
the shadow features of Kursa and Rudnicki (2010).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from fairmark.data.dataset import Parts
from fairmark.data.schema import ColumnSchema
from fairmark.errors import InputError
from fairmark.evaluate.documents import AucChange, DroppedFeatures, Probe, ProbedFeature, ProbeDrops
from fairmark.evaluate.learning_curve import Fits
from fairmark.evaluate.summary_metrics import Rows, model_metrics
from fairmark.model.model import Model
from fairmark.params.evaluate import Checks
from fairmark.stats.arrays import Floats
from fairmark.stats.auc import ranked
from fairmark.stats.losses import mean_loss


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
    whole = placements(rows, wide.margin_of(matrix))
    shuffled = {feature: _shuffled(rows, wide, matrix, k, params) for k, feature in enumerate(wide.features)}
    blank = shuffled.pop(name)
    tail = level / len(shuffled)
    features = [
        _probed(rows, feature, whole, found, blank, tail) for feature, found in sorted(shuffled.items())
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


def _probed(
    rows: Rows, feature: str, whole: Floats, found: Sequence[Floats], blank: Sequence[Floats], tail: float
) -> ProbedFeature:
    # Both sides are shuffled columns of the same wide model: the excess is what this one's shuffling costs
    # beyond that of the probe, with its error from the same rows.
    excess = auc_change(rows, np.mean(found, axis=0), np.mean(blank, axis=0), tail)
    drops = [_area(rows, whole) - _area(rows, one) for one in found]
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
