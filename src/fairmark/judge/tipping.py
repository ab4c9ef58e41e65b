"""How wrong the rows would have to be for a comparison of groups to be past its limit: sensitivity analysis.

A bound knows of chance alone. What no number of rows cures is asked for here, as the tipping point at which
the comparison turns, with all else as it was measured:

- **Rows that are missing** from the disfavoured group among those that its rate counts: applicants who never
  came into the table; for a true positive rate, people who would have done well and whose label says
  otherwise, or is not known because nobody selected them (label bias, selective labels).
- **Errors in the protected attribute**: the share of either group's rows that belong to the other, the same
  in both and whatever was decided. Mixed so, groups look more alike than they are: a difference is
  1 / (1 - 2 share) of the one that was measured (Bross 1954), and the rates of a ratio follow from both.

Nothing of it is gated: what is plausible is not in the data.
"""

from dataclasses import dataclass
from typing import Literal

from fairmark.judge.comparisons import Difference, Part, Pooled, Ratio
from fairmark.judge.limits import Compared, compared
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Finding, Verdict
from fairmark.params.policy import Policy

MOST_MIXED = 0.5
"""At half of the rows of both groups exchanged nothing is known of either."""


@dataclass(frozen=True)
class Tipping:
    """What turns one comparison that is within its limit, by its measured value or by its bound.

    None where nothing of the kind does.
    """

    limit: str
    rate_of: str
    disfavoured: str
    favoured: str
    kind: Literal["ratio", "difference"]
    value: float
    missing: float | None
    """Rows without a hit that the disfavoured group lacks when its value is exactly at the limit."""
    missing_share: float | None
    """These over the rows that its rate counts."""
    mixed: float | None
    """Share of either group's rows, 0..0.5, that belong to the other when the value is at the limit."""
    mixed_bound: float | None
    """The same for the bound that has to clear; None where it does not clear as it is."""


def tipping_points(measurements: Measurements, verdict: Verdict, policy: Policy) -> list[Tipping]:
    """Return the tipping points of gated comparisons between groups that are within limits, nearest first."""
    evidence = measurements.evidence
    bounds = {(each.limit, frozenset(each.groups)): each for each in verdict.findings}
    found = []
    for limit in policy.limits:
        if not limit.gate or limit.attribute not in evidence.groups:
            continue
        for each in compared(limit, evidence, policy.min_group_rows, policy.bounds):
            finding = bounds.get((limit.name, frozenset(each.groups)))
            one = None if finding is None else tipping_point(each, finding)
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: (MOST_MIXED if one.mixed is None else one.mixed, one.limit))


def tipping_point(each: Compared, finding: Finding) -> Tipping | None:
    """Return what turns one comparison; None for what is none of two rates, or is past its limit already."""
    pair, at = each.comparison, finding.limit_value
    if not isinstance(pair, Ratio | Difference | Pooled) or pair.value is None:
        return None
    low, high = sorted(pair.parts, key=lambda part: part.share)
    ratio = isinstance(pair, Ratio) or (isinstance(pair, Pooled) and pair.kind == "ratio")
    if (pair.value < at) if ratio else (pair.value > at):
        return None
    missing = _missing(low, high, at, ratio=ratio)
    cleared = finding.outcome == "pass" and finding.bound is not None
    return Tipping(
        limit=each.limit.name,
        rate_of=each.rate,
        disfavoured=str(low.group),
        favoured=str(high.group),
        kind="ratio" if ratio else "difference",
        value=pair.value,
        missing=missing,
        missing_share=None if missing is None else missing / low.rows,
        mixed=_mixed(pair.value, at, ratio=ratio),
        mixed_bound=_mixed(float(finding.bound or 0.0), at, ratio=ratio) if cleared else None,
    )


def _missing(low: Part, high: Part, at: float, *, ratio: bool) -> float | None:
    """Return how many rows more without a hit take the lower rate to the limit."""
    worst = at * high.share if ratio else high.share - at
    return low.hits / worst - low.rows if worst > 0 and low.hits > 0 else None


def _mixed(value: float, at: float, *, ratio: bool) -> float | None:
    """Return the share of rows exchanged between both groups that hides a true value at the limit.

    From (1 - e) p1 - e p2 = at x ((1 - e) p2 - e p1) with p1 = value x p2, or d / (1 - 2 e) = at.
    """
    if at >= 1 and ratio:
        return 0.0
    share = (value - at) / ((1 + value) * (1 - at)) if ratio else (1 - value / at) / 2 if at > 0 else 0.0
    return share if 0 <= share < MOST_MIXED else None
