"""The model card of Mitchell et al. (2019), every number of it taken from what the stages measured."""

from collections.abc import Collection, Mapping, Sequence

from fairmark.evaluate.documents import MonotoneFeature
from fairmark.judge.finding_text import one_sided
from fairmark.judge.measurements import Disparity
from fairmark.judge.verdict import decisive
from fairmark.report import data as people
from fairmark.report.alternatives import alternatives_view
from fairmark.report.inputs import Facts
from fairmark.report.labels import SIGNS, count, listed, measured, number, setting
from fairmark.report.quality import small_groups
from fairmark.report.rendering import html, markdown, rendered
from fairmark.report.verdict import (
    NOT_KNOWN,
    gates_fairness,
    overlay_views,
    own_thresholds,
    protected_use,
    state,
    summary,
)
from fairmark.stats.measures import CARD, COMPARED, EQUALIZED_ODDS, MEASURED, meaning
from fairmark.stats.measures import label as title

MADE = {
    "column": "as it stands in the column",
    "edges": "cut from the number in the column",
    "cross": "the intersection of the columns",
}


def card(facts: Facts) -> str:
    """Return the model card in Markdown; the same facts give the same text."""
    data, model = facts.measurements.data, facts.measurements.model
    return markdown(
        "model-card.md.j2",
        project=facts.project,
        policy=facts.policy,
        label=facts.schema.label,
        outcome=state(facts.verdict, facts.policy),
        beware=one_sided(facts.measurements.overall),
        sentence=summary(facts.verdict, facts.policy),
        guarantee=facts.verdict.guarantee,
        gates_fairness=gates_fairness(facts.policy),
        model=model,
        chosen=facts.chosen,
        settings=[(name, setting(value)) for name, value in sorted(facts.chosen.settings.items())],
        mitigation=[
            f"{step.constraint.replace('_', ' ')} by {step.attribute}, strength {setting(step.strength)}"
            for step in facts.chosen.mitigation
        ],
        features=facts.schema.feature_names,
        monotone=[_monotone(each) for each in facts.checks.monotone or ()],
        threshold=number(model.threshold, facts.decimals),
        own=own_thresholds(facts),
        uses=protected_use(facts),
        withheld=people.withheld(facts),
        attributes=_attributes(facts),
        limits=_limits(facts),
        overlays=overlay_views(facts.verdict, facts.policy, facts.decimals),
        data=data,
        rows=count(data.rows),
        positives=count(data.positives),
        confidence=f"{facts.measurements.confidence:g}",
        files=[file.to_json() | {"rows": count(file.rows)} for file in facts.prepared.files.all],
        fixed=facts.split.test_file,
        parts=people.parts(facts).rows,
        made=people.made(facts),
        differ=[*facts.audit.questions, *facts.audit.independence, *facts.split.findings],
        overall=[
            (title(name), measured(facts.measurements.overall[name], facts.decimals), meaning(name))
            for name in _in_order(facts.measurements.overall)
        ],
        groups=[_groups(facts, attribute) for attribute in facts.measurements.groups],
        proxies=[each.to_json() | {"auc": number(each.auc, facts.decimals)} for each in facts.audit.proxies],
        personal=sorted(facts.personal),
        leakage=[suspect.column for suspect in facts.audit.leakage],
        small=small_groups(facts),
        unsure=[name for name, outcome in facts.verdict.limits.items() if outcome == "insufficient evidence"],
        note=facts.search.note,
        alternatives=alternatives_view(facts),
        listed=listed,
    )


def _monotone(each: MonotoneFeature) -> str:
    way = "falls" if each.direction == "increasing" else "rises"
    return (
        f"The score never {way} as {each.feature} grows, whatever the row: every cut or coefficient was "
        f"looked at, and {count(each.rows)} test rows were given {count(each.values)} values each, without "
        "a violation."
    )


def card_page(facts: Facts, text: str) -> str:
    """Return the card's Markdown as one HTML page that asks for nothing and runs nothing."""
    return html("model-card.html.j2", project=facts.project, body=rendered(text))


def _attributes(facts: Facts) -> Sequence[Mapping[str, object]]:
    measured_groups = facts.measurements.groups
    return [
        {
            "name": name,
            "how": f"{MADE[made.by]} {listed(list(made.columns))}",
            "groups": [
                f"{group} ({count(measured_groups[name][group].rows)})"
                for group in made.groups
                if group in measured_groups.get(name, {})
            ],
        }
        for name, made in facts.schema.attributes.items()
    ]


def _limits(facts: Facts) -> Sequence[Sequence[str]]:
    """Return name, requirement, role, measured value, bound and outcome of each limit."""
    outcomes = facts.verdict.limits
    rows = []
    for limit in facts.policy.required:
        worst = decisive([each for each in facts.verdict.findings if each.limit == limit.name])
        required = f"{SIGNS[worst.at]} {number(worst.limit_value, facts.decimals)}"
        where = f" by {limit.attribute}" if limit.attribute else ""
        group = f" ({worst.group})" if worst.group else ""
        unknown = limit.measure == "shared_persons" and facts.split.persons is None
        rows.append(
            (
                limit.name,
                f"{title(limit.measure)}{where} {required}",
                "gate" if limit.gate else "reported",
                NOT_KNOWN if unknown else f"{number(worst.value, facts.decimals)}{group}",
                NOT_KNOWN if unknown else number(worst.bound, facts.decimals),
                outcomes[limit.name],
            )
        )
    return rows


def _in_order(overall: Collection[str]) -> Sequence[str]:
    """Return every measure over all rows: those of the pages in their order, then any other."""
    return [
        *(name for name in MEASURED if name in overall),
        *(name for name in sorted(overall) if name not in MEASURED),
    ]


def _groups(facts: Facts, attribute: str) -> Mapping[str, object]:
    groups = facts.measurements.groups[attribute]
    between = facts.measurements.disparities.get(attribute, {})
    keys = [f"{rate}_{kind}" for kind in ("ratio", "difference") for rate in COMPARED] + [EQUALIZED_ODDS]
    return {
        "attribute": attribute,
        "names": [title(name) for name in CARD],
        "rows": [
            (
                group,
                count(entry.rows),
                *(measured(entry.measures.get(name), facts.decimals) for name in CARD),
            )
            for group, entry in groups.items()
        ],
        "gaps": [
            (title(key), measured(between[key], facts.decimals), *_ends(between[key]))
            for key in keys
            if key in between
        ],
    }


def _ends(entry: Disparity) -> tuple[str, str]:
    return entry.lowest or "none", entry.highest or "none"
