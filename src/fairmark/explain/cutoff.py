"""Which threshold a single decision was made by, where groups have thresholds of their own, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairmark.explain.decisions import MOST_REASONS, Floats
from fairmark.learn.group_thresholds import GroupThresholds
from fairmark.learn.model import Model

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
