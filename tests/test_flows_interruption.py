"""Ctrl-C in a real terminal reaches the whole foreground group, and ends a flow in one line in seconds."""

import fcntl
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from flows_repo import FLOWS, asleep, edit, gone, nap

pytest_plugins = ("flows_fixtures",)
pytestmark = [pytest.mark.server, pytest.mark.slow]

CTRL_C = b"\x03"


def at_the_terminal(repo: Path, until: str) -> tuple[int, float, str]:
    """Press Ctrl-C at `retrain` when it has said `until`; return its code, seconds from then, and words."""
    ours, theirs = pty.openpty()
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PREFECT")}

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored

    with subprocess.Popen(
        [sys.executable, str(FLOWS / "retrain.py")],
        env=environment | {"FAIRMARK_HOME": str(repo), "HOME": str(repo.parent)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=own_terminal,  # noqa: PLW1509
    ) as process:
        os.close(theirs)
        said, pressed = "", 0.0
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece.decode("utf-8", "replace")
            if not pressed and until in said:
                os.write(ours, CTRL_C)
                pressed = time.monotonic()
        code = process.wait(240)
    os.close(ours)
    return code, time.monotonic() - pressed, said


@pytest.mark.parametrize("until", ["starting Prefect", "    up"], ids=["before a stage", "in a stage"])
def test_ctrl_c_ends_a_flow_with_130_and_one_line_long_before_its_stage_would_end(
    repo: Path, prefect_home: Path, until: str
) -> None:
    shutil.copytree(prefect_home, repo / ".prefect")
    edit(repo / "dvc.yaml", "echo trained", f"echo up && {nap(7451)}")
    code, took_s, said = at_the_terminal(repo, until)

    assert code == 130
    assert took_s < 600
    rest = said.partition("^C")[2].replace("\033[2K", "\n").replace("\r", "\n")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", rest)  # the bar is taken away, the cursor put back
    lines = [line for line in shown.split("\n") if line.strip() and not line.startswith("[")]
    assert lines == ["retrain stopped by the keyboard"]
    assert gone(asleep(7451))
    assert gone(f"FAIRMARK_HOME={repo}")
