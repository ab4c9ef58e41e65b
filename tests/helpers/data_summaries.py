"""Summaries of made-up data, built by their classes, in which nothing stands out."""

from typing import Any, TypeVar

from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.record import Record

NO_TEST: dict[str, Any] = dict.fromkeys(("statistic", "expected", "deviations", "p", "independent"))
NO_TEST |= {"strata": 0, "rows": 0}
READ: dict[str, Any] = {
    "kind": "numeric",
    "said": True,
    "missing": 0.0,
    "values": None,
    "numbers": None,
    "zero_led": False,
    "alike": 0,
    "unit": None,
}
"""A column that was read without a word."""
MAIN: dict[str, Any] = {"name": "made.csv", "rows": 9, "duplicates": 0, "packed": False, "sha256": "c" * 64}
LABEL: dict[str, Any] = {"distance": 0.01, "p": 0.5, "train": 0.3, "here": 0.3}
ALIKE: dict[str, Any] = {"label": LABEL, "groups": {}, "features": {}}
PART: dict[str, Any] = {"rows": 9, "label_rate": 0.3, "groups": {}}


Document = TypeVar("Document", bound=Record)


def changed(document: Document, **changes: Any) -> Document:
    """Return a document with some keys of its JSON changed."""
    return type(document).from_json(document.to_json() | changes, "changed")


PREPARED = PrepareSummary.from_json(
    {
        "files": {"main": MAIN, "test": None},
        "rows": 9,
        "positives": 3,
        "duplicates": 0,
        "shared_rows": 0,
        "missing": {},
        "unseen": {},
        "dropped": [],
        "unread": {},
        "index": [],
        "excluded": [],
        "respelt": {},
        "columns": {},
    },
    "prepared",
)
AUDITED = DataAudit.from_json(
    {
        "rows": 9,
        "label_rate": 0.3,
        "class_balance": {"positive": 3, "negative": 6, "ratio": 0.5, "weighted_label_rate": 0.3},
        "groups": {},
        "associations": {},
        "proxies": [],
        "label_power": {},
        "leakage": [],
        "personal": [],
        "clusters": None,
        "questions": [],
    },
    "audited",
)
PARTED = SplitSummary.from_json(
    {
        "parts": {"train": PART, "valid": PART, "test": PART},
        "unused": 0,
        "persons": None,
        "test_file": False,
        "order": "hash",
        "alike": "spread",
        "gap_days": None,
        "independence": NO_TEST | {"p": 0.5},
        "shift": {"valid": ALIKE, "test": ALIKE, "findings": [], "chance": 1e-4},
        "findings": [],
    },
    "parted",
)
