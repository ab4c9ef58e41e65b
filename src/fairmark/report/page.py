"""The report: one HTML file that holds everything, asks for nothing, and runs nothing."""

from collections.abc import Mapping, Sequence

from fairmark.judge.measured import Measured
from fairmark.report import data as people
from fairmark.report import explanations, quality
from fairmark.report.alternatives import alternatives_view
from fairmark.report.checks import checks_view
from fairmark.report.comparisons import comparisons_view
from fairmark.report.inputs import Facts
from fairmark.report.labels import count, interval, number, setting
from fairmark.report.rendering import html
from fairmark.report.search import price_text, search_view
from fairmark.report.verdict import own_thresholds, protected_use, threshold_text, tipping, verdict_view
from fairmark.stats.measures import MEASURED, TILES, meaning
from fairmark.stats.measures import label as title

CONTENTS = (
    ("verdict", "Verdict"),
    ("quality", "Quality"),
    ("groups", "Groups"),
    ("gaps", "Gaps between groups"),
    ("search", "The search"),
    ("alternatives", "Less discriminatory alternatives"),
    ("curves", "Curves"),
    ("data", "The data"),
    ("reasons", "Explanations"),
    ("checks", "Further checks"),
    ("making", "How it was made"),
    ("reading", "How to read this page"),
)


def page(facts: Facts) -> str:
    """Return the report as HTML; the same facts give the same text."""
    attributes = list(facts.measurements.groups)
    return html(
        "report.html.j2",
        contents=CONTENTS,
        project=facts.project,
        policy=facts.policy,
        label=facts.schema.label,
        verdict=verdict_view(
            facts.verdict,
            facts.policy,
            facts.decimals,
            facts.measurements.overall,
            persons_known=facts.split.persons is not None,
        ),
        tipping=tipping(facts),
        tiles=_tiles(facts),
        rows=count(facts.measurements.data.rows),
        threshold=threshold_text(facts),
        own=own_thresholds(facts),
        confidence=f"{facts.measurements.confidence:g}",
        quality=quality.overall(facts),
        small=quality.small_groups(facts),
        groups=[_groups(facts, attribute) for attribute in attributes],
        search=search_view(facts),
        alternatives=alternatives_view(facts),
        price=price_text(facts),
        curves={
            "whole": [
                it
                for it in (quality.roc(facts), quality.precision_recall(facts), quality.calibrations(facts))
                if it
            ],
            "groups": [{"attribute": name, "pictures": quality.by_group(facts, name)} for name in attributes],
        },
        people=_people(facts),
        reasons=_reasons(facts),
        checks=checks_view(facts),
        comparisons=comparisons_view(facts),
        making=_making(facts),
        glossary=[
            (title(name), meaning(name)) for name in MEASURED if meaning(name) and name != "selection_rate"
        ],
    )


def _tiles(facts: Facts) -> Sequence[Mapping[str, str]]:
    """Return the few numbers that say most: quality, and every gated disparity."""
    overall, between = facts.measurements.overall, facts.measurements.disparities
    entries: list[tuple[str, Measured | None]] = [(title(name), overall.get(name)) for name in TILES]
    gated = [limit for limit in facts.policy.limits if limit.gate and limit.attribute is not None]
    entries += [
        (
            f"{title(limit.measure)} by {limit.attribute}",
            between.get(str(limit.attribute), {}).get(limit.measure),
        )
        for limit in gated
    ]
    return [
        {
            "name": name,
            "value": number(entry.value, facts.decimals) if entry else "\N{EN DASH}",
            "note": interval(entry.low, entry.high, facts.decimals) if entry else "see its limit",
        }
        for name, entry in dict(entries).items()
    ]


def _groups(facts: Facts, attribute: str) -> Mapping[str, object]:
    return {
        "attribute": attribute,
        "strips": quality.strips(facts, attribute),
        "everything": quality.everything(facts, attribute),
        "gaps": quality.disparities(facts, attribute),
    }


def _people(facts: Facts) -> Mapping[str, object]:
    shared = facts.prepared.shared_rows
    return {
        "files": people.files(facts),
        "shared": count(shared) if facts.prepared.files.test else None,
        "parts": people.parts(facts),
        "made": people.made(facts),
        "provable": people.provable(facts),
        "hopeless": people.hopeless(facts),
        "differ": [*facts.audit.questions, *facts.audit.independence, *facts.split.findings],
        "groups": [people.groups(facts, attribute) for attribute in facts.audit.groups],
        "withheld": people.withheld(facts),
        "proxies": people.proxies(facts),
        "leakage": people.leakage(facts),
        "strongest": people.strongest(facts),
        "personal": people.personal(facts),
    }


def _reasons(facts: Facts) -> Mapping[str, object]:
    pictures, tables = explanations.dependences(facts)
    return {
        "importance": explanations.importance(facts),
        "groups": [
            {"attribute": name, "table": explanations.by_group(facts, name)}
            for name in facts.explanations.by_group
        ],
        "background": count(facts.explanations.background),
        "pictures": pictures,
        "tables": tables,
        "decisions": explanations.decisions(facts),
        "coverage": explanations.coverage(facts),
        "stability": explanations.stability(facts),
        "ranks": explanations.ranks(facts),
    }


def _making(facts: Facts) -> Sequence[tuple[str, str]]:
    """Return what made this model; no time, host or path is among it."""
    chosen, data = facts.chosen, facts.measurements.data
    steps = [f"{step.constraint.replace('_', ' ')} by {step.attribute}, strength {step.strength:.4g}"
             for step in chosen.mitigation]  # fmt: skip
    settings = ", ".join(f"{name} {setting(value)}" for name, value in sorted(chosen.settings.items()))
    return [
        ("Model, SHA-256", facts.measurements.model.sha256),
        ("Family", chosen.family),
        ("Settings", settings),
        ("Class balance", chosen.balance),
        ("Reweighing", "yes" if chosen.reweighing else "no"),
        ("Mitigation", "; ".join(steps) or "none"),
        ("Decision threshold", threshold_text(facts)),
        ("Features", ", ".join(facts.schema.feature_names)),
        ("Protected attributes", f"No feature is one. {' '.join(protected_use(facts))}"),
        ("Test rows, SHA-256 of their ids", data.rows_sha256),
        ("Owner", facts.project.owner),
        ("Intended use", facts.project.intended_use),
        ("Out of scope", facts.project.out_of_scope),
    ]
