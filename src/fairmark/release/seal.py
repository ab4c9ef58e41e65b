"""The four seals of a release: put on, and checked, each with every file and byte that it speaks of.

Beside the statement of the whole folder and the model's signature, the verdict and the bill of materials are
stated as in-toto Statements v1 of their own, so that a tool which knows only test results
(https://in-toto.io/attestation/test-result/v0.1) or only bills (https://cyclonedx.org/bom) can read them.
Both are made of the files of the release alone: who has the files can make them again and compare.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.errors import StateError, VerificationError
from fairmark.files import read_json
from fairmark.record import SHA256, first_difference
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import (
    BILL,
    BILL_SEAL,
    DATASHEET,
    EVALUATION,
    KINDS,
    PINNED,
    PLAIN_NAME,
    REFERENCE,
    SCORES,
    SEALS,
    STATEMENT,
    VERDICT,
    VERDICT_SEAL,
)
from fairmark.release.statement import BUILDER, PREDICATE_TYPE, Statement
from fairmark.repo.commit import check_version
from fairmark.repo.dvc_files import names
from fairmark.signing.dsse import STATEMENT_TYPE, seal
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.signing.model_signature import MODEL_SEAL, accepted, hint, model_statement, write_model_seal

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict


TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
BOM = "https://cyclonedx.org/bom"


def verdict_statement(verdict: "Verdict", digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the verdict as a test result: each limit that gates is a test, passed, warned or failed.

    It is WARNED when a limit was passed by a waiver or an override only. The subjects are what was judged:
    the model's files, the measurements, and the verdict that says it in full.

    Parameters
    ----------
    verdict
        What verdict.json says.
    digests
        Name of a file of the release -> its SHA-256.
    """
    from fairmark.judge.verdict import in_overlay

    # A limit that is compared in several groups is one test, and stands as its worst comparison does.
    marks = {"pass": 0, "warn": 1, "fail": 2}
    worst: dict[str, int] = {}
    every = [(in_overlay(name, one.limit), one) for name, of in verdict.deciding for one in of.findings]
    for limit, finding in every:
        if finding.gate:
            kept = finding.waived_by is not None
            mark = marks["pass" if finding.outcome == "pass" else "warn" if kept else "fail"]
            worst[limit] = max(worst.get(limit, 0), mark)
    tests = {kind: sorted(name for name, mark in worst.items() if mark == at) for kind, at in marks.items()}
    overall = "FAILED" if verdict.outcome != "pass" else "WARNED" if tests["warn"] else "PASSED"
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(digests, "measurements.json", VERDICT),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": overall,
            "configuration": [{"name": "params.yaml", "digest": {"sha256": digests["params.yaml"]}}],
            "passedTests": tests["pass"],
            "warnedTests": tests["warn"],
            "failedTests": tests["fail"],
        },
    }


def bill_statement(bill: Mapping[str, object], digests: Mapping[str, str]) -> dict[str, object]:
    """Return the bill of materials as the statement of what it describes: the model's files.

    Parameters
    ----------
    bill
        The value of sbom.cdx.json.
    digests
        Name of a file of the release -> its SHA-256.
    """
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(digests),
        "predicateType": BOM,
        "predicate": dict(bill),
    }


def _subjects(digests: Mapping[str, str], *more: str) -> list[dict[str, object]]:
    return [
        {"name": name, "digest": {"sha256": digest}}
        for name, digest in sorted(digests.items())
        if name.startswith("model/") or name in more
    ]


def seal_release(folder: Path, statement: Statement, key: SigningKey) -> None:
    """Write the seals into a folder that is whole but for them: four of a model, two of an evaluation.

    Raises
    ------
    StateError
        When the key can't be asked, or model_signing doesn't accept the model's signature.
    """
    from fairmark.judge.verdict import Verdict

    seal(statement.to_json(), key).write(folder / STATEMENT)
    verdict = verdict_statement(Verdict.read(folder / VERDICT), statement.digests)
    seal(verdict, key).write(folder / VERDICT_SEAL)
    if statement.kind is EVALUATION:
        return
    seal(bill_statement(read_json(folder / BILL), statement.digests), key).write(folder / BILL_SEAL)
    write_model_seal(folder / MODEL_SEAL, folder / "model", key)
    accepted(folder, key.public)


def signed(release: ReleaseFolder, name: str, key: PublicKey | None, *, yours: bool) -> str:
    """Check that the seal `name` is of `key`, and of no other (`Envelope.signed_by`)."""
    told = release.envelope(name).signed_by(name, key, yours=yours)
    if key is not None and name == MODEL_SEAL and release.hint != hint(key):
        raise VerificationError(
            f"{name}: must give the hint of its key, {hint(key)[:16]}…, got {release.hint[:16]!a}"
        )
    return told


def verdict(release: ReleaseFolder) -> str:
    """Check that the verdict's seal says what verdict.json says, of these files."""
    wanted = verdict_statement(release.verdict, release.digests)
    found = release.stated(VERDICT_SEAL)
    if found != wanted:
        raise VerificationError(
            f"{VERDICT_SEAL}: must state {VERDICT} of these files, got {first_difference(wanted, found)}"
        )
    return f"{wanted['predicate']['result']}, as {VERDICT} says"


def bill(release: ReleaseFolder) -> str:
    """Check that the bill's seal holds sbom.cdx.json, and is of these files."""
    wanted = bill_statement(release.json(BILL), release.digests)
    if (found := release.stated(BILL_SEAL)) != wanted:
        raise VerificationError(
            f"{BILL_SEAL}: must state {BILL} of these files, got {first_difference(wanted, found)}"
        )
    return f"{BILL} as it stands"


def model(release: ReleaseFolder) -> str:
    """Check that the model's signature names every file of the model."""
    wanted = model_statement(release.folder / "model")
    if (found := release.stated(MODEL_SEAL)) != wanted:
        raise VerificationError(
            f"{MODEL_SEAL}: must name the files of this model, got {first_difference(wanted, found)}"
        )
    return f"{MODEL_SEAL} names the {len(names(release.folder / 'model'))} files of the model"


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
    # Sorted, and each once: of two entries of a name one reader would take the first and another the last.
    faults += [
        f"{STATEMENT}: subject must be a plain name, once, in order, with a SHA-256, got {each.name[:80]!r}"
        for each, previous in zip(stated.subject, ["", *(each.name for each in stated.subject)], strict=False)
        if not PLAIN_NAME.fullmatch(each.name)
        or not SHA256.fullmatch(each.digest.sha256)
        or each.name <= previous
        or each.name in SEALS
    ]
    if not _NAME.fullmatch(name):
        faults.append(f"{STATEMENT}: name must be one of a release, got {name[:80]!r}")
    if faults:
        raise VerificationError(*faults)
    if (kind := definition.build_type) not in KINDS:
        raise StateError(
            f"{STATEMENT}: buildType must be {', '.join(KINDS)}, got {kind[:80]!a} (use a newer fairmark)"
        )
    said = [stated.external.scores, definition.internal_parameters.not_known]
    wanted = release.kind is EVALUATION
    if [each is not None for each in said] != [wanted, wanted]:
        raise VerificationError(
            f"{STATEMENT}: scores and notKnown must be stated of an evaluation alone, got a {kind}"
        )
    of = "the evaluation of scores made elsewhere, " if wanted else ""
    return f"{of}{name} {check_version(version)}, from commit {release.commit[:12]}"


def files(release: ReleaseFolder) -> str:
    """Check that the folder holds the files of the statement and no other, each a plain file."""
    found = set(release.files)
    kind = release.kind
    stated, needed = {*release.digests, *kind.seals}, kind.needed
    if not release.has_reference:
        needed.discard(REFERENCE)
    faults = [f"{name}: must be there, got nothing" for name in sorted((stated | needed) - found)]
    faults += [
        f"{name}: must be named by the statement, got a file too many" for name in sorted(found - stated)
    ]
    # A stated file that no check reads could say anything under the seal.
    known = needed | {*kind.seals, Path(DATASHEET).name}
    faults += [
        f"{name}: must be a file of a release, got one that nothing asks for"
        for name in sorted(found & stated)
        if name not in known and not (name.startswith("model/") and "model" in kind.gathered)
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
    pinned = sorted({*PINNED, SCORES} & {*release.kind.gathered})
    wrong = [
        f"{name}: must be the one the release was made from, got the SHA-256 {release.sha256(name)[:12]}…"
        for name in pinned
        if name not in made_from or release.sha256(name) != made_from[name].digest.sha256
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"{', '.join(pinned)} are those it was made from"
