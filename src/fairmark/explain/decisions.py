"""A few single decisions, each with the reasons for it in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.explain.values import plain, spoken

Floats = NDArray[np.float64]

MOST_REASONS = 4
"""12 CFR 1002.9, supplement I, comment 9(b)(2)-1: more than four reasons are not likely to be helpful."""

RANKS = ("most", "second most", "third most", "fourth most")


def picked(margin: Floats, decision: NDArray[np.int8], count: int) -> list[tuple[int, str]]:
    """Return `count` telling rows: the surest yes and no, those next to the threshold, and so on in turn.

    Parameters
    ----------
    margin
        Log-odds, [n].
    decision
        1 for yes and 0 for no, [n].

    Returns
    -------
    list
        `(position, why it was picked)`; fewer than `count` when there are fewer rows.
    """
    order = np.argsort(margin, kind="stable")
    yes = [int(row) for row in order if decision[row] == 1]
    no = [int(row) for row in order if decision[row] == 0]
    queues = [
        ("surest yes", yes[::-1]),
        ("surest no", no),
        ("yes nearest to the threshold", yes),
        ("no nearest to the threshold", no[::-1]),
    ]
    found: dict[int, str] = {}
    while len(found) < min(count, len(margin)):
        for why, queue in queues:
            row = next((row for row in queue if row not in found), None)
            if row is not None and len(found) < count:
                found[row] = why
    return list(found.items())


def decisions(
    rows: pd.DataFrame,
    features: Sequence[Mapping[str, Any]],
    contributions: Floats,
    score: Floats,
    decision: NDArray[np.int8],
    count: int,
    beyond: Floats | None = None,
) -> list[dict[str, Any]]:
    """Return `count` decisions with everything that moved them and the principal reasons in words.

    Parameters
    ----------
    rows
        The explained rows, [n]; row numbers in the result count within them, from 1.
    features
        Their descriptions in schema.json, in the order of the contributions, [p].
    contributions
        Shapley values in log-odds with the base value in the last column, [n, p + 1].
    score
        Calibrated probabilities, [n].
    decision
        1 for yes and 0 for no, [n].
    beyond
        How far the log-odds lie above the threshold's, [n]; None where all rows have one threshold.

    Returns
    -------
    list
        `{"row", "why", "score", "margin", "decision", "base", "contributions", "reasons"}`; contributions by
        size, reasons as in `reasons`.
    """
    margin = contributions.sum(axis=1)
    return [
        _decision(rows.iloc[row], features, contributions[row], int(decision[row]))
        | {"row": row + 1, "why": why, "score": float(score[row]), "margin": float(margin[row])}
        for row, why in picked(margin if beyond is None else beyond, decision, count)
    ]


def _decision(
    row: "pd.Series[Any]", features: Sequence[Mapping[str, Any]], contributions: Floats, decision: int
) -> dict[str, Any]:
    moves = [
        {"feature": each["name"], "value": plain(row[each["name"]], each["kind"]), "shap": float(value)}
        for each, value in zip(features, contributions[:-1], strict=True)
    ]
    moves.sort(key=lambda move: (-abs(move["shap"]), move["feature"]))
    return {
        "decision": decision,
        "base": float(contributions[-1]),
        "contributions": moves,
        "reasons": reasons(moves, decision),
    }


def reasons(moves: Sequence[Mapping[str, Any]], decision: int) -> list[dict[str, str]]:
    """Return the principal reasons for a decision in words, the strongest first, at most four.

    For a no they are the features that lowered the score most against the base value, for a yes those that
    raised it most. This is the second method of 12 CFR 1002.9, supplement I, comment 9(b)(2)-5: the factors
    where the applicant falls furthest below the average of all applicants.

    Returns
    -------
    list
        `{"feature", "value", "effect"}`, to be read as "feature is value: effect"; none when no feature moved
        the score in the direction of the decision.
    """
    sign = 1 if decision == 1 else -1
    verb = "raises" if decision == 1 else "lowers"
    towards = [move for move in moves if sign * move["shap"] > 0]
    towards.sort(key=lambda move: (-abs(move["shap"]), move["feature"]))
    return [
        {"feature": move["feature"], "value": spoken(move["value"]), "effect": f"{verb} the score {rank}"}
        for move, rank in zip(towards, RANKS[:MOST_REASONS], strict=False)
    ]
