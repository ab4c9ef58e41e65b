"""What disturbed rows do to the measures that the policy gates, and one feature at a time to quality."""

from collections.abc import Mapping
from typing import Any

from fairmark.params import Limit
from fairmark.report.facts import Facts
from fairmark.report.pieces import NUMBER, Column, Table
from fairmark.report.words import NOT_MEASURED, number, title


def stress(facts: Facts) -> Table:
    """Return what happens to every gated measure when all features are disturbed at once."""
    found = facts.checks["stress"]
    gated = [limit for limit in facts.policy.limits if limit.gate]
    columns = [
        Column("Disturbance"),
        Column("Decided otherwise", NUMBER),
        *(Column(_name(limit), NUMBER) for limit in gated),
    ]
    rows = [("none", "", *(_against(facts, limit, facts.measurements) for limit in gated))]
    rows += [
        (
            _scenario(each),
            number(each["changed"], facts.decimals),
            *(_against(facts, limit, each["measurements"]) for limit in gated),
        )
        for each in found["scenarios"]
        if each["measurements"] is not None
    ]
    return Table(
        "Gated measures on disturbed test rows: point values, beside the limit where one is passed",
        columns,
        rows,
    )


def stressed_each(facts: Facts) -> Table:
    """Return what disturbing one feature at a time does."""
    ratio = f"Selection rate ratio by {facts.foremost}"
    columns = [
        Column("Disturbance"),
        *(Column(name, NUMBER) for name in ("Decided otherwise", "Accuracy", "ROC AUC", ratio)),
    ]
    rows = [
        (
            _scenario(each),
            number(each["changed"], facts.decimals),
            number(each["accuracy"], facts.decimals),
            number(each["roc_auc"], facts.decimals),
            number(facts.ratio(each), facts.decimals),
        )
        for each in facts.checks["stress"]["scenarios"]
        if each["measurements"] is None
    ]
    return Table("One feature disturbed at a time, on test rows", columns, rows)


def _name(limit: Limit) -> str:
    return title(limit.measure) + (f" by {limit.attribute}" if limit.attribute else "")


def _scenario(each: Mapping[str, Any]) -> str:
    where = each["feature"] if each["feature"] is not None else "all features"
    amount = each["amount"]
    match each["kind"]:
        case "missing":
            return f"{amount:g} of values missing, {where}"
        case "unseen":
            return f"{amount:g} of names never seen, {where}"
        case "shift":
            return f"numbers {'up' if amount > 0 else 'down'} by {abs(amount):g} deviations, {where}"
        case "nudge":
            return f"the worst nudge of {abs(amount):g} deviations for each row"
    return f"{each['kind']} {amount}, {where}"


def _against(facts: Facts, limit: Limit, measurements: Mapping[str, Any]) -> str:
    """Return the point value of a limit's measure, and the limit when the value is on its wrong side."""
    value = _worst(limit, measurements)
    if value is None:
        return NOT_MEASURED
    low, high = limit.at_least, limit.at_most
    missed = (low is not None and value < low) or (high is not None and value > high)
    edge = low if low is not None else high
    return number(value, facts.decimals) + (f" (limit {edge:g})" if missed else "")


def _worst(limit: Limit, measurements: Mapping[str, Any]) -> float | None:
    """Return the value of a limit's measure: over all rows, between groups, or of the group farthest off."""
    if limit.attribute is None:
        return _value(measurements["overall"].get(limit.measure))
    between = measurements["disparities"].get(limit.attribute, {})
    if limit.measure in between:
        return _value(between[limit.measure])
    name = "recall" if limit.measure == "true_positive_rate" else limit.measure
    groups = measurements["groups"].get(limit.attribute, {}).values()
    known = [v for group in groups if (v := _value(group["measures"].get(name))) is not None]
    if not known:
        return None
    return min(known) if limit.at_least is not None else max(known)


def _value(entry: Mapping[str, Any] | None) -> float | None:
    return None if entry is None else entry["value"]
