"""The one statement that ties a release together: an in-toto Statement with a SLSA provenance.

in-toto Statement v1 (https://in-toto.io/Statement/v1) names the files of the release; its predicate,
SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance), names what they were made from: the commit and
every file of it, the data, and what the stages made. Nothing in it depends
on the clock, the host or the user, so that the same commit gives the same bytes.
"""

import hashlib
import platform
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Tag

from fairmark.errors import VerificationError
from fairmark.files import canonical_json, sha256
from fairmark.model.model_file import MODEL_JSON, ModelFile
from fairmark.model.protected_use import ProtectedUse
from fairmark.params.policy import DEFAULT
from fairmark.params.scores import UNKNOWN
from fairmark.record import CamelRecord
from fairmark.release.layout import (
    EVALUATION,
    KINDS,
    MODEL_RELEASE,
    SCORES,
    SEALS,
    STATEMENT,
    ReleaseKind,
)
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import Output, address, data_outputs, files_of, names, stage_outputs
from fairmark.repo.git import committed_files
from fairmark.repo.untrusted import foreign_yaml
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict
    from fairmark.params.read import Params

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILDER = "urn:fairmark:builder:local"

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class FileDigest(CamelRecord):
    """SHA-256 of a file, 64 hex digits."""

    sha256: str


class Subject(CamelRecord):
    """A file of the release."""

    name: str
    digest: FileDigest


class CommitDigest(CamelRecord):
    """The hash that git knows a commit by."""

    git_commit: str


class CommitAnnotations(CamelRecord):
    """When the commit was made, in ISO 8601."""

    committed: str


class CommitInput(CamelRecord):
    """The commit that the release was made from."""

    name: Literal["commit"]
    digest: CommitDigest
    annotations: CommitAnnotations


class Addresses(CamelRecord):
    """Where DVC keeps a file: its own MD5, the output that it belongs to, and the address of that."""

    md5: str
    output: str
    output_address: str


class FileInput(CamelRecord):
    """A file that the release was made from; DVC's address stands beside those that DVC keeps."""

    name: str
    digest: FileDigest
    annotations: Addresses | None = None

    @property
    def output(self) -> str | None:
        """Which output of DVC the file belongs to; None for one that only the commit holds."""
        return None if self.annotations is None else self.annotations.output

    @property
    def md5(self) -> str:
        """Where DVC keeps the file; empty for one that only the commit holds."""
        return "" if self.annotations is None else self.annotations.md5


def _kind(value: object) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "commit" if name == "commit" else "file"


Input = Annotated[
    Annotated[CommitInput, Tag("commit")] | Annotated[FileInput, Tag("file")], Discriminator(_kind)
]


class ExternalParameters(CamelRecord):
    """What a person chose: name and version, and params.yaml as written, its policy apart.

    Of an evaluation also scores.yaml as written; a release of a model has none.
    """

    name: str
    version: str
    params: dict[str, JsonValue]
    policy: dict[str, JsonValue]
    scores: dict[str, JsonValue] | None = None


class InternalParameters(CamelRecord):
    """What was found: a clean tree, the verdict in words, and of an evaluation what it can't say."""

    clean_tree: bool
    verdict: str
    policies: dict[str, str] | None = None
    """The own word of the default policy and of each overlay, where there are several."""
    not_known: tuple[str, ...] | None = None
    protected_attributes: ProtectedUse | None = None
    """How the model came to use them; None of an evaluation, and in releases made before it was stated."""


class BuildDefinition(CamelRecord):
    """What was asked for, and all that it was made from: the commit first, then every file, sorted."""

    build_type: str
    external_parameters: ExternalParameters
    internal_parameters: InternalParameters
    resolved_dependencies: tuple[Input, ...]


class Versions(CamelRecord):
    """The versions of fairmark and of Python that made the release."""

    fairmark: str
    python: str


class Builder(CamelRecord):
    """What made the release."""

    id: str
    version: Versions


class RunDetails(CamelRecord):
    """How it was made."""

    builder: Builder


class Provenance(CamelRecord):
    """SLSA provenance v1, as far as a release states it."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Statement(CamelRecord):
    """The in-toto Statement of a release: its files by SHA-256, and what they were made from."""

    type_: str = Field(validation_alias="_type", serialization_alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Provenance

    @property
    def kind(self) -> ReleaseKind | None:
        """What kind of release it states; None for one that is not known here."""
        return KINDS.get(self.predicate.build_definition.build_type)

    @property
    def external(self) -> ExternalParameters:
        """What a person chose."""
        return self.predicate.build_definition.external_parameters

    @property
    def made_with(self) -> Versions:
        """The versions of fairmark and of Python that made the release."""
        return self.predicate.run_details.builder.version

    @cached_property
    def commit(self) -> CommitInput:
        """The commit that the release was made from.

        Raises
        ------
        VerificationError
            When none or several are named, or its hash is not a full one.
        """
        entries = self.predicate.build_definition.resolved_dependencies
        commits = [entry for entry in entries if isinstance(entry, CommitInput)]
        if len(commits) != 1:
            raise VerificationError(f"{STATEMENT}: must name one commit, got {len(commits)}")
        if not _COMMIT.fullmatch(text := commits[0].digest.git_commit):
            raise VerificationError(f"{STATEMENT}: commit must be a full hash, got {text[:80]!r}")
        return commits[0]

    @cached_property
    def inputs(self) -> Mapping[str, FileInput]:
        """The files that the release was made from, by name: each once, none leading outside.

        Raises
        ------
        VerificationError
            When another reader could believe another entry, or find a file elsewhere.
        """
        resolved = self.predicate.build_definition.resolved_dependencies
        entries = [entry for entry in resolved if isinstance(entry, FileInput)]
        inputs = {entry.name: entry for entry in entries}
        # A file called `commit` is stated with a dot before it, as `stated_files` writes it.
        paths = [name for name in inputs if name != "./commit"]
        outside = [name for name in paths if name.startswith("/") or {"..", ".", ""} & {*name.split("/")}]
        if len(inputs) != len(entries) or outside:
            got = f"{outside[0][:80]!a}" if outside else "a name twice"
            raise VerificationError(
                f"{STATEMENT}: what it was made from must be named once each, by paths inside, got {got}"
            )
        return inputs

    @property
    def digests_of_inputs(self) -> Mapping[str, str]:
        """SHA-256 of every file that the release was made from, by name."""
        return {name: each.digest.sha256 for name, each in self.inputs.items()}

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every file of the release, by name."""
        return {each.name: each.digest.sha256 for each in self.subject}

    def to_json(self) -> dict[str, Any]:
        """Return the statement as plain JSON values, each number of the params as a person wrote it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @property
    def tag(self) -> str:
        """The name of the release's tag."""
        return f"{self.external.name}@{self.external.version}"


def state(
    folder: Path,
    root: Path,
    trace: Trace,
    params: "Params",
    verdict: "Verdict",
    version: str,
    *,
    evaluation: bool = False,
) -> Statement:
    """Return the statement of the release whose files are in `folder`, made in the working folder `root`.

    Parameters
    ----------
    evaluation
        Whether scores made elsewhere were judged, which scores.yaml names, and there is no model.

    Raises
    ------
    StateError
        When DVC's files don't say what the outputs are.
    InputError
        When model.json is none.
    """
    written = foreign_yaml(root / "params.yaml")
    # As a person wrote it, not as it is typed: a whole number stays one, so that whoever compares the
    # statement with params.yaml finds the file's own values.
    policy = written.pop("policy")
    said = {"name": params.project.name, "version": version, "params": written, "policy": policy}
    found: dict[str, Any] = {"clean_tree": not trace.dirty, "verdict": verdict.state}
    if verdict.overlays:
        found["policies"] = stated_policies(verdict)
    if evaluation:
        said["scores"] = foreign_yaml(root / SCORES)["scores"]
        found["not_known"] = UNKNOWN
    elif (folder / "model" / MODEL_JSON).is_file():
        file = ModelFile.of(folder / "model")
        found["protected_attributes"] = ProtectedUse.of_file(
            file, params.policy, params.prepare.singles, params.split.weighed_by
        )
    definition = BuildDefinition(
        build_type=(EVALUATION if evaluation else MODEL_RELEASE).build_type,
        external_parameters=ExternalParameters(**said),
        internal_parameters=InternalParameters(**found),
        resolved_dependencies=_dependencies(root, trace),
    )
    return Statement(
        type_=STATEMENT_TYPE,
        # Seals are made over this statement, and can't stand in it.
        subject=tuple(
            Subject(name=name, digest=FileDigest(sha256=sha256(folder / name)))
            for name in names(folder)
            if name not in SEALS
        ),
        predicate_type=PREDICATE_TYPE,
        predicate=Provenance(
            build_definition=definition,
            run_details=RunDetails(builder=Builder(id=BUILDER, version=made_with())),
        ),
    )


def stated_policies(verdict: "Verdict") -> dict[str, str]:
    """Return the own word of the default policy and of each overlay, by name."""
    found: dict[str, str] = {each.name: each.verdict.state for each in verdict.overlays}
    return {DEFAULT: verdict.policy_state, **found}


def release_digest(folder: Path) -> str:
    """Return the release digest: SHA-256 (64 hex digits) of what statement.json states, whoever signed it.

    Raises
    ------
    InputError
        When there is no statement, or it is not JSON.
    VerificationError
        When it is not written in the one form of an envelope.
    """
    return hashlib.sha256(canonical_json(Envelope.read(folder / STATEMENT).statement)).hexdigest()


def stated_files(root: Path, commit: str) -> dict[str, str]:
    """Return the SHA-256 of every file of a commit, by the name that a statement has for it.

    Raises
    ------
    StateError
        When the clone lacks one.
    VerificationError
        When one is not what its hash in git says.
    """
    # `commit` is the commit itself.
    return {
        f"./{name}" if name == "commit" else name: digest
        for name, digest in committed_files(root, commit).items()
    }


def _dependencies(root: Path, trace: Trace) -> tuple[CommitInput | FileInput, ...]:
    commit = CommitInput(
        name="commit",
        digest=CommitDigest(git_commit=trace.commit),
        annotations=CommitAnnotations(committed=trace.committed),
    )
    outputs = {**data_outputs(root), **stage_outputs(root)}
    made = {name: _file(root, name, each) for each in outputs.values() for name in files_of(root, each.path)}
    held = stated_files(root, trace.commit)
    files = {name: FileInput(name=name, digest=FileDigest(sha256=digest)) for name, digest in held.items()}
    # A small result is both, committed and made: then DVC's address stands beside it.
    return (commit, *(entry for _, entry in sorted((files | made).items())))


def _file(root: Path, name: str, output: Output) -> FileInput:
    # DVC's MD5 is where to find the bytes; the SHA-256 is what they must be.
    return FileInput(
        name=name,
        digest=FileDigest(sha256=sha256(root / name)),
        annotations=Addresses(md5=address(root / name), output=output.path, output_address=output.md5),
    )


def made_with() -> Versions:
    """Return the versions of fairmark and of Python that run."""
    from importlib.metadata import version

    return Versions(fairmark=version("fairmark"), python=platform.python_version())
