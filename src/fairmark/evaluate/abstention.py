"""A model that abstains: decisions near the threshold go to a human; what that does to errors and groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairmark.evaluate.summary_metrics import Rows, glance, taken
from fairmark.stats.arrays import Floats
from fairmark.stats.disparity import disparity
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.rates import rate_of


@dataclass(frozen=True)
class Ranked:
    """Scores of rows, [n], their weights, [n], and the threshold of all or of each, [n]."""

    score: Floats
    weight: Floats
    threshold: float | Floats


def width(score: Floats, weight: Floats, threshold: float | Floats, coverage: float) -> float:
    """Return the largest w so that at least `coverage` of the weight has |score - threshold| >= w; 0 for all.

    This is the reject rule of Chow (1970) for a score that is a probability, with the band moved from one
    half to the threshold; coverage is the word of El-Yaniv and Wiener (2010).

    Parameters
    ----------
    score
        Probabilities, [n].
    weight
        Row weights, [n].
    coverage
        Share of rows that the model decides itself, above 0 and up to 1.
    """
    if coverage >= 1:
        return 0.0
    distance = np.abs(score - threshold)
    order = np.argsort(-distance, kind="stable")
    reached = np.cumsum(weight[order])
    enough = np.searchsorted(reached, coverage * reached[-1] * (1 - 1e-12))
    return float(distance[order][min(int(enough), len(order) - 1)])


def abstain(
    chosen_on: Ranked,
    rows: Rows,
    score: Floats,
    threshold: float | Floats,
    bands: Sequence[float],
    level: float,
) -> list[dict[str, Any]]:
    """Return, for each band, how well and how evenly the model decides the rows that it keeps, widest last.

    Parameters
    ----------
    chosen_on
        Validation rows: the width of a band is chosen there, never on `rows`.
    rows, score
        The rows that are measured and their scores, [n].
    threshold
        Decide 1 from this score on; one for all rows, or that of each row, [n].
    bands
        Shares of rows that the model is to decide itself.
    level
        Chance of error of each two-sided interval.

    Returns
    -------
    list
        `{"coverage" (asked), "width", "decided" (share found), "kept": glance with "error", "sent":
        {attribute: {group: {"rows", "share", "low", "high"}}}, "sent_difference": {attribute: {"value",
        "low", "high", "lowest", "highest"} or None}}`. `sent` is the share
        of a group that goes to a human: 0 = nobody, 1 = all; it is None, with bounds 0 and 1, without rows. A
        lower bound of the difference above 0 says that some group is truly sent more often.
    """
    known = (chosen_on.score, chosen_on.weight, chosen_on.threshold)
    return [
        _band(rows, score, threshold, coverage, width(*known, coverage), level / 2)
        for coverage in sorted(bands, reverse=True)
    ]


def _band(
    rows: Rows, score: Floats, threshold: float | Floats, coverage: float, reach: float, tail: float
) -> dict[str, Any]:
    sent = np.abs(score - threshold) < reach
    whole = rate_of(rows.cells(sent.astype(np.int8)), "selection_rate")[0][0]
    return {
        "coverage": coverage,
        "width": reach,
        "decided": None if np.isnan(whole) else float(1 - whole),
        "kept": _kept(rows.take(~sent), score[~sent], taken(threshold, ~sent)),
        "sent": {attribute: _sent(rows, sent, attribute, tail) for attribute in rows.known},
        "sent_difference": {attribute: _gap(rows, sent, attribute, tail) for attribute in rows.known},
    }


def _kept(rows: Rows, score: Floats, threshold: float | Floats) -> dict[str, Any]:
    found = glance(rows, score, threshold)
    right = found.pop("accuracy")
    return found | {"error": None if right is None else 1 - right}


def _sent(rows: Rows, sent: NDArray[np.bool_], attribute: str, tail: float) -> dict[str, Any]:
    cells = rows.cells(sent.astype(np.int8), attribute)
    share, hits, size = rate_of(cells, "selection_rate")
    low, high = clopper_pearson(hits, size, tail)
    return {
        group: {
            "rows": int(cells.count[at].sum()),
            "share": None if np.isnan(share[at]) else float(share[at]),
            "low": float(low[at]),
            "high": float(high[at]),
        }
        for at, group in enumerate(rows.known[attribute])
    }


def _gap(rows: Rows, sent: NDArray[np.bool_], attribute: str, tail: float) -> dict[str, Any] | None:
    found = disparity(rows.cells(sent.astype(np.int8), attribute), "selection_rate", tail)
    if isinstance(found, str):
        return None
    gap, names = found[1], rows.known[attribute]
    return {
        "value": gap.value,
        "low": gap.low,
        "high": gap.high,
        "lowest": names[gap.lowest],
        "highest": names[gap.highest],
    }
