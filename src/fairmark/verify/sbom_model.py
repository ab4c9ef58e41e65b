"""Does the bill of materials say of the model and of the data what the release measured and states."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from fairmark.record import first_difference
from fairmark.release.folder import MOST_LIMITS, ReleaseFolder
from fairmark.release.layout import BILL
from fairmark.release.sbom.cyclonedx import Component, FairnessAssessment, PerformanceMetric, card_of
from fairmark.release.sbom.data import governance

if TYPE_CHECKING:
    from fairmark.judge.measured import Measured
    from fairmark.judge.measurements import Measurements

Measure = tuple[str | None, str]
"""Its slice and its name."""


def model(release: ReleaseFolder, parts: list[Component]) -> Iterator[str]:
    """Yield what is wrong with the model's component: its hash, its measures, its fairness assessments."""
    if len(parts) != 1:
        yield f"must list one model, got {len(parts)}"
        return
    part, faults = parts[0], []
    digest = release.model_sha256
    if part.digests() != [digest]:
        faults.append(f"must be of this model, {digest}, got {part.digests()}")
    card = card_of(part, BILL)
    faults += _measures(card.quantitative_analysis.performance_metrics, release.measurements)
    faults += _assessed(card.considerations.fairness_assessments, release)
    yield from faults or _again(release, part)


def data(release: ReleaseFolder, parts: list[Component]) -> Iterator[str]:
    """Yield what is wrong with the data components: which files, their hashes, who answers for them."""
    stated = release.data_files
    found = {part.name: part for part in parts}
    if len(parts) != len(found) or set(found) != set(stated):
        yield f"must list the data {sorted(stated)} once each, got {sorted(part.name for part in parts)}"
        return
    wanted = governance(release.params)
    for name, part in found.items():
        hashes = {entry.alg: entry.content for entry in part.hashes or ()}
        item = stated[name]
        if hashes != {"MD5": item.md5, "SHA-256": item.digest.sha256}:
            yield f"{name} must have the hashes that the statement names, got {hashes}"
        elif (who := [each.governance for each in part.data or ()]) != [wanted]:
            said = ", ".join(sorted({name.organization.name[:40] for each in who for name in each.owners}))
            yield f"{name} must be answered for as release.governance says, got the owners {said or 'none'}"
        elif _ours(release) and (
            difference := first_difference(_component(release, name).to_json(), part.to_json())
        ):
            yield f"{name} must be described as params.yaml does, got {difference}"


def _measures(said: Sequence[PerformanceMetric], measured: "Measurements") -> Iterator[str]:
    wanted = dict(_wanted(measured))
    found: dict[Measure, tuple[str, ...]] = {}
    for entry in said:
        bounds = entry.confidence_interval
        ends = ("None", "None") if bounds is None else (bounds.lower_bound, bounds.upper_bound)
        found[entry.slice, entry.type] = (entry.value, *ends)
    if len(said) != len(found):
        yield f"must give each measure once, got {len(said)} of {len(found)}"
    for key in sorted({*wanted, *found}, key=str):
        if wanted.get(key) != found.get(key):
            yield f"{key[1]} of {key[0] or 'all rows'} must be {wanted.get(key)}, got {found.get(key)}"


def _wanted(measured: "Measurements") -> Iterator[tuple[Measure, tuple[str, ...]]]:
    slices: dict[str | None, Mapping[str, Measured]] = {None: measured.overall}
    slices.update({attribute: {**gaps} for attribute, gaps in measured.disparities.items()})
    for attribute, groups in measured.groups.items():
        slices |= {f"{attribute}: {group}": cell.measures for group, cell in groups.items()}
    for part, measures in slices.items():
        for name, entry in measures.items():
            low, high = (None, None) if None in (entry.low, entry.high) else (entry.low, entry.high)
            value = f"none: {entry.why or ''}" if entry.value is None else str(entry.value)
            yield (part, name), (value, str(low), str(high))


def _assessed(said: Sequence[FairnessAssessment], release: ReleaseFolder) -> Iterator[str]:
    if len(said) > MOST_LIMITS:
        yield f"must give at most {MOST_LIMITS} fairness assessments, got {len(said)}"
        return
    for limit in release.params.policy.limits:
        if limit.attribute is None or not limit.gate:
            continue
        groups = release.measurements.groups[limit.attribute]
        at_risk = f"{limit.attribute}: {', '.join(sorted(groups))}"
        lead = f"Limit {limit.name} (gate): {limit.measure} by {limit.attribute} "
        own = [each for each in said if each.mitigation_strategy.startswith(lead)]
        if [each.group_at_risk for each in own] != [at_risk]:
            yield f"must assess the fairness of {limit.name} for {at_risk}, got {len(own)} that do"


def _again(release: ReleaseFolder, part: Component) -> Iterator[str]:
    """Yield a fault when making the component again from the release gives another."""
    if not _ours(release):
        return  # another version of fairmark may word a card otherwise
    from fairmark.release.sbom.data import tables
    from fairmark.release.sbom.model import ModelDocuments, model_component

    found = ModelDocuments(
        measurements=release.measurements,
        schema=release.schema,
        verdict=release.verdict,
        model=release.json("model/model.json"),
    )
    listed = tables(release.bill.kind("data"))
    wanted = model_component(release.folder / "model", release.params, found, listed)
    if difference := first_difference(wanted.to_json(), part.to_json()):
        yield f"the model must be described as the release's own files do, got {difference}"


def _component(release: ReleaseFolder, name: str) -> Component:
    from fairmark.release.sbom.data import data_component

    item = release.data_files[name]
    return data_component(name, item.md5, item.digest.sha256, release.params)


def _ours(release: ReleaseFolder) -> bool:
    return release.bill.application.version == version("fairmark")
