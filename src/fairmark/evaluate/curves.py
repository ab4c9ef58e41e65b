"""ROC, precision-recall and calibration curves as tables, and error by coverage when decisions are deferred.

Curves are thinned to what an eye can tell apart. Abstention defers decisions near the threshold to a human.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.evaluate.documents import AbstentionBand, DeferralGap, DeferredGroup, KeptMetrics
from fairmark.evaluate.summary_metrics import Rows, summary_metrics, threshold_at
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import of_people
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.rates import disparity, rate_of
from fairmark.stats.score_measures import bin_scores, ranked


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
    # By the way along both axes: points stand where the curve bends, not where scores crowd.
    kept = _thinned(tpr + fpr, points)
    return pd.DataFrame(
        {
            "false_positive_rate": np.append(0.0, fpr[kept]),
            "true_positive_rate": np.append(0.0, tpr[kept]),
            # No row's score selects nobody, so the first point has no threshold.
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
    # The highest scores may be of rows without weight, and 0 of 0 is no precision.
    weighty = np.flatnonzero(chosen > 0)
    recall, precision = hits[weighty] / hits[-1], hits[weighty] / chosen[weighty]
    # Precision jumps where recall hardly moves, at the few highest scores: the way along both axes keeps it.
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
    (`heft`, as in `confusion.of_people`).
    """
    sums = bin_scores(label, score, weight, bins)
    filled = sums.weight > 0
    share = sums.label[filled] / sums.weight[filled]
    rows = sums.rows[filled] / _as_one(score, weight, bins, heft)[filled]
    low, high = clopper_pearson(share * rows, rows, tail)
    return pd.DataFrame(
        {
            "bin_low": np.flatnonzero(filled) / bins,
            "bin_high": (np.flatnonzero(filled) + 1) / bins,
            "rows": sums.rows[filled].astype(np.int64),
            "mean_score": sums.score[filled] / sums.weight[filled],
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
    person: NDArray[np.generic] | None = None,
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


@dataclass(frozen=True)
class ScoredRows:
    """Scores of rows, [n], their weights, [n], and the threshold of all or of each, [n]."""

    score: Floats
    weight: Floats
    threshold: float | Floats


def band_width(scored: ScoredRows, coverage: float) -> float:
    """Return the largest w so that at least `coverage` of the weight has |score - threshold| >= w; 0 for all.

    This is the reject rule of Chow (1970) for a score that is a probability, with the band moved from one
    half to the threshold; coverage is the word of El-Yaniv and Wiener (2010).

    Parameters
    ----------
    scored
        Probabilities of rows with their weights and threshold.
    coverage
        Share of rows that the model decides itself, above 0 and up to 1.
    """
    if coverage >= 1:
        return 0.0
    # Widths are chosen where coverage is asked for, on validation rows: on the measured rows the band would
    # fit them, and its error rate would flatter.
    distance = np.abs(scored.score - scored.threshold)
    order = np.argsort(-distance, kind="stable")
    reached = np.cumsum(scored.weight[order])
    # A hair less than the whole: rounding of the sum must not ask for one row more than the share.
    enough = np.searchsorted(reached, coverage * reached[-1] * (1 - 1e-12))
    return float(distance[order][min(int(enough), len(order) - 1)])


def abstention_bands(
    chosen_on: ScoredRows,
    rows: Rows,
    score: Floats,
    threshold: float | Floats,
    coverages: Sequence[float],
    level: float,
) -> list[AbstentionBand]:
    """Return, for each band, how well and how evenly the model decides the rows that it keeps, widest last.

    Parameters
    ----------
    chosen_on
        Validation rows: the width of a band is chosen there, never on `rows`.
    rows, score
        The rows that are measured and their scores, [n].
    threshold
        Decide 1 from this score on; one for all rows, or that of each row, [n].
    coverages
        Shares of rows that the model is to decide itself.
    level
        Chance of error of each two-sided interval: a lower bound of a deferral gap above 0 says that some
        group is truly deferred more often.
    """
    return [
        _band(rows, score, threshold, coverage, band_width(chosen_on, coverage), level / 2)
        for coverage in sorted(coverages, reverse=True)
    ]


def _band(
    rows: Rows, score: Floats, threshold: float | Floats, coverage: float, width: float, tail: float
) -> AbstentionBand:
    deferred = np.abs(score - threshold) < width
    # Being deferred is counted like a decision: its "selection rate" is the share of rows that are deferred.
    whole = rate_of(rows.confusion(deferred.astype(np.int8)), "selection_rate")[0][0]
    return AbstentionBand(
        coverage=coverage,
        width=width,
        decided=None if np.isnan(whole) else float(1 - whole),
        kept=_kept(rows.take(~deferred), score[~deferred], threshold_at(threshold, ~deferred)),
        deferred={attribute: _deferred(rows, deferred, attribute, tail) for attribute in rows.known},
        deferral_gap={attribute: _gap(rows, deferred, attribute, tail) for attribute in rows.known},
    )


def _kept(rows: Rows, score: Floats, threshold: float | Floats) -> KeptMetrics:
    metrics = summary_metrics(rows, score, threshold)
    return KeptMetrics(
        rows=metrics.rows,
        roc_auc=metrics.roc_auc,
        selection_rate=metrics.selection_rate,
        selection_rate_ratio=metrics.selection_rate_ratio,
        error=None if metrics.accuracy is None else 1 - metrics.accuracy,
    )


def _deferred(
    rows: Rows, deferred: NDArray[np.bool_], attribute: str, tail: float
) -> dict[str, DeferredGroup]:
    cells = rows.confusion(deferred.astype(np.int8), attribute)
    share, hits, size = rate_of(cells, "selection_rate")
    low, high = clopper_pearson(hits, size, tail)
    return {
        group: DeferredGroup(
            rows=int(cells.count[at].sum()),
            share=None if np.isnan(share[at]) else float(share[at]),
            low=float(low[at]),
            high=float(high[at]),
        )
        for at, group in enumerate(rows.known[attribute])
    }


def _gap(rows: Rows, deferred: NDArray[np.bool_], attribute: str, tail: float) -> DeferralGap | None:
    both = disparity(rows.confusion(deferred.astype(np.int8), attribute), "selection_rate", tail)
    if isinstance(both, str):
        return None
    gap, names = both[1], rows.known[attribute]
    return DeferralGap(
        value=gap.value, low=gap.low, high=gap.high, lowest=names[gap.lowest], highest=names[gap.highest]
    )
