"""Abstention: decisions near the threshold are deferred to a human; what it does to errors and groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmark.evaluate.documents import AbstentionBand, DeferralGap, DeferredGroup, KeptMetrics
from fairmark.evaluate.summary_metrics import Rows, summary_metrics, threshold_at
from fairmark.stats.arrays import Floats
from fairmark.stats.disparity import disparity
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.rates import rate_of


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
    found = summary_metrics(rows, score, threshold)
    return KeptMetrics(
        rows=found.rows,
        roc_auc=found.roc_auc,
        selection_rate=found.selection_rate,
        selection_rate_ratio=found.selection_rate_ratio,
        error=None if found.accuracy is None else 1 - found.accuracy,
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
    found = disparity(rows.confusion(deferred.astype(np.int8), attribute), "selection_rate", tail)
    if isinstance(found, str):
        return None
    gap, names = found[1], rows.known[attribute]
    return DeferralGap(
        value=gap.value, low=gap.low, high=gap.high, lowest=names[gap.lowest], highest=names[gap.highest]
    )
