"""A release names its commit, and a tag names the release: once, on a clean tree, on any machine."""

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from maker_and_forger import MINE
from release_folder import git

from fairmark.errors import StateError, UsageError
from fairmark.repo.commit import (
    check_version,
    committed_file,
    known,
    next_version,
    refuse_dirty,
    tagged,
    trace,
)
from fairmark.repo.machine import made_on
from fairmark.signing.git_tags import read_tag, tag_release, tag_signer, tagged_statement

pytest_plugins = ("release_fixtures",)
SEAL = "ab" * 32


def test_a_clean_folder_has_a_commit_a_time_and_nothing_dirty(working: Path) -> None:
    seen = trace(working)

    assert seen.commit == git(working, "rev-parse", "HEAD").strip()
    assert seen.committed.endswith("Z")
    assert seen.dirty == ()
    refuse_dirty(seen)


def test_the_commit_time_is_told_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.org")
        monkeypatch.setenv(f"GIT_{who}_DATE", "2024-02-29T01:30:00+02:00")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")

    assert trace(tmp_path).committed == "2024-02-28T23:30:00Z"


def test_changed_and_untracked_and_odd_names_are_dirty(working: Path) -> None:
    (working / "params.yaml").write_text("x")
    (working / 'new "ü\n.txt').write_text("x")

    seen = trace(working)

    assert seen.dirty == ('new "ü\n.txt', "params.yaml")
    with pytest.raises(StateError, match=r"must be clean.*params\.yaml"):
        refuse_dirty(seen)


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_hidden_from_git_status_is_dirty(working: Path, flag: str) -> None:
    git(working, "update-index", flag, "params.yaml")
    (working / "params.yaml").write_text("x")

    assert git(working, "status", "--porcelain") == ""
    assert trace(working).dirty == ("params.yaml",)


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"must be inside a git repository, got .*not a git repository"):
        trace(tmp_path)


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")

    with pytest.raises(StateError, match="must have a commit"):
        trace(tmp_path)


def test_a_machine_without_git_is_refused(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(working / "nothing"))

    with pytest.raises(StateError, match="git: must be installed"):
        trace(working)


def test_the_repository_of_a_hook_is_not_taken_for_ours(
    working: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))

    assert trace(working).dirty == ()


def test_versions_rise_by_a_minor_step_from_the_highest_tag(working: Path) -> None:
    assert next_version(working, "loans") == "v0.1.0"
    for tag in ("loans@v0.9.0", "loans@v0.10.1", "other@v7.0.0", "loans@v1x", "loans@v01.2.3"):
        git(working, "tag", tag)

    assert next_version(working, "loans") == "v0.11.0"
    assert "loans@v0.10.1" in trace(working).tags


@pytest.mark.parametrize(
    "text", ["0.1.0", "v1.0", "v1.0.0-rc1", "v01.0.0", "v1.0.0\n", "V1.0.0", "v\u0661.0.0"]
)
def test_another_grammar_of_versions_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"must read vX\.Y\.Z"):
        check_version(text)


def test_a_tag_is_annotated_and_carries_the_statement(working: Path) -> None:
    tag = tag_release(working, "loans", "v0.1.0", "Release loans v0.1.0", SEAL, key=MINE)

    assert tag == "loans@v0.1.0"
    assert git(working, "cat-file", "-t", tag).strip() == "tag"
    assert tagged(working, tag) == trace(working).commit
    assert tagged_statement(working, tag) == SEAL
    assert "A Tester" in git(working, "cat-file", "tag", tag)


def test_a_tag_is_signed_and_says_what_machine_the_release_was_made_on(working: Path) -> None:
    tag = tag_release(working, "loans", "v0.1.0", "x", SEAL, key=MINE)

    assert tag_signer(working, tag, [MINE.public.allowed("me")]) == "me"
    made = next(line for line in read_tag(working, tag).message.splitlines() if line.startswith("Made-On: "))
    assert made == f"Made-On: {made_on()}"
    assert platform.python_version() in made
    assert platform.node() not in made


def test_a_tag_that_exists_is_refused_and_stays(working: Path) -> None:
    tag_release(working, "loans", "v0.1.0", "First", SEAL, key=MINE)

    with pytest.raises(StateError, match=r"loans@v0\.1\.0: must be new"):
        tag_release(working, "loans", "v0.1.0", "Second", "cd" * 32, key=MINE)
    assert tagged_statement(working, "loans@v0.1.0") == SEAL


def test_a_tag_names_the_commit_asked_for(working: Path) -> None:
    first = trace(working).commit
    git(working, "commit", "-q", "--allow-empty", "-m", "Later")

    tag = tag_release(working, "loans", "v0.1.0", "x", SEAL, first, key=MINE)

    assert tagged(working, tag) == first


def test_without_an_identity_fairmark_tags_as_itself_and_says_so(
    working: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(working, "config", "--unset", "user.name")
    git(working, "config", "--unset", "user.email")
    git(working, "config", "user.useConfigOnly", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    body = git(working, "cat-file", "tag", tag_release(working, "loans", "v0.1.0", "x", SEAL, key=MINE))

    assert "tagger fairmark <fairmark@localhost>" in body
    assert "Tagger: git knew no user.name" in body


def test_a_tag_is_none_where_it_is_missing_or_carries_nothing(working: Path) -> None:
    git(working, "tag", "light")

    assert tagged(working, "absent") is None
    assert tagged_statement(working, "absent") is None
    assert tagged_statement(working, "light") is None


def test_files_of_a_commit_are_read_as_committed(working: Path) -> None:
    commit, committed = trace(working).commit, (working / "params.yaml").read_bytes()
    (working / "params.yaml").write_text("changed")

    assert committed_file(working, commit, "params.yaml") == committed
    assert committed_file(working, commit, "absent") is None
    assert known(working, commit)
    assert not known(working, "0" * 40)


def test_gto_reads_the_tag(working: Path) -> None:
    tag_release(working, "loans", "v0.1.0", "x", SEAL, key=MINE)

    shown = subprocess.run(
        ["gto", "show", "--repo", str(working)], capture_output=True, text=True, check=True
    )

    assert "loans" in shown.stdout
    assert "v0.1.0" in shown.stdout


@pytest.mark.parametrize("ask", [tagged, lambda root, tag: committed_file(root, tag, "params.yaml")])
def test_a_machine_without_git_is_told_so(
    ask: Callable[[Path, str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StateError, match="git: must be installed and on PATH, got no such command"):
        ask(tmp_path, "loans@v0.1.0")
