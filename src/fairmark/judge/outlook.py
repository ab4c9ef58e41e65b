"""The outcome that `judge` would reach on each limit, by its own tests, without its bounds and its words.

A bound is found by many tests, and the number of rows that would decide by more of them; whether a limit is
met takes one or two. For evidence that asks the question often, such as every feature disturbed alone.
"""

from collections.abc import Mapping
from typing import Any

from fairmark.judge.comparisons import Comparison
from fairmark.judge.evidence import Expected, faults
from fairmark.judge.limits import Compared
from fairmark.judge.more import Aim, shown
from fairmark.judge.verdict import MET, MISSED, UNSURE, Outcome, Tails, forbidden, planned, shared
from fairmark.params import Limit, Policy


def outlook(measurements: Any, policy: Policy) -> tuple[Outcome, Mapping[str, Outcome]]:
    """Return the outcome of the gated limits together, and of each by its name.

    Law: that of `judge` on no day, of the policy with its gated limits alone.
    """
    gates = [limit for limit in policy.limits if limit.gate]
    if faults(measurements, Expected()) or [*forbidden(measurements, policy)]:
        return MISSED, {limit.name: MISSED for limit in gates}
    plans = {limit.name: (limit, planned(limit, measurements)) for limit in gates}
    each = [one for _, plan in plans.values() for one in plan if isinstance(one, Compared)]
    shares = shared(each, policy)
    found = {
        name: _worst([_outcome(one, limit, shares) for one in plan]) for name, (limit, plan) in plans.items()
    }
    return (_worst([*found.values()]) if each or MISSED in found.values() else UNSURE), found


def _outcome(each: Compared | str, limit: Limit, shares: Tails) -> Outcome:
    if isinstance(each, str):
        return MISSED
    comparison: Comparison = each.comparison
    if comparison.value is None:
        return UNSURE
    at_least = limit.at_least is not None
    at = limit.at_least if limit.at_least is not None else float(limit.at_most or 0.0)
    aim = Aim(at, at_least, shares.clear, shares.miss)
    clears, misses = (shown(comparison, aim, good=good) for good in (True, False))
    return UNSURE if clears == misses else MET if clears else MISSED


def _worst(outcomes: list[Outcome]) -> Outcome:
    return MISSED if MISSED in outcomes else UNSURE if UNSURE in outcomes else MET
