"""The last release is made again in a clean clone, and any difference is told by name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flows_repo import call, commit, edit
from maker_and_forger import MINE

from fairmark.errors import StateError, VerificationError
from fairmark.repo import dvc
from fairmark.signing.git_tags import tag_release
from flows import rebuild

pytest_plugins = ("flows_fixtures",)
NAME = "adult-income"


@pytest.fixture(autouse=True)
def told(repo: Path, without_prefect: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the flow puts into Prefect."""
    told: list[str] = []
    without_prefect(repo)
    monkeypatch.setattr(rebuild, "create_markdown_artifact", lambda text, key: told.append(f"{key}: {text}"))
    return told


def test_without_a_release_there_is_nothing_to_rebuild(repo: Path) -> None:
    call(repo, "git", "tag", "other@v1.0.0")

    with pytest.raises(StateError, match=rf"must have a release to rebuild, got no tag {NAME}@v"):
        rebuild.rebuild.fn()


def test_the_highest_release_is_made_again_whatever_stands_in_the_folder(
    repo: Path, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tag_release(repo, NAME, "v0.9.0", "x", "0" * 64, key=MINE)
    tag_release(repo, NAME, "v0.10.0", "x", "0" * 64, key=MINE)
    (repo / "dvc.yaml").write_text("stages: {}")
    rebuild.rebuild.fn()

    assert f"{NAME}@v0.10.0 was made again: 3 outputs, the same hashes" in capsys.readouterr().out
    assert told == [
        f"rebuild: # Rebuild of {NAME}@v0.10.0\n\nAll 3 outputs have the hashes that were released."
    ]
    assert call(repo, "git", "status", "--porcelain") == " M dvc.yaml\n"


def test_what_comes_out_otherwise_is_told_by_name_even_if_it_is_committed(
    repo: Path, told: list[str]
) -> None:
    edit(repo / "dvc.yaml", "&& cp measured.json artifacts/evaluate/", "&& date +%N > artifacts/evaluate/")
    call(repo, "dvc", "repro", "--quiet")
    commit(repo)
    tag_release(repo, NAME, "v0.1.0", "x", "0" * 64, key=MINE)

    with pytest.raises(VerificationError, match="must be made again as it was released") as fault:
        rebuild.rebuild.fn()
    assert [line.split(":")[0] for line in fault.value.faults[1:]] == ["artifacts/evaluate/measurements.json"]
    assert "- artifacts/evaluate/measurements.json: must have MD5" in told[0]


def test_the_release_folder_says_what_was_released(repo: Path) -> None:
    tag_release(repo, NAME, "v0.1.0", "x", "0" * 64, key=MINE)
    kept = repo / "releases" / f"{NAME}-v0.1.0"
    kept.mkdir(parents=True)
    shutil.copy(repo / "dvc.lock", kept)
    edit(kept / "dvc.lock", "outs:", "outs:\n    - {path: more, hash: md5, md5: a1}")

    with pytest.raises(VerificationError, match="more: must have MD5 a1 as released, got none"):
        rebuild.rebuild.fn()


def test_a_clone_runs_its_own_code_not_that_of_this_folder(repo: Path) -> None:
    (repo / "src" / "fairmark").mkdir(parents=True)
    (repo / "src" / "fairmark" / "__init__.py").write_text("WHOSE = 'of the clone'")
    edit(repo / "dvc.yaml", "echo trained", "python -c 'import fairmark; print(fairmark.WHOSE)'")
    said: list[str] = []
    dvc.reproduce(repo, "train", said.append)

    assert said == ["of the clone"]
