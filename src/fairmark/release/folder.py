"""A release folder as somebody handed it over: listed, and read only as plain values."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from fairmark.data.reference import Reference
from fairmark.data.schema import Schema
from fairmark.errors import FairmarkError, InputError, UndeterminedError, UsageError, VerificationError
from fairmark.files import sha256
from fairmark.model.model_file import ENCODER_JSON, MODEL_JSON, EncoderFile, ModelFile
from fairmark.record import Record
from fairmark.release.layout import (
    ALTERNATIVES,
    BILL,
    GATHERED,
    KINDS,
    MODEL_RELEASE,
    REFERENCE,
    SCORES,
    STATEMENT,
    VERDICT,
    ReleaseKind,
    list_files,
)
from fairmark.release.sbom.cyclonedx import Bill
from fairmark.release.statement import FileInput, Statement
from fairmark.repo.dvc_files import DvcLock, Output, data_outputs_of, folder_sha256
from fairmark.repo.untrusted import foreign_bytes, strict_json, strict_yaml, text_of
from fairmark.signing.dsse import Envelope
from fairmark.signing.model_signature import MODEL_SEAL, read_model_seal

if TYPE_CHECKING:
    from fairmark.evaluate.documents import HeadlineMetrics
    from fairmark.judge.alternatives import Alternatives
    from fairmark.judge.measurements import Measurements
    from fairmark.judge.verdict import Verdict
    from fairmark.params.read import Params
    from fairmark.params.scores import Scores


MOST_TEXT_BYTES = 64 * 2**20
"""Of all files that are parsed; the default release comes to 3 MiB."""
MOST_LIMITS = 1_000
MOST_GROUPS = 1_000
"""Limits of a policy and groups of an attribute: what is compared with each other must have an end."""

RecordT = TypeVar("RecordT", bound=Record)

_OTHER_KEYS = ("extra_forbidden", "missing")
"""What pydantic calls a key that is not known here, and one that is known here and not there."""


class ReleaseFolder:
    """A release folder, each of its files read once, parsed once, and only when it is asked for.

    Parameters
    ----------
    folder
        Where it is.

    Raises
    ------
    UsageError
        When there is no folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"{folder}: must be a release folder, got none")
        self.folder = folder
        self._left_bytes = MOST_TEXT_BYTES
        self._contents: dict[str, bytes] = {}
        self._values: dict[str, dict[str, object]] = {}
        self._envelopes: dict[str, Envelope] = {}
        self._digests: dict[str, str] = {}

    @cached_property
    def files(self) -> list[str]:
        """Relative POSIX names of all files below the folder, sorted.

        Raises
        ------
        VerificationError
            When an entry is neither a file nor a folder (a link, a pipe), has an odd name or is an empty
            folder, and when there are too many or too large files. Nothing else may be read then.
        StateError
            When a file manager has left a file of its own among them.
        """
        return list_files(self.folder)

    @cached_property
    def statement(self) -> Statement:
        """What statement.json states, whoever signed it.

        Raises
        ------
        VerificationError
            When it has not the form of a release's statement.
        UndeterminedError
            When it says itself that its form is another than the one known here.
        """
        value = self.stated(STATEMENT)
        try:
            return Statement.from_json(value, STATEMENT)
        except InputError as error:
            match value:
                case {"predicate": {"buildDefinition": {"buildType": str(kind)}}} if kind not in KINDS:
                    raise UndeterminedError(
                        f"{STATEMENT}: buildType must be {', '.join(KINDS)} to be read here, got "
                        f"{kind[:80]!a} (use a newer fairmark)"
                    ) from error
            raise VerificationError(*error.faults) from error

    @cached_property
    def kind(self) -> ReleaseKind:
        """What kind of release its statement says that it is; a model's where it can't be read."""
        try:
            return self.statement.kind or MODEL_RELEASE
        except FairmarkError:
            return MODEL_RELEASE

    @property
    def commit(self) -> str:
        """The commit that the statement names, 40 or 64 hex digits."""
        return self.statement.commit.digest.git_commit

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of every file that the statement names, by name."""
        return self.statement.digests

    @cached_property
    def lock(self) -> DvcLock:
        """What dvc.lock says of the stages."""
        return DvcLock.from_yaml(self._yaml("dvc.lock"), "dvc.lock")

    @cached_property
    def data(self) -> Mapping[str, Output]:
        """What data.dvc says of the data, by path."""
        return data_outputs_of(self._yaml("data.dvc"), "data.dvc")

    @cached_property
    def data_files(self) -> Mapping[str, FileInput]:
        """The files of the data that the statement names, by name."""
        stated = self.statement.inputs.items()
        return {name: each for name, each in stated if each.output in self.data}

    @cached_property
    def written_params(self) -> dict[str, object]:
        """The value of params.yaml as a person wrote it: what is compared, never what is acted on."""
        found = self._mapping(self._yaml("params.yaml"), "params.yaml")
        if (got := _limits_judged(found)) > MOST_LIMITS:
            raise VerificationError(f"params.yaml: must have at most {MOST_LIMITS} limits, got {got}")
        return found

    @cached_property
    def params(self) -> "Params":
        """The sections of params.yaml.

        Raises
        ------
        VerificationError
            When one of them is nothing that fairmark would have released by.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        from fairmark.params.parse import typed
        from fairmark.params.read import Params

        try:
            return typed(Params, self.written_params, "params.yaml")
        except InputError as error:
            raise self._unread("params.yaml", error) from error

    @cached_property
    def written_scores(self) -> dict[str, object]:
        """The value of scores.yaml of an evaluation, as a person wrote it."""
        return self._mapping(self._yaml(SCORES), SCORES)

    @cached_property
    def scores(self) -> "Scores":
        """What scores.yaml of an evaluation says of whose scores were judged.

        Raises
        ------
        VerificationError
            When it is nothing that scores could have been judged by.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        from fairmark.params.parse import section
        from fairmark.params.scores import Scores

        try:
            return section(Scores, self.written_scores, SCORES)
        except InputError as error:
            raise self._unread(SCORES, error) from error

    @cached_property
    def schema(self) -> Schema:
        """What schema.json says of the columns, the label and the groups.

        Raises
        ------
        VerificationError
            When it is no schema.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        return self._document("schema.json", Schema)

    @cached_property
    def model_file(self) -> ModelFile:
        """What model/model.json says: what was chosen, the thresholds, the files of the model.

        Raises
        ------
        VerificationError
            When it is no such document.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        return self._document(f"model/{MODEL_JSON}", ModelFile)

    @cached_property
    def encoder_file(self) -> EncoderFile:
        """What model/encoder.json says of the features."""
        return self._document(f"model/{ENCODER_JSON}", EncoderFile)

    @cached_property
    def metrics(self) -> "HeadlineMetrics":
        """What metrics.json says."""
        from fairmark.evaluate.documents import HeadlineMetrics  # here: SciPy is slow to import

        return self._document("metrics.json", HeadlineMetrics)

    @cached_property
    def measurements(self) -> "Measurements":
        """What measurements.json says.

        Raises
        ------
        VerificationError
            When it is no such document, or has more groups than can be compared.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        from fairmark.judge.measurements import Measurements  # here: SciPy is slow to import

        found = self._document("measurements.json", Measurements)
        for name, groups in found.groups.items():
            if len(groups) > MOST_GROUPS:
                raise VerificationError(
                    f"measurements.json: {name[:40]!a} must have at most {MOST_GROUPS}, got {len(groups)}"
                )
        return found

    @property
    def has_reference(self) -> bool:
        """Whether its pipeline wrote a reference; that of an earlier fairmark did not."""
        return GATHERED[REFERENCE] in self.statement.inputs

    @cached_property
    def reference(self) -> Reference:
        """What reference.json says of the rows that the release was made from.

        Raises
        ------
        VerificationError
            When it is no such document.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        return self._document(REFERENCE, Reference)

    @cached_property
    def alternatives(self) -> "Alternatives":
        """What alternatives.json says of rivals of the model.

        Raises
        ------
        VerificationError
            When it is no such document.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        from fairmark.judge.alternatives import Alternatives

        return self._document(ALTERNATIVES, Alternatives)

    @cached_property
    def verdict(self) -> "Verdict":
        """What verdict.json says.

        Raises
        ------
        VerificationError
            When it is no verdict, or does not agree with itself.
        UndeterminedError
            When keys came or went between the fairmark that made the release and this one.
        """
        from fairmark.judge.verdict import Verdict

        return self._document(VERDICT, Verdict)

    @cached_property
    def bill(self) -> Bill:
        """The bill of materials, sbom.cdx.json."""
        return self._document(BILL, Bill)

    @cached_property
    def model_sha256(self) -> str:
        """The one SHA-256 of the model's folder (`dvc_files.folder_sha256`)."""
        return folder_sha256(self.folder / "model")

    def envelope(self, name: str) -> Envelope:
        """Return the DSSE envelope in the seal `name`."""
        if name not in self._envelopes:
            place = self.folder / name
            self._envelopes[name] = self._model_seal[0] if name == MODEL_SEAL else Envelope.read(place)
        return self._envelopes[name]

    def stated(self, name: str) -> dict[str, object]:
        """Return the statement in the seal `name`, whoever signed it."""
        return self.envelope(name).statement

    @property
    def hint(self) -> str:
        """Which key model.sig says that it was made with."""
        return self._model_seal[1]

    @cached_property
    def _model_seal(self) -> tuple[Envelope, str]:
        return read_model_seal(self.folder / MODEL_SEAL)

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of the file `name`, read once."""
        if name not in self._digests:
            self._digests[name] = sha256(self.folder / name)
        return self._digests[name]

    def json(self, name: str) -> dict[str, object]:
        """Return the mapping in the JSON file `name`."""
        if name not in self._values:
            self._values[name] = self._mapping(strict_json(self.text(name), name), name)
        return self._values[name]

    def text(self, name: str) -> str:
        """Return the text of the file `name`."""
        return text_of(self._content(name), name)

    def _content(self, name: str) -> bytes:
        """Return the bytes of a file, which are those that the statement names: no others are parsed.

        Raises
        ------
        InputError
            When it is not there, or too large to be read.
        VerificationError
            When it has other bytes, is not stated, or all that was read is more than a release holds.
        """
        if name not in self._contents:
            content = foreign_bytes(self.folder / name)
            # Over all files: many that are each small enough would fill the memory as well.
            self._left_bytes -= len(content)
            if self._left_bytes < 0:
                raise VerificationError(
                    f"{name}: must be of a release with at most {MOST_TEXT_BYTES} bytes to read, got more"
                )
            self._digests[name] = hashlib.sha256(content).hexdigest()
            # What is parsed are the bytes that were hashed: the file itself may change meanwhile.
            if self._digests[name] != self.digests.get(name):
                raise VerificationError(
                    f"{name}: must have its stated SHA-256, got {self._digests[name][:12]}… (not read)"
                )
            self._contents[name] = content
        return self._contents[name]

    def _document(self, name: str, kind: type[RecordT]) -> RecordT:
        """Return a JSON file as the class that it is written by."""
        try:
            self.json(name)  # refuses what does not say one thing to every reader
            return kind.from_text(self.text(name), name)
        except InputError as error:
            raise self._unread(name, error) from error

    def _yaml(self, name: str) -> object:
        return strict_yaml(self.text(name), name)

    def _unread(self, name: str, error: InputError) -> FairmarkError:
        """Return what a document means that has not today's form: another version's, or a wrong one.

        The keys of params.yaml come and go between versions, and within one while it is made.
        """
        made, here = self.statement.made_with.fairmark, version("fairmark")
        if made == here and not (name in ("params.yaml", SCORES) and _of_other_keys(error)):
            return VerificationError(*error.faults)
        return UndeterminedError(
            f"{name}: must have the keys that this fairmark ({here}) knows, got those of the fairmark that "
            f"made the release ({made}; verify with that one): {error.faults[0]}"
        )

    @staticmethod
    def _mapping(value: object, where: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise VerificationError(f"{where}: must be a mapping, got {type(value).__name__}")
        return value


def _of_other_keys(error: InputError) -> bool:
    """Return whether all that is wrong is keys that are not known here, or known and not there."""
    cause = error.__cause__
    return isinstance(cause, ValidationError) and all(
        fault["type"] in _OTHER_KEYS for fault in cause.errors()
    )


def _limits_judged(params: Mapping[str, object]) -> int:
    """Return how many limits a policy has judged: an overlay's own, and for each overlay the default ones."""
    match params:
        case {"policy": {"limits": list(limits), "overlays": list(overlays)}}:
            own = [each["limits"] for each in overlays if isinstance(each, dict) and "limits" in each]
            return len(limits) * (1 + len(overlays)) + sum(
                len(each) for each in own if isinstance(each, list)
            )
        case {"policy": {"limits": list(limits)}}:
            return len(limits)
    return 0
