"""Run a program as a child process that never outlives this one, its lines handed on as they come.

A child leads a process group of its own, and bears a mark in its environment, which all that it starts
inherits. Whatever ends the call early ends the group and all that bears the mark; when this process itself is
killed, its guardian does it (`guardian`).
"""

import codecs
import os
import secrets
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

from fairmark.errors import StateError
from fairmark.repo import guardian
from fairmark.repo.git import own_environment

Say = Callable[[str], None]

PATIENCE_S = 2.0
"""How long a stopped child may tidy up before it is killed: whoever pressed Ctrl-C waits for it."""

LIMIT_S = 3 * 3600.0
"""A child that runs longer hangs: it is ended, so that the next scheduled run finds the way free."""

LOOK_S = 0.5
"""How often a silent child is looked at: has it ended, is its time over, does its guardian live."""

NOT_STARTED = 127
"""The exit code of a program that could not be started, as a shell gives it."""


class Ended(NamedTuple):
    """How a child ended: its exit code (negative: the signal) and every line that it wrote."""

    code: int
    lines: list[str]


Run = Callable[[Sequence[str], Path, "Say | None", "Mapping[str, str] | None"], Ended]
"""Runs a command in a folder, hands on its lines, with these variables in its environment."""


class _Watch:
    """The guardian of this process, started when first needed, and again should it have been killed."""

    def __init__(self) -> None:
        self.mark = f"FAIRMARK_FLOW_{secrets.token_hex(8)}"
        self.lock = threading.Lock()
        self._pipe: int | None = None

    def alive(self) -> bool:
        if self._pipe is None:
            return False
        poll = select.poll()
        poll.register(self._pipe, 0)
        return not poll.poll(0)  # a writer is told when nobody reads any more

    def start(self) -> None:
        self.forget()
        read, self._pipe = os.pipe()  # which no child inherits
        try:
            command = [sys.executable, "-I", "-S", guardian.__file__, self.mark]
            subprocess.run(command, stdin=read, env={}, cwd="/", check=True, start_new_session=True)
        finally:
            os.close(read)

    def forget(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = None


_WATCH = _Watch()
os.register_at_fork(after_in_child=_WATCH.forget)  # a fork must not keep the pipe open after this process


def guarded() -> dict[str, str]:
    """Return the variables that whatever this process starts must bear, and see that a guardian lives."""
    with _WATCH.lock:
        if not _WATCH.alive():
            _WATCH.start()
    return {_WATCH.mark: "1"}


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: ours with `extra`, this Python's own programs found first.

    What it runs may be a stranger's code, so it is given neither the way to the user's key nor the password
    of the Prefect server, and nothing that points git at another repository.
    """
    ours = {key: text for key, text in own_environment().items() if not key.startswith("FAIRMARK_KEY")}
    ours.pop("PREFECT_API_AUTH_STRING", None)
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
    say: Say | None = None,
    extra: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> Ended:
    """Run `command` in `folder` and return how it ended, handing each line to `say` as it is written.

    Whatever ends this call early (a signal, a time-out, an error in `say`) or kills the child from outside
    ends the whole group, and what of it has moved to another: DVC killed alone would leave the stage running,
    to write its outputs later. What can't be started ends with `NOT_STARTED`, and a line that says why.

    Raises
    ------
    StateError
        When the child runs longer than `limit_s`.
    """
    mark = f"FAIRMARK_CHILD_{secrets.token_hex(8)}"
    try:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(extra) | guarded() | {mark: "1"},
            # Whoever asks for a password would wait for ever: nobody is there to answer.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A session of its own: a signal reaches the whole group, and Ctrl-C comes to it through us alone.
            start_new_session=True,
        )
    except OSError as error:
        return Ended(NOT_STARTED, [f"{error.filename or command[0]}: {error.strerror}"])
    with child:
        lines = []
        try:
            until = time.monotonic() + limit_s
            for line in _lines(child, until):
                lines.append(line)
                if say is not None:
                    say(line)
            code = _code(child, until)
        except TimeoutError as error:
            what = " ".join(command)
            raise StateError(f"{what}: must end within {limit_s:.0f} s, got one that still ran") from error
        finally:
            if child.returncode is None or child.returncode < 0:
                _end(child, mark)
            else:  # what it left in the background would go on writing where the next program reads
                _signal(child.pid, signal.SIGKILL)
    return Ended(code, lines)


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


def _lines(child: "subprocess.Popen[bytes]", until: float) -> Iterator[str]:
    """Yield each line until the child closes its output, or is dead and has nothing more to say."""
    stream = cast("IO[bytes]", child.stdout)
    # Incremental, because a chunk may end within a character.
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            guarded()  # again, should it have been killed
            # Before the look at the output: what a child wrote last is there once it is dead. Whoever it
            # left behind may hold the output open for ever, so its end alone is not waited for.
            dead = child.poll() is not None
            if selector.select(0 if dead else LOOK_S):
                chunk = os.read(stream.fileno(), 65536)
                if not chunk:
                    break
                # Progress bars end their lines by a carriage return.
                *whole, rest = (rest + decode(chunk)).replace("\r", "\n").split("\n")
                yield from filter(None, map(str.rstrip, whole))
            elif dead:
                break
            if time.monotonic() > until:
                raise TimeoutError
    if rest.strip():
        yield rest.rstrip()


def _code(child: "subprocess.Popen[bytes]", until: float) -> int:
    """Return the exit code of a child that may go on with its work after it has closed its output."""
    while time.monotonic() <= until:
        guarded()
        with suppress(subprocess.TimeoutExpired):
            return child.wait(min(LOOK_S, max(until - time.monotonic(), 0)))
    raise TimeoutError


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
    child.poll()  # which buries it: a dead leader that nobody has buried still counts as one of the group
    return _signal(child.pid, 0)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether anybody was there."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False
