"""A release is found by its folder, an archive of it, or its tag; and what can't be found is said plainly."""

import shutil
from pathlib import Path

import pytest
from release_folder import git

from fairmark.cli.main import main
from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.governance.request import find_release
from fairmark.release.handover import pack, release_at

pytest_plugins = ("release_fixtures",)

TAG = "loans@v0.1.0"


def _clone(release: Path) -> Path:
    return release.parents[1]


def test_a_folder_is_itself(small_release: Path) -> None:
    with release_at(str(small_release), None) as target:
        assert (target.folder, target.clone, target.tag) == (small_release, None, None)


def test_a_tag_is_the_folder_in_the_clone_that_is_then_held_against_it(small_release: Path) -> None:
    clone = _clone(small_release)
    with release_at(TAG, clone) as target:
        assert (target.folder, target.clone, target.tag) == (small_release, clone, TAG)


@pytest.mark.parametrize("pose", ["folder", "archive"])
def test_what_is_called_like_a_tag_is_not_taken_for_it(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pose: str
) -> None:
    clone = Path(shutil.copytree(_clone(small_release), tmp_path / "clone"))
    monkeypatch.chdir(tmp_path)
    if pose == "folder":
        shutil.copytree(small_release, TAG)
    else:
        pack(small_release, tmp_path / "it.tar.gz")
        (tmp_path / "it.tar.gz").rename(TAG)

    with release_at(TAG, clone) as target:
        assert (target.folder, target.tag) == (clone / "releases" / "loans-v0.1.0", TAG)
    assert find_release(clone, TAG) == target.folder
    with release_at(f"./{TAG}", clone) as target:
        assert target.tag is None


def test_a_name_that_stands_for_two_folders_is_refused(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / small_release.name).mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=r"loans-v0\.1\.0: must name one folder, got .*give the path"):
        find_release(_clone(small_release), small_release.name)
    assert find_release(_clone(small_release), f"./{small_release.name}") == Path(small_release.name)


def test_without_a_named_clone_a_tag_is_that_of_where_one_is(
    small_release: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(small_release)
    with release_at(TAG, None) as target:
        assert target.folder.samefile(small_release)

    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(UsageError, match=r"must be held against a clone, got no clone here"),
        release_at(TAG, None),
    ):
        pass


def test_a_tag_s_archive_does_for_its_folder(small_release: Path) -> None:
    pack(small_release, small_release.with_name("loans-v0.1.0.tar.gz"))
    shutil.rmtree(small_release)
    with release_at(TAG, _clone(small_release)) as target:
        assert (target.folder / "statement.json").is_file()

    assert not target.folder.exists()


def test_a_tag_whose_files_are_not_there_is_told_plainly(small_release: Path) -> None:
    shutil.rmtree(small_release)
    absent = r"releases/loans-v0\.1\.0: must be in the clone .* got the tag without its files"
    with pytest.raises(StateError, match=absent), release_at(TAG, _clone(small_release)):
        pass


def test_a_tag_that_the_clone_has_not_is_told_plainly(small_release: Path) -> None:
    with (
        pytest.raises(StateError, match=r"must hold the tag loans@v9\.0\.0"),
        release_at("loans@v9.0.0", _clone(small_release)),
    ):
        pass


def test_the_files_of_another_release_do_not_do_for_a_tag(small_release: Path) -> None:
    clone = _clone(small_release)
    git(clone, "tag", "-a", "-m", "x", "loans@v0.2.0")
    small_release.rename(small_release.with_name("loans-v0.2.0"))
    with (
        pytest.raises(VerificationError, match=r"must hold the release loans@v0\.2\.0, got .loans@v0\.1\.0"),
        release_at("loans@v0.2.0", clone),
    ):
        pass


@pytest.mark.parametrize("asked", ["absent", "loans@v1", "Loans@v1.0.0", "loans@v1.0.0/../x"])
def test_what_is_none_of_these_is_refused(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError), release_at(asked, None):
        pass


def test_an_archive_is_verified_as_its_folder_is(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(small_release)]) == 0
    plain = capsys.readouterr().out.splitlines()[:-1]
    pack(small_release, tmp_path / "it.tar.gz")

    assert main(["verify", str(tmp_path / "it.tar.gz")]) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == plain
    (tmp_path / "it.tar.gz").write_bytes((tmp_path / "it.tar.gz").read_bytes() + b"\0")
    assert main(["verify", str(tmp_path / "it.tar.gz")]) == 4


def test_an_empty_word_is_not_the_folder_one_is_in(
    small_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small_release)

    with (
        pytest.raises(UsageError, match=r"^RELEASE: must be a release folder, .*got none"),
        release_at("", None),
    ):
        pass
