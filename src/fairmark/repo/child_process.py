"""Run a program as a child that never outlives its flow, its lines handed on as they come."""

import codecs
import os
import secrets
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from fairmark.errors import StateError
from fairmark.repo import guardian
from fairmark.repo.guarded import guarded

PATIENCE_S = 2.0
"""How long a stopped child may tidy up before it is killed: whoever pressed Ctrl-C waits for it."""

LIMIT_S = 3 * 3600.0
"""A child that runs longer hangs: it is ended, so that the next scheduled run finds the way free."""


class Ended(NamedTuple):
    """How a child ended: its exit code (negative: the signal) and every line that it wrote."""

    code: int
    lines: list[str]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: ours, with this Python's own programs found first."""
    ours = {key: value for key, value in os.environ.items() if key != "PREFECT_API_AUTH_STRING"}
    return {
        **ours,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "DVC_NO_ANALYTICS": "1",
        **(extra or {}),
    }


def run(
    command: Sequence[str],
    folder: Path,
    say: Callable[[str], None] | None = None,
    extra: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> Ended:
    """Run `command` in `folder` and return how it ended, handing each line to `say` as it is written.

    The child leads a process group of its own. Whatever ends this call early (a signal, a time-out, an
    error in `say`) or kills the child from outside ends the whole group, and what of it has moved to another:
    DVC killed alone would leave the stage running, to write its outputs later. When this process itself is
    killed, its guardian does it.

    Raises
    ------
    StateError
        When the child runs longer than `limit_s`.
    """
    mark = f"FAIRMARK_CHILD_{secrets.token_hex(8)}"
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(extra) | guarded() | {mark: "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as child:
        lines = []
        try:
            for line in _lines(child, time.monotonic() + limit_s):
                lines.append(line)
                if say is not None:
                    say(line)
            code = child.wait()
        except TimeoutError as error:
            what = " ".join(command)
            raise StateError(f"{what}: must end within {limit_s:.0f} s, got one that still ran") from error
        finally:
            if child.returncode is None or child.returncode < 0:
                _end(child, mark)
    return Ended(code, lines)


def _lines(child: "subprocess.Popen[bytes]", until: float) -> Iterator[str]:
    """Yield each line until the child closes its output, or is dead and has nothing more to say."""
    stream = cast("IO[bytes]", child.stdout)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            guarded()  # again, should it have been killed
            dead = child.poll() is not None
            if selector.select(0 if dead else 0.5):
                chunk = os.read(stream.fileno(), 65536)
                if not chunk:
                    break
                *whole, rest = (rest + decode(chunk)).replace("\r", "\n").split("\n")
                yield from filter(None, map(str.rstrip, whole))
            elif dead:
                break
            if time.monotonic() > until:
                raise TimeoutError
    if rest.strip():
        yield rest.rstrip()


def _end(child: "subprocess.Popen[bytes]", mark: str) -> None:
    """End the child's whole group, and all that bears its mark: ask, wait a little, kill."""
    try:
        _signal(child.pid, signal.SIGTERM)
        waited_until = time.monotonic() + PATIENCE_S
        while time.monotonic() < waited_until and _alive(child):
            time.sleep(0.05)
    finally:
        _signal(child.pid, signal.SIGKILL)
        child.wait()
        guardian.end(mark)


def _alive(child: "subprocess.Popen[bytes]") -> bool:
    child.poll()
    return _signal(child.pid, 0)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether anybody was there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False
