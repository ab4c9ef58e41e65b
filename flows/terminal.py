"""Lines on the terminal, and below them, when a person watches, a bar that keeps moving."""

import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from surroundings import LOG

from fairmark.terminal import plain, silence

WIPE = "\r\033[2K"


class Terminal(logging.Handler):
    """Print each message as a line of its own, above the bar when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._picture: Callable[[], str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message and draw the bar anew below it."""
        wipe = WIPE if self._picture else ""
        try:
            print(f"{wipe}{plain(self.format(record))}", file=sys.stdout, flush=True)
        except OSError:
            silence()  # whoever read has left (`... | head`), or the disk is full: the flow goes on unheard
        self._draw()

    @contextmanager
    def bar(self, picture: Callable[[], str]) -> Iterator[None]:
        """Show what `picture` returns, anew each second, while the block runs; nothing if nobody watches."""
        if sys.stdout is None or not sys.stdout.isatty():
            yield
            return
        over = threading.Event()
        ticking = threading.Thread(target=self._tick, args=(over,), daemon=True)
        self._picture = picture
        ticking.start()
        try:
            yield
        finally:
            over.set()
            ticking.join()
            self._picture = None
            print(WIPE, end="", flush=True)

    def _tick(self, over: threading.Event) -> None:
        while not over.is_set():
            self.acquire()
            try:
                self._draw()
            finally:
                self.release()
            over.wait(1.0)

    def _draw(self) -> None:
        if self._picture is not None:
            columns = shutil.get_terminal_size().columns
            print(f"{WIPE}{plain(self._picture())[: columns - 1]}", end="", flush=True)


TERMINAL = Terminal()
LOG.addHandler(TERMINAL)
LOG.setLevel(logging.INFO)
LOG.propagate = False
