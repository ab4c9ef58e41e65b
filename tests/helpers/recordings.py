"""What is on record in tests/recorded: a change of it is a diff to read. `make record` writes it anew."""

import difflib
import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "recorded"


def compare(name: str, found: str) -> None:
    """Compare text with the record `name`, or write the record where $FAIRMARK_RECORD is set."""
    path = FOLDER / name
    if os.environ.get("FAIRMARK_RECORD"):
        path.write_text(found, encoding="utf-8")
    recorded = path.read_text(encoding="utf-8").splitlines()
    changes = "\n".join(difflib.unified_diff(recorded, found.splitlines(), "on record", "now", "", "", 0, ""))
    assert not changes, f"run `make record` where this is meant:\n{changes}"
