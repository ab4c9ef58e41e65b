"""What can be refused within a second is refused before Prefect is imported, and stands in the trail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flows_repo import FLOWS, call

from fairmark.governance import trail

pytest_plugins = ("flows_fixtures",)

# Prefect is installed and can't be imported: whoever needs it to refuse would end with another fault.
BLOCK = """
import builtins, runpy, sys
whole = builtins.__import__
def without_prefect(name, *rest, **named):
    if name.partition(".")[0] == "prefect":
        raise ImportError("prefect must not be imported")
    return whole(name, *rest, **named)
builtins.__import__ = without_prefect
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(flow: str, repo: Path, *words: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "FAIRMARK_HOME": str(repo), **extra}
    program = [sys.executable, "-c", BLOCK, str(FLOWS / f"{flow}.py"), *words]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=600)


def dirty(repo: Path) -> None:
    (repo / "measured.json").write_text("{}")


def no_params(repo: Path) -> None:
    (repo / "params.yaml").unlink()


def a_release(repo: Path) -> None:
    call(repo, "git", "tag", "-a", "adult-income@v1.0.0", "-m", "x")


def scores(repo: Path) -> None:
    (repo / "scores.yaml").touch()


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("flow", "words", "spoil", "extra", "code", "said"),
    [
        ("release", (), dirty, {}, 1, "the working tree must be clean"),
        ("release", (), scores, {}, 1, "fairmark attest releases its evaluation"),
        ("release", ("--version", "1.0"), nothing, {}, 2, "version: must read vX.Y.Z"),
        (
            "release",
            (),
            nothing,
            {"FAIRMARK_KEY": "/nowhere/key.pem"},
            1,
            "must be a private key, got no such file",
        ),
        ("retrain", (), no_params, {}, 1, "params.yaml: must exist"),
        ("rebuild", (), nothing, {}, 1, "must have a release to rebuild"),
    ],
)
def test_it_is_refused_without_prefect(
    flow: str, words: tuple[str, ...], spoil: object, extra: dict[str, str], code: int, said: str, repo: Path
) -> None:
    spoil(repo)  # type: ignore[operator]
    done = run(flow, repo, *words, **extra)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"{flow} stopped:\n  ")
    assert said in done.stderr


def test_a_release_refused_early_stands_in_the_audit_trail(repo: Path) -> None:
    dirty(repo)
    run("release", repo)

    assert [entry.event.flow for entry in trail.entries(repo)] == ["release", "release"]
    assert trail.entries(repo)[-1].outcome == "failed"


def test_what_is_not_refused_goes_on_to_prefect(repo: Path) -> None:
    done = run("retrain", repo)

    assert "prefect" in done.stderr.splitlines()[-1]
