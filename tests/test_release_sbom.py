"""The bill of materials names all that was installed, the model and the data, and is the same bytes twice."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from bill_schema import validator
from environment_files import read_environment, share
from release_folder import git, make_release, verdict_on

import fairmark
from fairmark.errors import RefusedError, StateError
from fairmark.files import sha256, write_json
from fairmark.model.model import digest
from fairmark.params.read import read_params
from fairmark.release.folder import ReleaseFolder
from fairmark.release.sbom import build
from fairmark.release.sbom.build import LOCKS
from fairmark.release.sbom.cyclonedx import Component, Listing
from fairmark.release.sbom.installed import Installed
from fairmark.release.sbom.licences import expression_of
from fairmark.release.sbom.requirements import here, locked
from fairmark.repo.commit import trace
from fairmark.verify import sbom

pytest_plugins = ("release_fixtures",)


ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def listed(whole_environment: Path) -> Listing:
    """Return what cyclonedx-py says of the whole environment."""
    return read_environment(whole_environment)[0]


@pytest.fixture(scope="module")
def there(whole_environment: Path) -> dict[str, Installed]:
    """Return all that is installed."""
    return read_environment(whole_environment)[1]


@pytest.fixture
def working(template: Path, tmp_path: Path) -> Path:
    """Return a working folder of one's own with this project's own locks."""
    root = Path(shutil.copytree(template, tmp_path / "working"))
    for name in LOCKS:
        shutil.copyfile(ROOT / name, root / name)
    git(root, "commit", "-q", "-a", "-m", "Lock all")
    return root


def made(root: Path, tools: Path) -> dict[str, Any]:
    params = read_params(root / "params.yaml")
    return build.bill(root, trace(root), params, verdict_on(root), tools).to_json()


@pytest.fixture
def parts(working: Path, tools: Path, quick_bill: None) -> dict[str, Any]:  # noqa: ARG001
    return made(working, tools)


def test_it_is_valid_under_the_published_schema(parts: dict[str, Any], tools: Path) -> None:
    strict = validator(tools)

    assert [str(error) for error in strict.iter_errors(parts)] == []
    parts["components"][0]["type"] = "thing"
    assert not strict.is_valid(parts)


def test_every_requirement_that_applies_is_listed_at_its_version(
    parts: dict[str, Any], working: Path
) -> None:
    wanted = locked((working / "requirements.lock").read_text(encoding="utf-8"), here())
    found = {c["name"].lower().replace("_", "-").replace(".", "-"): c for c in parts["components"]}

    assert {name: found[name]["version"] for name in wanted} == wanted
    assert all(found[name]["scope"] == "required" for name in wanted)
    assert found["pytest"]["scope"] == "excluded"


def test_a_release_with_the_bill_of_all_that_is_installed_holds(
    working: Path,
    quick_bill: None,  # noqa: ARG001
) -> None:
    folder = make_release(working, "v0.1.0")

    assert re.match(r"\d{3} requirements at their locked versions", sbom.bill(ReleaseFolder(folder)))


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


def test_looking_again_gives_the_same_bytes_whatever_the_callers_environment(
    working: Path,
    tools: Path,
    listed: Listing,
    there: dict[str, Installed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        share(patch, listed, there, tools)
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
        build.tools(tmp_path)


def test_a_tool_that_fails_is_refused(
    working: Path, there: dict[str, Installed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "installed", lambda: dict(there))
    with pytest.raises(StateError, match="cyclonedx-py: must list the environment, got"):
        made(working, Path("/bin/false"))


def test_every_distribution_has_a_hash_and_a_licence_or_says_that_it_is_unknown(
    parts: dict[str, Any], there: dict[str, Installed]
) -> None:
    libraries = [part for part in parts["components"] if part["type"] == "library"]
    hashes = {part["name"]: [entry["content"] for entry in part["hashes"]] for part in libraries}

    assert len(libraries) == len(there) - 1  # fairmark itself is the application
    assert all(len(set(found)) == 1 and len(found[0]) == 64 for found in hashes.values())
    assert len({found[0] for found in hashes.values()}) == len(libraries)
    unknown = [
        part["name"]
        for part in libraries
        if expression_of(Component.from_json(part, "part").licenses) is None
    ]
    assert unknown == ["nvidia-ml-py"]
    assert all(part["licenses"] for part in libraries)


def test_the_application_is_hashed_by_its_own_source(parts: dict[str, Any]) -> None:
    folder = Path(str(fairmark.__file__)).parent
    names = sorted(path.relative_to(folder.parent) for path in folder.rglob("*.py"))
    lines = sorted(f"{sha256(folder.parent / name)}  {name.as_posix()}\n" for name in names)
    others = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}]
    lines += [f"{sha256(path)}  {path.relative_to(folder.parent).as_posix()}\n" for path in others]

    (digest,) = parts["metadata"]["component"]["hashes"]
    assert digest["content"] == hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text.replace("numpy==2.3.5", "numpy==2.3.4"), r"must have numpy 2\.3\.4, got 2\.3\.5"),
        (lambda text: re.sub(r"(?m)^toolz==", "toolsz==", text), "must have toolsz installed, got none"),
        (
            lambda text: re.sub(r"(?m)^toolz==", "toolsz==", text),
            r"must hold what the lock files list, got toolz .* beside",
        ),
    ],
)
def test_an_environment_that_the_locks_do_not_list_makes_no_bill(
    working: Path,
    tools: Path,
    quick_bill: None,  # noqa: ARG001
    change: Callable[[str], str],
    fault: str,
) -> None:
    lock = working / "requirements.lock"
    lock.write_text(change(lock.read_text()))

    with pytest.raises(StateError, match=rf"(?m)^environment: {fault}"):
        made(working, tools)


def test_a_licence_that_the_policy_forbids_stops_the_release_and_leaves_nothing(
    working: Path,
    quick_bill: None,  # noqa: ARG001
) -> None:
    text = (working / "params.yaml").read_text()
    assert "- AGPL-3.0-only" in text
    (working / "params.yaml").write_text(text.replace("- AGPL-3.0-only", "- BSD-3-Clause"))

    with pytest.raises(
        RefusedError, match=r"numpy 2\.3\.5: must have a licence that .* allows, got BSD-3-Clause AND"
    ):
        make_release(working, "v0.1.0")
    assert list((working / "releases").iterdir()) == []


SHUFFLED = """
import json, os, random, sys
from pathlib import Path
from fairmark.judge.verdict import Verdict
from fairmark.params.read import read_params
from fairmark.release.sbom import build
from fairmark.repo.commit import trace

listing, rng = os.listdir, random.Random(sys.argv[3])
def shuffled(*given):
    found = listing(*given)
    rng.shuffle(found)
    return found
os.listdir = shuffled
Path.rglob = lambda self, text: sorted(self.glob("**/" + text), key=lambda _: rng.random())
root = Path(sys.argv[1])
verdict = Verdict.read(root / "verdict.json")
found = build.bill(root, trace(root), read_params(root / "params.yaml"), verdict, Path(sys.argv[2]))
print(json.dumps(found.to_json()))
"""


def test_a_process_with_another_seed_and_other_file_orders_gives_the_same_bytes(
    parts: dict[str, Any], working: Path, tools: Path
) -> None:
    write_json(working / "verdict.json", verdict_on(working).to_json())
    ended = subprocess.run(
        [sys.executable, "-c", SHUFFLED, str(working), str(tools), "2"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "2"},
    )

    assert ended.stdout == json.dumps(parts) + "\n"
    assert len(ended.stdout) > 100_000
