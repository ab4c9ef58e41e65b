"""Choose a threshold for each group, so that rates are drawn together (Hardt et al. 2016).

Hardt, Price and Srebro, "Equality of opportunity in supervised learning", take one threshold for each group
and, where no threshold gives the wanted rate, lots between two. Here nobody draws lots: of all ways to give
each group one threshold that keep the policy's limits on the attribute, with the margin of the search, the
best in quality is taken. With one rate to be drawn together it is the best there is; with two (equalized
odds) or three, the lowest rate of any group is tried on a grid.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.evidence import is_unknown
from fairmark.errors import ParamsError
from fairmark.learn.encode import Floats
from fairmark.learn.limits import Rows
from fairmark.learn.rates import SINGLE, rate
from fairmark.learn.stretches import Candidates, Reach, best
from fairmark.learn.threshold import Goal, cuts
from fairmark.sections.learning import ByGroup
from fairmark.sections.policy import Limit, Policy

DRAWN: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "true_positive_rate_parity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
}
"""The rates that each constraint draws together."""
RISING = ("selection_rate", "true_positive_rate", "false_positive_rate")
"""Rates that can only rise as a threshold falls; limits on how far groups are apart in them are kept here."""


def reaches(by: ByGroup, policy: Policy, margin: float) -> dict[str, Reach]:
    """Return how far the gated limits on the attribute let groups be apart, for each rate they speak of.

    Raises
    ------
    ParamsError
        When none of them is about a rate that the constraint draws together.
    """
    found: dict[str, Reach] = {}
    for limit in _gates(policy, by.attribute):
        name, _, how = limit.measure.rpartition("_")
        both = ("true_positive_rate", "false_positive_rate") if name == "equalized_odds" else (name,)
        for each in both:
            known = found.get(each, Reach(margin))
            if each in RISING and how == "ratio" and limit.at_least is not None:
                found[each] = replace(known, ratio=max(known.ratio or 0.0, limit.at_least))
            elif each in RISING and how == "difference" and limit.at_most is not None:
                found[each] = replace(
                    known,
                    difference=min(np.inf if known.difference is None else known.difference, limit.at_most),
                )
    drawn = DRAWN[by.constraint]
    if not set(drawn) & set(found):
        raise ParamsError(
            f"params.yaml: policy.limits: must gate a ratio or a difference of {' or '.join(drawn)} by "
            f"{by.attribute}, which train.threshold.by draws together, got none"
        )
    return found


def together(
    by: ByGroup,
    policy: Policy,
    margin: float,
    maximise: Goal,
    score: Floats,
    rows: Rows,
    common: float,
) -> dict[str, float] | None:
    """Return the threshold of each group that is large enough, the best in quality that keeps the limits.

    None when fewer than two groups are, or when no thresholds keep the limits: all have the common one then.

    Parameters
    ----------
    by
        The attribute, and what is drawn together.
    margin
        How far inside each limit on groups these rows must stay, in the measure's own unit.
    maximise
        What the quality is; that of all rows, those with the common threshold included.
    score, rows
        Rows that were held out, never test rows: their scores [n], labels, weights and groups.
    common
        The threshold of rows whose group is too small or not known.
    """
    limits = reaches(by, policy, margin)
    group = rows.groups[by.attribute]
    names = large(group, policy.min_group_rows)
    if len(names) < 2:
        return None
    each = []
    for name in names:
        mine = (group == name).to_numpy()
        each.append(_candidates(score[mine], rows.label[mine], rows.weight[mine], by, policy, margin))
    rest = ~group.isin(names).to_numpy() & (score >= common)
    everybody = np.ones(len(rest), dtype=bool)
    found = best(each, limits, maximise, _weights(rows, everybody), _weights(rows, rest))
    return (
        None
        if found is None
        else {name: float(one.cut[k]) for name, one, k in zip(names, each, found, strict=True)}
    )


def none_found(by: ByGroup, policy: Policy, margin: float | None, rows: Rows) -> str:
    """Return in words why no group has a threshold of its own."""
    if margin is None:
        return "the chosen trial looks at quality alone"
    names = large(rows.groups[by.attribute], policy.min_group_rows)
    if len(names) < 2:
        return f"fewer than two groups of {by.attribute} have {policy.min_group_rows} rows that were held out"
    return f"no thresholds of groups keep the policy's limits by {by.attribute} on rows that were held out"


def large(group: pd.Series, least: int) -> list[str]:
    """Return the groups that are known and have at least `least` rows, sorted."""
    counts = group.value_counts()
    return sorted(str(name) for name in counts.index[counts >= least] if not is_unknown(str(name)))


def _weights(rows: Rows, chosen: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the weight of the negative and of the positive rows among the chosen ones."""
    negative, positive = (float(rows.weight[chosen & (rows.label == value)].sum()) for value in (0, 1))
    return negative, positive


def _gates(policy: Policy, attribute: str) -> list[Limit]:
    return [limit for limit in policy.limits if limit.gate and limit.attribute == attribute]


def _candidates(
    score: Floats, label: npt.NDArray[np.int8], weight: Floats, by: ByGroup, policy: Policy, margin: float
) -> Candidates:
    cut, hit, false = cuts(score, label, weight)
    negative, positive = (float(weight[label == value].sum()) for value in (0, 1))
    table = np.empty((len(cut), 2, 2))
    table[:, 0, 0], table[:, 0, 1], table[:, 1, 0], table[:, 1, 1] = (
        negative - false,
        false,
        positive - hit,
        hit,
    )
    allowed = np.ones(len(cut), dtype=bool)
    for limit in _gates(policy, by.attribute):
        if limit.measure in SINGLE:
            value = rate(table, limit.measure)
            slack = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
            allowed &= np.nan_to_num(slack - margin, nan=-1.0) >= 0
    return Candidates(cut, hit, false, {name: rate(table, name) for name in RISING}, allowed)
