"""A release folder as somebody handed it over: listed, and read only as plain values."""

import hashlib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.release.layout import BILL, STATEMENT, VERDICT
from fairmark.repo.dvc_files import data_outputs, read_lock
from fairmark.repo.untrusted import foreign_bytes, foreign_json, foreign_text, foreign_yaml
from fairmark.signing.dsse import opened, read_envelope
from fairmark.signing.model_signature import MODEL_SEAL, read_model_seal

LITTER = (".DS_Store", "._", "Thumbs.db", "desktop.ini", ".directory")
"""How the files begin that file managers leave in every folder that somebody looked at."""

_LEFT = "is an extra file that file managers leave, and nothing states: delete it"

PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_FILES = 10_000
MOST_BYTES = 4 * 2**30
MOST_TEXT_BYTES = 64 * 2**20
"""Of all files that are parsed, those read twice counted twice; the default release comes to 3 MiB."""
MOST_LIMITS = 1_000
MOST_GROUPS = 1_000
"""Limits of a policy and groups of an attribute: what is compared with each other must have an end."""


def _refuse(faults: list[str], litter: list[str]) -> None:
    if faults:
        raise VerificationError(*faults, *litter)
    if litter:
        raise StateError(*litter)


def _left(entry: "os.DirEntry[str]") -> bool:
    return entry.name.startswith(LITTER) and entry.is_file(follow_symlinks=False)


class Opened:
    """A release folder, each of its parts read once and only when it is asked for.

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
        self._values: dict[str, dict[str, Any]] = {}
        self._left_bytes = MOST_TEXT_BYTES
        self._seals: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

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
        found: list[str] = []
        faults: list[str] = []
        litter: list[str] = []
        waiting, size = [""], 0
        while waiting and len(found) + len(faults) <= MOST_FILES:
            inside = waiting.pop()
            entries = sorted(os.scandir(self.folder / inside), key=lambda entry: entry.name)
            if not entries:
                faults.append(f"{inside}: must hold a file, got an empty folder")
            for entry in entries:
                name = f"{inside}{entry.name}"
                if _left(entry):
                    litter.append(f"{name!a}: {_LEFT}")
                elif not PLAIN_NAME.fullmatch(name):
                    faults.append(f"{name!a}: must have a plain name, got an odd one")
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    found.append(name)
                    size += entry.stat(follow_symlinks=False).st_size
                else:
                    faults.append(f"{name}: must be a file, got a link or a device")
        if waiting or size > MOST_BYTES:
            faults.append(f"folder: must hold at most {MOST_FILES} files and {MOST_BYTES} bytes, got more")
        _refuse(sorted(faults), litter)
        return sorted(found)

    @cached_property
    def statement(self) -> dict[str, Any]:
        """What statement.json states, whoever signed it."""
        return self.stated(STATEMENT)

    @cached_property
    def external(self) -> dict[str, Any]:
        """What the statement says that a person chose: name, version, params, policy."""
        return self._mapping(self.definition["externalParameters"], "externalParameters")

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The statement's build definition."""
        return self._mapping(self.statement["predicate"]["buildDefinition"], "buildDefinition")

    @cached_property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """What the statement says the release was made from, by name: each once, none leading outside.

        Raises
        ------
        VerificationError
            When another reader could believe another entry, or find a file elsewhere.
        """
        entries = self.definition["resolvedDependencies"]
        found = {str(entry["name"]): entry for entry in entries}
        odd = [name for name in found if name.startswith("/") or {"..", ".", ""} & {*name.split("/")}]
        if len(found) != len(entries) or odd:
            got = f"{odd[0][:80]!a}" if odd else "a name twice"
            raise VerificationError(
                f"{STATEMENT}: what it was made from must be named once each, by paths inside, got {got}"
            )
        return found

    @cached_property
    def commit(self) -> str:
        """The commit that the statement names, 40 or 64 hex digits."""
        text = str(self.inputs["commit"]["digest"]["gitCommit"])
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
            raise VerificationError(f"{STATEMENT}: commit must be a full hash, got {text[:80]!r}")
        return text

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of every file that the statement names, by name."""
        return {str(entry["name"]): str(entry["digest"]["sha256"]) for entry in self.statement["subject"]}

    @cached_property
    def stages(self) -> dict[str, Any]:
        """The stages of dvc.lock."""
        self.check("dvc.lock")
        return self._mapping(read_lock(self.folder / "dvc.lock"), "dvc.lock")

    @cached_property
    def data(self) -> dict[str, dict[str, Any]]:
        """What data.dvc says of the data: path -> {"md5", "size"}."""
        self.check("data.dvc")
        return data_outputs(self.folder)

    @cached_property
    def params(self) -> dict[str, Any]:
        """The value of params.yaml."""
        self.check("params.yaml")
        found = self._mapping(foreign_yaml(self.folder / "params.yaml"), "params.yaml")
        limits = found.get("policy", {}).get("limits") if isinstance(found.get("policy"), dict) else None
        if isinstance(limits, list) and len(limits) > MOST_LIMITS:
            raise VerificationError(f"params.yaml: must have at most {MOST_LIMITS} limits, got {len(limits)}")
        return found

    @cached_property
    def measurements(self) -> dict[str, Any]:
        """The value of measurements.json."""
        found: dict[str, Any] = self.json("measurements.json")
        for name, groups in found["groups"].items():
            if len(groups) > MOST_GROUPS:
                raise VerificationError(
                    f"measurements.json: {name[:40]!a} must have at most {MOST_GROUPS}, got {len(groups)}"
                )
        return found

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """The value of verdict.json."""
        return self.json(VERDICT)

    @cached_property
    def bill(self) -> dict[str, Any]:
        """The value of sbom.cdx.json."""
        return self.json(BILL)

    def envelope(self, name: str) -> dict[str, Any]:
        """Return the DSSE envelope in the seal `name`."""
        return self._seal(name)[0]

    def stated(self, name: str) -> dict[str, Any]:
        """Return the statement in the seal `name`, whoever signed it."""
        return self._seal(name)[1]

    @cached_property
    def hint(self) -> str:
        """Which key model.sig says that it was made with."""
        return read_model_seal(self.folder / MODEL_SEAL)[2]

    def _seal(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        if name not in self._seals:
            if name == MODEL_SEAL:
                envelope, statement, _ = read_model_seal(self.folder / name)
                statement = shaped(statement, name)
            else:
                envelope = read_envelope(self.folder / name)
                statement = shaped(opened(envelope)[1], name)
            self._seals[name] = envelope, statement
        return self._seals[name]

    def json(self, name: str) -> dict[str, Any]:
        """Return the mapping in the JSON file `name`."""
        if name not in self._values:
            self.check(name)
            self._values[name] = self._mapping(foreign_json(self.folder / name), name)
        return self._values[name]

    def text(self, name: str) -> str:
        """Return the text of the file `name`."""
        self.check(name)
        return foreign_text(self.folder / name)

    def check(self, *files: str) -> None:
        """Do nothing when each of the files has the bytes that the statement names: no others are parsed.

        A file that is not there is left to whoever reads it.

        Raises
        ------
        InputError
            When one is too large to be read.
        VerificationError
            When one has other bytes, is not stated, or all that was read is more than a release holds.
        """
        for name in files:
            if not os.path.lexists(self.folder / name):
                continue
            content = foreign_bytes(self.folder / name)
            self._left_bytes -= len(content)
            if self._left_bytes < 0:
                raise VerificationError(
                    f"{name}: must be of a release that can be read, got too much text in all"
                )
            if hashlib.sha256(content).hexdigest() != self.digests.get(name):
                raise VerificationError(
                    f"{name}: must have its stated SHA-256, got other bytes (they are not read)"
                )

    @staticmethod
    def _mapping(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise VerificationError(f"{where}: must be a mapping, got {type(value).__name__}")
        found: dict[str, Any] = shaped(value, where)
        return found


class _Shaped(dict[str, Any]):
    """A mapping of a stranger's file: a key that is not there is the file's fault, not ours."""

    where = ""

    def __missing__(self, key: str) -> Any:
        text = str(key)[:80]
        raise VerificationError(f"{self.where}: must have the shape of a release, got no {text!a} in it")


def shaped(value: Any, where: str) -> Any:
    """Return a plain value whose mappings answer for a missing key with a fault of the file `where`."""
    if isinstance(value, dict):
        found = _Shaped({key: shaped(item, where) for key, item in value.items()})
        found.where = where
        return found
    return [shaped(item, where) for item in value] if isinstance(value, list) else value
