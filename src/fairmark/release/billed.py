"""Does the bill of materials list what the lock files ask for, and this model, data and commit."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fairmark.errors import VerificationError
from fairmark.release.agreement import output_of, same
from fairmark.release.contents import BILL
from fairmark.release.hashes import data_outputs, folder_sha256
from fairmark.release.locks import MARKER, MARKERS, locked, normal
from fairmark.release.opened import Opened

MODEL = "machine-learning-model"


def bill(opened: Opened) -> str:
    """Check the bill of materials against the lock files, the model, the data and the commit."""
    found = opened.bill
    properties = {entry["name"]: entry["value"] for entry in found["metadata"]["properties"]}
    machine = {key: str(properties[MARKER + key]) for key in MARKERS}
    wanted = locked(opened.text("requirements.lock"), machine)
    known = locked(opened.text("requirements-dev.lock"), machine) | wanted
    faults = list(_libraries(_of(found, "library"), wanted, known))
    if faults:
        raise VerificationError(*(f"{BILL}: {fault}" for fault in faults))
    _made(opened, found)
    return f"{len(wanted)} requirements at their locked versions, this model, its data and its commit"


def _libraries(parts: list[dict[str, Any]], wanted: dict[str, str], known: dict[str, str]) -> Iterator[str]:
    listed = {normal(part["name"]): part for part in parts}
    for name, times in Counter(normal(part["name"]) for part in parts).items():
        if times > 1:
            yield f"must list {name} once, got {times} times"
    for name, version in wanted.items():
        part = listed.get(name, {})
        if (part.get("version"), part.get("scope")) != (version, "required"):
            yield f"must list {name} {version} as required, got {part.get('version')} {part.get('scope')}"
    for name, part in listed.items():
        if part["version"] != known.get(name, part["version"]):
            yield f"must list {name} at its locked version {known[name]}, got {part['version']}"
        if name not in wanted and part.get("scope") != "excluded":
            yield f"must list {name} as excluded, because no lock file requires it"


def _made(opened: Opened, found: dict[str, Any]) -> None:
    commits = [entry["uid"] for entry in found["metadata"]["component"]["pedigree"]["commits"]]
    same(commits, [opened.commit], BILL, "of the statement's commit")
    models = [_sha256(part) for part in _of(found, MODEL)]
    same(models, [folder_sha256(opened.folder / "model")], BILL, "of this model")
    paths = set(data_outputs(opened.folder))
    stated = {
        name: item["digest"]["sha256"] for name, item in opened.inputs.items() if output_of(item) in paths
    }
    same({part["name"]: _sha256(part) for part in _of(found, "data")}, stated, BILL, "of the data stated")


def _of(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [part for part in found["components"] if part["type"] == kind]


def _sha256(part: dict[str, Any]) -> str | None:
    return next((entry["content"] for entry in part["hashes"] if entry["alg"] == "SHA-256"), None)
