"""ROC, precision-recall and calibration curves as tables, thinned to what an eye can tell apart."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.auc import ranked
from fairmark.stats.confusion import of_people
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.losses import bin_scores


def roc(label: NDArray[np.integer], score: Floats, weight: Floats, points: int) -> pd.DataFrame:
    """Return the ROC curve: `false_positive_rate`, `true_positive_rate`, `threshold` (decide 1 from it on).

    From (0, 0), which has no threshold, to (1, 1), in at most `points` + 1 lines evenly along the curve.
    Empty when a class has no weight.
    """
    rank = ranked(label, score, weight)
    hits, alarms = np.cumsum(rank.positive), np.cumsum(rank.negative)
    if not (hits.size and hits[-1] > 0 and alarms[-1] > 0):
        return pd.DataFrame({"false_positive_rate": [], "true_positive_rate": [], "threshold": []})
    tpr, fpr = hits / hits[-1], alarms / alarms[-1]
    kept = _thinned(tpr + fpr, points)
    return pd.DataFrame(
        {
            "false_positive_rate": np.append(0.0, fpr[kept]),
            "true_positive_rate": np.append(0.0, tpr[kept]),
            "threshold": np.append(np.nan, rank.score[kept]),
        }
    )


def precision_recall(label: NDArray[np.integer], score: Floats, weight: Floats, points: int) -> pd.DataFrame:
    """Return the curve of `recall` and `precision` by falling `threshold`, in at most `points` lines.

    Empty when the positive class has no weight.
    """
    rank = ranked(label, score, weight)
    hits = np.cumsum(rank.positive)
    chosen = hits + np.cumsum(rank.negative)
    if not (hits.size and hits[-1] > 0):
        return pd.DataFrame({"recall": [], "precision": [], "threshold": []})
    weighty = np.flatnonzero(chosen > 0)
    recall, precision = hits[weighty] / hits[-1], hits[weighty] / chosen[weighty]
    travelled = np.cumsum(np.abs(np.diff(precision, prepend=precision[0]))) + recall
    kept = _thinned(travelled, points)
    return pd.DataFrame(
        {"recall": recall[kept], "precision": precision[kept], "threshold": rank.score[weighty][kept]}
    )


def _thinned(travelled: Floats, points: int) -> NDArray[np.intp]:
    """Return at most `points` positions, evenly spaced by the way travelled; first and last are kept."""
    if len(travelled) <= points:
        return np.arange(len(travelled))
    stops = np.linspace(travelled[0], travelled[-1], points)
    return np.unique(
        np.append(np.searchsorted(travelled, stops), len(travelled) - 1).clip(0, len(travelled) - 1)
    )


def calibration(
    label: NDArray[np.integer],
    score: Floats,
    weight: Floats,
    bins: int,
    tail: float,
    heft: Floats | None = None,
) -> pd.DataFrame:
    """Return for each bin that holds rows: `mean_score`, `positive_share` and its `low` and `high`, `rows`.

    On the diagonal, rows scored p are positive in a share p of the cases. Bounds are Clopper-Pearson's, with
    the bin's weighted share taken as that of its number of rows; of fewer, where rows are of the same persons
    (`heft`, as in `cells.of_people`).
    """
    found = bin_scores(label, score, weight, bins)
    held = found.weight > 0
    share = found.label[held] / found.weight[held]
    rows = found.rows[held] / _as_one(score, weight, bins, heft)[held]
    low, high = clopper_pearson(share * rows, rows, tail)
    return pd.DataFrame(
        {
            "bin_low": np.flatnonzero(held) / bins,
            "bin_high": (np.flatnonzero(held) + 1) / bins,
            "rows": found.rows[held].astype(np.int64),
            "mean_score": found.score[held] / found.weight[held],
            "positive_share": share,
            "low": low,
            "high": high,
        }
    )


def _as_one(score: Floats, weight: Floats, bins: int, heft: Floats | None) -> Floats:
    """Return how many rows of each bin count as one, [bins]: 1 where each row is somebody else's."""
    if heft is None:
        return np.ones(bins)
    place = np.clip((score * bins).astype(np.intp), 0, bins - 1)
    own = np.bincount(place, weights=weight * weight, minlength=bins)
    return np.asarray(
        np.divide(
            np.bincount(place, weights=weight * heft, minlength=bins), own, where=own > 0, out=np.ones(bins)
        )
    )


def calibrations(
    label: NDArray[np.integer],
    score: Floats,
    weight: Floats,
    groups: pd.DataFrame,
    bins: int,
    tail: float,
    person: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """Return the calibration curves of all rows (`attribute` and `group` empty) and of every group."""
    heft = None if person is None else of_people(weight, person)
    tables = [calibration(label, score, weight, bins, tail, heft).assign(attribute="", group="")]
    for attribute in groups.columns:
        for group in sorted(groups[attribute].unique()):
            kept = (groups[attribute] == group).to_numpy()
            own = None if person is None else of_people(weight[kept], person[kept])
            curve = calibration(label[kept], score[kept], weight[kept], bins, tail, own)
            tables.append(curve.assign(attribute=attribute, group=group))
    whole = pd.concat(tables, ignore_index=True)
    return whole[["attribute", "group", *(name for name in whole if name not in ("attribute", "group"))]]
