"""What pages say of thresholds of groups' own: that the decision reads a protected attribute."""

from collections.abc import Mapping
from typing import Any

from fairmark.explain.documents import Decision
from fairmark.report.inputs import WITHHELD, Facts
from fairmark.report.labels import listed, number

LAW = (
    "In many laws this is disparate treatment, whatever it is meant for: US credit law forbids taking a "
    "protected attribute into account in a system that evaluates applicants (ECOA, 12 CFR 1002.6(b)), and "
    "Title VII, as amended in 1991 (section 106, 42 U.S.C. 2000e-2(l)), forbids different cutoff scores by "
    "race, color, religion, sex or national origin in tests for employment."
)


def own_thresholds(facts: Facts) -> Mapping[str, Any] | None:
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
    told = [what, LAW, allowed]
    groups = [(group, number(cut, facts.decimals)) for group, cut in own.groups.items()]
    return {"attribute": name, "groups": groups, "told": told}


def each(facts: Facts) -> str:
    """Return the threshold of all, or those of groups' own and that of everybody else."""
    common, own = number(facts.measurements.model.threshold, facts.decimals), own_thresholds(facts)
    if own is None:
        return common
    known = ", ".join(f"{cut} ({group})" for group, cut in own["groups"])
    return f"{known}, {common} (everybody else)"


def swapped(facts: Facts) -> str | None:
    """Return how many decisions hang on the group alone, or nothing where none can."""
    found = facts.checks.stress.swapped.decisions
    if found is None:
        return None
    share = number(found.moved, facts.decimals)
    return (
        f"Swapping the groups of {found.attribute} moves {share} of all decisions, because groups have "
        "thresholds of their own."
    )


def of_decision(decision: Decision, facts: Facts) -> str | None:
    """Return which threshold a decision was made by, and whether another group's would have turned it."""
    applied = decision.applied_threshold
    if applied is None:
        return None
    name = applied.attribute
    hidden = is_withheld(name, facts)
    group = WITHHELD if hidden else applied.group
    value = WITHHELD if hidden else number(applied.threshold, facts.decimals)
    whose = f"of {name} {group}" if applied.own else "of those whose group has none of its own"
    said = f"It was decided by the threshold {whose}, {value}."
    if applied.otherwise:
        other = "another group" if hidden else listed(applied.otherwise)
        answer = "no" if decision.decision == 1 else "yes"
        return f"{said} By that of {other} the decision would be {answer}."
    return f"{said} No other group's would turn the decision."


def is_withheld(name: str, facts: Facts) -> bool:
    """Return whether the values of a feature or attribute are kept from pages: personal ones are."""
    made = facts.schema.attributes.get(name)
    return name in facts.personal or (made is not None and bool(facts.personal & set(made.columns)))
