"""A forged bill of materials is caught wherever the release holds something to compare it with."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maker_and_forger import renumbered, taken, with_inputs

import fairmark
from fairmark.errors import VerificationError
from fairmark.files import sha256
from fairmark.release.folder import ReleaseFolder
from fairmark.verify import sbom

pytest_plugins = ("release_fixtures",)

Bill = dict[str, Any]


def of(value: Bill, kind: str) -> dict[str, Any]:
    return next(part for part in value["components"] if part["type"] == kind)


def library(value: Bill, name: str) -> dict[str, Any]:
    return next(part for part in value["components"] if part["name"] == name)


def model(value: Bill) -> dict[str, Any]:
    return of(value, "machine-learning-model")


def metrics(value: Bill) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = model(value)["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    return found


def considered(value: Bill) -> dict[str, Any]:
    return dict(model(value)["modelCard"]["considerations"])


def without(value: Bill, name: str) -> None:
    value["components"].remove(library(value, name))


def added(value: Bill, **part: Any) -> None:
    value["components"].append(library(value, "pytest") | {"bom-ref": "stowaway"} | part)


def licensed(part: dict[str, Any], licence: str) -> None:
    part["licenses"] = [{"license": {"id": licence}}]


def left_out(value: Bill, part: str) -> None:
    found = model(value)["modelCard"]["quantitativeAnalysis"]
    found["performanceMetrics"] = [each for each in metrics(value) if each.get("slice") != part]


def group(value: Bill, part: str | None, kind: str) -> dict[str, Any]:
    return next(each for each in metrics(value) if (each.get("slice"), each["type"]) == (part, kind))


FORGED: dict[str, tuple[Callable[[Bill], object], str]] = {
    "a distribution dropped": (
        lambda v: without(v, "numpy"),
        r"must list numpy 2\.3\.5 as required, got None",
    ),
    "a distribution added": (
        lambda v: added(v, name="stowaway", version="1.0"),
        r"must list what the lock files name, got stowaway 1\.0",
    ),
    "one added as required": (
        lambda v: added(v, name="stowaway", scope="required"),
        "must list stowaway as excluded",
    ),
    "one listed twice": (added, "must list pytest once, got 2 times"),
    "another version": (lambda v: library(v, "numpy").update(version="2.3.4"), r"must list numpy 2\.3\.5 as"),
    "another version of a test tool": (
        lambda v: library(v, "pytest").update(version="1.0"),
        "must list pytest at its locked version",
    ),
    "a required one called excluded": (
        lambda v: library(v, "numpy").update(scope="excluded"),
        r"got 2\.3\.5 excluded",
    ),
    "a hash taken away": (lambda v: library(v, "numpy").pop("hashes"), "numpy must have one SHA-256"),
    "a hash of another length": (
        lambda v: library(v, "numpy")["hashes"][0].update(content="0" * 63),
        "numpy must have one SHA-256",
    ),
    "a licence taken away": (lambda v: library(v, "numpy").pop("licenses"), "numpy must have a licence"),
    "a forbidden licence": (
        lambda v: licensed(library(v, "numpy"), "AGPL-3.0-only"),
        r"numpy 2\.3\.5: must have a licence that .* allows",
    ),
    "the application's hash taken away": (
        lambda v: v["metadata"]["component"].pop("hashes"),
        "fairmark must have one SHA-256",
    ),
    "another commit": (
        lambda v: v["metadata"]["component"]["pedigree"].update(commits=[{"uid": "0" * 40}]),
        "must be of the statement's commit",
    ),
    "another time": (
        lambda v: v["metadata"].update(timestamp="2020-01-01T00:00:00Z"),
        "must be of the commit's time",
    ),
    "another fairmark": (
        lambda v: v["metadata"]["component"].update(version="9.9"),
        "must be made with what the statement says",
    ),
    "another Python": (
        lambda v: next(
            p for p in v["metadata"]["properties"] if p["name"].endswith("python_full_version")
        ).update(value="3.11.0"),
        "must be made with what the statement says",
    ),
    "a component of another kind": (
        lambda v: v["components"].append(
            library(v, "pytest") | {"type": "firmware", "bom-ref": "x", "name": "x"}
        ),
        "must hold libraries, data and a model",
    ),
    "a reference that leads nowhere": (
        lambda v: v["dependencies"].append({"ref": "nowhere"}),
        "must lead somewhere with nowhere",
    ),
    "another model": (
        lambda v: model(v)["hashes"][0].update(content="0" * 64),
        "must be of this model",
    ),
    "no model": (lambda v: v["components"].remove(model(v)), "must list one model, got 0"),
    "a better measure": (
        lambda v: group(v, None, "roc_auc").update(value="0.99"),
        r"roc_auc of all rows must be \('0\.\d+', .*got \('0\.99'",
    ),
    "a better measure of a group": (
        lambda v: group(v, "sex: Female", "recall").update(value="0.99"),
        "recall of sex: Female must be",
    ),
    "a smaller gap": (
        lambda v: group(v, "sex", "selection_rate_ratio").update(value="1.0"),
        "selection_rate_ratio of sex must be",
    ),
    "a narrower interval": (
        lambda v: group(v, "sex: Male", "recall")["confidenceInterval"].update(lowerBound="0.7"),
        "recall of sex: Male must be",
    ),
    "an interval taken away": (
        lambda v: group(v, "sex: Male", "recall").pop("confidenceInterval"),
        "recall of sex: Male must be",
    ),
    "a group left out": (
        lambda v: left_out(v, "sex: Female"),
        "roc_auc of sex: Female must be .* got None",
    ),
    "a measure given twice": (
        lambda v: metrics(v).append(metrics(v)[0]),
        "must give each measure once",
    ),
    "no fairness assessment": (
        lambda v: considered(v)["fairnessAssessments"].clear(),
        "must assess the fairness of four-fifths for sex: Female, Male, got 0 that do",
    ),
    "a group not at risk": (
        lambda v: considered(v)["fairnessAssessments"][0].update(groupAtRisk="sex: Male"),
        "must assess the fairness of four-fifths",
    ),
    "no harms": (
        lambda v: considered(v)["fairnessAssessments"][0].update(harms="none"),
        "must be described as the release's own files do, got .none. at modelCard.considerations",
    ),
    "another use": (
        lambda v: considered(v)["useCases"].append("Anything"),
        r"got .* at modelCard\.considerations",
    ),
    "energy nobody measured": (
        lambda v: model(v)["modelCard"]["considerations"].update(environmentalConsiderations={}),
        r"got .* at modelCard\.considerations",
    ),
    "another threshold": (
        lambda v: model(v)["modelCard"]["modelParameters"]["outputs"].pop(),
        r"got .* at modelCard\.modelParameters",
    ),
    "a file of the model": (
        lambda v: model(v)["components"][0]["hashes"][0].update(content="0" * 64),
        r"got .* at components",
    ),
    "the verdict": (lambda v: model(v)["properties"].pop(1), r"got .* at properties"),
    "data left out": (lambda v: v["components"].remove(of(v, "data")), "must list the data"),
    "another data hash": (
        lambda v: of(v, "data")["hashes"][1].update(content="0" * 64),
        "must have the hashes that the statement names",
    ),
    "another data address": (
        lambda v: of(v, "data")["hashes"][0].update(content="0" * 32),
        "must have the hashes that the statement names",
    ),
    "another steward": (
        lambda v: of(v, "data")["data"][0]["governance"].update(stewards=[]),
        "must be answered for as release.governance says",
    ),
    "no personal data": (
        lambda v: library(v, "data/people.csv")["data"][0].pop("sensitiveData"),
        "data/people.csv must be described as params.yaml does",
    ),
    "another licence of the data": (
        lambda v: licensed(library(v, "data/people.csv"), "MIT"),
        "data/people.csv must be described as params.yaml does",
    ),
}
"""What is forged -> how, and what the check says of it."""


def forge(folder: Path, change: Callable[[Bill], object]) -> ReleaseFolder:
    path = folder / "sbom.cdx.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(renumbered(value)), encoding="utf-8")
    return taken(folder)


def test_an_untouched_bill_holds(small_release: Path) -> None:
    said = sbom.bill(ReleaseFolder(small_release))

    assert re.fullmatch(r"\d requirements at their locked versions with hash and allowed licence, .*", said)


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_bill_is_caught_and_the_fault_is_named(small_release: Path, what: str) -> None:
    change, fault = FORGED[what]

    with pytest.raises(VerificationError, match=fault):
        sbom.bill(forge(small_release, change))


def test_the_application_is_the_one_whose_source_the_statement_names(small_release: Path) -> None:
    source = Path(str(fairmark.__file__)).parent
    named = {
        f"src/fairmark/{path.relative_to(source).as_posix()}": sha256(path)
        for path in source.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    opened, other = ReleaseFolder(small_release), ReleaseFolder(small_release)
    with_inputs(opened, named)
    with_inputs(other, named | {"src/fairmark/errors.py": "0" * 64})

    sbom.bill(opened)
    with pytest.raises(VerificationError, match="must be of the source files that the statement names"):
        sbom.bill(other)


def test_all_faults_are_told_at_once(small_release: Path) -> None:
    def change(value: Bill) -> None:
        for what in ("a distribution dropped", "another commit", "a better measure", "another data hash"):
            FORGED[what][0](value)

    with pytest.raises(VerificationError) as refused:
        sbom.bill(forge(small_release, change))

    assert len(refused.value.faults) == 5  # the dropped one also leaves references that lead nowhere
    assert all(fault.startswith("sbom.cdx.json: must") or "must" in fault for fault in refused.value.faults)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: library(v, "numpy")["hashes"][0].update(content="0" * 64),
        lambda v: licensed(library(v, "lightgbm"), "ISC"),
        lambda v: library(v, "numpy").update(description="harmless"),
    ],
)
def test_what_only_the_signature_protects_is_known(
    small_release: Path, change: Callable[[Bill], object]
) -> None:
    """Nothing else in a release says them; the statement's digest of the whole file does."""
    sbom.bill(forge(small_release, change))


def test_any_number_of_the_card_is_noticed_when_it_is_changed(small_release: Path) -> None:
    rng = random.Random(3)  # noqa: S311 - which number to change, not a secret
    path = small_release / "sbom.cdx.json"
    honest = path.read_text(encoding="utf-8")
    for place in rng.sample(range(len(metrics(json.loads(honest)))), 20):
        forged = forge(small_release, lambda v, at=place: metrics(v)[at].update(value="0.123"))  # type: ignore[misc]
        with pytest.raises(VerificationError, match="must be"):
            sbom.bill(forged)
        path.write_text(honest, encoding="utf-8")


def test_another_version_of_fairmark_may_word_the_card_otherwise_and_no_number(
    small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbom, "version", lambda _: "0.2.0")

    sbom.bill(forge(small_release, FORGED["no harms"][0]))
    with pytest.raises(VerificationError, match="recall of sex: Female"):
        sbom.bill(forge(small_release, FORGED["a better measure of a group"][0]))
    with pytest.raises(VerificationError, match=r"release\.governance"):
        sbom.bill(forge(small_release, FORGED["another steward"][0]))
