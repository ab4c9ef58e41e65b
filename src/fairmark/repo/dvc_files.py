"""What DVC says the files are, and whether they are: the one module that reads dvc.lock and data.dvc.

DVC names content by MD5: that is an address, and good against accidents. The seal of a release is
SHA-256. A folder's address is the MD5 of a JSON list of its files' MD5 and relative paths, sorted by
path, with the suffix `.dir` (dvc-data, `Tree.as_bytes`).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from fairmark.errors import InputError, StateError
from fairmark.files import sha256
from fairmark.repo.untrusted import foreign_yaml

Output = dict[str, Any]


def stage_outputs(root: Path) -> dict[str, Output]:
    """Return what dvc.lock says of each output: path -> {"md5", "size"}, sorted by path.

    Raises
    ------
    StateError
        When dvc.lock is missing or is not DVC's.
    """
    stages = read_lock(root / "dvc.lock").values()
    return dict(sorted(pair for stage in stages for pair in _entries(stage.get("outs"), "dvc.lock").items()))


def data_outputs(root: Path) -> dict[str, Output]:
    """Return what data.dvc says of the data: path -> {"md5", "size"}.

    Raises
    ------
    StateError
        When data.dvc is missing or is not DVC's.
    """
    value = _dvc_file(root / "data.dvc")
    return _entries(value.get("outs"), "data.dvc")


def read_lock(path: Path) -> dict[str, Any]:
    """Return the stages of a dvc.lock: name -> {"cmd", "deps", "params", "outs"}.

    Raises
    ------
    StateError
        When it is missing, is not DVC's, or has no stage.
    """
    value = _dvc_file(path)
    stages = value.get("stages")
    if value.get("schema") != "2.0" or not isinstance(stages, dict) or not stages:
        raise StateError(f"{path.name}: must be a lock file of DVC 3 with stages, got another schema")
    for name, stage in stages.items():
        if not isinstance(stage, dict):
            raise StateError(f"{path.name}: stage {name} must be a mapping, got {type(stage).__name__}")
    return stages


def check_workspace(root: Path) -> None:
    """Do nothing when every output on disk has the bytes that dvc.lock and data.dvc name, and fit together.

    Raises
    ------
    StateError
        With one line for each output that is missing or changed, and each stage that was not run again
        after what it depends on changed.
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
    entries = [{"md5": _md5(path / name), "relpath": name} for name in kept]
    return folder_address(entries)


def folder_address(entries: list[dict[str, str]]) -> str:
    """Return DVC's address of a folder from its files' {"md5", "relpath"}."""
    manifest = json.dumps(sorted(entries, key=lambda entry: entry["relpath"]), sort_keys=True)
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
    outputs = {**stage_outputs(root), **data_outputs(root)}
    for path, named in outputs.items():
        fault = _changed(root / path, named["md5"])
        if fault:
            faults.append(f"{path}: must have the bytes of MD5 {named['md5']} that DVC recorded, got {fault}")
    for name, stage in read_lock(root / "dvc.lock").items():
        for path, named in _entries(stage.get("deps"), "dvc.lock").items():
            fault = _stale(root, outputs, path, named["md5"])
            if fault:
                faults.append(f"{path}: must be what stage {name} read, got {fault} (run dvc repro)")
    return faults


_COMPILED = "__pycache__"
"""What Python writes beside the code that a stage depends on; the project's .dvcignore leaves it out."""


def _changed(place: Path, md5: str, without: str | None = None) -> str | None:
    if not place.exists():
        return "nothing (run dvc pull or dvc repro)"
    found = address(place, without)
    return None if found == md5 else f"MD5 {found}"


def _stale(root: Path, outputs: dict[str, Output], path: str, md5: str) -> str | None:
    if path in outputs:
        return None if outputs[path]["md5"] == md5 else "another version of it"
    return _changed(root / path, md5, _COMPILED)


def _dvc_file(path: Path) -> dict[str, Any]:
    try:
        value = foreign_yaml(path)
    except InputError as error:
        raise StateError(*(f"{fault} (run dvc repro)" for fault in error.faults)) from error
    if not isinstance(value, dict):
        raise StateError(f"{path.name}: must be a mapping, got {type(value).__name__}")
    return value


def _entries(value: Any, where: str) -> dict[str, Output]:
    entries = {}
    for entry in value or []:
        if not isinstance(entry, dict) or entry.get("hash") != "md5" or "md5" not in entry:
            raise StateError(
                f"{where}: each output must have an MD5 as DVC 3 writes it, got {str(entry)[:80]}"
            )
        entries[str(entry["path"])] = {"md5": str(entry["md5"]), "size": entry.get("size")}
    return entries


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
