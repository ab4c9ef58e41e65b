"""The verbs that remember and forget: what they say, and the codes that they end with."""

import json
import subprocess
from pathlib import Path

import pytest
from release_folder import PARAMS, git

from fairmark.cli.main import main
from fairmark.files import write_text
from fairmark.governance import trail
from fairmark.signing.key_store import own_key


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with three entries, the current folder of the test."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("FAIRMARK_KEY", raising=False)
    folder = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    monkeypatch.chdir(folder)
    for what, outcome in (
        ({"action": "began", "flow": "release"}, "began"),
        ({"action": "ended", "flow": "release", "began": 1, "verdict": "pass"}, "completed"),
        ({"action": "began", "flow": "retrain"}, "began"),
    ):
        trail.append(folder, what, outcome, who=trail.Identity("Ada\x1b[31m", None))
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


@pytest.mark.usefixtures("root")
def test_entries_are_told_in_lines_without_control_signs_and_those_without_an_end_by_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["trail"]) == 0

    lines = said(capsys).splitlines()
    assert lines[1].split("  ")[2:] == ["ended", "release", "pass", "completed", r"(Ada\x1b[31m)"]
    assert lines[3] == "entry 3 has no end: the run was killed, or it goes on"
    assert len(lines) == 4


def test_an_export_can_be_checked_anywhere(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    assert main(["trail", "--export", str(path)]) == 0
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3]

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["trail", "--check", str(path)]) == 0
    assert f"its head {trail.head(root)}" in said(capsys)
    path.write_text(path.read_text().replace("pass", "fail"))
    assert main(["trail", "--check", str(path)]) == 4
    assert "entry 3: must name entry 2 as it is" in capsys.readouterr().err


def test_a_file_shows_that_the_trail_here_was_shortened(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["trail", "--export", str(tmp_path / "t.jsonl")])
    git(root, "update-ref", trail.REF, f"{trail.REF}~1")

    assert main(["trail", "--check", str(tmp_path / "t.jsonl")]) == 4
    assert "must hold entries 3 to 3" in capsys.readouterr().err


def test_entries_that_no_known_key_vouches_for_end_with_5(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trail", "--check"]) == 0
    assert "nobody vouches for it" in said(capsys)
    key = own_key(make=True)
    assert main(["trail", "--check"]) == 5
    trail.append(root, {}, "x", key=key)
    assert main(["trail", "--check"]) == 0
    assert "a known key vouches for all of it" in said(capsys)


@pytest.mark.usefixtures("root")
def test_the_check_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "--check", "--json"]) == 0

    told = json.loads(said(capsys))
    assert (told["first"], told["last"], told["vouched"], told["exit_code"]) == (1, 3, 0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ["--cut", "1"],
        ["--reason", "x"],
        ["--remote", "r"],
        ["--cut", "3", "--reason", "x"],
        ["--cut", "0", "--reason", "x"],
    ],
)
def test_a_wrong_call_ends_with_2_and_cuts_nothing(root: Path, words: list[str]) -> None:
    assert main(["trail", *words]) == 2
    assert len(trail.entries(root)) == 3


@pytest.mark.usefixtures("root")
def test_a_cut_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "--cut", "2", "--reason", "kept for 9 days"]) == 0

    assert said(capsys) == "entries 1 to 2 are cut away; 2 are left, one of which says so\n"
    assert main(["trail", "--check"]) == 0


def test_retention_ends_with_1_when_something_is_overdue(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = json.dumps(PARAMS)
    write_text(root / "params.yaml", params)
    who = ("-c", "user.name=x", "-c", "user.email=x")
    git(root, *who, "commit", "-q", "--allow-empty", "-m", "x")
    assert main(["retention"]) == 0
    assert said(capsys) == "nothing is overdue\n"

    subprocess.run(
        ["git", *who, "tag", "-a", "-m", "x", "loans@v0.1.0"],
        check=True,
        env={"GIT_COMMITTER_DATE": "2001-02-03T00:00:00Z", "PATH": "/usr/bin:/bin:/usr/local/bin"},
    )
    assert main(["retention"]) == 1
    assert "release loans@v0.1.0: of 2001-02-03" in said(capsys)
    assert main(["retention", "--json"]) == 1
    assert json.loads(said(capsys))[0]["since"] == "2001-02-03"


@pytest.mark.usefixtures("root")
def test_forgetting_takes_a_reason_or_lists_and_not_both() -> None:
    for words in (["--id", "1"], ["--id", "1", "--reason", "x", "--list"], ["--reason", "x"]):
        with pytest.raises(SystemExit) as stop:
            main(["forget", *words])
        assert stop.value.code == 2
