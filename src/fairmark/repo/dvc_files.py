"""What DVC says the files are, and whether they are: the one module that reads dvc.lock and data.dvc.

DVC names content by MD5: that is an address, and good against accidents. The seal of a release is
SHA-256. A folder's address is the MD5 of a JSON list of its files' MD5 and relative paths, sorted by
path, with the suffix `.dir` (dvc-data, `Tree.as_bytes`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fairmark.errors import InputError, StateError
from fairmark.files import sha256
from fairmark.repo.untrusted import foreign_yaml


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC knows.

    Parameters
    ----------
    path
        Relative to the working folder, in POSIX form.
    md5
        Its address: 32 hex digits, of a folder with the suffix `.dir`.
    """

    path: str
    md5: str


@dataclass(frozen=True)
class Stage:
    """What dvc.lock says of a stage's last run.

    Parameters
    ----------
    deps, outs
        What it read and what it made, by path, in the file's order.
    params
        By params file, each value that the run took, by its key in dots.
    """

    deps: Mapping[str, Output]
    outs: Mapping[str, Output]
    params: Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class DvcLock:
    """A dvc.lock: its stages by name, in the file's order."""

    stages: Mapping[str, Stage]

    @classmethod
    def from_yaml(cls, value: object, where: str) -> Self:
        """Return the lock that the value of a YAML file is; `where` names it in a fault.

        Raises
        ------
        StateError
            When it is not DVC's, or has no stage.
        """
        # A lock of another form is not guessed at: the hashes in it decide what is released.
        found = _mapping(value, where)
        stages = found.get("stages")
        if found.get("schema") != "2.0" or not isinstance(stages, dict) or not stages:
            count = len(stages) if isinstance(stages, dict) else 0
            raise StateError(
                f"{where}: must be a lock file of DVC 3 (schema 2.0) with stages, "
                f"got schema {str(found.get('schema'))[:40]!a} and {count} stages"
            )
        return cls({str(name): _stage(stage, f"{where}: stage {name}") for name, stage in stages.items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the dvc.lock in a file.

        Raises
        ------
        StateError
            When it is missing, and as `from_yaml`.
        """
        return cls.from_yaml(_yaml(path), path.name)

    @property
    def outputs(self) -> dict[str, Output]:
        """Every output of every stage, sorted by path."""
        return dict(sorted(pair for stage in self.stages.values() for pair in stage.outs.items()))

    @property
    def maker(self) -> dict[str, str]:
        """The stage that makes each output, by the output's path."""
        return {path: name for name, stage in self.stages.items() for path in stage.outs}


def stage_outputs(root: Path) -> dict[str, Output]:
    """Return each output of dvc.lock, sorted by path.

    Raises
    ------
    StateError
        When dvc.lock is missing or is not DVC's.
    """
    return DvcLock.read(root / "dvc.lock").outputs


def data_outputs(root: Path) -> dict[str, Output]:
    """Return what data.dvc says of the data, by path.

    Raises
    ------
    StateError
        When data.dvc is missing or is not DVC's.
    """
    return data_outputs_of(_yaml(root / "data.dvc"), "data.dvc")


def data_outputs_of(value: object, where: str) -> dict[str, Output]:
    """Return the outputs that the value of a .dvc file names, by path; `where` names it in a fault.

    Raises
    ------
    StateError
        When it is not DVC's.
    """
    return _entries(_mapping(value, where).get("outs"), where)


def check_workspace(root: Path) -> None:
    """Do nothing when every output on disk has the bytes that dvc.lock and data.dvc name, and fit together.

    Raises
    ------
    StateError
        With one line for each output that is missing or changed, and each stage that was not run again
        after what it depends on, or a value of its params, changed.
    """
    try:
        faults = _faults(root)
    except OSError as error:
        raise StateError(f"{error.filename}: must be readable, got {error.strerror}") from error
    if faults:
        raise StateError(*faults)


def address(path: Path, without: str | None = None) -> str:
    """Return DVC's address of a file (32 hex digits) or folder (the same with `.dir`).

    `without` names folders that .dvcignore leaves out, wherever they are.
    """
    if not path.is_dir():
        return _md5(path)
    kept = [name for name in names(path) if without is None or without not in Path(name).parts]
    return folder_address({name: _md5(path / name) for name in kept})


def folder_address(files: Mapping[str, str]) -> str:
    """Return DVC's address of a folder from the MD5 of each of its files, by relative path."""
    # The bytes of DVC's own .dir file, its blanks included: the address is their MD5.
    manifest = json.dumps([{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())])
    return hashlib.md5(manifest.encode(), usedforsecurity=False).hexdigest() + ".dir"


def names(folder: Path) -> list[str]:
    """Return the relative POSIX paths of all files in `folder` and below, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def folder_sha256(folder: Path) -> str:
    """Return the SHA-256 over the sorted lines `sha256  name` of a folder's files.

    The same as `fairmark.model.model.digest`, without what that module imports.
    """
    lines = sorted(f"{sha256(folder / name)}  {name}\n" for name in names(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def files_of(root: Path, path: str) -> list[str]:
    """Return the files of the output `path` relative to `root`: itself, or all within a folder."""
    place = root / path
    return [f"{path}/{name}" for name in names(place)] if place.is_dir() else [path]


def _faults(root: Path) -> list[str]:
    faults = []
    lock = DvcLock.read(root / "dvc.lock")
    outputs = {**lock.outputs, **data_outputs(root)}
    for path, named in outputs.items():
        fault = _changed(root / path, named.md5)
        if fault:
            faults.append(f"{path}: must have the bytes of MD5 {named.md5} that DVC recorded, got {fault}")
    for name, stage in lock.stages.items():
        for path, named in stage.deps.items():
            fault = _stale(root, outputs, path, named.md5)
            if fault:
                faults.append(f"{path}: must be what stage {name} read, got {fault} (run dvc repro)")
    return faults + _stale_params(root, lock)


def _stale_params(root: Path, lock: DvcLock) -> list[str]:
    """Return a fault for each value of a params file that is not the one that a stage ran with."""
    written: dict[str, object] = {}
    faults = []
    for name, stage in lock.stages.items():
        for file, taken in stage.params.items():
            if file not in written:
                written[file] = _yaml(root / file)
            faults += [
                f"{file}: {key} must be what stage {name} ran with, got another value (run dvc repro)"
                for key, value in taken.items()
                if _value_at(written[file], key) != value
            ]
    return faults


def _value_at(value: object, key: str) -> object:
    """Return what stands at a key of DVC (parts joined by dots); a new object where nothing does."""
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            # Equal to nothing, null included, so that it differs from whatever the stage took.
            return object()
        value = value[part]
    return value


_COMPILED = "__pycache__"
"""What Python writes beside the code that a stage depends on; the project's .dvcignore leaves it out."""


def _changed(place: Path, md5: str, without: str | None = None) -> str | None:
    if not place.exists():
        return "nothing (run dvc pull or dvc repro)"
    found = address(place, without)
    return None if found == md5 else f"MD5 {found}"


def _stale(root: Path, outputs: dict[str, Output], path: str, md5: str) -> str | None:
    if path in outputs:
        return None if outputs[path].md5 == md5 else f"that of MD5 {outputs[path].md5}"
    return _changed(root / path, md5, _COMPILED)


def _yaml(path: Path) -> object:
    try:
        return foreign_yaml(path)
    except InputError as error:
        raise StateError(*(f"{fault} (run dvc repro)" for fault in error.faults)) from error


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise StateError(f"{where}: must be a mapping, got {type(value).__name__}")
    return value


def _stage(value: object, where: str) -> Stage:
    stage = _mapping(value, where)
    params = _mapping(stage.get("params") or {}, f"{where}: params")
    return Stage(
        deps=_entries(stage.get("deps"), where),
        outs=_entries(stage.get("outs"), where),
        params={str(file): _mapping(taken, f"{where}: {file}") for file, taken in params.items()},
    )


def _entries(value: object, where: str) -> dict[str, Output]:
    listed = value or []
    if not isinstance(listed, list):
        raise StateError(f"{where}: outputs must be a list, got {type(value).__name__}")
    entries = {}
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("hash") != "md5" or not {"md5", "path"} <= entry.keys():
            raise StateError(
                f"{where}: each output must have an MD5 as DVC 3 writes it, got {str(entry)[:80]}"
            )
        path = str(entry["path"])
        entries[path] = Output(path, str(entry["md5"]))
    return entries


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
