"""The model as a component of a bill of materials, with its whole card (CycloneDX 1.6, `modelCard`).

https://cyclonedx.org/docs/1.6/json/#components_items_modelCard. CycloneDX's Python library knows no model
card, so it is written here. It is a function of files that a release holds, so that whoever has the release
can make it again and compare; nothing in it is written by hand for one model. Its `considerations` are what
a reader has to weigh: uses, limits, trade-offs, risks, groups and energy.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmark.data.schema import Schema
from fairmark.files import sha256
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Finding, Verdict
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model_file import ModelFile
from fairmark.params.learn import Assurance, Chosen
from fairmark.params.policy import Limit
from fairmark.params.read import Params
from fairmark.params.release import EnvironmentalCost
from fairmark.release.sbom.cyclonedx import (
    MODEL,
    Approach,
    Component,
    ConfidenceInterval,
    Considerations,
    DatasetReference,
    FairnessAssessment,
    Format,
    ModelCard,
    ModelParameters,
    PerformanceMetric,
    Property,
    QuantitativeAnalysis,
    Risk,
    sha256_hash,
)
from fairmark.repo.dvc_files import folder_sha256, names

GRAMS_PER_TONNE = 1_000_000


@dataclass(frozen=True)
class ModelDocuments:
    """What a model card is made of: the measurements, the schema, the verdict, the model.json."""

    measurements: Measurements
    schema: Schema
    verdict: Verdict
    model: ModelFile


def considerations(params: Params, found: ModelDocuments) -> Considerations:
    """Return the `considerations` of a model card."""
    project = params.project
    said = Considerations(
        users=(f"{project.owner}, answering for its use",),
        use_cases=(project.intended_use,),
        technical_limitations=tuple(_limitations(params, found)),
        performance_tradeoffs=(params.policy.price,),
        ethical_considerations=tuple(_risks(params, found)),
        fairness_assessments=tuple(
            assessment(limit, params, found.measurements, found.verdict.findings, found.model.chosen)
            for limit in params.policy.limits
            if limit.attribute is not None
        ),
    )
    cost = params.release.environmental_cost
    if cost is None:
        return said
    return said.model_copy(update={"environmental_considerations": _energy(cost)})


def assessment(
    limit: Limit,
    params: Params,
    measured: Measurements,
    findings: Sequence[Finding],
    chosen: Chosen,
) -> FairnessAssessment:
    """Return the fairness assessment of a limit on groups: who is at risk, of what, and what was done."""
    groups = ", ".join(sorted(measured.groups[str(limit.attribute)]))
    own = [finding for finding in findings if finding.limit == limit.name]
    steps = [
        f"{step.constraint.replace('_', ' ')} at strength {step.strength}"
        for step in chosen.mitigation
        if step.attribute == limit.attribute
    ]
    trained = (
        f"Trained with {', '.join(steps)}." if steps else "Nothing was done by this attribute in training."
    )
    if chosen.margin is not None:
        margin = (
            f"the margin by which the gate's bound clears them with chance {chosen.margin.chance:g}"
            if isinstance(chosen.margin, Assurance)
            else f"a margin of {chosen.margin}"
        )
        trained += f" The threshold keeps the limits on held-out rows with {margin}."
    return FairnessAssessment(
        group_at_risk=f"{limit.attribute}: {groups}",
        benefits=params.policy.goal,
        harms=f"{limit.reason} {_shown(own)}",
        mitigation_strategy=f"{required(limit)} {trained} Price: {params.policy.price}",
    )


def required(limit: Limit) -> str:
    """Return what a limit on groups requires, led by its name."""
    sign, value = ("at most", limit.at_most) if limit.at_least is None else ("at least", limit.at_least)
    role = "gate" if limit.gate else "reported"
    return f"Limit {limit.name} ({role}): {limit.measure} by {limit.attribute} {sign} {value}."


def _shown(findings: Sequence[Finding]) -> str:
    """Return each comparison that is not shown to be met, or of met ones the tightest."""
    left = [each for each in findings if each.outcome != "pass"]
    if not left:
        return min(findings, key=_room).text
    said = [f"{each.group} {each.outcome} (measured {each.value}, bound {each.bound})" for each in left]
    return f"Not shown to be met in {len(left)} of {len(findings)} comparisons: {'; '.join(said)}."


def _room(finding: Finding) -> float:
    """Return how far the bound of a finding that passes is from its limit."""
    return math.inf if finding.bound is None else abs(finding.bound - finding.limit_value)


def _limitations(params: Params, found: ModelDocuments) -> Iterator[str]:
    yield f"Out of scope: {params.project.out_of_scope}"
    measured, least = found.measurements, params.policy.min_group_rows
    yield (
        f"Measured on {measured.data.rows} rows of the part {measured.data.part}, at one "
        f"threshold of {found.model.threshold} for everybody, with two-sided intervals that hold at "
        f"{measured.confidence} each."
    )
    for attribute, groups in sorted(measured.groups.items()):
        small = [f"{name} ({cell.rows})" for name, cell in sorted(groups.items()) if cell.evidence < least]
        if small:
            yield f"By {attribute}, groups with fewer than {least} test rows: {', '.join(small)}."
    for limit in params.policy.required:
        own = [finding.outcome for finding in found.verdict.findings if finding.limit == limit.name]
        if left := len(own) - own.count("pass"):
            yield f"{limit.name}: {left} of {len(own)} comparisons are not shown to be met."


def _risks(params: Params, found: ModelDocuments) -> Iterator[Risk]:
    attributes = ", ".join(sorted(found.measurements.groups))
    yield Risk(name=f"Unlike decisions by {attributes}", mitigation_strategy=params.policy.goal)
    withheld = sorted(f"{column.name} ({column.why})" for column in found.schema.withheld)
    told = ", ".join(params.policy.protected_at_prediction)
    yield Risk(
        name="Protected attributes, and columns that stand in for them",
        mitigation_strategy=(
            f"Withheld from the model: {', '.join(withheld) or 'nothing'}. "
            f"Told to the decision itself: {told or 'nothing'}."
        ),
    )
    privacy = params.privacy
    yield Risk(
        name=f"Personal data among the training rows: {', '.join(privacy.personal) or 'none named'}",
        mitigation_strategy=(
            f"At most {privacy.decisions_shown} single decisions are explained, a leaf stands for at least "
            f"{privacy.smallest_leaf} training rows, a cell of a table for at least {privacy.smallest_cell}."
        ),
    )
    let_through = {
        (finding.limit, finding.outcome, finding.waived_by)
        for finding in found.verdict.findings
        if finding.waived_by
    }
    for limit, outcome, by in sorted(let_through):
        yield Risk(name=f"{limit}: {outcome}, let through", mitigation_strategy=by)


def _energy(cost: EnvironmentalCost) -> dict[str, object]:
    energy = {"value": cost.training_kwh, "unit": "kWh"}
    provider = {
        "organization": {"name": "unknown"},
        "energySource": "unknown",
        "energyProvided": energy,
    }
    return {
        "energyConsumptions": [
            {
                "activity": "training",
                "energyProviders": [provider],
                "activityEnergyCost": energy,
                "co2CostEquivalent": {"value": cost.training_co2_g / GRAMS_PER_TONNE, "unit": "tCO2eq"},
            }
        ],
        "properties": [{"name": "fairmark:how", "value": cost.how}],
    }


METHOD = "SHA-256 over the sorted lines `sha256  name` of the files"
FAMILIES = {
    "additive": "additive model with pairs, as gradient-boosted trees of two levels",
    "boosted": "gradient-boosted decision trees",
    "logistic": "logistic regression, as a scorecard",
}


def model_component(
    folder: Path,
    params: Params,
    found: ModelDocuments,
    data: Sequence[str],
) -> Component:
    """Return the component of type `machine-learning-model`.

    Parameters
    ----------
    folder
        The model's.
    data
        The references of the data components.
    """
    project, measured, verdict = params.project, found.measurements, found.verdict
    return Component(
        type=MODEL,
        bom_ref=f"model:{project.name}",
        name=project.name,
        description=project.summary,
        hashes=(sha256_hash(folder_sha256(folder)),),
        components=tuple(_file(folder, name) for name in names(folder)),
        model_card=ModelCard(
            model_parameters=_parameters(found.model, found.schema, params.train.monotone, data),
            quantitative_analysis=QuantitativeAnalysis(performance_metrics=tuple(metrics(measured))),
            considerations=considerations(params, found),
        ),
        properties=(
            _property("fairmark:hash", METHOD),
            _property("fairmark:verdict", verdict.state),
            *(
                _property(f"fairmark:limit:{name}", outcome)
                for name, outcome in sorted(verdict.limits.items())
            ),
            *(_property(f"fairmark:verdict:{each.name}", each.verdict.state) for each in verdict.overlays),
            _property("fairmark:threshold", found.model.threshold),
            *_thresholds(found.model.thresholds),
            _property("fairmark:measured:rows", measured.data.rows),
            _property("fairmark:measured:confidence", measured.confidence),
        ),
    )


def _thresholds(own: GroupThresholds | None) -> Iterator[Property]:
    """Yield the thresholds of groups that have one of their own."""
    if own is not None:
        for group, cut in sorted(own.groups.items()):
            yield _property(f"fairmark:threshold:{own.attribute}: {group}", cut)


def metrics(measured: Measurements) -> Iterator[PerformanceMetric]:
    """Yield every measure: of all rows, of each group (its slice), and the gaps of each attribute.

    A slice reads `attribute: group`, or for a gap between groups `attribute`.
    """
    for kind, entry in sorted(measured.overall.items()):
        yield _metric(kind, entry, None)
    for attribute, groups in sorted(measured.groups.items()):
        for group, cell in sorted(groups.items()):
            for kind, entry in sorted(cell.measures.items()):
                yield _metric(kind, entry, f"{attribute}: {group}")
    for attribute, gaps in sorted(measured.disparities.items()):
        for kind, entry in sorted(gaps.items()):
            yield _metric(kind, entry, attribute)


def _metric(kind: str, entry: Measured, part: str | None) -> PerformanceMetric:
    low, high, value = entry.low, entry.high, entry.value
    text = f"none: {entry.why or ''}" if value is None else str(value)
    more: dict[str, Any] = {} if part is None else {"slice": part}
    if low is not None and high is not None:
        more["confidence_interval"] = ConfidenceInterval(lower_bound=str(low), upper_bound=str(high))
    return PerformanceMetric(type=kind, value=text, **more)


def _parameters(
    model: ModelFile, schema: Schema, monotone: Mapping[str, str], data: Sequence[str]
) -> ModelParameters:
    label = schema.label
    settings = [f"{name} {value}" for name, value in sorted(model.chosen.settings.items())]
    settings += [f"monotone in {name} ({way})" for name, way in sorted(monotone.items())]
    kinds = {feature.name: feature.kind for feature in schema.features}
    return ModelParameters(
        approach=Approach(type="supervised"),
        task="binary classification",
        architecture_family=FAMILIES.get(model.family, model.family),
        model_architecture=", ".join([model.family, *settings]),
        datasets=tuple(DatasetReference(ref=ref) for ref in data),
        inputs=tuple(Format(format=f"{name}: {kinds.get(name, 'unknown')}") for name in model.features),
        outputs=(
            Format(format=f"score: the calibrated probability of {label.positive}, 0 to 1"),
            Format(format=f"decision: 1 from a score of {model.threshold} on, else 0"),
        ),
    )


def _file(folder: Path, name: str) -> Component:
    hashes = (sha256_hash(sha256(folder / name)),)
    return Component(type="file", bom_ref=f"model-file:{name}", name=name, hashes=hashes)


def _property(name: str, value: object) -> Property:
    return Property(name=name, value=str(value))
