"""Where trials run: in this process, in processes beside it, or on a Dask cluster; no result hangs on it.

How far a search is shows as a bar on a terminal, as a line a batch elsewhere. Finished trials are kept on
disk, so that a search that was stopped goes on where it stood: it is replayed from its start, and a trial
that stands in the record is not run again. So a record never changes what a search comes to.
"""

import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from fairmark.errors import StateError, UsageError
from fairmark.files import lines_of, sha256
from fairmark.terminal import say

if TYPE_CHECKING:
    from fairmark.learn.ranking import Trial


P = ParamSpec("P")
T = TypeVar("T")


class Here(Executor):
    """Run each call at once, in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return the finished future of `fn(*args, **kwargs)`; what it raises is raised by `result()`."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - a future carries whatever was raised
            future.set_exception(error)
        return future


@contextmanager
def workers() -> Iterator[Executor]:
    """Yield the executor that the environment asks for.

    `FAIRMARK_DASK_SCHEDULER` is the address of a Dask scheduler whose workers read the same files under the
    same paths. Without it, `FAIRMARK_WORKERS` processes work side by side (default: 2, or 1 on one core).

    Raises
    ------
    UsageError
        When `FAIRMARK_WORKERS` is not a whole number above 0, or nothing answers at the address.
    """
    address = os.environ.get("FAIRMARK_DASK_SCHEDULER")
    if address:
        yield from _cluster(address)
        return
    count = _count()
    if count == 1:
        yield Here()
        return
    # spawn, not fork: threads of LightGBM and of BLAS do not survive a fork, and a child may wait for their
    # locks for ever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=_follow_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _count() -> int:
    text = os.environ.get("FAIRMARK_WORKERS") or str(min(2, os.cpu_count() or 1))
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"FAIRMARK_WORKERS: must be a whole number above 0, got {text!r}")
    return int(text)


def _cluster(address: str) -> Iterator[Executor]:
    from distributed import Client

    try:
        client: Any = Client(address, timeout="30s")
    except (OSError, ValueError) as error:
        raise UsageError(f"FAIRMARK_DASK_SCHEDULER: must be a scheduler's address, got {error}") from error
    with client:
        # Not pure: Dask would else give the answer of an equal call from memory.
        yield client.get_executor(pure=False)


def _follow_parent() -> None:
    """End this worker with the process that started it, however that ended, and leave Ctrl-C to it."""
    # Ctrl-C reaches the whole process group; what becomes of running trials is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            # At once and without clean-up: nobody is left to read what this trial comes to.
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@dataclass
class Progress:
    """A search's progress on the error stream, which no output file ever holds."""

    total: int
    goal: str
    bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, desc="tune", unit="trial", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, trials: "Sequence[Trial]") -> None:
        """Show the trials so far, and the best of them that keeps the policy's limits."""
        kept = [trial for trial in trials if trial.outcome.feasible]
        best = max(kept, key=lambda trial: trial.outcome.quality, default=None)
        words = f"best {self.goal} {best.outcome.quality:.4f}" if best else "none within the limits yet"
        if self.bar is None:
            say(f"tune: {len(trials)} of {self.total} trials, {words}", error=True)
        else:
            self.bar.update(len(trials) - self.bar.n)
            self.bar.set_postfix_str(words)


LIBRARIES = ("lightgbm", "numpy", "optuna", "pandas", "scikit-learn")


@dataclass
class Checkpoint:
    """Outcomes by choices, each one line of JSON in a file that only grows."""

    path: Path
    found: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, key: str) -> Self:
        """Return the record of this key in the folder `FAIRMARK_STATE` (default: `.fairmark`)."""
        folder = Path(os.environ.get("FAIRMARK_STATE") or ".fairmark")
        record = cls(folder / f"tune-{key[:32]}.jsonl")
        if record.path.is_file():
            record.found.update(_lines(record.path))
        return record

    def keep(self, choices: str, outcome: str) -> None:
        """Write one outcome down.

        Raises
        ------
        StateError
            When the folder can't be written.
        """
        self.found[choices] = outcome
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as stream:
                # A line feed before it too: the line before may have been cut off.
                stream.write("\n" + json.dumps([choices, outcome]) + "\n")
        except OSError as error:
            raise StateError(f"{self.path}: must be writable, got {error.strerror or error}") from error

    def forget(self) -> None:
        """Delete the record: the search has ended well."""
        self.path.unlink(missing_ok=True)


def key_of(paths: Sequence[Path], sections: Sequence[str]) -> str:
    """Return a SHA-256 over all that outcomes hang on: files, params, our code, and the libraries."""
    # All of our code, not the search's modules alone: an outcome hangs on whatever scores and measures.
    code = sorted(Path(__file__).parents[1].rglob("*.py"))
    parts = [
        *(sha256(path) for path in paths),
        *sections,
        *(sha256(path) for path in code),
        *(importlib.metadata.version(name) for name in LIBRARIES),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _lines(path: Path) -> dict[str, str]:
    found = {}
    for line in lines_of(path.read_text(encoding="utf-8", errors="replace")):
        try:
            pair = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the search was killed
        match pair:
            case [str(choices), str(outcome)]:
                found[choices] = outcome
    return found
