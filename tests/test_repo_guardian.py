"""Nothing that a flow started outlives it, however the flow, its group or its guardian is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from flows_repo import ROOT, asleep, eventually, gone, living, nap

from fairmark.repo import guardian
from fairmark.repo.process import guarded

FLOW = """\
import pathlib
from fairmark.repo import process as child, process as watched
print(watched._WATCH.mark, flush=True)
child.run(['sh', '-c', {script!r}], pathlib.Path('.'), lambda line: print(line, flush=True))
"""


class Flow:
    """A running flow, and the mark that all it started bears."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.mark = self.line().decode().strip()

    def line(self) -> bytes:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def guardians(self) -> set[int]:
        """Return its guardians that live."""
        return set(living(f"guardian.py\0{self.mark}"))


@contextmanager
def flow(script: str, folder: Path) -> Iterator[Flow]:
    """Start a flow whose child runs `script`, and wait for the child's first line."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOW.format(script=script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            started = Flow(process)
            assert started.line() == b"up\n"
            yield started
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("whole_group", [False, True], ids=["alone", "with its group"])
def test_a_flow_that_is_killed_for_good_takes_its_child_along(tmp_path: Path, whole_group: bool) -> None:
    seconds = 7511 if whole_group else 7501
    marker = asleep(seconds)
    with flow(f"{nap(seconds)} & echo up; {nap(seconds)}", tmp_path) as started:
        assert eventually(lambda: len(living(marker)) == 2)
        (os.killpg if whole_group else os.kill)(started.process.pid, signal.SIGKILL)

        assert gone(marker)
        assert eventually(lambda: not started.guardians())


def test_a_grandchild_in_a_session_of_its_own_is_found(tmp_path: Path) -> None:
    program = f"import os; os.fork() and os._exit(0); os.setsid(); os.execlp(*'sleep {nap(7521)}'.split())"
    with flow(f'{sys.executable} -c "{program}"; echo up; {nap(7522)}', tmp_path) as started:
        assert eventually(lambda: living(asleep(7521)))
        started.process.kill()

        assert gone(asleep(7521))
        assert gone(asleep(7522))


def test_a_grandchild_that_ignores_every_request_is_killed(tmp_path: Path) -> None:
    with flow(f"trap '' TERM HUP INT; echo up; while true; do {nap(7531)} & wait; done", tmp_path) as started:
        started.process.kill()

        assert gone(asleep(7531))


# A proof, as the promise is not sure: on a busy machine, a flow killed at the moment of the replacement may
# leave its child.
@pytest.mark.proof
def test_a_guardian_that_is_killed_is_replaced_while_the_child_runs(tmp_path: Path) -> None:
    with flow(f"echo up; {nap(7541)}", tmp_path) as started:
        first = started.guardians()
        assert len(first) == 1
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: started.guardians() and not started.guardians() & first)
        started.process.kill()

        assert gone(asleep(7541))


def test_a_guardian_does_not_end_by_a_signal_that_asks(tmp_path: Path) -> None:
    with flow(f"echo up; {nap(7551)}", tmp_path) as started:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            for pid in started.guardians():
                os.kill(pid, number)
        started.process.kill()

        assert gone(asleep(7551))


def test_a_flow_that_ends_well_leaves_no_guardian(tmp_path: Path) -> None:
    with flow("echo up", tmp_path) as started:
        started.process.wait(120)

    assert eventually(lambda: not started.guardians())


def test_a_child_gets_no_end_of_the_pipe(tmp_path: Path) -> None:
    with flow(f"echo up; echo $(ls /proc/self/fd); {nap(7561)}", tmp_path) as started:
        assert started.line() == b"0 1 2 3\n"  # the last is the folder that ls lists


def test_a_fork_of_the_flow_does_not_keep_it_alive(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys, time\n"
        "from fairmark.repo import process as child\n"
        "from fairmark.repo.process import guarded\n"
        "guarded()\n"
        "if os.fork() == 0:\n"
        "    time.sleep(600)\n"
        "    os._exit(0)\n"
        f"child.run(['sh', '-c', 'echo up; {nap(7571)}'], pathlib.Path(), print)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            process.kill()
            assert gone(asleep(7571))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_guardian_costs_little_it_imports_nothing_but_what_it_names() -> None:
    program = (
        "import collections.abc, os, signal, sys, time\n"
        "text, before = open(sys.argv[1]).read(), set(sys.modules)\n"
        "exec(compile(text, 'guardian', 'exec'), {'__name__': 'guardian'})\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    command = [sys.executable, "-I", "-S", "-c", program, guardian.__file__]

    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "[]\n"


def test_without_proc_the_bearers_are_asked_of_ps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ps that answers as that of macOS does: the command, then its environment."""
    ps = tmp_path / "ps"
    ps.write_text("#!/bin/sh\necho '    7 sleep 9 HOME=/x MARK=1 A=2'\necho '   12 sleep 9 HOME=/x'\n")
    ps.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    assert guardian.bearers_by_ps("MARK") == [7]


def test_what_bears_the_mark_is_found_and_nothing_else() -> None:
    mark, until = next(iter(guarded())), time.monotonic() + 120
    with (
        subprocess.Popen(nap(7581).split(), env={**os.environ, mark: "1"}) as ours,
        subprocess.Popen(nap(7582).split()) as other,
    ):
        while guardian.bearers(mark) != [ours.pid] and time.monotonic() < until:
            time.sleep(0.01)
        found = guardian.bearers(mark)
        ours.kill()
        other.kill()

    assert found == [ours.pid]


def test_a_program_that_emptied_its_environment_ends_with_its_group(tmp_path: Path) -> None:
    with flow(f"env -i {nap(7591)} & echo up; {nap(7592)}", tmp_path) as started:
        assert eventually(lambda: living(asleep(7591)))
        started.process.kill()

        assert gone(asleep(7591))
