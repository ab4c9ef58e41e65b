"""Run a program whose lines are handed on as they come, and which never outlives this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol, cast

from fairmark.errors import StateError
from fairmark.repo.git import own_environment

Say = Callable[[str], None]

PATIENCE_S = 5.0
"""How long a program that is stopped may tidy up before it is killed."""

# Stands between: at the end of its input, which is the end of this process however it ends, it kills the
# whole group. DVC killed alone would leave its stage running, to write its outputs later.
_BETWEEN = """
import os, signal, subprocess, sys, threading
def watch():
    while os.read(0, 1): pass
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
try:
    sys.exit(subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error.strerror}")
"""


class Ended(NamedTuple):
    """How a program ended: its exit code and every line that it wrote."""

    code: int
    lines: list[str]


class _Ended(Protocol):
    @property
    def code(self) -> int: ...
    @property
    def lines(self) -> list[str]: ...


Run = Callable[[Sequence[str], Path, "Say | None", "Mapping[str, str] | None"], _Ended]
"""Runs a command in a folder, hands on its lines, with these variables in its environment."""


def run(
    command: Sequence[str], folder: Path, say: Say | None = None, extra: Mapping[str, str] | None = None
) -> Ended:
    """Run `command` in `folder` and return how it ended, handing each line to `say` as it is written.

    Whatever ends this call early ends the program too, with all that it started in its process group.
    """
    between = [sys.executable, "-I", "-S", "-c", _BETWEEN]
    with subprocess.Popen(
        [*between, *command],
        cwd=folder,
        env={**_environment(), **(extra or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as child:
        lines = []
        try:
            for line in cast("IO[str]", child.stdout):
                lines.append(line.rstrip())
                if say is not None:
                    say(lines[-1])
            code = child.wait()
        finally:
            _end(child)
    return Ended(code, lines)


def _environment() -> dict[str, str]:
    """Return ours without the way to the user's key, and without what points git at another repository."""
    return {key: text for key, text in own_environment().items() if not key.startswith("FAIRMARK_KEY")}


def need(
    run: Run, what: str, command: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None
) -> None:
    """Run `command`; `what` says in words what it must do.

    Raises
    ------
    StateError
        When it ends otherwise than well: `what`, and its last lines.
    """
    ended = run(command, folder, None, extra)
    if ended.code:
        raise StateError(f"{what}, got", *(f"  {line}" for line in ended.lines[-12:] or ["no word from it"]))


def _end(child: "subprocess.Popen[str]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(PATIENCE_S)
