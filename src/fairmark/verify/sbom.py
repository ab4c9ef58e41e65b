"""Check the bill of materials against the lock files, the policy, the model, the data and the commit.

What it says of a library beyond its name, version and scope (its hash, its licence, its description) has
nothing else in a release to be compared with: that it is there and well-formed is checked here, that it is
true rests on the signature. fairmark's own hash is compared where the statement names its source files. The
components of the model and of the data are made again from the release's other files, and compared whole.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, VerificationError
from fairmark.record import SHA256, first_difference
from fairmark.release.folder import MOST_LIMITS, ReleaseFolder
from fairmark.release.layout import BILL
from fairmark.release.sbom import licences
from fairmark.release.sbom.cyclonedx import (
    MODEL,
    Bill,
    Component,
    FairnessAssessment,
    PerformanceMetric,
    card_of,
)
from fairmark.release.sbom.data import governance
from fairmark.release.sbom.requirements import MARKER, MARKERS, locked, normal, over

if TYPE_CHECKING:
    from fairmark.judge.measured import Measured
    from fairmark.judge.measurements import Measurements


Measure = tuple[str | None, str]
"""Its slice and its name."""


def _model(release: ReleaseFolder, parts: list[Component]) -> Iterator[str]:
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
    # Made again only where nothing is wrong yet: each fault would be told twice.
    yield from faults or _again(release, part)


def _data(release: ReleaseFolder, parts: list[Component]) -> Iterator[str]:
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
    # A hostile bill could hold millions, and each limit looks through all of them.
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
        model=release.model_file,
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


_PURL = re.compile(r"pkg:pypi/([A-Za-z0-9._-]+)@([A-Za-z0-9._!+-]+)")

_OF_KIND = {"application": {"pedigree"}, MODEL: {"model_card", "components"}, "data": {"data"}}
"""What a component of one type alone has."""


def bill(release: ReleaseFolder) -> str:
    """Check the bill of materials against the lock files, the policy, the model, the data and the commit."""
    found = release.bill
    properties = {entry.name: entry.value for entry in found.metadata.properties}
    if lacking := [key for key in MARKERS if MARKER + key not in properties]:
        raise VerificationError(f"{BILL}: must say of what machine it is, got no {', '.join(lacking)}")
    machine = {key: properties[MARKER + key] for key in MARKERS}
    wanted = locked(release.text("requirements.lock"), machine)
    # What only development needs may be listed too, as excluded.
    known = locked(release.text("requirements-dev.lock"), machine) | wanted
    faults = [
        *_libraries(found.kind("library"), wanted, known),
        *_made(release, found, machine),
        *_form(found),
        *_beside(found),
        *_licences(release, found),
        *_model(release, found.kind(MODEL)),
        *_data(release, found.kind("data")),
    ]
    if faults:
        raise VerificationError(*(f"{BILL}: {fault}" for fault in faults))
    return (
        f"{len(wanted)} requirements at their locked versions with hash and allowed licence, "
        "this model with its measures by group, its data and its commit"
    )


def _libraries(parts: list[Component], wanted: dict[str, str], known: dict[str, str]) -> Iterator[str]:
    listed = {normal(part.name): part for part in parts}
    for name, times in Counter(normal(part.name) for part in parts).items():
        if times > 1:
            yield f"must list {name} once, got {times} times"
    for name, pinned in wanted.items():
        part = listed.get(name)
        got = (part.version, part.scope) if part else (None, None)
        if got != (pinned, "required"):
            yield f"must list {name} {pinned} as required, got {got[0]} {got[1]}"
    for name, part in listed.items():
        if name not in known:
            yield f"must list what the lock files name, got {name} {part.version} beside it"
        elif part.version != known[name]:
            yield f"must list {name} at its locked version {known[name]}, got {part.version}"
        if name not in wanted and part.scope != "excluded":
            yield f"must list {name} as excluded, because no lock file requires it"


def _made(release: ReleaseFolder, found: Bill, machine: dict[str, str]) -> Iterator[str]:
    application, stated = found.application, release.statement
    commits = [entry.uid for entry in application.pedigree.commits] if application.pedigree else []
    if commits != [release.commit]:
        yield f"must be of the statement's commit {release.commit}, got {commits}"
    made = {"fairmark": application.version, "python": machine["python_full_version"]}
    if made != (said := stated.made_with.to_json()):
        yield f"must be made with what the statement says, {said}, got {made}"
    source = _source(release)
    if source and (digests := application.digests()) != [source]:
        yield f"must be of the source files that the statement names, {source}, got {digests}"
    if (time := found.metadata.timestamp) != stated.commit.annotations.committed:
        yield f"must be of the commit's time, got {time[:40]}"
    kinds = {part.type for part in found.components}
    if application.type != "application" or kinds - {"library", "data", MODEL}:
        yield f"must hold libraries, data and a model of one application, got {sorted(kinds)}"


def _source(release: ReleaseFolder) -> str | None:
    """Return fairmark's hash by the statement's files; None where the repository holds no fairmark."""
    own = [
        (digest, name.removeprefix("src/"))
        for name, digest in release.statement.digests_of_inputs.items()
        if name.startswith("src/fairmark/")
    ]
    return over(own) if own else None


def _form(found: Bill) -> Iterator[str]:
    """Yield a fault for each component without hash or licence, and each reference that leads nowhere."""
    for part in found.everything:
        digests = part.digests()
        if len(digests) != 1 or not SHA256.fullmatch(digests[0]):
            yield f"{part.name} must have one SHA-256 of 64 hex digits, got {digests}"
        if part.type != MODEL and not part.licenses:
            yield f"{part.name} must have a licence, known or said to be unknown, got none"
    references = Counter(part.bom_ref for part in found.everything)
    yield from (f"must use the reference {name} once, got {n}" for name, n in references.items() if n > 1)
    named = {name for entry in found.dependencies for name in (entry.ref, *entry.depends_on)}
    yield from (f"must lead somewhere with {name}, got nothing" for name in sorted(named - set(references)))


def _beside(found: Bill) -> Iterator[str]:
    """Yield a fault for what no release's bill has: hidden parts, other kinds of entries, wrong addresses."""
    if (form := (found.bom_format, found.spec_version, found.version)) != ("CycloneDX", "1.6", 1):
        yield f"must be CycloneDX 1.6, the first of its number, got {' '.join(map(str, form))[:80]}"
    for part in found.everything:
        others = set().union(*(keys for kind, keys in _OF_KIND.items() if kind != part.type))
        if beside := sorted(part.model_fields_set & (others - _OF_KIND.get(part.type, set()))):
            yield f"{part.name[:80]} must hold what is known here, got {beside[0]!a} beside it"
        if part.type == "library" and part.purl is not None:
            said = _PURL.fullmatch(part.purl)
            if not said or (normal(said[1]), said[2]) != (normal(part.name), part.version):
                yield f"{part.name[:80]} must have its own address in the index, got {part.purl[:80]!a}"
    application = found.application
    wanted = f"pkg:generic/{application.name}@{application.version}"
    if application.purl != wanted:
        yield f"{application.name[:80]} must have the address {wanted}, got {str(application.purl)[:80]!a}"
    if found.serial_number != (number := found.number):
        yield f"must have the number that its content gives, {number}, got {found.serial_number[:60]!a}"


def _licences(release: ReleaseFolder, found: Bill) -> Iterator[str]:
    try:
        licences.check(found.everything, release.params.release.licences)
    except FairmarkError as error:
        yield from error.faults
