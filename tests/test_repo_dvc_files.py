"""Every byte on disk is the one whose MD5 DVC wrote down, or the release is refused."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from release_folder import model

from fairmark.errors import StateError
from fairmark.files import write_text
from fairmark.model.model import digest
from fairmark.repo.dvc_files import (
    address,
    check_workspace,
    data_outputs,
    files_of,
    folder_sha256,
    stage_outputs,
)

pytest_plugins = ("release_fixtures",)


def test_a_files_address_is_its_md5(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "hi\n")

    assert address(tmp_path / "a") == hashlib.md5(b"hi\n", usedforsecurity=False).hexdigest()


def test_a_folders_address_is_the_md5_of_its_sorted_list(tmp_path: Path) -> None:
    # The two files and the list were written down from `dvc add` of DVC 3.67.1.
    write_text(tmp_path / "a.csv", "hi\n")
    write_text(tmp_path / "B.txt", "A\n")
    write_text(tmp_path / "sub dir" / "ü.txt", "x\n")

    assert address(tmp_path) == "06e8c514faec883566b3a7bc43edaefc.dir"


def test_the_digest_of_a_model_is_the_one_of_the_model_room(tmp_path: Path) -> None:
    model().save(tmp_path)

    assert folder_sha256(tmp_path) == digest(tmp_path)


def test_a_workspace_as_dvc_left_it_is_whole(working: Path) -> None:
    check_workspace(working)

    assert list(data_outputs(working)) == ["data"]
    assert stage_outputs(working)["artifacts/train/model"].md5.endswith(".dir")
    assert files_of(working, "data") == ["data/DATASHEET.md", "data/people.csv"]


@pytest.mark.parametrize(
    "path",
    ["data/people.csv", "artifacts/train/model/logistic.json", "artifacts/evaluate/measurements.json"],
)
def test_one_changed_byte_is_refused_by_name(working: Path, path: str) -> None:
    before = (working / path).read_bytes()
    (working / path).write_bytes(before[:-1] + b" ")

    output = "/".join(path.split("/")[: 1 if path.startswith("data") else 3])
    with pytest.raises(StateError, match=rf"{output}: must have the bytes of MD5 \w+.* got MD5"):
        check_workspace(working)


def test_all_that_is_missing_or_one_too_many_is_named_at_once(working: Path) -> None:
    shutil.rmtree(working / "artifacts" / "train" / "model")
    write_text(working / "data" / "new.csv", "")

    with pytest.raises(StateError, match=r"(?s)model: must have.*got nothing.*\ndata: must have.*got MD5"):
        check_workspace(working)


def test_a_stage_that_did_not_run_after_its_input_changed_is_refused(working: Path) -> None:
    lock = working / "dvc.lock"
    old = stage_outputs(working)["artifacts/train/model"].md5
    text = lock.read_text(encoding="utf-8")
    # The first mention is the output of train, the second what evaluate read.
    lock.write_text(text[::-1].replace(old[::-1], ("0" * 32 + ".dir")[::-1], 1)[::-1], encoding="utf-8")

    with pytest.raises(StateError, match=r"must be what stage evaluate read, got that of MD5 [0-9a-f]{32}"):
        check_workspace(working)


@pytest.mark.parametrize("text", ["", "[]", "schema: '2.0'", "schema: '1.0'\nstages: {a: {}}", "a: ["])
def test_a_lock_file_that_is_not_dvcs_is_refused(working: Path, text: str) -> None:
    (working / "dvc.lock").write_text(text)

    with pytest.raises(StateError, match=r"dvc\.lock: must be"):
        check_workspace(working)


def test_without_a_lock_file_the_pipeline_has_not_run(working: Path) -> None:
    (working / "dvc.lock").unlink()

    with pytest.raises(StateError, match=r"dvc\.lock: must exist.*run dvc repro"):
        stage_outputs(working)


def test_hashes_of_an_older_dvc_are_refused(working: Path) -> None:
    text = (working / "data.dvc").read_text().replace("hash: md5", "nfiles: 2")
    (working / "data.dvc").write_text(text)

    with pytest.raises(StateError, match=r"data\.dvc: each output must have an MD5 as DVC 3"):
        data_outputs(working)


def test_an_output_that_cannot_be_read_is_refused(working: Path) -> None:
    (working / "data" / "lost.csv").symlink_to("nowhere")

    with pytest.raises(StateError, match=r"lost\.csv: must be readable, got No such file"):
        check_workspace(working)


@pytest.mark.slow
def test_dvc_itself_agrees(tmp_path: Path) -> None:
    """The real `dvc` adds and runs, and the same addresses come out, nested and odd names included."""

    def run(*words: str) -> None:
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)

    make = 'mkdir -p "out/dé p" && cp data/a.csv "out/Z é" && touch out/empty "out/dé p/1"'
    write_text(tmp_path / "dvc.yaml", f"stages: {{make: {{cmd: '{make}', deps: [data, src], outs: [out]}}}}")
    write_text(tmp_path / "src" / "room" / "b.py", "1\n")
    write_text(tmp_path / "src" / "__pycache__" / "a.pyc", "compiled")
    write_text(tmp_path / "data" / "a.csv", "1,2\n")
    write_text(tmp_path / "data" / "A" / "b.csv", "3\n")
    run("git", "init", "-q")
    run("dvc", "init", "-q")
    write_text(tmp_path / ".dvcignore", "__pycache__/\n")
    run("dvc", "add", "-q", "data")
    run("dvc", "repro", "-q")

    check_workspace(tmp_path)
    write_text(tmp_path / "src" / "room" / "__pycache__" / "b.pyc", "compiled")
    run("dvc", "repro", "-q")
    check_workspace(tmp_path)
    write_text(tmp_path / "src" / "room" / "b.py", "another\n")
    with pytest.raises(
        StateError, match=r"src: must be what stage make read, got MD5 \w+\.dir \(run dvc repro"
    ):
        check_workspace(tmp_path)
    write_text(tmp_path / "src" / "room" / "b.py", "1\n")
    write_text(tmp_path / "out" / "empty", "no more")
    with pytest.raises(StateError, match="out: must have the bytes of MD5"):
        check_workspace(tmp_path)
