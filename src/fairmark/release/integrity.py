"""Is this the folder that the statement states: every file, every byte, and nothing beside them."""

import re
from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.release.folder import PLAIN_NAME, ReleaseFolder
from fairmark.release.layout import BILL, DATASHEET, GATHERED, PINNED, SEALS, STATEMENT, VERDICT
from fairmark.release.statement import BUILD_TYPE, BUILDER, PREDICATE_TYPE
from fairmark.repo.commit import check_version
from fairmark.signing.dsse import STATEMENT_TYPE

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")


def statement(release: ReleaseFolder) -> str:
    """Check the form of the statement: in-toto Statement v1 with SLSA provenance v1, of a kind known here."""
    stated, definition = release.statement, release.statement.predicate.build_definition
    builder, name, version = (
        stated.predicate.run_details.builder.id,
        stated.external.name,
        stated.external.version,
    )
    faults = [
        f"{STATEMENT}: {key} must be {wanted}, got {got[:80]!r}"
        for key, wanted, got in (
            ("_type", STATEMENT_TYPE, stated.type_),
            ("predicateType", PREDICATE_TYPE, stated.predicate_type),
            ("builder", BUILDER, builder),
        )
        if got != wanted
    ]
    faults += [
        f"{STATEMENT}: subject must be a plain name, once, in order, with a SHA-256, got {each.name[:80]!r}"
        for each, previous in zip(stated.subject, ["", *(each.name for each in stated.subject)], strict=False)
        if not PLAIN_NAME.fullmatch(each.name)
        or not _SHA256.fullmatch(each.digest.sha256)
        or each.name <= previous
        or each.name in SEALS
    ]
    if not _NAME.fullmatch(name):
        faults.append(f"{STATEMENT}: name must be one of a release, got {name[:80]!r}")
    if faults:
        raise VerificationError(*faults)
    if (kind := definition.build_type) != BUILD_TYPE:
        raise StateError(
            f"{STATEMENT}: buildType must be {BUILD_TYPE}, got {kind[:80]!a} (use a newer fairmark)"
        )
    return f"{name} {check_version(version)}, from commit {release.commit[:12]}"


def files(release: ReleaseFolder) -> str:
    """Check that the folder holds the files of the statement and no other, each a plain file."""
    found = set(release.files)
    stated = {*release.digests, *SEALS}
    needed = {name for name in GATHERED if name != "model"} | {VERDICT, BILL}
    faults = [f"{name}: must be there, got nothing" for name in sorted((stated | needed) - found)]
    faults += [
        f"{name}: must be named by the statement, got a file too many" for name in sorted(found - stated)
    ]
    # A stated file that no check reads could say anything under the seal.
    known = needed | {*SEALS, Path(DATASHEET).name}
    faults += [
        f"{name}: must be a file of a release, got one that nothing asks for"
        for name in sorted(found & stated)
        if name not in known and not name.startswith("model/")
    ]
    if faults:
        raise VerificationError(*faults)
    return f"{len(found)} files, all of them stated, none missing"


def digests(release: ReleaseFolder) -> str:
    """Check every file's SHA-256 against the statement."""
    there = set(release.files)
    wrong = [
        f"{name}: must have the SHA-256 {digest[:12]}…, got {release.sha256(name)[:12]}…"
        for name, digest in release.digests.items()
        if name in there and release.sha256(name) != digest
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"{len(release.statement.subject)} files have their SHA-256"


def tree(release: ReleaseFolder) -> str:
    """Check that the release was made from a clean tree."""
    if not release.statement.predicate.build_definition.internal_parameters.clean_tree:
        raise VerificationError(f"{STATEMENT}: cleanTree must be true, got False")
    return "nothing stood uncommitted when it was made"


def inputs(release: ReleaseFolder) -> str:
    """Check that params, locks and DVC's files are, by SHA-256, those that the release was made from."""
    made_from = release.statement.inputs
    wrong = [
        f"{name}: must be the one the release was made from, got other bytes"
        for name in PINNED
        if name not in made_from or release.sha256(name) != made_from[name].digest.sha256
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"{', '.join(PINNED)} are those it was made from"
