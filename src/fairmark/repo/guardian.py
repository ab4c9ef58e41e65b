"""The guardian: a program that ends whatever a flow started once the flow is dead, SIGKILL included.

A flow that is killed can't tidy up. So this small program, in a session of its own, reads a pipe whose other
end only the flow holds: the end of that file is the end of the flow. What the flow started bears a variable
in its environment that nobody else has, and so is found whatever group, session or parent it has by then.

It starts with every program that is run, so it imports little, and not psutil, whose import takes twice as
long as all of this. `process` starts it, and uses `end` itself.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

PATIENCE_S = 2.0
"""How long what a dead flow has left may tidy up before it is killed."""

QUIET = 4
"""So often in a row nothing may be found: a program that is just being started bears no mark yet."""


def bearers(mark: str) -> list[int]:
    """Return the processes with a variable `mark` in the environment that they were started with.

    Dead ones that nobody has buried yet have none. Where there is no /proc, ps is asked (its letters are
    those of macOS and of the BSDs).
    """
    if not os.path.exists("/proc/self/environ"):  # noqa: PTH110 - pathlib would double the guardian's start
        return bearers_by_ps(mark)
    word = f"{mark}=".encode()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and word in environment_of(name)]  # noqa: PTH208


def environment_of(name: str | int) -> bytes:
    """Return the environment that a process was started with, or nothing when it can't be read."""
    try:
        with open(f"/proc/{name}/environ", "rb") as stream:  # noqa: PTH123
            return stream.read()
    except OSError:  # it has ended, or is somebody else's
        return b""


def bearers_by_ps(mark: str) -> list[int]:
    """Return what `bearers` does, of what ps prints: each command with its environment."""
    import subprocess

    letters = "-axwwE" if sys.platform == "darwin" else "-axwwe"
    told = subprocess.run(["ps", letters, "-o", "pid=,command="], capture_output=True, text=True, check=False)
    lines = [line.split(maxsplit=1) for line in told.stdout.split("\n") if line.strip()]
    return [int(line[0]) for line in lines if f" {mark}=" in line[-1]]


def end(mark: str, patience_s: float = PATIENCE_S) -> None:
    """End every other process that bears `mark`: ask each once, wait a little, kill.

    A program may have been started with an emptied environment, and so without the mark: it dies with its
    group, if a bearer led that.
    """
    until, quiet = time.monotonic() + patience_s, 0
    asked: set[int] = set()
    led: set[int] = set()
    while quiet < QUIET:
        found = {pid for pid in bearers(mark) if pid != os.getpid()}
        quiet = 0 if found else quiet + 1
        late = time.monotonic() > until
        led |= {pid for pid in found - asked if _leads(pid)}
        for pid in found if late else found - asked:
            _signal(os.kill, pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= found
        time.sleep(0.05)
    for group in led:
        _signal(os.killpg, group, signal.SIGKILL)


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except OSError:  # it has ended by itself
        return False


def _signal(send: Callable[[int, int], None], to: int, number: int) -> None:
    try:
        send(to, number)
    except OSError:  # it has ended by itself
        return


def _guard(mark: str) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # before the flow goes on: a fork inherits it
    if os.fork():
        os._exit(0)  # so that the flow has nobody to bury, and nobody finds the guardian below the flow
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    # The end of the pipe is the end of the flow: the kernel closes it, however the flow died.
    while os.read(0, 64):
        pass
    end(mark)


if __name__ == "__main__":
    _guard(sys.argv[1])
