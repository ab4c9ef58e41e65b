"""What a release states of itself, its verdict and its bill is true, and has the published forms."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from confusion_rows import document, policy
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from maker_and_forger import stated
from release_folder import PARAMS

from fairmark.files import canonical_json, read_json, sha256
from fairmark.judge.verdict import Finding, Outcome, Verdict, judge
from fairmark.release.layout import SEALS
from fairmark.release.seal import bill_statement, verdict_statement

pytest_plugins = ("release_fixtures",)


def payload(path: Path) -> dict[str, Any]:
    """Return what a seal states, read with nothing of ours."""
    envelope = json.loads(path.read_text())
    envelope = envelope.get("dsseEnvelope", envelope)
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found


@pytest.mark.parametrize("name", SEALS)
def test_every_seal_is_a_statement_of_in_toto(released: Path, name: str) -> None:
    said = payload(released / "releases" / "loans-v0.1.0" / name)
    message = json_format.ParseDict(said, statement_pb2.Statement())  # strict: an unknown field is an error

    Statement.copy_from_pb(message).validate()
    assert json_format.MessageToDict(message)["subject"] == said["subject"]


def test_the_release_is_stated_as_slsa_provenance(released: Path) -> None:
    said = payload(released / "releases" / "loans-v0.1.0" / "statement.json")
    message = json_format.ParseDict(said["predicate"], provenance_pb2.Provenance())

    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = message.build_definition
    assert definition.build_type
    assert message.run_details.builder.id
    for descriptor in definition.resolved_dependencies:
        assert descriptor.name
        algorithms = set(descriptor.digest)
        assert algorithms <= {"sha256", "gitCommit"}
        assert algorithms


def test_the_verdict_is_stated_as_a_test_result(released: Path) -> None:
    folder = released / "releases" / "loans-v0.1.0"
    said = payload(folder / "verdict.intoto.json")
    message = json_format.ParseDict(said["predicate"], test_result_pb2.TestResult())

    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert message.result == "PASSED"
    policy = PARAMS["policy"]
    gates = [f"constant-answer-{measure}" for measure in policy["constant_answer"]["measures"]]
    gates += [
        f"finding-{name.replace('_', '-')}" for name, most in policy["findings"].items() if most is not None
    ]
    each = ["auc-floor", "four-fifths", "test-set-budget", *gates]
    assert list(message.passed_tests) == sorted([*each, *(f"elsewhere/{name}" for name in each)])
    assert [(each.name, dict(each.digest)) for each in message.configuration] == [
        ("params.yaml", {"sha256": sha256(folder / "params.yaml")})
    ]
    models = {f"model/{path.name}" for path in (folder / "model").iterdir()}
    assert {each["name"] for each in said["subject"]} == models | {"measurements.json", "verdict.json"}


def test_the_bill_is_stated_whole(released: Path) -> None:
    folder = released / "releases" / "loans-v0.1.0"
    said = payload(folder / "sbom.intoto.json")

    assert said["predicateType"] == "https://cyclonedx.org/bom"
    assert said["predicate"] == json.loads((folder / "sbom.cdx.json").read_text())
    assert {each["name"] for each in said["subject"]} == {
        f"model/{path.name}" for path in (folder / "model").iterdir()
    }


def test_the_statement_names_every_file_but_the_seals_by_its_digest(released: Path) -> None:
    folder = released / "releases" / "loans-v0.1.0"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    named = {each["name"]: each["digest"]["sha256"] for each in stated(folder)["subject"]}
    assert set(named) == files - set(SEALS)
    assert all(sha256(folder / name) == digest for name, digest in named.items())


def finding(limit: str, outcome: Outcome, waived_by: str | None = None, *, gate: bool = True) -> Finding:
    known = judge(document(), policy(), None).findings[0]
    return known.model_copy(update={"limit": limit, "outcome": outcome, "waived_by": waived_by, "gate": gate})


@pytest.mark.parametrize(
    ("outcome", "findings", "said"),
    [
        ("pass", [finding("a", "pass"), finding("b", "pass")], ("PASSED", ["a", "b"], [], [])),
        ("pass", [], ("PASSED", [], [], [])),
        (
            "pass",
            [finding("b", "pass"), finding("a", "pass"), finding("a", "insufficient evidence", "ada")],
            ("WARNED", ["b"], ["a"], []),
        ),
        ("pass", [finding("a", "fail", "override: ada")], ("WARNED", [], ["a"], [])),
        (
            "fail",
            [finding("a", "fail", "override: ada"), finding("a", "fail"), finding("b", "pass")],
            ("FAILED", ["b"], [], ["a"]),
        ),
        ("insufficient evidence", [finding("a", "insufficient evidence")], ("FAILED", [], [], ["a"])),
        ("fail", [finding("a", "pass")], ("FAILED", ["a"], [], [])),  # faults of the measurements
        ("pass", [finding("a", "pass"), finding("b", "fail", gate=False)], ("PASSED", ["a"], [], [])),
    ],
)
def test_a_limit_is_a_test_that_passed_was_waived_or_failed(
    outcome: Outcome, findings: list[Finding], said: tuple[str, list[str], list[str], list[str]]
) -> None:
    digests = {"params.yaml": "0" * 64}
    found = verdict_statement(Verdict.of(outcome, findings, policy(), None), digests)["predicate"]

    keys = ("result", "passedTests", "warnedTests", "failedTests")
    assert tuple(found[key] for key in keys) == said


def test_both_come_out_the_same_from_the_files_alone(released: Path) -> None:
    folder = released / "releases" / "loans-v0.1.0"
    names = [path for path in folder.rglob("*") if path.is_file()]
    digests = {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(names, reverse=True)}

    verdict = verdict_statement(Verdict.read(folder / "verdict.json"), digests)
    bill = bill_statement(read_json(folder / "sbom.cdx.json"), digests)
    assert canonical_json(verdict) == canonical_json(payload(folder / "verdict.intoto.json"))
    assert canonical_json(bill) == canonical_json(payload(folder / "sbom.intoto.json"))
