"""A child's lines come as they are written, and no child outlives its flow."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flows_repo import gone

from fairmark.errors import StateError
from fairmark.repo import child_process

ROOT = Path(__file__).parents[1]


def nap(marker: int) -> list[str]:
    """Return a command that starts a child of its own; `marker` (seconds) tells them from others."""
    return ["sh", "-c", f"sleep {marker} & echo up; sleep {marker}"]


def test_lines_of_both_streams_come_in_order_and_the_code_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    ended = child_process.run(
        ["sh", "-c", "echo one; echo two >&2; printf 'three\\rfour'; exit 7"], tmp_path, said.append
    )

    assert ended == child_process.Ended(7, ["one", "two", "three", "four"])
    assert said == ended.lines


def test_a_line_comes_before_the_child_has_ended(tmp_path: Path) -> None:
    came: list[float] = []
    child_process.run(
        ["sh", "-c", "echo early; sleep 0.6"], tmp_path, lambda _: came.append(time.monotonic())
    )

    assert time.monotonic() - came[0] > 0.5


def test_bytes_that_are_no_text_do_not_stop_the_flow(tmp_path: Path) -> None:
    assert child_process.run(["printf", "\\377x\\n"], tmp_path).lines == ["\N{REPLACEMENT CHARACTER}x"]


def test_the_programs_of_this_python_are_found_first(tmp_path: Path) -> None:
    found = child_process.run(["sh", "-c", "command -v python"], tmp_path).lines

    assert found == [str(Path(sys.executable).parent / "python")]


def test_an_early_end_of_the_flow_ends_the_whole_group(tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child_process.run(nap(7411), tmp_path, interrupt)

    assert gone("sleep\x007411")


def test_a_child_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must end within 1 s, got one that still ran"):
        child_process.run(nap(7412), tmp_path, limit_s=1)

    assert gone("sleep\x007412")


def test_a_leader_killed_from_outside_takes_its_group_along(tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 7413 & echo $$; sleep 7413"]
    ended = child_process.run(command, tmp_path, lambda line: os.kill(int(line), signal.SIGKILL))

    assert ended.code == -signal.SIGKILL
    assert gone("sleep\x007413")


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "PATIENCE_S", 0.2)
    with pytest.raises(StateError, match="must end within"):
        child_process.run(["sh", "-c", "trap '' TERM; sleep 7414; sleep 7414"], tmp_path, limit_s=0.3)

    assert gone("sleep\x007414")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_is_killed_leaves_no_orphan(tmp_path: Path, number: int) -> None:
    marker = 7420 + number
    program = (
        "import signal, sys, pathlib\n"
        "from fairmark.repo import child_process as child\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        # A shell that starts tests in the background has them ignore Ctrl-C, and what they start as well.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"child.run({nap(marker)!r}, pathlib.Path('.'), lambda line: print(line, flush=True))\n"
    )
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as flow:
        assert flow.stdout is not None
        assert flow.stdout.readline() == b"up\n"
        flow.send_signal(number)
        flow.communicate(timeout=10)

    assert flow.returncode != 0
    assert gone(f"sleep\x00{marker}")
