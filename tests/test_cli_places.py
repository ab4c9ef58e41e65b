"""Every verb works from any folder of the repository, and shows what a stranger wrote as plain text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from release_folder import git

from fairmark.cli.main import VERBS, main
from fairmark.errors import StateError
from fairmark.files import write_text

pytest_plugins = ("release_fixtures",)


def words_of(verb: str, release: Path, scratch: Path) -> list[str]:
    """Return a call of each verb that needs its repository, or what it takes by a path."""
    why = ["--reason", "x"]
    return {
        "init": [str(release / "params.yaml")],
        "attest": [],
        "doctor": [],
        "verify": [str(release)],
        "pack": [str(release), "-o", str(scratch / "x.tar.gz")],
        "rebuild": ["loans@v9.9.9"],
        "diff": ["loans@v0.1.0", "loans@v0.1.0"],
        "judge": [str(release / "measurements.json"), str(release / "params.yaml")],
        "trail": [],
        "forget": ["--id", "nobody", "--list"],
        "retention": [],
        "approve": ["loans-v0.1.0", *why, "--expires", "2999-01-01"],
        "promote": ["loans-v0.1.0", "--to", "production", *why],
        "rollback": ["--stage", "production", *why],
        "history": ["--check"],
        "policy": [],
        "predicates": [str(release), "--into", str(scratch / "pieces")],
        "review": ["HEAD"],
        "assess": [],
        "finding": ["list"],
        "index": [],
        "export": [str(release), "--into", str(scratch / "papers")],
        "journal": ["--check"],
        "replay": ["0" * 32],
        "collect": ["--into", str(scratch / "rows.csv")],
        "watch": [str(release)],
        "canary": ["status"],
        "serve": [str(release)],
        "drill": ["nothing", "--fallback", "nothing"],  # a whole drill starts services
    }[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_the_same_from_a_folder_below(
    verb: str,
    small_release: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = small_release.parents[1]
    below = root / "some" / "folder"
    below.mkdir(parents=True)
    told = []
    for place in (root, below):
        monkeypatch.chdir(place)
        code = main([verb, *words_of(verb, small_release, tmp_path)])
        out, err = capsys.readouterr()
        told.append((code, (out + err).replace(f"{root}/", "").replace(str(root), ".")))

    assert told[1] == told[0]


@pytest.mark.parametrize("verb", [["finding", "list"], ["assess"], ["index"], ["doctor"], ["retention"]])
def test_links_that_lead_in_a_circle_are_told_in_a_line(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)

    assert main([*verb, "--clone", str(circle)]) != 0
    assert str(circle) in "".join(capsys.readouterr())


def test_a_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    """As a device is not: root would take /dev/null from everybody."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(StateError, match="must be a file to be replaced, got a device or a pipe"):
        write_text(pipe, "page")
    assert pipe.is_fifo()


def test_a_folder_below_is_taken_for_its_clone(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    below = small_release.parents[1] / "some" / "folder"
    below.mkdir(parents=True)

    assert main(["verify", str(small_release), "--clone", str(below)]) in (0, 5)
    assert "WRONG" not in capsys.readouterr().out


def test_what_a_file_manager_leaves_is_no_forgery(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_release / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")

    assert main(["verify", str(small_release)]) == 5
    out = capsys.readouterr().out
    assert "'.DS_Store': is an extra file that file managers leave, and nothing states: delete it" in out
    assert "NOT what was released" not in out

    (small_release / ".DS_Store").rename(small_release / "model" / "extra.json")
    assert main(["verify", str(small_release)]) == 4


def test_a_name_that_no_release_has_does_not_hold(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["history", "--check", "--clone", str(small_release.parents[1])]

    assert main([*words, "--name", "laons"]) == 2
    assert "--name: must be that of a release here (loans), got 'laons'" in capsys.readouterr().err


def test_a_full_disk_is_called_full_not_the_file_at_hand(
    small_release: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "a/healthy/file")

    monkeypatch.setattr("fairmark.verify.verify.verify", full)

    assert main(["verify", str(small_release)]) == 1
    assert "disk: must have room for what is written, got No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("redirect", ["| head -c 1 >/dev/null", "| true", ">&-", ">&- 2>&-", ">/dev/full"])
def test_an_output_that_is_closed_or_full_ends_in_no_traceback(redirect: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", f"fairmark --version {redirect}; python -m fairmark.cli --help {redirect}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnol\rverified"


def test_a_strangers_words_in_files_names_and_faults_are_shown_harmless(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small_release.parents[1]
    (small_release / f"a{HOSTILE}b").write_text("x")
    git(root, "tag", "-a", "loans#production#1", "-m", f"{HOSTILE}\n\nReason: {HOSTILE}")
    calls = [
        ["verify", str(small_release)],
        ["verify", str(small_release), "--json"],
        ["history", "--clone", str(root)],
        ["history", "--check", "--clone", str(root)],
        ["policy", "--clone", str(root), "--base", HOSTILE],
        ["promote", "loans-v0.1.0", "--to", "production", "--reason", HOSTILE, "--clone", str(root)],
        ["approve", HOSTILE, "--reason", "x", "--expires", "2999-01-01", "--clone", str(root)],
        ["trail", "--check", HOSTILE, "--clone", str(root)],
        ["diff", HOSTILE, HOSTILE],
        ["rebuild", HOSTILE],
    ]
    for words in calls:
        main(words)
        out, err = capsys.readouterr()
        shown = (out + err).replace("\n", "")
        assert shown.isprintable(), (words, shown)
