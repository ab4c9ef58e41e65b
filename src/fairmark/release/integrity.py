"""Is this the folder that the statement states: every file, every byte, and nothing beside them."""

import re
from pathlib import Path
from typing import Any

from fairmark.errors import StateError, VerificationError
from fairmark.files import sha256
from fairmark.release.folder import PLAIN_NAME, Opened
from fairmark.release.layout import BILL, DATASHEET, GATHERED, PINNED, SEALS, STATEMENT, VERDICT
from fairmark.release.statement import BUILD_TYPE, BUILDER, PREDICATE_TYPE
from fairmark.repo.commit import check_version
from fairmark.signing.dsse import STATEMENT_TYPE

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")


def statement(opened: Opened) -> str:
    """Check the form of the statement: in-toto Statement v1 with SLSA provenance v1, of a kind known here."""
    found = opened.statement
    faults = [
        f"{STATEMENT}: {key} must be {wanted}, got {str(found.get(key))[:80]!r}"
        for key, wanted in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE))
        if found.get(key) != wanted
    ]
    faults += [
        f"{STATEMENT}: subject {str(name)[:80]!r} must be a plain name, once, in order, with a SHA-256"
        for name, previous, digest in _subjects(opened)
        if not PLAIN_NAME.fullmatch(name)
        or not _SHA256.fullmatch(digest)
        or name <= previous
        or name in SEALS
    ]
    if (builder := opened.statement["predicate"]["runDetails"]["builder"]["id"]) != BUILDER:
        faults.append(f"{STATEMENT}: builder must be {BUILDER}, got {str(builder)[:80]!r}")
    name, version = str(opened.external["name"]), str(opened.external["version"])
    if not _NAME.fullmatch(name):
        faults.append(f"{STATEMENT}: name must be one of a release, got {name[:80]!r}")
    if faults:
        raise VerificationError(*faults)
    if opened.definition.get("buildType") != BUILD_TYPE:
        raise StateError(f"{STATEMENT}: buildType must be known here, got another (use a newer fairmark)")
    return f"{name} {check_version(version)}, from commit {opened.commit[:12]}"


def files(opened: Opened) -> str:
    """Check that the folder holds the files of the statement and no other, each a plain file."""
    found = set(opened.files)
    stated = {name for name, _, _ in _subjects(opened)} | set(SEALS)
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


def digests(opened: Opened) -> str:
    """Check every file's SHA-256 against the statement."""
    subjects = _subjects(opened)
    there = set(opened.files)
    wrong = [
        f"{name}: must have the SHA-256 {digest[:12]}…, got other bytes"
        for name, _, digest in subjects
        if name in there and sha256(opened.folder / name) != digest
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"{len(subjects)} files have their SHA-256"


def tree(opened: Opened) -> str:
    """Check that the release was made from a clean tree."""
    clean = opened.definition["internalParameters"]["cleanTree"]
    if clean is not True:
        raise VerificationError(f"{STATEMENT}: cleanTree must be true, got {clean!r}")
    return "nothing stood uncommitted when it was made"


def inputs(opened: Opened) -> str:
    """Check that params, locks and DVC's files are, by SHA-256, those that the release was made from."""
    wrong = [
        f"{name}: must be the one the release was made from, got other bytes"
        for name in PINNED
        if sha256(opened.folder / name) != opened.inputs[name]["digest"]["sha256"]
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"{', '.join(PINNED)} are those it was made from"


def _subjects(opened: Opened) -> list[tuple[str, str, str]]:
    """Return (name, the name before it, SHA-256) of every subject, in the statement's order."""
    entries: list[Any] = opened.statement["subject"]
    names = [str(entry["name"]) for entry in entries]
    found = [str(entry["digest"]["sha256"]) for entry in entries]
    return list(zip(names, ["", *names], found, strict=False))
