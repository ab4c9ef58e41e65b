"""Does the bill of materials list what the lock files ask for, and this model, data and commit.

What it says of a library beyond its name, version and scope (its hash, its licence, its description) has
nothing else in a release to be compared with: that it is there and well-formed is checked here, that it is
true rests on the signature. fairmark's own hash is compared where the statement names its source files.
"""

import re
from collections import Counter
from collections.abc import Iterator

from fairmark.errors import FairmarkError, VerificationError
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import BILL
from fairmark.release.sbom import licences
from fairmark.release.sbom.cyclonedx import MODEL, Bill, Component
from fairmark.release.sbom.installed import over
from fairmark.release.sbom.requirements import MARKER, MARKERS, locked, normal
from fairmark.verify import sbom_model

_PURL = re.compile(r"pkg:pypi/([A-Za-z0-9._-]+)@([A-Za-z0-9._!+-]+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")

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
    known = locked(release.text("requirements-dev.lock"), machine) | wanted
    faults = [
        *_libraries(found.kind("library"), wanted, known),
        *_made(release, found, machine),
        *_form(found),
        *_beside(found),
        *_licences(release, found),
        *sbom_model.model(release, found.kind(MODEL)),
        *sbom_model.data(release, found.kind("data")),
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
    for name, version in wanted.items():
        part = listed.get(name)
        got = (part.version, part.scope) if part else (None, None)
        if got != (version, "required"):
            yield f"must list {name} {version} as required, got {got[0]} {got[1]}"
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
        if len(digests) != 1 or not _SHA256.fullmatch(digests[0]):
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
