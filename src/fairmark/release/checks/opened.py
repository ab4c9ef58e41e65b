"""A release folder as somebody handed it over: listed, and read only as plain values."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from fairmark.errors import UsageError, VerificationError
from fairmark.release.contents import BILL, MODEL_SEAL, STATEMENT, VERDICT
from fairmark.release.foreign import foreign_json, foreign_text, foreign_yaml
from fairmark.release.hashes import read_lock
from fairmark.release.signatures.envelope import opened, read_envelope
from fairmark.release.signatures.modelsig import read_model_seal

PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_FILES = 10_000
MOST_BYTES = 4 * 2**30


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
        self._seals: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    @cached_property
    def files(self) -> list[str]:
        """Relative POSIX names of all files below the folder, sorted.

        Raises
        ------
        VerificationError
            When an entry is neither a file nor a folder (a link, a pipe), has an odd name or is an empty
            folder, and when there are too many or too large files. Nothing else may be read then.
        """
        found: list[str] = []
        faults: list[str] = []
        waiting, size = [""], 0
        while waiting and len(found) + len(faults) <= MOST_FILES:
            inside = waiting.pop()
            entries = sorted(os.scandir(self.folder / inside), key=lambda entry: entry.name)
            if not entries:
                faults.append(f"{inside}: must hold a file, got an empty folder")
            for entry in entries:
                name = f"{inside}{entry.name}"
                if not PLAIN_NAME.fullmatch(name):
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
        if faults:
            raise VerificationError(*sorted(faults))
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
    def stages(self) -> dict[str, Any]:
        """The stages of dvc.lock."""
        return read_lock(self.folder / "dvc.lock")

    @cached_property
    def params(self) -> dict[str, Any]:
        """The value of params.yaml."""
        return self._mapping(foreign_yaml(self.folder / "params.yaml"), "params.yaml")

    @cached_property
    def measurements(self) -> dict[str, Any]:
        """The value of measurements.json."""
        return self.json("measurements.json")

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
            else:
                envelope = read_envelope(self.folder / name)
                statement = opened(envelope)[1]
            self._seals[name] = envelope, statement
        return self._seals[name]

    def json(self, name: str) -> dict[str, Any]:
        """Return the mapping in the JSON file `name`."""
        return self._mapping(foreign_json(self.folder / name), name)

    def text(self, name: str) -> str:
        """Return the text of the file `name`."""
        return foreign_text(self.folder / name)

    @staticmethod
    def _mapping(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise VerificationError(f"{where}: must be a mapping, got {type(value).__name__}")
        return value
