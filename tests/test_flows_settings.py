"""A flow finds its settings made before Prefect is imported, and tells faults without a traceback."""

import logging
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fairmark.errors import FairmarkError, InputError, RefusedError, StateError, UsageError, VerificationError
from flows import command, settings


def test_without_a_server_its_own_one_is_given_time_and_kept_quiet() -> None:
    chosen = settings.settings(served=False, profiled=False)

    assert chosen["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "90"
    assert chosen["PREFECT_SERVER_LOGGING_LEVEL"] == "CRITICAL"
    assert chosen["PREFECT_HOME"] == str(settings.ROOT / ".prefect")


def test_a_server_and_profiles_of_the_user_are_left_alone() -> None:
    chosen = settings.settings(served=True, profiled=True)

    assert not {"PREFECT_HOME", "PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL"} & set(chosen)


def ended(error: BaseException | None, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Return the exit code and the words of a flow that ends with `error`."""

    def body() -> None:
        if error is not None:
            raise error

    before = signal.getsignal(signal.SIGTERM)
    flow: Any = type("F", (), {"name": "loans", "__call__": lambda _: body()})()
    code: object = 0
    try:
        command.run(flow)
    except SystemExit as end:
        code = end.code
    finally:
        signal.signal(signal.SIGTERM, before)
    return code, capsys.readouterr().err


CODES = {InputError: 1, StateError: 1, UsageError: 2, RefusedError: 3, VerificationError: 4}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_a_fault_is_told_line_by_line_with_its_own_code(
    kind: type[FairmarkError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(kind("a: must hold", "b: too"), capsys) == (
        code,
        "loans stopped:\n  a: must hold\n  b: too\n",
    )


def test_a_good_end_is_silent_and_the_keyboard_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(None, capsys) == (0, "")
    assert ended(KeyboardInterrupt(), capsys) == (130, "loans stopped by the keyboard\n")


def test_an_error_that_nobody_raised_on_purpose_is_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        ended(ZeroDivisionError("x"), capsys)


@pytest.mark.parametrize(("error", "kept"), [(StateError("plain"), False), (ValueError("odd"), True)])
def test_only_a_fault_loses_its_traceback_in_the_log(error: Exception, kept: bool) -> None:
    record = logging.LogRecord(
        "prefect.flow_runs", logging.ERROR, "", 0, "raised %r", (error,), (type(error), error, None)
    )
    for each in logging.getLogger("prefect.flow_runs").filters:
        assert each.filter(record)  # type: ignore[union-attr]

    assert bool(record.exc_info) is kept
    assert record.getMessage() == ("raised ValueError('odd')" if kept else "plain")


@pytest.mark.parametrize(
    ("flow", "word", "code"),
    [("retrain", "--help", 0), ("rebuild", "--help", 0), ("rebuild", "--version=v9.9.9", 2)],
)
def test_words_that_a_flow_does_not_know_start_nothing(flow: str, word: str, code: int) -> None:
    program = [sys.executable, str(settings.ROOT / "flows" / f"{flow}.py"), word]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600)

    assert done.returncode == code
    assert f"usage: {flow}.py" in done.stdout + done.stderr
    assert "starting Prefect" not in done.stdout + done.stderr


def test_a_server_that_is_started_here_unpacks_no_page_into_what_is_installed() -> None:
    said = tomllib.loads((settings.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["prefect"]
    place = said["server"]["ui"]["static_directory"]
    ignored = subprocess.run(["git", "check-ignore", "--quiet", place], cwd=settings.ROOT, check=False)

    assert not Path(place).is_absolute()
    assert ignored.returncode == 0
