"""A few single decisions, each with what moved it, the principal reasons in words, and its threshold.

Where groups have thresholds of their own, a decision says by which one it was made, and the group is a reason
where another group's threshold would have turned the decision.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.schema import ColumnSchema
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import AppliedThreshold, Contribution, Decision, Reason, value_text
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model import Model
from fairmark.stats.arrays import Floats

MOST_REASONS = 4
"""12 CFR 1002.9, supplement I, comment 9(b)(2)-1: more than four reasons are not likely to be helpful."""

RANKS = ("most", "second most", "third most", "fourth most")

EDGE = 1e-12
"""How near to 0 and 1 a threshold is taken to be when its log-odds would be infinite."""


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
) -> list[Decision]:
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
    """
    margin = contributions.sum(axis=1)
    found = []
    for row, why in picked(margin if beyond is None else beyond, decision, count):
        moves = _moves(rows.iloc[row], features, contributions[row, :-1])
        answer: Literal[0, 1] = 1 if decision[row] == 1 else 0
        found.append(
            Decision(
                row=row + 1,
                why=why,
                score=float(score[row]),
                margin=float(margin[row]),
                decision=answer,
                base=float(contributions[row, -1]),
                contributions=moves,
                reasons=reasons(moves, answer),
            )
        )
    return found


def _moves(row: "pd.Series[Any]", features: Sequence[ColumnSchema], shap: Floats) -> list[Contribution]:
    """Return the features with their values and Shapley values [p], the largest move first, ties by name."""
    moves = [
        Contribution(feature=each.name, value=cell_value(row[each.name], each.kind), shap=float(value))
        for each, value in zip(features, shap, strict=True)
    ]
    return sorted(moves, key=lambda move: (-abs(move.shap), move.feature))


def reasons(moves: Sequence[Contribution], decision: int) -> list[Reason]:
    """Return the principal reasons for a decision in words, the strongest first, at most four.

    For a no they are the features that lowered the score most against the base value, for a yes those that
    raised it most. This is the second method of 12 CFR 1002.9, supplement I, comment 9(b)(2)-5: the factors
    where the applicant falls furthest below the average of all applicants. None when no feature moved the
    score in the direction of the decision.
    """
    sign = 1 if decision == 1 else -1
    verb = "raises" if decision == 1 else "lowers"
    towards = [move for move in moves if sign * move.shap > 0]
    towards.sort(key=lambda move: (-abs(move.shap), move.feature))
    return [
        Reason(feature=move.feature, value=value_text(move.value), effect=f"{verb} the score {rank}")
        for move, rank in zip(towards, RANKS[:MOST_REASONS], strict=False)
    ]


def above_threshold(model: Model, margin: Floats, groups: pd.DataFrame) -> Floats | None:
    """Return how far each row's log-odds lie above its threshold's, [n]; None where all have one."""
    if model.own is None:
        return None
    threshold = np.clip(model.cut(groups), EDGE, 1 - EDGE)
    return np.asarray(margin - np.log(threshold / (1 - threshold)))


def with_thresholds(model: Model, decisions: Sequence[Decision], groups: pd.DataFrame) -> list[Decision]:
    """Return the decisions, each with the threshold that it was made by, where groups have their own.

    Where another group's threshold would turn a decision, the group is a reason for it, and stands first.

    Parameters
    ----------
    model
        The model that decided.
    decisions
        What `decisions` returned of the rows.
    groups
        The group of each row, one column for each attribute, [n].
    """
    own = model.own
    if own is None:
        return list(decisions)
    names = groups[own.attribute].astype(str)
    return [_with_threshold(own, model.threshold, each, names.iloc[each.row - 1]) for each in decisions]


def _with_threshold(own: GroupThresholds, common: float, decision: Decision, group: str) -> Decision:
    otherwise = [
        name
        for name, threshold in sorted(own.groups.items())
        if name != group and (decision.score >= threshold) != (decision.decision == 1)
    ]
    applied = AppliedThreshold(
        attribute=own.attribute,
        group=group,
        threshold=own.groups.get(group, common),
        own=group in own.groups,
        otherwise=otherwise,
    )
    reasons = list(decision.reasons)
    if otherwise:
        answer = "no" if decision.decision == 1 else "yes"
        effect = f"with the threshold of {' or '.join(otherwise)} the decision would be {answer}"
        reasons = [Reason(feature=own.attribute, value=group, effect=effect), *reasons][:MOST_REASONS]
    return decision.model_copy(update={"applied_threshold": applied, "reasons": reasons})
