"""Whatever becomes of a run, the trail says that it began and how it ended, and a release needs the trail."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flows_repo import ROOT, call

from fairmark.errors import FairmarkError, InputError, RefusedError, StateError
from fairmark.governance import flow_runs, trail
from flows import audited


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty repository of somebody known to git."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    for name in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_COMMITTER_{name}", raising=False)
    folder = tmp_path / "repo"
    folder.mkdir()
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "git", "config", "user.name", "Ada")
    call(folder, "git", "config", "user.email", "ada@example.org")
    return folder


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Yield what the flows tell their user, whether or not the terminal listens too."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger, before = logging.getLogger("fairmark"), logging.getLogger("fairmark").level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(before)


def ran(root: Path, body: Callable[[], object], *, needed: bool = True) -> None:
    """Run `body` as a flow named `loans`."""

    @audited.audited(lambda: root, needed=needed)
    def loans(version: str | None = None, path: Path = Path("x")) -> object:
        del version, path
        return body()

    loans("v1.0.0")


def raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


def test_a_run_that_ends_well_has_two_entries(root: Path) -> None:
    def body() -> None:
        audited.note(release="loans-v1.0.0", verdict="pass")

    ran(root, body)

    began, ended = (json.loads(entry.text) for entry in trail.entries(root))
    assert began["who"] == {"name": "Ada", "email": "ada@example.org"}
    assert began["what"] == {
        "action": "began",
        "flow": "loans",
        "run": None,
        "parameters": {"version": "v1.0.0", "path": "x"},
        "commit": None,
        "machine": flow_runs.machine(),
        "without_end": [],
    }
    assert ended["outcome"] == "completed"
    assert ended["what"] == {
        "action": "ended",
        "flow": "loans",
        "began": 1,
        "release": "loans-v1.0.0",
        "verdict": "pass",
    }


@pytest.mark.parametrize(
    ("error", "outcome", "fault"),
    [
        (RefusedError("verdict: must be pass, got fail"), "refused", "verdict: must be pass, got fail"),
        (InputError("a: must", "b: must"), "failed", "a: must\nb: must"),
        (ValueError("odd"), "failed", "ValueError: odd"),
        (KeyboardInterrupt(), "stopped", "KeyboardInterrupt"),
        (SystemExit(143), "stopped", "SystemExit: 143"),
    ],
)
def test_every_other_end_is_told_with_its_fault_and_goes_on(
    root: Path, error: BaseException, outcome: str, fault: str
) -> None:
    with pytest.raises(type(error)):
        ran(root, raising(error))

    ended = trail.entries(root)[1]
    assert (ended.outcome, ended.event.fault) == (outcome, fault)


def test_what_one_run_found_is_not_said_of_the_next(root: Path) -> None:
    ran(root, lambda: audited.note(release="a"))
    ran(root, lambda: None)

    assert trail.entries(root)[3].event.release is None


def test_a_long_fault_is_cut(root: Path) -> None:
    with pytest.raises(FairmarkError):
        ran(root, raising(StateError("x" * 9000)))

    assert len(str(trail.entries(root)[1].event.fault)) == flow_runs.LONGEST


def test_a_killed_run_is_told_once_by_the_next(root: Path, said: list[str]) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path; from flows import audited\n"
        "with audited.recorded(Path(sys.argv[1]), 'loans', {}, needed=True): os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "FAIRMARK_HOME": str(root)}
    killed = subprocess.run([sys.executable, "-c", code, str(root), str(ROOT)], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL

    ran(root, lambda: None)
    ran(root, lambda: None)

    told = [line for line in said if "has no end" in line]
    assert told == ["audit trail: the run of entry 1 has no end: it was killed, or it still goes on"]
    assert [entry.event.without_end for entry in trail.entries(root)] == [(), (1,), (), (), ()]
    assert [entry.number for entry in flow_runs.unended(trail.entries(root))] == [1]


def test_a_release_that_can_not_be_written_down_is_not_begun(tmp_path: Path) -> None:
    done: list[Any] = []

    with pytest.raises(StateError, match="audit trail: must be written"):
        ran(tmp_path, lambda: done.append(1))

    assert done == []


def test_a_flow_that_lets_nothing_out_goes_on_and_says_so(tmp_path: Path, said: list[str]) -> None:
    ran(tmp_path, lambda: None, needed=False)

    assert [line for line in said if line.startswith("audit trail: not written")]


def test_prefect_sees_the_flows_own_parameters(root: Path) -> None:
    from prefect import flow
    from prefect.utilities.callables import parameter_schema

    @flow
    @audited.audited(lambda: root, needed=True)
    def loans(version: str | None = None) -> None:
        """Say nothing."""
        del version

    assert list(parameter_schema(loans.fn).properties) == ["version"]
    assert loans.name == "loans"


def test_nobody_known_to_git_is_written_as_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    for name in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_COMMITTER_{name}", raising=False)
    call(tmp_path, "git", "init", "-q")

    assert trail.identity(tmp_path) == trail.Identity(None, None)
    assert set(flow_runs.machine()) == {"cpu", "platform", "python"}


def test_no_password_of_an_address_is_kept() -> None:

    from fairmark.terminal import redacted

    said = "MLflow at http://ada:s3cret@host:5000: must answer, got adult@v0.1.0 and https://host/a@b"
    assert redacted(said) == said.replace("ada:s3cret", "***")
