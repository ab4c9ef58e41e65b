"""Finished trials on disk, so that a search that was stopped goes on where it stood.

A search is replayed from its start each time; a trial that stands in the record is not run again. So a record
never changes what a search comes to, and there is no state to restore.
"""

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fairmark.errors import StateError
from fairmark.files import lines_of, sha256

LIBRARIES = ("lightgbm", "numpy", "optuna", "pandas", "scikit-learn")


@dataclass
class Checkpoint:
    """Outcomes by choices, each one line of JSON in a file that only grows."""

    path: Path
    found: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, key: str) -> Self:
        """Return the record of this key in the folder `FAIRMARK_STATE` (default: `.fairmark`)."""
        folder = Path(os.environ.get("FAIRMARK_STATE") or ".fairmark")
        record = cls(folder / f"tune-{key[:32]}.jsonl")
        if record.path.is_file():
            record.found.update(_lines(record.path))
        return record

    def keep(self, choices: str, outcome: str) -> None:
        """Write one outcome down.

        Raises
        ------
        StateError
            When the folder can't be written.
        """
        self.found[choices] = outcome
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as stream:
                # A line feed before it too: the line before may have been cut off.
                stream.write("\n" + json.dumps([choices, outcome]) + "\n")
        except OSError as error:
            raise StateError(f"{self.path}: must be writable, got {error.strerror or error}") from error

    def forget(self) -> None:
        """Delete the record: the search has ended well."""
        self.path.unlink(missing_ok=True)


def key_of(paths: Sequence[Path], sections: Sequence[str]) -> str:
    """Return a SHA-256 over all that outcomes hang on: files, params, our code, and the libraries."""
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    parts = [
        *(sha256(path) for path in paths),
        *sections,
        *(sha256(path) for path in code),
        *(importlib.metadata.version(name) for name in LIBRARIES),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _lines(path: Path) -> dict[str, str]:
    found = {}
    for line in lines_of(path.read_text(encoding="utf-8", errors="replace")):
        try:
            pair = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the search was killed
        match pair:
            case [str(choices), str(outcome)]:
                found[choices] = outcome
    return found
