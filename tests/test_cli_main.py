"""The command line is thin: what it says comes from the library, and its exit codes are kept apart."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from maker_and_forger import FORGER, MINE

from fairmark.cli.main import main
from fairmark.cli.releases import Pack
from fairmark.files import write_text
from fairmark.signing.key_store import config_folder

pytest_plugins = ("release_fixtures",)


def test_a_good_release_is_verified_with_one_line_for_each_fact(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = str(config_folder() / "key.pub.pem")
    code = main(["verify", str(small_release), "--clone", str(small_release.parents[1]), "--key", public])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [line for line in lines if line.startswith("ok ")][-1].startswith("ok    tag seal: loans@v0.1.0")
    assert lines[-1] == f"verified: {small_release}"


def test_a_changed_release_ends_with_4(small_release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small_release / "report.html").write_text("better")

    assert main(["verify", str(small_release)]) == 4
    out = capsys.readouterr().out
    assert "WRONG digests: report.html: must have the SHA-256" in out
    assert out.splitlines()[-1].startswith("NOT what was released")


def test_what_cannot_be_told_ends_with_5(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(small_release), "--clone", str(tmp_path)]) == 5
    assert "?     commit:" in capsys.readouterr().out


def test_a_folder_that_is_not_there_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "absent")]) == 2
    assert capsys.readouterr().err.startswith("fairmark verify:\n  ")


@pytest.mark.parametrize("words", [[], ["sing"], ["verify"], ["verify", "a", "b"], ["verify", "a", "--js"]])
def test_other_words_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)

    assert stop.value.code == 2
    assert "usage: fairmark" in capsys.readouterr().err


def test_the_facts_as_json(small_release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (small_release / "report.html").write_text("better")
    code = main(["verify", str(small_release), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == code == 4
    assert told["release"] == "loans-v0.1.0"
    facts = {fact["name"]: fact for fact in told["facts"]}
    sealed = facts["seal statement.json"]
    assert facts["digests"]["held"] is False
    assert facts["verdict"]["held"] is True
    assert sealed == {
        "name": "seal statement.json",
        "held": True,
        "asked": True,
        "text": f"statement.json is signed by your own key {MINE.public.keyid[:16]}…",
    }


def test_a_release_of_another_key_ends_with_4_under_ones_own_and_5_without(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "other.pem", FORGER.public.pem)
    write_text(tmp_path / "other.pub", FORGER.public.ssh + " a comment\n")
    for name in ("other.pem", "other.pub"):
        assert main(["verify", str(small_release), "--key", str(tmp_path / name)]) == 4
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "nobody"))
    assert main(["verify", str(small_release)]) == 5
    assert "give its public key (--key)" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "not a key", "ssh-ed25519 AAAA", "PRIVATE KEY"])
def test_a_key_that_is_none_ends_with_2(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "key").write_text(text)

    assert main(["verify", str(small_release), "--key", str(tmp_path / "key")]) == 2
    assert main(["verify", str(small_release), "--key", str(tmp_path / "absent")]) == 2
    assert "must be an ECDSA P-256 public key" in capsys.readouterr().err


def test_measurements_are_judged_by_a_policy(small_release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["judge", str(small_release / "measurements.json"), str(small_release / "params.yaml")]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "verdict: pass"

    params = small_release / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("at_least: 0.6", "at_least: 0.99"))
    assert main([*words, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["outcome"] == "fail"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            PermissionError(13, "Permission denied", "a/lock"),
            1,
            "a/lock: must be usable, got Permission denied",
        ),
        (
            OSError(28, "No space left on device"),
            1,
            "disk: must have room for what is written, got No space left on device",
        ),
        (KeyboardInterrupt(), 130, "fairmark pack stopped by the keyboard"),
    ],
)
def test_what_no_verb_foresaw_of_disk_and_keyboard_is_no_traceback(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Pack, "run", broken)

    assert main(["pack", "some-release"]) == code
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_a_model_that_is_not_there_is_told_by_its_own_option(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", str(small_release / "measurements.json"), str(small_release / "params.yaml")]

    assert main([*words, "--model", str(tmp_path / "absent")]) == 2
    assert "--model: must be a model's folder, got " in capsys.readouterr().err


def test_a_params_file_with_faults_ends_with_1_and_no_traceback(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small_release / "params.yaml").write_text("policy: 7")

    assert main(["judge", str(small_release / "measurements.json"), str(small_release / "params.yaml")]) == 1
    assert "params.yaml: " in capsys.readouterr().err


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


def test_the_module_and_the_command_answer_alike() -> None:
    as_module = run("-m", "fairmark.cli", "--version")
    as_command = subprocess.run(
        [Path(sys.executable).with_name("fairmark"), "--version"], capture_output=True, text=True, check=False
    )

    assert as_module.stdout == as_command.stdout == f"fairmark {version('fairmark')}\n"
    assert as_module.returncode == as_command.returncode == 0


def test_a_reader_that_leaves_early_sees_no_traceback(small_release: Path) -> None:
    line = f'"{sys.executable}" -m fairmark.cli verify "{small_release}" | true'
    left = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)

    assert left.stderr == ""


def test_starting_it_imports_next_to_nothing() -> None:
    loaded = run("-c", "import sys, fairmark.cli.main; print(*sys.modules)").stdout.split()

    assert not {"json", "yaml", "pydantic", "numpy", "pandas", "subprocess"} & set(loaded)


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("fairmark.params.read", {"numpy", "scipy", "pandas"}),
        ("fairmark.release.handover", {"numpy", "scipy", "pandas"}),
        ("fairmark.judge.measurements", {"scipy", "pandas"}),
        ("fairmark.judge.verdict", {"scipy", "pandas"}),
        ("fairmark.verify.release_diff", {"scipy", "pandas"}),
    ],
)
def test_reading_a_document_imports_nothing_that_computes(module: str, without: set[str]) -> None:
    loaded = run("-c", f"import sys, {module}; print(*sys.modules)").stdout.split()

    assert module in loaded
    assert not without & set(loaded)
