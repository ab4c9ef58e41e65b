"""The statement names every file of a release and all it was made from, and is the same bytes twice."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from maker_and_forger import FORGER, MINE
from release_folder import PARAMS, git, verdict_on

from fairmark.files import sha256
from fairmark.params.read import read_params
from fairmark.release.layout import SEALS
from fairmark.release.statement import release_digest, state
from fairmark.repo.commit import trace
from fairmark.repo.dvc_files import address, folder_address
from fairmark.signing.dsse import seal

pytest_plugins = ("release_fixtures",)

# echo -n b.txt | sha256sum, and of the other name too.
B_TXT = "ffa0da5d885fba09d903c782713b6b098c8cf21f56a3a35d9aa920613220d2e1"
A_TXT = "4644eddb062dfb032441ddbe8cca8ed7c55287a38bb8a9e51d73f343804a83f9"


def stated(root: Path, folder: Path) -> dict[str, Any]:
    params = read_params(root / "params.yaml")
    return state(folder, root, trace(root), params, verdict_on(root), "v0.1.0").to_json()


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """Return a folder with two files, one of them nested, and older seals that must not count."""
    folder = tmp_path / "draft"
    (folder / "model").mkdir(parents=True)
    for name in ("b.txt", "model/a.txt", *SEALS):
        (folder / name).write_text(name)
    return folder


def test_subjects_are_all_files_but_the_seals_sorted(working: Path, draft: Path) -> None:
    found = stated(working, draft)

    assert found["subject"] == [
        {"name": "b.txt", "digest": {"sha256": B_TXT}},
        {"name": "model/a.txt", "digest": {"sha256": A_TXT}},
    ]


def test_it_has_the_form_of_in_toto_and_slsa(working: Path, draft: Path) -> None:
    found = stated(working, draft)
    predicate = found["predicate"]

    assert set(found) == {"_type", "subject", "predicateType", "predicate"}
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(predicate) == {"buildDefinition", "runDetails"}
    assert {"buildType", "externalParameters"} <= set(predicate["buildDefinition"])
    assert predicate["runDetails"]["builder"]["id"].startswith("urn:")


def test_params_and_policy_stand_in_it_as_written(working: Path, draft: Path) -> None:
    external = stated(working, draft)["predicate"]["buildDefinition"]["externalParameters"]

    assert (external["name"], external["version"]) == ("loans", "v0.1.0")
    assert external["policy"] == PARAMS["policy"]
    assert {**external["params"], "policy": external["policy"]} == PARAMS


def test_what_it_was_made_from_has_sha256_and_dvcs_address(working: Path, draft: Path) -> None:
    listed = stated(working, draft)["predicate"]["buildDefinition"]["resolvedDependencies"]
    found = {entry["name"]: entry for entry in listed}

    assert found["commit"]["digest"] == {"gitCommit": trace(working).commit}
    assert found["dvc.lock"]["digest"] == {"sha256": sha256(working / "dvc.lock")}
    people = found["data/people.csv"]
    assert people["digest"] == {"sha256": sha256(working / "data" / "people.csv")}
    assert people["annotations"]["outputAddress"] == address(working / "data")
    assert "artifacts/train/model/logistic.json" in found
    assert [entry["name"] for entry in listed[1:]] == sorted(set(found) - {"commit"})


def test_the_files_md5_add_up_to_the_folders_address(working: Path, draft: Path) -> None:
    listed = stated(working, draft)["predicate"]["buildDefinition"]["resolvedDependencies"]
    data = [entry for entry in listed if entry.get("annotations", {}).get("output") == "data"]
    sums = {entry["name"].removeprefix("data/"): entry["annotations"]["md5"] for entry in data}

    assert folder_address(sums) == address(working / "data")


def test_a_dirty_tree_is_told(working: Path, draft: Path) -> None:
    assert stated(working, draft)["predicate"]["buildDefinition"]["internalParameters"]["cleanTree"] is True
    (working / "new.txt").write_text("x")

    assert stated(working, draft)["predicate"]["buildDefinition"]["internalParameters"]["cleanTree"] is False


def test_twice_gives_the_same_bytes_and_no_number_is_rounded(
    working: Path, draft: Path, tmp_path: Path
) -> None:
    text = (
        (working / "params.yaml")
        .read_text(encoding="utf-8")
        .replace("level: 0.05", "level: 0.0512345678901234")
    )
    (working / "params.yaml").write_text(text, encoding="utf-8")
    for name in ("first.json", "second.json"):
        seal(stated(working, draft), MINE).write(tmp_path / name)

    first = (tmp_path / "first.json").read_bytes()
    assert first == (tmp_path / "second.json").read_bytes()
    payload = json.loads(base64.b64decode(json.loads(first)["payload"]))
    external = payload["predicate"]["buildDefinition"]["externalParameters"]
    assert external["policy"]["level"] == 0.0512345678901234


def test_the_release_digest_is_of_what_is_stated_whoever_signs(working: Path, draft: Path) -> None:
    said = stated(working, draft)
    found = set()
    for key in (MINE, FORGER):
        seal(said, key).write(draft / "statement.json")
        found.add(release_digest(draft))

    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert found == {hashlib.sha256(text.encode()).hexdigest()}


def test_every_file_of_the_commit_is_named_as_committed_whatever_may_run_or_install_it(
    working: Path, draft: Path
) -> None:
    runs = ["yaml.py", "sitecustomize.py", "conftest.py", "a.pth", ".dvc/config", "Makefile", "commit"]
    for name in ("src/a/ü.py", "tests/c.py", "requirements-uv.lock", *runs):
        (working / name).parent.mkdir(parents=True, exist_ok=True)
        (working / name).write_text(name)
    (working / "src" / "link").symlink_to("a")
    git(working, "add", "-A")
    git(working, "commit", "-q", "-m", "Code")
    (working / "src" / "untracked.py").write_text("x")

    listed = stated(working, draft)["predicate"]["buildDefinition"]["resolvedDependencies"]
    found = {entry["name"]: entry["digest"].get("sha256") for entry in listed}

    tracked = set(git(working, "-c", "core.quotePath=false", "ls-files").split("\n")) - {"", "commit"}
    assert tracked | {"./commit", "commit"} == {name for name in found if not _left_to_dvc(name)}
    for name in tracked - {"src/link"}:
        assert found[name] == sha256(working / name)
    assert found["./commit"] == hashlib.sha256(b"commit").hexdigest()
    assert found["src/link"] == hashlib.sha256(b"a").hexdigest()  # what git holds of a link


def _left_to_dvc(name: str) -> bool:
    return name.startswith(("data/", "artifacts/train/model/"))
