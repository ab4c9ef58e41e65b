"""The pages of an evaluation of decisions made elsewhere: a report and a card, and what neither can say."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary
from fairmark.judge.measured import Measured
from fairmark.params.scores import UNKNOWN, Scores
from fairmark.report import quality
from fairmark.report.by_probability import by_probability
from fairmark.report.inputs import MeasuredFacts
from fairmark.report.labels import count, interval, measured, number
from fairmark.report.rendering import html, markdown
from fairmark.report.verdict import tipping, verdict_view
from fairmark.stats.measures import MEASURED, TILES, meaning
from fairmark.stats.measures import label as title

CONTENTS = (
    ("verdict", "Verdict"),
    ("unknown", "What can't be said without the model"),
    ("quality", "Quality"),
    ("groups", "Groups"),
    ("gaps", "Gaps between groups"),
    ("curves", "Curves"),
    ("making", "What was judged"),
)


def evaluation_page(
    facts: MeasuredFacts, scores: Scores, schema: Schema, prepared: PrepareSummary, audit: DataAudit
) -> str:
    """Return the report of an evaluation as one HTML page that asks for nothing and runs nothing."""
    attributes = list(facts.measurements.groups)
    pictures = (quality.roc(facts), quality.precision_recall(facts), quality.calibrations(facts))
    return html(
        "evaluation.html.j2",
        contents=CONTENTS,
        tipping=tipping(facts),
        project=facts.project,
        policy=facts.policy,
        label=schema.label,
        verdict=verdict_view(
            facts.verdict,
            facts.policy,
            facts.decimals,
            facts.measurements.overall,
            persons_known=facts.measurements.data.persons is not None,
        ),
        tiles=_tiles(facts),
        unknown=UNKNOWN,
        own=None,
        price=[],
        search={"price": None},
        rows=count(facts.measurements.data.rows),
        confidence=f"{facts.measurements.confidence:g}",
        quality=quality.overall(facts),
        small=quality.small_groups(facts),
        groups=[
            {
                "attribute": name,
                "strips": quality.strips(facts, name),
                "everything": quality.everything(facts, name),
                "gaps": quality.disparities(facts, name),
            }
            for name in attributes
        ],
        probable=by_probability(facts.measurements, facts.decimals),
        curves={
            "whole": [it for it in pictures if it] if scores.score else [],
            "groups": [
                {"attribute": name, "pictures": quality.by_group(facts, name)}
                for name in attributes
                if scores.score
            ],
        },
        making=_judged(facts, scores, prepared, audit),
        glossary=[
            (title(name), meaning(name)) for name in MEASURED if meaning(name) and name != "selection_rate"
        ],
    )


def evaluation_card(facts: MeasuredFacts, scores: Scores, schema: Schema) -> str:
    """Return the card of an evaluation in Markdown."""
    overall = facts.measurements.overall
    return markdown(
        "evaluation-card.md.j2",
        project=facts.project,
        policy=facts.policy,
        label=schema.label,
        verdict=verdict_view(facts.verdict, facts.policy, facts.decimals, overall),
        decided=_decided(scores, facts.decimals),
        scores=scores,
        rows=count(facts.measurements.data.rows),
        measures=[
            (title(name), measured(overall.get(name), facts.decimals)) for name in MEASURED if name in overall
        ],
        probable=by_probability(facts.measurements, facts.decimals),
        gaps=[
            (attribute, title(name), measured(entry, facts.decimals))
            for attribute, entries in facts.measurements.disparities.items()
            for name, entry in entries.items()
        ],
        unknown=UNKNOWN,
    )


def _decided(scores: Scores, decimals: int) -> str:
    if scores.decision is not None:
        return f"as given in the column {scores.decision}, {scores.selected} being the positive one"
    return f"positive from a score of {number(scores.threshold, decimals)} on"


def _tiles(facts: MeasuredFacts) -> Sequence[Mapping[str, str]]:
    overall, between = facts.measurements.overall, facts.measurements.disparities
    entries: dict[str, Measured | Any | None] = {title(name): overall.get(name) for name in TILES}
    for limit in facts.policy.limits:
        if limit.gate and limit.attribute is not None:
            name = f"{title(limit.measure)} by {limit.attribute}"
            entries[name] = between.get(limit.attribute, {}).get(limit.measure)
    return [
        {
            "name": name,
            "value": number(entry.value, facts.decimals) if entry else "\N{EN DASH}",
            "note": interval(entry.low, entry.high, facts.decimals) if entry else "see its limit",
        }
        for name, entry in entries.items()
    ]


def _judged(
    facts: MeasuredFacts, scores: Scores, prepared: PrepareSummary, audit: DataAudit
) -> Sequence[tuple[str, str]]:
    """Return what was judged, and by which rows; no time, host or path is among it."""
    data = facts.measurements.data
    groups = [
        f"{attribute}: " + ", ".join(f"{name} {count(entry.rows)}" for name, entry in entries.items())
        for attribute, entries in audit.groups.items()
    ]
    return [
        ("Made by", scores.made_by),
        ("Version", scores.version),
        ("Scores", scores.score or "none: decisions alone"),
        ("Decided", _decided(scores, facts.decimals)),
        ("Scores and decisions, SHA-256", facts.measurements.model.sha256),
        ("Rows", f"{count(data.rows)}, of them {count(data.positives)} positive"),
        ("Rows, SHA-256 of their ids", data.rows_sha256),
        ("File, SHA-256", f"{prepared.files.main.name}, {prepared.files.main.sha256}"),
        ("Rows by group", "; ".join(groups)),
        ("Origin", facts.project.data_origin),
        ("Owner", facts.project.owner),
        ("Intended use", facts.project.intended_use),
        ("Out of scope", facts.project.out_of_scope),
    ]
