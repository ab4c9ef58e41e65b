"""Ctrl-C and SIGTERM: what was begun is ended, and told in one line, within seconds."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fairmark.terminal import finish, say

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

    def _heard(self, number: int, _: Any) -> None:
        again, self._code = self._code is not None, 128 + number
        if again or not self._unwinds:
            self._leave()
        logging.disable(logging.CRITICAL)  # what Prefect says of a run that was stopped helps nobody
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
