"""A program's lines come as they are written, and nothing that it started outlives who started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flows_repo import eventually, gone, living

from fairmark.errors import StateError
from fairmark.repo.process import need, run

LASTING = "import subprocess, sys; print('on', flush=True); subprocess.run(['sleep', '{seconds}'])"


def test_it_ends_with_its_own_code_and_all_its_lines(tmp_path: Path) -> None:
    said: list[str] = []
    ended = run(["sh", "-c", "pwd; echo $A >&2; exit 7"], tmp_path, said.append, {"A": "b"})

    assert (ended.code, ended.lines) == (7, [str(tmp_path), "b"])
    assert said == ended.lines


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"it: must end well, got\n  no-such: No such file"):
        need(run, "it: must end well", ["no-such"], tmp_path)


def test_an_error_on_the_way_ends_the_program_and_its_children(tmp_path: Path) -> None:
    def refuse(_: str) -> None:
        raise KeyboardInterrupt

    words = [sys.executable, "-c", LASTING.format(seconds="987.25")]
    with pytest.raises(KeyboardInterrupt):
        run(words, tmp_path, refuse)

    assert gone("987.25")


def test_killed_it_leaves_nothing_running(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from fairmark.repo.process import run
run([{sys.executable!r}, "-c", {LASTING.format(seconds="987.75")!r}], Path({str(tmp_path)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as killed:
        assert eventually(lambda: len(living("987.75")) >= 3)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

    assert gone("987.75")


def test_what_is_run_is_given_no_way_to_the_users_key_and_no_other_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FAIRMARK_KEY", "FAIRMARK_KEY_PASSWORD", "GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, "secret")

    assert "secret" not in "\n".join(run(["env"], tmp_path).lines)
