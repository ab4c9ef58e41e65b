"""`fairmark init` as a person calls it: from a table to a project that DVC knows, or one clear message."""

import subprocess
import sys
from pathlib import Path

import pytest
from project_checkout import default_checkout
from release_folder import git

from fairmark.cli.main import main
from fairmark.cli.project import answer
from fairmark.errors import UsageError
from fairmark.params.read import read_params

SAID = ["--target", "ok", "--positive", "yes", "--protect", "sex"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return default_checkout(tmp_path / "checkout")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"{20 + k % 50},{'fm'[k % 2]},{k * 7 % 13},{'yes' if k % 3 else 'no'}" for k in range(120)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["age,sex,n,ok", *rows]) + "\n")
    return path


def faults(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


@pytest.mark.slow
def test_one_call_makes_a_project_that_dvc_knows(
    checkout: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(table), *SAID, "--clone", str(checkout)]) == 0

    shown = capsys.readouterr().out
    assert "what the test rows could prove, before anything is trained:" in shown
    assert "yours to decide: age: protected too, or withheld?" in shown
    assert read_params(checkout / "params.yaml").prepare.files.main.name == "mine.csv"
    assert "remote" not in (checkout / "data.dvc").read_text()
    status = git(checkout, "status", "--porcelain").splitlines()
    assert "M  params.yaml" in status
    assert "D  artifacts/x.json" in status
    dvc = [sys.executable, "-m", "dvc", "status", "--json", "data.dvc"]
    ended = subprocess.run(dvc, cwd=checkout, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "{}"

    assert main(["init", str(table), *SAID, "--clone", str(checkout)]) == 1
    assert "--force" in faults(capsys)


def test_a_look_writes_nothing(checkout: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (checkout / "params.yaml").read_bytes()

    assert main(["init", str(table), *SAID, "--show", "--clone", str(checkout)]) == 0

    assert "  name: mine\n" in capsys.readouterr().out
    assert (checkout / "params.yaml").read_bytes() == before
    assert not (checkout / "data").exists()


@pytest.mark.parametrize(
    ("words", "code", "must"),
    [
        ([], 2, "--target ok --positive yes"),
        (["--target", "ok"], 2, "--positive: must say which value of ok"),
        (["--target", "ok", "--positive", "yes"], 2, "--protect sex"),
        ([*SAID, "--row-id", "none", "--names", "a,b"], 1, "--names: must name 4 columns, got 2"),
        ([*SAID, "--encoding", "klingon"], 1, "--encoding: must be a known encoding"),
        ([*SAID, "--separator", "#"], 1, "--separator"),
        (["--target", "ok", "--positive", "yes", "--protect", "age"], 2, "--protect age="),
        ([*SAID, "--protect", "age=200,300"], 2, "--protect: must cut age into two groups or more"),
        ([*SAID, "--name", "Not A Name"], 1, "project.name"),
    ],
)
def test_what_is_not_said_is_asked_for_and_nothing_is_written(
    checkout: Path, table: Path, words: list[str], code: int, must: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (checkout / "params.yaml").read_bytes()

    assert main(["init", str(table), *words, "--clone", str(checkout)]) == code

    assert must in faults(capsys)
    assert (checkout / "params.yaml").read_bytes() == before
    assert not (checkout / "data").exists()


def test_a_folder_that_is_no_checkout_is_refused(
    tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(table), *SAID, "--clone", str(tmp_path)]) == 1
    assert "must be a checkout of fairmark" in faults(capsys)


def test_an_answer_is_a_number_or_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["", "2", "own name", "1 2", ""])
    monkeypatch.setattr("builtins.input", lambda: next(answers))

    assert answer("Which?", {"first": "it is so", "second": ""}) == "second"
    assert "  1  first   (it is so)\n  2  second\n" in capsys.readouterr().out
    assert answer("Which?", {"first": "it is so", "second": ""}) == "own name"
    assert answer("Which?", {"a": "", "b": ""}) == "a;b"

    def ended() -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", ended)
    with pytest.raises(UsageError, match="must be answered"):
        answer("Which?", {})
