"""Quick gate: the outcome of each gated limit as `judge` would have it, without its bounds and its words.

A bound is found by many tests, and the number of rows that would decide by more of them; whether a limit is
met takes one or two. For evidence that asks the question often, such as every feature disturbed alone.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fairmark.evaluate.documents import LimitOutcome, QuickVerdict
from fairmark.evaluate.measure import EvaluationRows, scored
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.findings import Sign, Strongest
from fairmark.judge.limits import Compared
from fairmark.judge.measurements import ConfusionCounts, Evidence, GroupMeasures
from fairmark.judge.sample_size import Aim, shown
from fairmark.judge.verdict import MET, MISSED, UNSURE, Outcome, Tails, own, planned, shared
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats
from fairmark.stats.measures import QUANTITIES

UNSEEN = 0.5
"""The tail of displayed bounds, of which nothing is shown here."""


def quick_verdict(document: Evidence, policy: Policy) -> QuickVerdict:
    """Return the outcome of the gated limits together, and the outcome and the value of each.

    Law: the outcomes are those of `judge` on no day, of the policy with its gated limits alone. A value is
    that of the comparison nearest to breaking the limit, None where nothing could be measured.

    Parameters
    ----------
    document
        Measurements, or what `gated_measurements` says; whether they are whole is not looked at.
    policy
        Whose gated limits are judged by.
    """
    gates = [limit for limit in policy.required if limit.gate]
    plans = [(limit, planned(limit, document)) for limit in gates]
    shares = shared([one for _, plan in plans for one in plan if isinstance(one, Compared)], policy)
    limits = {
        limit.name: LimitOutcome(
            outcome=_worst([_outcome(one, limit, shares, policy) for one in plan]), value=_value(limit, plan)
        )
        for limit, plan in plans
    }
    outcomes = [each.outcome for each in limits.values()]
    return QuickVerdict(outcome=_worst(outcomes) if outcomes else UNSURE, limits=limits)


def gated_measurements(
    rows: Rows,
    score: Floats,
    decision: NDArray[np.integer],
    policy: Policy,
    bins: int,
    signs: Mapping[str, Strongest],
) -> Evidence:
    """Return as much of measurements as `quick_verdict` reads, for a policy's gated limits."""
    gates = [limit for limit in policy.required if limit.gate]
    measures = {limit.attribute: set[str]() for limit in gates}
    for limit in gates:
        if limit.measure in QUANTITIES and (measure := QUANTITIES[limit.measure].measure).scored:
            measures[limit.attribute].add(measure.name)
    whole = EvaluationRows(rows.label, score, rows.weight, bins, UNSEEN, 2, 0, rows.person_weight)
    return Evidence(
        overall={name: scored(whole, name) for name in measures.get(None, ())},
        cells=ConfusionCounts.of(rows.confusion(decision)),
        groups={
            attribute: dict(_groups(rows, decision, whole, attribute, names))
            for attribute, names in measures.items()
            if attribute is not None and attribute in rows.known
        },
        findings=signs,
    )


def _groups(
    rows: Rows, decision: NDArray[np.integer], whole: EvaluationRows, attribute: str, names: set[str]
) -> Iterator[tuple[str, GroupMeasures]]:
    matrices, code = rows.confusion(decision, attribute), rows.codes(attribute)
    for k, group in enumerate(rows.known[attribute]):
        counts = ConfusionCounts.of(matrices.group(k))
        found = {name: scored(whole.only(code == k), name) for name in names}
        one = GroupMeasures(rows=counts.rows, positives=counts.positives, cells=counts, measures=found)
        yield group, one


def _outcome(each: Compared | Sign | str, limit: Limit, shares: Tails, policy: Policy) -> Outcome:
    """Return how one comparison of a limit comes out: a text says why it could not be made."""
    if isinstance(each, str):
        return MISSED
    if isinstance(each, Sign):
        return UNSURE if each.shown else MET
    if each.comparison.value is None:
        return UNSURE
    at = limit.at_least if limit.at_least is not None else float(limit.at_most or 0.0)
    tail = own(each, shares, policy)
    aim = Aim(at, limit.at_least is not None, tail.clear, tail.miss)
    # Two one-sided tests: shown to be met, and shown to be missed. Neither, or both where the tails are so
    # wide that they cross, leaves it open.
    clears, misses = (shown(each.comparison, aim, good=good) for good in (True, False))
    return UNSURE if clears == misses else MET if clears else MISSED


def _value(limit: Limit, plan: Sequence[Compared | Sign | str]) -> float | None:
    values = [one.comparison.value for one in plan if isinstance(one, Compared)]
    values += [one.value for one in plan if isinstance(one, Sign)]
    known = [value for value in values if value is not None]
    return None if not known else min(known) if limit.at_least is not None else max(known)


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return MISSED if MISSED in outcomes else UNSURE if UNSURE in outcomes else MET
