"""Where a flow runs: its folder, its environment, its way out. Import this before Prefect.

Prefect reads its settings when it is imported, so what it needs is set here, once, and only where
the user has set nothing. Environment variables pick servers and folders, never a result.
"""

import atexit
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

from fairmark.errors import FairmarkError, StateError
from fairmark.extras import require
from fairmark.repo import proxies
from fairmark.repo.guarded import guarded
from fairmark.repo.machine import check_source
from fairmark.terminal import plain, stopped
from flows import server
from flows.interruption import INTERRUPTION

BEGAN = time.monotonic()
"""When this process began, as near as can be told."""

ROOT = Path(os.environ.get("FAIRMARK_HOME") or Path(__file__).parents[1]).resolve()
"""The working copy that the flows work on: this one, or the one that FAIRMARK_HOME names."""

LOG = logging.getLogger("fairmark")
"""What a flow tells its user: printed, and sent to the Prefect server with the run."""

SERVED = "PREFECT_API_URL" in os.environ
"""True when a Prefect server is named; otherwise one is started for the length of the flow."""


def _own_profile() -> bool:
    return (Path.home() / ".prefect" / "profiles.toml").exists()


def settings(served: bool, own_profile: bool) -> dict[str, str]:
    """Return the Prefect settings that hold unless the user chose others.

    Parameters
    ----------
    served
        Whether a Prefect server is named; then its own settings are left alone.
    own_profile
        Whether the user keeps Prefect profiles; then they are used.
    """
    chosen = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": LOG.name,
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    if not own_profile:
        chosen["PREFECT_HOME"] = str(ROOT / ".prefect")
    if not served:
        # A user's profile may name no server, and Prefect starts its own then: 20 s, the default, are too few
        # for a first start on a busy machine. On its way out it tells of its own cancelled work as errors
        # with tracebacks; nothing of the run is lost by them.
        chosen |= {
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
    return chosen


for _name, _value in settings(SERVED, _own_profile()).items():
    os.environ.setdefault(_name, _value)
proxies.spare_loopback()


class _Plain(logging.Filter):
    """Take the traceback off an error that a user can act on: its text says it all."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FairmarkError):
            words = "\n".join(plain(fault) for fault in error.faults)
            record.exc_info, record.msg, record.args = None, "%s", (words,)
        return True


class _PlainText(logging.Filter):
    """Hide secrets and control characters of what goes to the terminal and to the Prefect server alike."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = plain(record.getMessage()), None
        return True


class _NotOfRuns(logging.Filter):
    """Keep Prefect's own words about runs off the terminal of a person who started the flow by hand."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_Plain())
LOG.addFilter(_PlainText())


_SERVERS: list[server.Temporary] = []
"""The temporary server, once it has been started."""


def complete(name: str) -> None:
    """End the program `name` with a line when a module of the extra `flows` is missing; none is imported.

    Raises
    ------
    SystemExit
        With the error's own exit code.
    """
    try:
        require("flows")
    except FairmarkError as error:
        _stop(name, error)


def begin(name: str, told: str, check: Callable[..., None], **options: str) -> dict[str, Any]:
    """Begin a flow called from the command line, before Prefect is imported; return what it was given.

    Its words are read and all that `check` can refuse is refused before the temporary server is started; that
    one then starts while Prefect is imported.

    Parameters
    ----------
    name, told
        The flow, and what it does in a line.
    check
        Takes `ROOT` and the options.
    options
        The help of each option that the flow takes.

    Raises
    ------
    SystemExit
        With the error's own exit code.
    """
    import argparse

    complete(name)
    from flows import console  # noqa: F401 - which shows what is told from here on

    INTERRUPTION.watch(name)
    parser = argparse.ArgumentParser(description=told, allow_abbrev=False)
    for option, words in options.items():
        parser.add_argument(f"--{option}", help=words)
    given = vars(parser.parse_args())
    try:
        with INTERRUPTION.unwinding():
            check_source(ROOT, name)
            check(ROOT, **given)
            os.environ.update(guarded())  # the temporary server must not outlive a flow that is killed
            if not SERVED and not _own_profile():
                LOG.info("starting Prefect with a server of its own, for as long as this takes")
                _SERVERS.append(server.start(os.environ))
                os.environ.update(_SERVERS[-1].settings)
    except FairmarkError as error:
        _stop(name, error)
    except KeyboardInterrupt:
        INTERRUPTION.tell()
        sys.exit(130)
    return given


def run(flow: Any, **parameters: Any) -> None:
    """Run `flow` from the command line; faults are printed plainly and become the exit code.

    Raises
    ------
    SystemExit
        With the error's own exit code, 130 on Ctrl-C, 143 on SIGTERM.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    for handler in logging.getLogger().handlers:
        handler.addFilter(_NotOfRuns())
    for started in _SERVERS:
        # Prefect sends what is left to be sent when it is left itself: before this, last in, first out.
        atexit.register(started.stop)
    # A heartbeat tells a server that a run is alive; without one it only costs a second at the end of a flow.
    quiet = nullcontext() if SERVED else temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    try:
        check_source(ROOT, flow.name)
        with quiet, INTERRUPTION.unwinding():
            for started in _SERVERS:
                server.await_answer(started)
            flow(**parameters)
    except FairmarkError as error:
        _stop(flow.name, error)
    except KeyboardInterrupt:
        INTERRUPTION.name = flow.name
        INTERRUPTION.tell()
        sys.exit(130)
    except Exception as error:
        if not unreachable(error):
            raise
        _stop(flow.name, no_answer(error))


def no_answer(error: BaseException) -> StateError:
    """Return what it means that the server does not answer; a proxy in between is named."""
    where = os.environ.get("PREFECT_API_URL", "a temporary address")
    by = f" (through {', '.join(proxies.named())})" if proxies.named() else ""
    return StateError(f"Prefect server: must answer at {where}, got {error}{by}")


def unreachable(error: BaseException) -> bool:
    """Return whether an error says that the server could not be reached."""
    text = str(error)
    told = "Failed to reach API" in text or "ephemeral Prefect API" in text
    return told or type(error).__module__.startswith(("httpx", "httpcore"))


def _stop(name: str, error: FairmarkError) -> NoReturn:
    stopped(f"{name} stopped", error.faults)
    sys.exit(error.exit_code)
