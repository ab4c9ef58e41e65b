"""A few single decisions, each with the reasons for it in words.

Which threshold a single decision was made by, where groups have thresholds of their own, in words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.schema import ColumnSchema
from fairmark.explain.dependence import plain, spoken
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model import Model
from fairmark.stats.arrays import Floats

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
    features: Sequence[ColumnSchema],
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
    row: "pd.Series[Any]", features: Sequence[ColumnSchema], contributions: Floats, decision: int
) -> dict[str, Any]:
    moves: list[dict[str, Any]] = [
        {"feature": each.name, "value": plain(row[each.name], each.kind), "shap": float(value)}
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


# ------------------------------------------------------------------ cutoff


NEVER = 1e-12
"""How near to 0 and 1 a threshold is taken to be when its log-odds would be infinite."""


def beyond(model: Model, margin: Floats, groups: pd.DataFrame) -> Floats | None:
    """Return how far each row's log-odds lie above its threshold's, [n]; None where all have one."""
    if model.own is None:
        return None
    cut = np.clip(model.cut(groups), NEVER, 1 - NEVER)
    return np.asarray(margin - np.log(cut / (1 - cut)))


def with_cutoffs(
    model: Model, decisions: Sequence[Mapping[str, Any]], groups: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the decisions, each with the threshold that it was made by, where groups have their own.

    Returns
    -------
    list
        The decisions with `cutoff`: `{"attribute", "group", "threshold", "own" (false: the common one),
        "otherwise"}`; `otherwise` are the groups as one of which the row would be decided otherwise. Where
        there are any, the group is a reason for the decision, and stands first among its `reasons`.
    """
    own = model.own
    if own is None:
        return [{**each} for each in decisions]
    names = groups[own.attribute].astype(str)
    return [_with_cutoff(own, model.threshold, each, names.iloc[each["row"] - 1]) for each in decisions]


def _with_cutoff(
    own: GroupThresholds, common: float, decision: Mapping[str, Any], group: str
) -> dict[str, Any]:
    score, threshold = decision["score"], own.groups.get(group, common)
    otherwise = [
        name
        for name, cut in sorted(own.groups.items())
        if name != group and (score >= cut) != (decision["decision"] == 1)
    ]
    cutoff = {
        "attribute": own.attribute,
        "group": group,
        "threshold": threshold,
        "own": group in own.groups,
        "otherwise": otherwise,
    }
    reasons = list(decision["reasons"])
    if otherwise:
        answer = "no" if decision["decision"] == 1 else "yes"
        effect = f"with the threshold of {' or '.join(otherwise)} the decision would be {answer}"
        reasons = [{"feature": own.attribute, "value": group, "effect": effect}, *reasons][:MOST_REASONS]
    return {**decision, "cutoff": cutoff, "reasons": reasons}
