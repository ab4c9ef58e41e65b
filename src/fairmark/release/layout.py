"""What a release folder holds: what it may list, and where in the working folder each part is made."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.signing.model_signature import MODEL_SEAL

MODEL = "artifacts/train/model"
MEASUREMENTS = "artifacts/evaluate/measurements.json"
DATASHEET = "data/DATASHEET.md"

REFERENCE = "reference.json"
ALTERNATIVES = "alternatives.json"
STATEMENT = "statement.json"
VERDICT = "verdict.json"
BILL = "sbom.cdx.json"

VERDICT_SEAL = "verdict.intoto.json"
BILL_SEAL = "sbom.intoto.json"

SEALS = (MODEL_SEAL, BILL_SEAL, STATEMENT, VERDICT_SEAL)
"""The signed files. The statement names every other file of the release."""

PINNED = ("data.dvc", "dvc.lock", "params.yaml", "requirements-dev.lock", "requirements.lock")
"""Files of the commit that say what was run on what."""

SOURCES = (
    "src",
    "flows",
    ".dvc/config",
    "Dockerfile",
    "Makefile",
    "dvc.yaml",
    "prefect.yaml",
    "pyproject.toml",
)
"""Files and folders of the commit, of those there are, that two releases are compared by as their code."""

GATHERED = {
    "model": MODEL,
    "measurements.json": MEASUREMENTS,
    "metrics.json": "artifacts/evaluate/metrics.json",
    REFERENCE: "artifacts/evaluate/reference.json",
    ALTERNATIVES: "artifacts/evaluate/alternatives.json",
    "schema.json": "artifacts/prepare/schema.json",
    "model-card.md": "artifacts/document/model-card.md",
    "model-card.html": "artifacts/document/model-card.html",
    "data-card.md": "artifacts/document/data-card.md",
    "data-card.html": "artifacts/document/data-card.html",
    "report.html": "artifacts/document/report.html",
    **{name: name for name in PINNED},
}
"""Name in the release -> path in the working folder. Beside these a release has a verdict, a bill of
materials, the seals, and the data sheet where the data has one."""

IMAGE = "image"
"""The folder with the image, where a release is one of a container image."""

SCORES = "scores.yaml"
"""Whose scores were judged, in a release of an evaluation."""

EVALUATION_CARD = "evaluation-card.md"


@dataclass(frozen=True)
class ReleaseKind:
    """What kind of release it is: that of a model, or that of an evaluation of scores made elsewhere.

    Parameters
    ----------
    build_type
        How its statement names the kind.
    gathered
        Name in the release -> path in the working folder.
    made
        Files that are made when it is gathered.
    seals
        Its signed files.
    """

    build_type: str
    gathered: Mapping[str, str]
    made: tuple[str, ...]
    seals: tuple[str, ...]

    @property
    def needed(self) -> set[str]:
        """The files, beside its seals, that it can't be without; a model's own are told by the model."""
        return {name for name in self.gathered if name != "model"} | {*self.made}


MODEL_RELEASE = ReleaseKind("urn:fairmark:release:1", GATHERED, (VERDICT, BILL), SEALS)
EVALUATION = ReleaseKind(
    "urn:fairmark:evaluation:1",
    {
        "measurements.json": MEASUREMENTS,
        "metrics.json": GATHERED["metrics.json"],
        "schema.json": GATHERED["schema.json"],
        EVALUATION_CARD: "artifacts/document/evaluation-card.md",
        "report.html": GATHERED["report.html"],
        SCORES: SCORES,
        **{name: name for name in PINNED},
    },
    (VERDICT,),
    (STATEMENT, VERDICT_SEAL),
)
KINDS: Mapping[str, ReleaseKind] = {kind.build_type: kind for kind in (MODEL_RELEASE, EVALUATION)}


LITTER = (".DS_Store", "._", "Thumbs.db", "desktop.ini", ".directory")
"""How the files begin that file managers leave in every folder that somebody looked at."""

_LITTER_FOUND = "is an extra file that file managers leave, and nothing states: delete it"

PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)*[A-Za-z0-9][A-Za-z0-9._-]*")

MOST_FILES = 10_000
MOST_BYTES = 4 * 2**30


def _refuse(faults: list[str], litter: list[str]) -> None:
    if faults:
        raise VerificationError(*faults, *litter)
    if litter:
        raise StateError(*litter)


def list_files(folder: Path) -> list[str]:
    """Return the relative POSIX names of all files below a release folder, sorted.

    Raises
    ------
    VerificationError
        When an entry is neither a file nor a folder (a link, a pipe), has an odd name or is an empty
        folder, and when there are too many or too large files. Nothing else may be read then.
    StateError
        When a file manager has left a file of its own among them.
    """
    names: list[str] = []
    litter: list[str] = []
    faults: list[str] = []
    waiting, size = [""], 0
    # Folder by folder, so that a tree without end is refused by its count, and not walked first.
    while waiting and len(names) + len(faults) <= MOST_FILES:
        inside = waiting.pop()
        entries = sorted(os.scandir(folder / inside), key=lambda entry: entry.name)
        if not entries:
            faults.append(f"{inside}: must hold a file, got an empty folder")
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.name.startswith(LITTER) and entry.is_file(follow_symlinks=False):
                litter.append(f"{name!a}: {_LITTER_FOUND}")
            elif not PLAIN_NAME.fullmatch(name):
                faults.append(f"{name!a}: must have a plain name, got {entry.name[:80]!a}")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                names.append(name)
                size += entry.stat(follow_symlinks=False).st_size
            else:
                faults.append(f"{name}: must be a file, got a link or a device")
    if waiting or size > MOST_BYTES:
        faults.append(f"folder: must hold at most {MOST_FILES} files and {MOST_BYTES} bytes, got more")
    _refuse(sorted(faults), litter)
    return sorted(names)


def is_image(folder: Path) -> bool:
    """Return whether a folder holds an image, with or without what must be stated of it."""
    return any((folder / IMAGE / name).is_file() for name in ("manifest.json", "oci-layout"))
