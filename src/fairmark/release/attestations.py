"""What is stated of a release's parts: its verdict as a test result, and its bill of materials.

Each is an in-toto Statement v1 of its own, so that a tool which knows only test results
(https://in-toto.io/attestation/test-result/v0.1) or only bills (https://cyclonedx.org/bom) can read it.
Both are made of the files of the release alone: who has the files can make them again and compare.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fairmark.release.layout import VERDICT
from fairmark.signing.dsse import STATEMENT_TYPE

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
BOM = "https://cyclonedx.org/bom"


def verdict_statement(verdict: "Verdict", digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the verdict as a test result: each limit that gates is a test, passed, warned or failed.

    It is WARNED when a limit was passed by a waiver or an override only. The subjects are what was judged:
    the model's files, the measurements, and the verdict that says it in full.

    Parameters
    ----------
    verdict
        What verdict.json says.
    digests
        Name of a file of the release -> its SHA-256.
    """
    marks = {"pass": 0, "warn": 1, "fail": 2}
    worst: dict[str, int] = {}
    for finding in verdict.findings:
        if finding.gate:
            kept = finding.waived_by is not None
            mark = marks["pass" if finding.outcome == "pass" else "warn" if kept else "fail"]
            worst[finding.limit] = max(worst.get(finding.limit, 0), mark)
    tests = {kind: sorted(name for name, mark in worst.items() if mark == at) for kind, at in marks.items()}
    overall = "FAILED" if verdict.outcome != "pass" else "WARNED" if tests["warn"] else "PASSED"
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(digests, "measurements.json", VERDICT),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": overall,
            "configuration": [{"name": "params.yaml", "digest": {"sha256": digests["params.yaml"]}}],
            "passedTests": tests["pass"],
            "warnedTests": tests["warn"],
            "failedTests": tests["fail"],
        },
    }


def bill_statement(bill: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the bill of materials as the statement of what it describes: the model's files.

    Parameters
    ----------
    bill
        The value of sbom.cdx.json.
    digests
        Name of a file of the release -> its SHA-256.
    """
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(digests),
        "predicateType": BOM,
        "predicate": dict(bill),
    }


def _subjects(digests: Mapping[str, str], *more: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "digest": {"sha256": digest}}
        for name, digest in sorted(digests.items())
        if name.startswith("model/") or name in more
    ]
