"""A flow called from the command line: begun before Prefect is imported, run, and ended with an exit code.

On Ctrl-C and SIGTERM what was begun is ended, and told in one line, within seconds.
"""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

from fairmark.errors import FairmarkError, StateError
from fairmark.extras import require
from fairmark.repo import proxies
from fairmark.repo.machine import check_source
from fairmark.repo.process import guarded
from fairmark.terminal import finish, say, stopped
from flows import server
from flows.settings import LOG, ROOT, SERVED, own_profile

if TYPE_CHECKING:
    from types import FrameType

    from prefect import Flow


LIMIT_S = 3.5
"""After this the process ends as it is; its guardian ends what it has started."""


class Interruption:
    """The first signal unwinds what runs, a second one or too long a wait ends the process at once."""

    def __init__(self) -> None:
        self.name = "flow"
        self._unwinds = False
        self._code: int | None = None
        self._told = False

    def watch(self, name: str) -> None:
        """Listen for the signals from now on, unless whoever started us has them ignored."""
        self.name = name
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._heard)

    @contextmanager
    def unwinding(self) -> Iterator[None]:
        """Let a signal be an exception within the block: there is something to be ended in order."""
        self._unwinds = True
        try:
            yield
        finally:
            self._unwinds = False

    def tell(self) -> None:
        """Say once that the keyboard stopped this."""
        if not self._told:
            self._told = True
            say(f"{self.name} stopped by the keyboard", error=True)

    def _heard(self, number: int, _: "FrameType | None") -> None:
        again, self._code = self._code is not None, 128 + number
        if again or not self._unwinds:
            self._leave()
        logging.disable(logging.CRITICAL)  # what Prefect says of a run that was stopped helps nobody
        # An exception is raised between two instructions of Python: a flow that waits in C, or a library that
        # catches everything, would never hear of it. `_leave` uses os._exit, because sys.exit waits for
        # Prefect's threads.
        timer = threading.Timer(LIMIT_S, self._leave)
        timer.daemon = True
        timer.start()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(self._code)

    def _leave(self) -> None:
        try:
            if self._code == 128 + signal.SIGINT:
                self.tell()
            finish()
        finally:
            os._exit(self._code or 1)


INTERRUPTION = Interruption()


class _NotOfRuns(logging.Filter):
    """Keep Prefect's own words about runs off the terminal of a person who started the flow by hand."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.name.startswith(("prefect.flow_runs", "prefect.task_runs"))


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


def begin(name: str, about: str, check: Callable[..., None], **options: str) -> dict[str, str | None]:
    """Begin a flow called from the command line, before Prefect is imported; return what it was given.

    Its words are read and all that `check` can refuse is refused before the temporary server is started; that
    one then starts while Prefect is imported.

    Parameters
    ----------
    name, about
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
    parser = argparse.ArgumentParser(description=about, allow_abbrev=False)
    for option, words in options.items():
        parser.add_argument(f"--{option}", help=words)
    given = vars(parser.parse_args())
    try:
        with INTERRUPTION.unwinding():
            check_source(ROOT, name)
            check(ROOT, **given)
            os.environ.update(guarded())  # the temporary server must not outlive a flow that is killed
            if not SERVED and not own_profile():
                LOG.info("starting Prefect with a server of its own, for as long as this takes")
                _SERVERS.append(server.start(os.environ))
                os.environ.update(_SERVERS[-1].settings)
    except FairmarkError as error:
        _stop(name, error)
    except KeyboardInterrupt:
        INTERRUPTION.tell()
        sys.exit(130)
    return given


def run(flow: "Flow[Any, Any]", **parameters: object) -> None:
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
    named = "Failed to reach API" in text or "ephemeral Prefect API" in text
    return named or type(error).__module__.startswith(("httpx", "httpcore"))


def _stop(name: str, error: FairmarkError) -> NoReturn:
    stopped(f"{name} stopped", error.faults)
    sys.exit(error.exit_code)
