"""The progress of a flow at the terminal: a line for each step with its seconds, a bar with the time left."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fairmark.errors import FairmarkError
from fairmark.files import read_json, write_json
from fairmark.terminal import plain, silence
from flows.settings import BEGAN, LOG, ROOT


class _Screen(Console):
    """A terminal of rich's that takes plain text as it is, and goes on unheard when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        """Say nothing more; rich would end the whole flow here."""
        silence()


class Terminal(logging.Handler):
    """Print each message as a line of its own, above the bar when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._screen: _Screen | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        line = plain(self.format(record))
        try:
            if self._screen is not None:
                self._screen.print(Text(line), soft_wrap=True)
            else:
                print(line, file=sys.stdout, flush=True)
        except OSError:
            silence()  # whoever read has left (`... | head`), or the disk is full: the flow goes on unheard

    @contextmanager
    def bar(self, picture: Callable[[], str]) -> Iterator[None]:
        """Show what `picture` returns, anew each second, while the block runs; nothing if nobody watches."""
        if sys.stdout is None or not sys.stdout.isatty():
            yield
            return

        def text() -> Text:
            return Text(plain(picture()), no_wrap=True, overflow="crop")

        self._screen = _Screen(file=sys.stdout, highlight=False, markup=False, emoji=False)
        try:
            with Live(
                get_renderable=text,
                console=self._screen,
                refresh_per_second=1,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            ):
                yield
        finally:
            self._screen = None


TERMINAL = Terminal()
LOG.addHandler(TERMINAL)
LOG.setLevel(logging.INFO)
LOG.propagate = False


TIMINGS = ROOT / ".fairmark" / "timings.json"
"""Seconds of each step when it last ran here: where the time left is read from. Never a result."""

FIRST_S = {
    "data": 3.0,
    "prepare": 5.0,
    "audit": 2.0,
    "split": 3.0,
    "tune": 25.0,
    "train": 4.0,
    "evaluate": 12.0,
    "explain": 4.0,
    "document": 3.0,
    "judge": 1.0,
    "gather": 2.0,
    "register": 5.0,
    "costs": 5.0,
    "verify": 1.0,
}
"""What the steps took with the default data on two cores: what a first run foretells."""

WIDTH = 30


def left_s(
    expected: Mapping[str, float], ahead: Sequence[str], current: str, elapsed_s: float
) -> float | None:
    """Return the seconds that are left, or None when nothing is known yet.

    A step that never ran here is taken to last as long as the mean of those that did.

    Parameters
    ----------
    expected
        Seconds of each step when it last ran.
    ahead
        The steps after the current one.
    current, elapsed_s
        The running step and its seconds so far.
    """
    if not expected:
        return None
    mean = sum(expected.values()) / len(expected)
    rest = sum(expected.get(name, mean) for name in ahead)
    return rest + max(expected.get(current, mean) - elapsed_s, 0.0)


def spoken(seconds: float) -> str:
    """Return a duration in words: `0.4 s`, `12 s`, `2 min 05 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"


def say(line: str) -> None:
    """Tell one line of a step's own output, below the steps."""
    LOG.info("    %s", line)


class Step:
    """A running step.

    `note` says what became of it, if that is more than that it ended; `idle` says that there was nothing to
    do, so that its seconds tell nothing of the next time.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.note = ""
        self.idle = False
        self.began = time.monotonic()


class Progress:
    """The steps of one flow, told as they go.

    Parameters
    ----------
    steps
        The names of all steps, in order.
    """

    def __init__(self, steps: Sequence[str]) -> None:
        self.steps = list(steps)
        self.seconds: dict[str, float] = {}
        self.spared: set[str] = set()
        """Steps that are known to have nothing to do."""
        self._width = max(map(len, self.steps))
        self._done: list[str] = []
        self._known = _read_timings()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step, show the bar while it runs, tell its line when it ends well."""
        step = Step(name)
        with TERMINAL.bar(lambda: self._picture(step)):
            yield step
        took_s = time.monotonic() - step.began
        self._done.append(name)
        self.seconds[name] = took_s
        count, of = len(self._done), len(self.steps)
        what = step.note if step.idle else ", ".join(filter(None, [step.note, spoken(took_s)]))
        LOG.info("%s/%s %s %s", str(count).rjust(len(str(of))), of, name.ljust(self._width), what)
        # What had nothing to do would foretell seconds that the next run does not keep.
        if not step.idle:
            self._known[name] = round(took_s, 2)
            _write_timings(self._known)

    def total(self) -> str:
        """Return the time that all steps took so far, in words."""
        return spoken(sum(self.seconds.values()))

    def split(self, groups: Mapping[str, Sequence[str]]) -> str:
        """Return where the time went, in words: each group of steps, each other step, Prefect's own start."""
        parts = {name: sum(self.seconds.get(step, 0.0) for step in steps) for name, steps in groups.items()}
        grouped = {step for steps in groups.values() for step in steps}
        parts |= {name: took_s for name, took_s in self.seconds.items() if name not in grouped}
        words = [f"{name} {spoken(took_s)}" for name, took_s in parts.items() if took_s >= 0.05]
        whole_s = time.monotonic() - BEGAN
        start_s = whole_s - sum(self.seconds.values())
        return f"{spoken(whole_s)}: {', '.join(words)}, start of Prefect and the rest {spoken(start_s)}"

    def _picture(self, step: Step) -> str:
        elapsed_s = time.monotonic() - step.began
        ahead = [name for name in self.steps if name not in {*self._done, *self.spared, step.name}]
        left = left_s(FIRST_S | self._known, ahead, step.name, elapsed_s)
        share = len(self._done) / len(self.steps)
        if left is not None:
            spent = sum(self.seconds.values()) + elapsed_s
            share = spent / (spent + left) if spent + left else 0.0
        filled = round(WIDTH * share)
        words = (
            f"about {spoken(left)} left"
            if left is not None
            else f"{len(self._done)} of {len(self.steps)} steps"
        )
        return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {step.name} {spoken(elapsed_s)}, {words}"


def _read_timings() -> dict[str, float]:
    """Return the seconds of each step here; a missing or spoilt file is no reason to stop."""
    try:
        return {str(name): float(value) for name, value in read_json(TIMINGS).items()}
    except (FairmarkError, AttributeError, TypeError, ValueError):
        return {}


def _write_timings(seconds: Mapping[str, float]) -> None:
    try:
        write_json(TIMINGS, dict(seconds))
    except FairmarkError as error:
        LOG.debug("timings not kept: %s", error)
