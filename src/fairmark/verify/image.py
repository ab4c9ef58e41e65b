"""Check a container image offline: every claim that its folder makes, one line each; nothing of it is run.

The bill of materials is made again of the image's own layers and compared whole; the environment inside is
held against the lock, fairmark's code inside against the files of the commit, and a release inside is
verified as any release is.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from fairmark.errors import StateError, UndeterminedError, VerificationError
from fairmark.files import sha256
from fairmark.record import first_difference
from fairmark.release.image import (
    BASE,
    BUILD_TYPE,
    LOCK,
    LOCK_OF,
    REVISION,
    VERSION,
    ImageFolder,
    bill_statement,
)
from fairmark.release.image_bill import HOME, bill_of, distributions, python_version
from fairmark.release.layout import BILL, BILL_SEAL, IMAGE, MOST_BYTES, PLAIN_NAME, STATEMENT
from fairmark.release.sbom.requirements import locked, normal
from fairmark.release.statement import BUILDER, PREDICATE_TYPE, stated_files
from fairmark.repo.commit import committed_at, known
from fairmark.repo.git import git_bytes
from fairmark.repo.untrusted import foreign_json, foreign_text
from fairmark.signing.dsse import STATEMENT_TYPE
from fairmark.signing.keys import PublicKey
from fairmark.verify.verify import CONFIRMED, Fact, exit_code, fact_of, verify

NOBODY = "10001:10001"

BESIDE = {LOCK, BILL, BILL_SEAL, STATEMENT}
"""The files beside the image."""

_PROGRAMS = re.compile(
    r"(?:usr/(?:local/)?)?s?bin/(?:pip|gcc|g\+\+|cc|c\+\+|make|cmake|ld|as|go|cargo|rustc|uv|npm)[\d.]*|"
    rf"{HOME}/bin/(?:pip|uv|hatchling)[\d.]*"
)
_MAKINGS = re.compile(
    r"(?:.*/)?\.cache/.+|(?:.*/)?[^/]+\.whl|var/lib/apt/lists/[^/]+_.+|var/cache/apt/archives/.+\.deb|"
    r"(?:.*/)?\.git/.+|"
    rf"{HOME}/(?:.*/)?tests?/.+"
)
"""What an image is made with, and no container needs: caches, archives, histories, tests."""

_INSTALLERS = {"pip", "setuptools", "wheel", "uv", "hatchling"}


def statement(found: ImageFolder) -> str:
    """Check the form of the statement: in-toto Statement v1 with SLSA provenance v1, of an image."""
    said = found.statement
    definition = said.definition
    for key, wanted, got in (
        ("_type", STATEMENT_TYPE, said.type_),
        ("predicateType", PREDICATE_TYPE, said.predicate_type),
        ("builder", BUILDER, said.predicate.run_details.builder.id),
    ):
        if got != wanted:
            raise VerificationError(f"{STATEMENT}: {key} must be {wanted}, got {got[:80]!r}")
    if definition.build_type != BUILD_TYPE:
        raise UndeterminedError(
            f"{STATEMENT}: buildType must be {BUILD_TYPE}, got {definition.build_type[:80]!a} "
            "(use a newer fairmark)"
        )
    names = [each.name for each in said.subject]
    if names != sorted({"config", "manifest", LOCK, BILL}):
        raise VerificationError(f"{STATEMENT}: must be of an image, its lock and its bill, got {names[:5]}")
    if definition.external_parameters.target not in LOCK_OF:
        raise VerificationError(f"{STATEMENT}: must name a target, got an unknown one")
    asked = definition.external_parameters
    return f"{asked.name} {asked.version}, from commit {said.commit.digest.git_commit[:12]}"


def files(found: ImageFolder) -> str:
    """Check that the folder holds the image, its lock, its bill and their statements, and nothing else."""
    # A file too many could be taken for part of what was signed by whoever unpacks the folder.
    there = {path.name for path in found.folder.iterdir()}
    if there != BESIDE | {IMAGE}:
        lacking, beside = sorted((BESIDE | {IMAGE}) - there), sorted(there - BESIDE - {IMAGE})
        raise VerificationError(
            *(f"{name}: must be there, got nothing" for name in lacking),
            *(f"{name[:80]}: must be a file of an image's folder, got a file too many" for name in beside),
        )
    return "the image, its lock, its bill and two signed statements"


def digests(found: ImageFolder) -> str:
    """Check the image, its lock and its bill against the digests that the statement names."""
    image = found.image
    there = {
        "manifest": image.digest,
        "config": image.config_sha256,
        LOCK: sha256(found.folder / LOCK),
        BILL: sha256(found.folder / BILL),
    }
    wrong = [
        f"{name}: must have the SHA-256 {wanted[:12]}…, got {there.get(name, 'none')[:12]}…"
        for name, wanted in found.statement.digests.items()
        if there.get(name) != wanted
    ]
    if wrong:
        raise VerificationError(*wrong)
    return f"the image is sha256:{image.digest}"


def layers(found: ImageFolder) -> str:
    """Check that every layer is the one that manifest and configuration name, packed and unpacked."""
    return f"{len(found.image.layers)} layers with {len(found.image.files)} paths, each as it is named"


def tree(found: ImageFolder) -> str:
    """Check that the image was built from a clean tree."""
    if not found.statement.definition.internal_parameters.clean_tree:
        raise VerificationError(f"{STATEMENT}: cleanTree must be true, got False")
    return "nothing stood uncommitted when it was built"


def labels(found: ImageFolder) -> str:
    """Check that the image's own labels say the commit, the version and the base that are stated."""
    said = found.statement
    wanted = {
        REVISION: said.commit.digest.git_commit,
        VERSION: said.definition.external_parameters.version,
        BASE: said.base.uri,
    }
    wrong = [
        f"label {name}: must be {text[:80]}, got {found.image.labels.get(name, 'none')[:80]!a}"
        for name, text in wanted.items()
        if found.image.labels.get(name) != text
    ]
    if wrong:
        raise VerificationError(*wrong)
    return "commit, version and base as stated"


def base(found: ImageFolder) -> str:
    """Check that the image stands on the stated base: its lowest layers are those of the base."""
    said = found.statement.base
    wanted, there = said.annotations.layers, found.image.unpacked_layers
    # By the layers as unpacked: how they were packed is up to the registry that they came through.
    if not wanted or there[: len(wanted)] != wanted:
        raise VerificationError(
            f"base: must be {said.uri[:80]} with {len(wanted)} layers, got an image that stands on others"
        )
    pinned = said.uri.partition("@sha256:")[2]
    if pinned and pinned != said.digest.sha256:
        raise VerificationError(f"base: must have the digest of its name, got {said.digest.sha256[:12]}…")
    return f"{said.uri}, {len(wanted)} of {len(there)} layers"


def bill(found: ImageFolder) -> str:
    """Check the bill of materials: made again of the image's layers, it is the same."""
    # Made anew of the layers, not compared with a list that came along: a bill can leave out what it likes.
    wanted = bill_of(found.image, found.statement.built).to_json()
    said = foreign_json(found.folder / BILL)
    names = [
        {str(part.get("bom-ref")) for part in each.get("components", ()) if isinstance(part, dict)}
        if isinstance(each, dict)
        else set[str]()
        for each in (wanted, said)
    ]
    faults = [f"{BILL}: must list {name[:80]}, got none" for name in sorted(names[0] - names[1])]
    faults += [
        f"{BILL}: must list what the image holds, got {name[:80]} beside it"
        for name in sorted(names[1] - names[0])
    ]
    if faults:
        raise VerificationError(*faults)
    if difference := first_difference(wanted, said):
        raise VerificationError(f"{BILL}: must say what the image holds, got {difference}")
    return f"{len(names[0])} parts of the image, each with its hash, and no other"


def stated_bill(found: ImageFolder) -> str:
    """Check that the bill's seal holds the bill, and is of this image."""
    wanted = bill_statement(foreign_json(found.folder / BILL), found.statement.digests)
    if difference := first_difference(wanted, found.envelope(BILL_SEAL).statement):
        raise VerificationError(f"{BILL_SEAL}: must state {BILL} of this image, got {difference}")
    return f"{BILL} as it stands"


def environment(found: ImageFolder) -> str:
    """Check that the environment inside holds what the lock names, at its versions, and fairmark."""
    asked = found.statement.definition.external_parameters
    source = LOCK_OF[asked.target]
    if found.statement.inputs.get(source) != sha256(found.folder / LOCK):
        raise VerificationError(f"{LOCK}: must be {source} of the commit, got another file")
    wanted = locked(foreign_text(found.folder / LOCK), _machine(found))
    there = {
        normal(part.name): part.version or ""
        for part in distributions(found.image, f"{HOME}/")
        # What a distribution carries inside of itself (setuptools/_vendor) is its own matter.
        if re.fullmatch(rf"{HOME}/lib/python[\d.]+/site-packages/[^/]+", part.bom_ref)
        and normal(part.name) != "fairmark"
    }
    faults = [
        f"{name}: must be there at {wanted.get(name, 'no version')}, got {there.get(name, 'none')}"
        for name in sorted({*wanted, *there})
        if wanted.get(name) != there.get(name)
    ]
    if faults:
        raise VerificationError(*faults)
    return f"{len(wanted)} distributions at the versions of {source}, and fairmark"


def _machine(found: ImageFolder) -> Mapping[str, str]:
    """Return the environment markers (PEP 508) of the image."""
    full = python_version(found.image.files)
    arch = str(found.image.config.get("architecture"))
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": {"amd64": "x86_64", "arm64": "aarch64"}.get(arch, arch),
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": "linux",
    }


def code(found: ImageFolder) -> str:
    """Check that fairmark inside is, file by file, that of the commit."""
    package = re.compile(rf"{HOME}/lib/python[\d.]+/site-packages/(fairmark/.+)")
    there = {
        match[1]: entry.sha256
        for path, entry in found.image.files.items()
        if entry.sha256 and (match := package.fullmatch(path)) and not path.endswith(".pyc")
    }
    wanted = {
        name.removeprefix("src/"): digest
        for name, digest in found.statement.inputs.items()
        if name.startswith("src/fairmark/")
    }
    unlike = [name for name in sorted({*there, *wanted}) if there.get(name) != wanted.get(name)]
    if unlike or not there:
        raise VerificationError(
            f"fairmark: must be that of the commit, got {len(unlike)} unlike files: {', '.join(unlike[:5])}"
        )
    return f"{len(there)} files of fairmark are the commit's"


def contents(found: ImageFolder) -> str:
    """Check that the image holds nothing of its making: no installer, compiler, cache, history, test, key."""
    # The base's own layers are its maker's; a later layer that hides a secret still carries it.
    own = len(found.statement.base.annotations.layers)
    faults = [
        f"{path[:120]}: must not be in any layer, got a private key or a history in layer {layer}"
        for layer, path in found.image.secrets
        if layer >= own
    ]
    faults += [
        f"{path[:120]}: must not be in an image, got a trace of its making"
        for path, entry in found.image.files.items()
        if (entry.sha256 or entry.target)
        and (_PROGRAMS.fullmatch(path) or (entry.sha256 and _MAKINGS.fullmatch(path)))
    ]
    faults += [
        f"{part.name}: must not be in an image, got {part.bom_ref}"
        for part in distributions(found.image)
        if normal(part.name) in _INSTALLERS and not part.bom_ref.startswith(f"{HOME}/")
    ]
    if faults:
        raise VerificationError(*faults[:20])
    return "no installer, compiler, cache, history, test or private key"


def user(found: ImageFolder) -> str:
    """Check that a container of it does not run as root."""
    if (said := str(found.image.run_config.get("User", ""))) != NOBODY:
        raise VerificationError(f"user: must be {NOBODY}, got {said[:40]!a}")
    return f"runs as {NOBODY}"


def released(found: ImageFolder, key: PublicKey | None, *, yours: bool) -> str:
    """Check the release inside, where the target has one, as any release; its files come from the layers."""
    asked = found.statement.definition.external_parameters
    inside: dict[str, bytes] = {}
    for path, entry in found.image.files.items():
        if path.startswith("releases/") and entry.sha256:
            if entry.content is None or not PLAIN_NAME.fullmatch(path.removeprefix("releases/")):
                raise VerificationError(f"{path[:120]}: must be a plain file of a release, got another")
            inside[path.removeprefix("releases/")] = entry.content
    folders = sorted({name.partition("/")[0] for name in inside})
    wanted = [asked.version] if asked.target == "released" else []
    if folders != wanted:
        raise VerificationError(f"releases: must hold {wanted or 'nothing'}, got {folders}")
    if not folders:
        return "none inside: one is mounted where a container of it runs"
    if sum(map(len, inside.values())) > MOST_BYTES:
        raise VerificationError(f"releases: must hold at most {MOST_BYTES} bytes, got more")
    # Only plain names were taken, so that nothing is written outside of this folder.
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        for name, content in inside.items():
            target = Path(place, *PurePosixPath(name).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        facts = verify(Path(place) / asked.version, key=key, yours=yours)
    if exit_code(facts) != CONFIRMED:
        kind = VerificationError if any(f.asked and f.held is False for f in facts) else StateError
        raise kind(*(fact.line() for fact in facts if fact.asked and not fact.held))
    return f"{asked.version} inside, verified: {sum(f.held is True for f in facts)} claims"


def signed(found: ImageFolder, key: PublicKey | None, *, name: str, yours: bool) -> str:
    """Check that a signed file is of `key`, and of no other (`Envelope.signed_by`)."""
    return found.envelope(name).signed_by(name, key, yours=yours)


def commit(found: ImageFolder, clone: Path) -> str:
    """Check that the commit holds the files that the statement names, and pins this base."""
    said = found.statement
    name = said.commit.digest.git_commit
    if not known(clone, name):
        raise StateError(f"{clone}: must hold commit {name[:12]}, got a clone without it (fetch it)")
    held = stated_files(clone, name)
    if held != said.inputs or committed_at(clone, name) != said.commit.annotations.committed:
        raise VerificationError(f"commit {name[:12]}: must hold what the statement names, got other files")
    dockerfile = (git_bytes(clone, "show", f"{name}:Dockerfile") or b"").decode("utf-8", "replace")
    pinned = re.findall(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    if pinned != [said.base.uri]:
        raise VerificationError(
            f"base: must be the one that the Dockerfile of {name[:12]} pins, {', '.join(pinned)[:120]}, "
            f"got {said.base.uri[:120]}"
        )
    return f"{name[:12]} holds the {len(held)} files that it names, and pins this base"


Check = Callable[[ImageFolder], str]

CHECKS: Mapping[str, Check] = {
    "statement": statement,
    "files": files,
    "digests": digests,
    "layers": layers,
    "clean tree": tree,
    "labels": labels,
    "base": base,
    "bill": bill,
    "environment": environment,
    "code": code,
    "contents": contents,
    "user": user,
    "stated bill": stated_bill,
}

BEFORE = ("statement", "files", "digests")


def verify_image(
    folder: Path, clone: Path | None = None, key: PublicKey | None = None, *, yours: bool = False
) -> list[Fact]:
    """Return every claim of the image in `folder`, checked; no engine is asked and nothing is run.

    Parameters
    ----------
    clone
        A clone of the repository, to check the commit and the base that its Dockerfile pins.
    key
        The public key that it must be signed by; without one the seals can't be told.
    yours
        Whether `key` is the user's own, taken because none was given.
    """
    found = ImageFolder(folder)
    seals = {
        f"seal {name}": partial(signed, key=key, name=name, yours=yours) for name in (STATEMENT, BILL_SEAL)
    }
    sealed = [fact_of(name, check, found) for name, check in seals.items()]
    forged = sealed[0].held is False
    inside: Check = partial(released, key=key, yours=yours)
    facts = [
        Fact(name, None, f"not read, because {STATEMENT} is not signed as it must be")
        if forged and name not in BEFORE
        else fact_of(name, check, found)
        for name, check in {**CHECKS, "release": inside}.items()
    ]
    facts += sealed
    if clone is None:
        facts.append(Fact("commit", None, "not asked: give a clone to check it", asked=False))
    else:
        facts.append(fact_of("commit", partial(commit, clone=clone), found))
    return facts
