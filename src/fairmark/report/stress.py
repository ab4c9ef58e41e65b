"""What disturbed rows do to the verdict and the measures that it rests on, and single features to quality."""

from collections.abc import Sequence
from dataclasses import dataclass

from fairmark.evaluate.documents import QuickVerdict, StressScenario, SummaryMetrics
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge
from fairmark.params.policy import Limit
from fairmark.report.inputs import Facts
from fairmark.report.labels import NOT_MEASURED, NUMBER, Column, Table, count, listed, number
from fairmark.stats.measures import label as title
from fairmark.stats.measures import quantity


@dataclass(frozen=True)
class Disturbed:
    """One disturbance of all features at once, and the verdict on the rows that it made."""

    name: str
    scenario: StressScenario
    measurements: Measurements
    outcome: str


def disturbed(facts: Facts) -> list[Disturbed]:
    """Return every disturbance of all features, each judged by the gated limits alone, on no day."""
    gates = [limit for limit in facts.policy.required if limit.gate]
    gate = facts.policy.model_copy(update={"limits": gates})
    return [
        Disturbed(scenario_name(each), each, each.measurements, judge(each.measurements, gate, None).outcome)
        for each in facts.checks.stress.scenarios
        if each.measurements is not None
    ]


def stress_table(facts: Facts, whole: Sequence[Disturbed]) -> Table:
    """Return what disturbing all features at once does to the verdict and to every gated measure."""
    gated = _gated(facts)
    columns = [
        Column("Disturbance of all features"),
        Column("Verdict"),
        Column("Decided otherwise", NUMBER),
        *(Column(name, NUMBER) for name in gated),
    ]
    own = (_against(facts, limits, facts.measurements) for limits in gated.values())
    rows: list[Sequence[str]] = [("none", facts.verdict.outcome, number(0, facts.decimals), *own)]
    rows += [
        (
            each.name,
            each.outcome,
            number(each.scenario.changed, facts.decimals),
            *(_against(facts, limits, each.measurements) for limits in gated.values()),
        )
        for each in whole
    ]
    caption = "Gated measures on disturbed test rows: point values, beside a limit that they are beyond"
    return Table(caption, columns, rows, marked=frozenset({0}))


def single_feature_table(facts: Facts) -> Table:
    """Return what disturbing one feature at a time does to the verdict and to every gated measure."""
    gated = _gated(facts)
    columns = [
        Column("Disturbance of one feature"),
        Column("Verdict"),
        Column("Decided otherwise", NUMBER),
        *(Column(name, NUMBER) for name in gated),
    ]
    rows = [
        (
            scenario_name(each),
            verdict.outcome,
            number(each.changed, facts.decimals),
            *(_beyond(_limit_value(verdict, limits[0]), limits, facts) for limits in gated.values()),
        )
        for each, verdict in _single(facts)
    ]
    caption = "Gated measures with one feature disturbed: point values, beside a limit that they are beyond"
    return Table(caption, columns, rows)


def single_feature_text(facts: Facts) -> str | None:
    """Return how often disturbing one feature moves the verdict, or nothing where none was disturbed."""
    own, each = facts.verdict.outcome, _single(facts)
    if not each:
        return None
    moved = [(one.feature, verdict.outcome) for one, verdict in each if verdict.outcome != own]
    if not moved:
        return f"None of {len(each)} disturbances of one feature would move the verdict from {own}."
    failing = sorted({feature for feature, outcome in moved if outcome == "fail" and feature is not None})
    what = f"; it would fail with {listed(failing)} disturbed" if failing else ""
    return (
        f"Of {len(each)} disturbances of one feature, {len(moved)} would move the verdict from {own}{what}."
    )


def _single(facts: Facts) -> list[tuple[StressScenario, QuickVerdict]]:
    """Return the scenarios that change one feature, with their verdicts."""
    return [(each, each.verdict) for each in facts.checks.stress.scenarios if each.verdict is not None]


def _limit_value(verdict: QuickVerdict, limit: Limit) -> float | None:
    known = verdict.limits.get(limit.name)
    return None if known is None else known.value


def stress_text(facts: Facts, whole: Sequence[Disturbed]) -> str:
    """Return how often the verdict moves, and how far quality and fairness do."""
    own = facts.verdict.outcome
    if not whole:
        return "There was nothing to disturb."
    moved = [each.outcome for each in whole if each.outcome != own]
    kinds = list(dict.fromkeys(moved))
    became = kinds if len(kinds) == 1 else [f"{outcome} ({moved.count(outcome)})" for outcome in kinds]
    verdict = (
        f"Of {len(whole)} disturbances of all features at once, {len(moved)} would move the verdict from "
        f"{own} to {listed(became)}."
        if moved
        else f"None of {len(whole)} disturbances of all features at once would move the verdict from {own}."
    )
    lowest = [
        f"{name} falls from {number(now, facts.decimals)} to {number(least, facts.decimals)}"
        for name, now, least in _falls(facts, facts.checks.stress.base, [each.scenario for each in whole])
    ]
    return f"{verdict} Under the worst of them for each, {listed(lowest)}." if lowest else verdict


def _falls(
    facts: Facts, base: SummaryMetrics, whole: Sequence[StressScenario]
) -> Sequence[tuple[str, float, float]]:
    """Return the name, the undisturbed value and the lowest one of each measure that fell."""
    one = f"the selection rate ratio by {facts.foremost}"

    def values(metrics: SummaryMetrics) -> dict[str, float | None]:
        return {"ROC AUC": metrics.roc_auc, "accuracy": metrics.accuracy, one: facts.ratio(metrics)}

    falls = []
    for name, now in values(base).items():
        then = [value for each in whole if (value := values(each)[name]) is not None]
        if now is not None and then and min(then) < now:
            falls.append((name, now, min(then)))
    return falls


def nudge_text(facts: Facts) -> str | None:
    """Return how small a move of one number turns decisions, or nothing without numbers."""
    turned, near = facts.checks.stress.turned, facts.checks.stress.nudges
    if turned.share is None or not near.turned:
        return None
    half = next((step for step in near.turned if step.share >= 0.5), None)
    rows = f"the {count(near.rows)} decisions nearest to the threshold"
    close = (
        f"half of {rows} or more turn with a move of {half.size:g}"
        if half
        else f"less than half of {rows} turn with a move of up to {near.turned[-1].size:g}"
    )
    share = number(turned.share, facts.decimals)
    return (
        f"Moving one number by {turned.amount:g} standard deviations, up or down, turns {share} of all "
        f"decisions; {close}."
    )


def _gated(facts: Facts) -> dict[str, list[Limit]]:
    """Return the gated limits by the name of what they measure: a floor and a ceiling share a column."""
    gated: dict[str, list[Limit]] = {}
    for limit in facts.policy.required:
        name = title(limit.measure) + (f" by {limit.attribute}" if limit.attribute else "")
        if limit.gate:
            gated.setdefault(name, []).append(limit)
    return gated


def scenario_name(scenario: StressScenario) -> str:
    """Return a scenario in words."""
    where = f", {scenario.feature}" if scenario.feature is not None else ""
    amount = scenario.amount
    match scenario.kind:
        case "missing":
            return f"{amount:g} of values missing{where}"
        case "unseen":
            return f"{amount:g} of names never seen{where}"
        case "shift":
            return f"numbers {'up' if amount > 0 else 'down'} by {abs(amount):g} deviations{where}"
        case "nudge":
            return f"the worst nudge of {abs(amount):g} deviations for each row"
    return f"{scenario.kind} {amount:g}{where}"


def _against(facts: Facts, limits: Sequence[Limit], measurements: Measurements) -> str:
    """Return the point value that limits are about, and the limit that it is beyond."""
    return _beyond(_worst(limits[0], measurements), limits, facts)


def _beyond(value: float | None, limits: Sequence[Limit], facts: Facts) -> str:
    if value is None:
        return NOT_MEASURED
    beyond = [
        f" (limit {edge:g})"
        for limit in limits
        for edge, sign in ((limit.at_least, 1), (limit.at_most, -1))
        if edge is not None and sign * value < sign * edge
    ]
    return number(value, facts.decimals) + "".join(beyond)


def _worst(limit: Limit, measurements: Measurements) -> float | None:
    """Return the value of a limit's measure: over all rows, between groups, or of the group farthest off."""
    if limit.attribute is None:
        return _value(measurements.overall.get(limit.measure))
    between = measurements.disparities.get(limit.attribute, {})
    if limit.measure in between:
        return _value(between[limit.measure])
    named = quantity(limit.measure)
    name = limit.measure if named is None else named.measure.same_as or limit.measure
    groups = measurements.groups.get(limit.attribute, {}).values()
    known = [v for group in groups if (v := _value(group.measures.get(name))) is not None]
    if not known:
        return None
    return min(known) if limit.at_least is not None else max(known)


def _value(entry: Measured | None) -> float | None:
    return None if entry is None else entry.value


def swapped(facts: Facts) -> str | None:
    """Return how many decisions hang on the group alone, or nothing where none can."""
    swaps = facts.checks.stress.swapped.decisions
    if swaps is None:
        return None
    share = number(swaps.moved, facts.decimals)
    return (
        f"Swapping the groups of {swaps.attribute} moves {share} of all decisions, because groups have "
        "thresholds of their own."
    )
