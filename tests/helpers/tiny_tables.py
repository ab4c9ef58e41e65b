"""Tables of a few lines, for tests that need to see every cell."""

from pathlib import Path
from typing import Any

import pytest

from fairmark.data.prepare import Prepared, prepared
from fairmark.errors import InputError
from fairmark.params.parse import typed
from fairmark.params.prepare import Prepare

HEADER = "age,job,sex,ok"
ROWS = ["30,cook,F,yes", "41,smith,M,no", "52,cook,M,yes", "63,clerk,F,no"]

PREPARE: dict[str, Any] = {
    "files": {"main": {"name": "a.csv", "skip_rows": 0, "rows": {"min": 1, "max": 1000}}, "test": None},
    "format": {
        "type": "csv",
        "separator": ",",
        "decimal": ".",
        "header": None,
        "missing": ["?"],
        "thousands": None,
        "units": [],
        "encoding": "utf-8",
    },
    "target": {"column": "ok", "positive": "yes", "negative": "no", "strip": ""},
    "row_id": None,
    "person": None,
    "time": None,
    "weight": None,
    "spellings": {},
    "drop_rows": [],
    "drop": [],
    "columns": {"age": {"kind": "numeric", "min": 16, "max": 120, "missing": 0}},
    "unlisted": "infer",
    "protected": {"sex": {"by": "column", "column": "sex"}},
    "forbidden": [],
}
TEST_FILE = {"name": "b.csv", "skip_rows": 0, "rows": {"min": 1, "max": 1000}}


def params(**changes: Any) -> Prepare:
    """Return the section `prepare` with some keys changed; a mapping changes only the keys it holds."""
    value = dict(PREPARE)
    for key, change in changes.items():
        inner = key in {"format", "target", "files"} and "type" not in change
        value[key] = {**PREPARE[key], **change} if inner else change
    return typed(Prepare, value, "params.yaml")


def lines(*rows: str, header: str = HEADER) -> str:
    """Return the text of a file with a header."""
    return "".join(f"{line}\n" for line in (header, *rows))


def made(folder: Path, main: str | bytes, test: str | bytes | None = None, **changes: Any) -> Prepared:
    """Return what a main file, and a test file where one is given, are prepared to."""
    for name, content in (("a.csv", main), ("b.csv", test)):
        if content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    if test is not None:
        changes["files"] = {"test": TEST_FILE, **changes.get("files", {})}
    return prepared(folder, params(**changes))


def faults(folder: Path, main: str | bytes, test: str | bytes | None = None, **changes: Any) -> list[str]:
    """Return the faults that stop a file, without the folder's name."""
    with pytest.raises(InputError) as stopped:
        made(folder, main, test, **changes)
    return [fault.removeprefix(f"{folder.as_posix()}/") for fault in stopped.value.faults]
