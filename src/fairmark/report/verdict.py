"""The verdict as a reader sees it, led by the comparison that decides each limit, and thresholds of groups.

Where groups have thresholds of their own, pages say that the decision reads a protected attribute.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from fairmark.judge.finding_text import one_sided
from fairmark.judge.measured import Measured
from fairmark.judge.tipping import tipping_points
from fairmark.judge.verdict import SEVERITY, WAIVED, Finding, State, Verdict, covers, decisive, rank
from fairmark.model.protected_use import ProtectedUse
from fairmark.params.policy import Limit, Policy, Waiver
from fairmark.report.inputs import Facts, MeasuredFacts
from fairmark.report.labels import NUMBER, SIGNS, STRIP, Column, Table, count, listed, number, sentence
from fairmark.report.svg import Scale, around, axis, gate, unit
from fairmark.stats.measures import label as title
from fairmark.stats.measures import quantity

STYLES = {"pass": "pass", WAIVED: "pass", "fail": "fail", "insufficient evidence": "unsure"}
SHOWN = 40
"""Comparisons of one limit that the page lists; 200 groups are 19,900 pairs, and nobody reads on that far."""
NOT_KNOWN = "not known"
PERSONS_UNKNOWN = (
    "Whose a row is, is not known (prepare.person is null): persons in several parts can't be counted."
)
TOGETHER = {True: "yes", False: "open"}
"""Whether a comparison may be said to be met together with all others (`Finding.together`)."""
SIDES = {"at_least": "lower bound", "at_most": "upper bound"}
LAW = (
    "In many laws this is disparate treatment, whatever it is meant for: US credit law forbids taking a "
    "protected attribute into account in a system that evaluates applicants (ECOA, 12 CFR 1002.6(b)), and "
    "Title VII, as amended in 1991 (section 106, 42 U.S.C. 2000e-2(l)), forbids different cutoff scores by "
    "race, color, religion, sex or national origin in tests for employment."
)


@dataclass(frozen=True)
class LimitView:
    """One limit: what it requires, the comparison that decides it, and the others nearest to it."""

    name: str
    measure: str
    required: str
    outcome: str
    style: str
    gate: bool
    group: str | None
    comparisons: int
    value: str
    bound: str
    side: str
    rows: str | None
    text: str
    reason: str
    law: str
    strip: Markup
    axis: Markup
    all: Table | None
    shown: int
    folded: str
    let_through: Sequence[str | None]
    waivers: Sequence[Waiver]
    overrides: Sequence[Waiver]


@dataclass(frozen=True)
class OverlayView:
    """An overlay of the policy: whose law, its own word, and the limits that are its own."""

    name: str
    jurisdiction: str
    must_pass: bool
    state: State
    style: str
    sentence: str
    limits: Sequence[LimitView]
    level: float


@dataclass(frozen=True)
class VerdictView:
    """The outcome, one sentence about it, and each limit in the order of the policy."""

    outcome: str
    beware: str
    state: State
    style: str
    sentence: str
    guarantee: str
    limits: Sequence[LimitView]
    gates_fairness: bool
    overlays: Sequence[OverlayView]


@dataclass(frozen=True)
class OwnThresholds:
    """The attribute whose groups have thresholds of their own, each as shown, and what pages say of it."""

    attribute: str
    groups: Sequence[tuple[str, str]]
    text: Sequence[str]


def verdict_view(
    verdict: Verdict,
    policy: Policy,
    decimals: int,
    measured: Mapping[str, Measured] | None = None,
    *,
    persons_known: bool = True,
) -> VerdictView:
    """Return the outcome, one sentence about it, and each limit in the order of the policy.

    Without `persons_known` the share of persons in several parts is shown as not known.
    """
    limits = [_limit(limit, verdict, policy, decimals) for limit in policy.required]
    if not persons_known:
        limits = [
            replace(
                view, value=NOT_KNOWN, bound=NOT_KNOWN, text=PERSONS_UNKNOWN, strip=Markup(), axis=Markup()
            )
            if limit.measure == "shared_persons"
            else view
            for limit, view in zip(policy.required, limits, strict=True)
        ]
    return VerdictView(
        outcome=verdict.outcome,
        beware=one_sided(measured or {}),
        state=state(verdict, policy),
        style=STYLES[state(verdict, policy)],
        sentence=summary(verdict, policy),
        guarantee=verdict.guarantee,
        limits=limits,
        gates_fairness=gates_fairness(policy),
        overlays=overlay_views(verdict, policy, decimals),
    )


def overlay_views(verdict: Verdict, policy: Policy, decimals: int) -> list[OverlayView]:
    """Return each overlay with its own word and its own limits, in the order of the policy."""
    judged = {each.name: each.verdict for each in verdict.overlays}
    views = []
    for overlay in policy.overlays:
        found, under = judged[overlay.name], policy.under(overlay)
        views.append(
            OverlayView(
                overlay.name,
                overlay.jurisdiction,
                overlay.must_pass,
                state(found, under),
                STYLES[state(found, under)],
                " ".join([*found.faults, summary(found, under)]),
                [_limit(limit, found, under, decimals) for limit in overlay.limits],
                under.level,
            )
        )
    return views


TURNED = 12
"""Comparisons that the page tells the tipping points of: those that turn soonest."""


def tipping(facts: MeasuredFacts) -> Table | None:
    """Return how wrong the rows would have to be for comparisons of groups to be past limits, or nothing."""
    dash, decimals = "\N{EN DASH}", facts.decimals
    rows = [
        (
            each.limit,
            f"{each.disfavoured} / {each.favoured}",
            number(each.value, decimals),
            dash if each.missing is None else count(math.ceil(each.missing)),
            dash if each.missing_share is None else number(each.missing_share, 2),
            dash if each.mixed is None else number(each.mixed, decimals),
            "not cleared" if each.mixed_bound is None else number(each.mixed_bound, decimals),
        )
        for each in tipping_points(facts.measurements, facts.verdict, facts.policy)[:TURNED]
    ]
    columns = [
        Column("Limit"),
        Column("Disfavoured / favoured"),
        Column("Value", NUMBER),
        Column("Rows missing", NUMBER),
        Column("As a share", NUMBER),
        Column("Groups mixed up", NUMBER),
        Column("For the bound", NUMBER),
    ]
    return (
        Table("How wrong the rows would have to be for the verdict to turn", columns, rows) if rows else None
    )


def state(verdict: Verdict, policy: Policy) -> State:
    """Return the word for the verdict: of one on no day, that of a day when all that is on record stands."""
    return WAIVED if on_record(verdict, policy) else verdict.state


def gates_fairness(policy: Policy) -> bool:
    """Return whether any limit that can stop a release looks at a protected attribute."""
    return any(limit.gate and limit.attribute is not None for limit in policy.limits)


def summary(verdict: Verdict, policy: Policy) -> str:
    """Return the sentences beside the verdict's word; what it needs on record to stand comes first."""
    under = {each.name: policy.under(each) for each in policy.overlays}
    each = [
        f"Under {one.name} ({one.jurisdiction}): {state(one.verdict, under[one.name])}"
        + ("." if one.must_pass else ", which no release waits for.")
        for one in verdict.overlays
    ]
    return " ".join(filter(None, [on_record(verdict, policy), sentence(verdict), *each]))


def on_record(verdict: Verdict, policy: Policy) -> str:
    """Return until when recorded waivers and overrides cover all that stops a release, or nothing."""
    under = {"": policy} | {each.name: policy.under(each) for each in policy.overlays}
    left = [(f, under[name]) for name, of in verdict.deciding for f in of.findings if f.gate and not f.met]
    faults = [fault for _, of in verdict.deciding for fault in of.faults]
    # What was refused has no value because its measurements say nothing: no record can let that through.
    ends = [[w.last_day for w in _recorded(f, of) if covers(w, f.limit, f.groups)] for f, of in left]
    if not left or faults or not all(ends):
        return ""
    # Each finding stands until the last of its records ends, and the verdict until the first finding falls.
    until = min(max(each) for each in ends)
    missed = any(f.outcome == "fail" for f, _ in left)
    kind, what = ("Overrides and waivers", "missed or open") if missed else ("Waivers", "open")
    return f"{kind} on record cover what is {what}: a release made by {until} may go out, and names them."


def _recorded(finding: Finding, policy: Policy) -> Sequence[Waiver]:
    if finding.outcome == "fail":
        return policy.overrides if finding.value is not None else ()
    return policy.waivers


def _limit(limit: Limit, verdict: Verdict, policy: Policy, decimals: int) -> LimitView:
    findings = [finding for finding in verdict.findings if finding.limit == limit.name]
    worst = decisive(findings)
    outcome = verdict.limits[limit.name]
    where = f" by {limit.attribute}" if limit.attribute else ""
    scale = _scale(findings)
    return LimitView(
        name=limit.name,
        measure=f"{title(worst.measure)}{where}",
        required=f"{SIGNS[worst.at]} {number(worst.limit_value, decimals)}",
        outcome=outcome,
        style=STYLES[outcome],
        gate=limit.gate,
        group=worst.group,
        comparisons=len(findings),
        value=number(worst.value, decimals),
        bound=number(worst.bound, decimals),
        side=SIDES[worst.at],
        rows=None if worst.rows is None else count(worst.rows),
        text=worst.text,
        reason=limit.reason,
        law=policy.citation(limit),
        strip=_strip(worst, scale),
        axis=axis(scale),
        all=_nearest(sorted(findings, key=rank)[:SHOWN], scale, decimals) if len(findings) > 1 else None,
        shown=SHOWN,
        folded=folded(sorted(findings, key=rank)[SHOWN:]),
        let_through=[finding.waived_by for finding in findings if finding.overridden],
        waivers=[waiver for waiver in policy.waivers if waiver.limit == limit.name],
        overrides=[each for each in policy.overrides if each.limit == limit.name],
    )


def folded(findings: Sequence[Finding]) -> str:
    """Return one sentence about the comparisons that the page does not list, or nothing."""
    if not findings:
        return ""
    outcomes = [finding.outcome for finding in findings]
    each = [f"{count(outcomes.count(outcome))} {outcome}" for outcome in SEVERITY if outcome in outcomes]
    return f"{count(len(findings))} more, each with more room than these or a better outcome: {listed(each)}."


def _nearest(findings: Sequence[Finding], scale: Scale, decimals: int) -> Table:
    """Return comparisons, which come with those that decide first, as a table."""
    rows = [
        (
            each.group or "all rows",
            f"{each.outcome}, let through" if each.overridden else each.outcome,
            _strip(each, scale),
            number(each.value, decimals),
            number(each.bound, decimals),
            "" if each.together is None else TOGETHER[each.together],
            "" if each.rows is None else count(each.rows),
        )
        for each in findings
    ]
    columns = [
        Column("Groups"),
        Column("Outcome"),
        Column("Bounds", STRIP),
        Column("Measured", NUMBER),
        Column(SIDES[findings[0].at].capitalize(), NUMBER),
        Column("Met together"),
        Column("Rows", NUMBER),
    ]
    return Table(
        f"Comparisons of {findings[0].limit}, those that decide first",
        columns,
        rows,
        ("", "", axis(scale), "", "", "", ""),
    )


def _scale(findings: Sequence[Finding]) -> Scale:
    known = [v for each in findings for v in (each.value, each.bound, each.opposite, each.limit_value)]
    named = quantity(findings[0].measure)
    wide = findings[0].limit_value > 1 or (named is not None and named.measure.most > 1)
    most = float("inf") if wide else 1
    return unit(*around([value for value in known if value is not None], 0, most))


def _strip(finding: Finding, scale: Scale) -> Markup:
    return gate(scale, finding.value, finding.bound, finding.opposite, finding.limit_value, finding.at)


def own_thresholds(facts: Facts) -> OwnThresholds | None:
    """Return the attribute, the thresholds of its groups, and what is to be said of them, or None."""
    own = facts.measurements.model.thresholds
    if own is None:
        return None
    name, constraint = own.attribute, own.constraint.replace("_", " ")
    what = (
        f"Groups of {name} have thresholds of their own, chosen on held-out rows for {constraint}: of two "
        f"people with the same score, one may be decided yes and the other no because of {name}."
    )
    allowed = f"The policy allows it by name (protected_at_prediction); the score itself does not see {name}."
    text = [what, LAW, allowed]
    groups = [(group, number(cut, facts.decimals)) for group, cut in own.groups.items()]
    return OwnThresholds(name, groups, text)


def threshold_text(facts: Facts) -> str:
    """Return the threshold of all, or those of groups' own and that of everybody else."""
    common, own = number(facts.measurements.model.threshold, facts.decimals), own_thresholds(facts)
    if own is None:
        return common
    known = ", ".join(f"{cut} ({group})" for group, cut in own.groups)
    return f"{known}, {common} (everybody else)"


def protected_use(facts: Facts) -> Sequence[str]:
    """Return in words how protected attributes were used, one sentence for each use."""
    own = facts.measurements.model.thresholds
    singles = tuple(facts.schema.singles)
    decides = None if own is None else own.attribute
    return ProtectedUse.of(facts.chosen, facts.policy, singles, decides, facts.split.sampled_by).sentences
