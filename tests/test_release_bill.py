"""The bill of materials names all that was installed, the model and the data, and is the same bytes twice."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from release_folder import verdict_on

from fairmark.errors import StateError
from fairmark.files import sha256
from fairmark.learn.model import digest
from fairmark.params import read_params
from fairmark.release import bill
from fairmark.release.locks import here, locked
from fairmark.release.trace import trace

pytest_plugins = ("release_fixtures",)


def made(root: Path, tools: Path) -> dict[str, Any]:
    params = read_params(root / "params.yaml")
    return bill.bill(root, trace(root), params, verdict_on(root).to_json(), tools)


@pytest.fixture
def parts(working: Path, tools: Path, quick_bill: None) -> dict[str, Any]:  # noqa: ARG001
    return made(working, tools)


def test_it_is_valid_under_the_published_schema(parts: dict[str, Any], tools: Path) -> None:
    found = sorted(tools.parent.parent.rglob("cyclonedx/schema/_res/bom-1.6.SNAPSHOT.schema.json"))
    if not found:
        pytest.skip("needs the schema files that cyclonedx-python-lib carries")
    schema, folder = json.loads(found[0].read_text()), found[0].parent
    validator = jsonschema_rs.validator_for(
        schema, retriever=lambda uri: json.loads((folder / uri.rsplit("/", 1)[1]).read_text())
    )

    assert [str(error) for error in validator.iter_errors(parts)] == []
    parts["components"][0]["type"] = "thing"
    assert not validator.is_valid(parts)


def test_every_requirement_that_applies_is_listed_at_its_version(
    parts: dict[str, Any], working: Path
) -> None:
    wanted = locked((working / "requirements.lock").read_text(encoding="utf-8"), here())
    found = {c["name"].lower().replace("_", "-").replace(".", "-"): c for c in parts["components"]}

    assert {name: found[name]["version"] for name in wanted} == wanted
    assert all(found[name]["scope"] == "required" for name in wanted)
    assert found["pytest"]["scope"] == "excluded"


def test_the_application_names_its_commit(parts: dict[str, Any], working: Path) -> None:
    application = parts["metadata"]["component"]

    assert (application["name"], application["type"]) == ("fairmark", "application")
    assert application["version"] == version("fairmark")
    assert application["pedigree"] == {"commits": [{"uid": trace(working).commit}]}
    assert parts["metadata"]["timestamp"] == trace(working).committed


def test_the_model_and_each_data_file_have_their_sha256(parts: dict[str, Any], working: Path) -> None:
    hashes = {
        part["name"]: {entry["alg"]: entry["content"] for entry in part["hashes"]}
        for part in parts["components"]
        if part["type"] in {"machine-learning-model", "data"}
    }

    assert set(hashes) == {"loans", "data/people.csv", "data/DATASHEET.md"}
    assert hashes["loans"]["SHA-256"] == digest(working / "artifacts" / "train" / "model")
    assert hashes["data/people.csv"]["SHA-256"] == sha256(working / "data" / "people.csv")


def test_references_are_unique_sorted_and_known(parts: dict[str, Any]) -> None:
    references = [part["bom-ref"] for part in parts["components"]]
    known = {*references, parts["metadata"]["component"]["bom-ref"]}
    named = {name for entry in parts["dependencies"] for name in [entry["ref"], *entry.get("dependsOn", [])]}

    assert references == sorted(set(references))
    assert named <= known


def test_no_path_of_this_machine_is_in_it(parts: dict[str, Any], working: Path) -> None:
    text = json.dumps(parts)

    for path in (working, Path(__file__).resolve().parents[1], Path.home()):
        assert f"{path}/" not in text
    assert '"file:' not in text


def test_twice_gives_the_same_bytes_whatever_the_callers_environment(
    working: Path, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.dumps(made(working, tools))
    (tmp_path / "stray-1.0.dist-info").mkdir()
    (tmp_path / "stray-1.0.dist-info" / "METADATA").write_text("Name: stray\nVersion: 1.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")

    assert json.dumps(made(working, tools)) == first


def test_without_the_tools_environment_the_words_say_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAIRMARK_CYCLONEDX", raising=False)

    with pytest.raises(
        StateError, match=r"cyclonedx-py: must be installed, got none \(run make \.venv-tools/\.ready"
    ):
        bill.tools(tmp_path)


def test_a_tool_that_fails_is_refused(working: Path) -> None:
    with pytest.raises(StateError, match="cyclonedx-py: must list the environment, got"):
        made(working, Path("/bin/false"))
