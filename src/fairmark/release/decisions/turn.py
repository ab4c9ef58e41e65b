"""Promotions take turns: one at a time, each later than the one before it."""

import datetime as dt
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairmark.errors import StateError
from fairmark.release.decisions.promoted import Promotion
from fairmark.release.git import lock_file, own_folder

_PATIENCE_S = 2.0


def wait_past(before: Sequence[Promotion]) -> None:
    """Wait until the clock is past the last promotion: GTO orders by time, in seconds.

    Raises
    ------
    StateError
        When it stays before it: this clock is wrong, or the last promoter's was.
    """
    if not before:
        return
    last = before[-1].seen.when
    until = time.monotonic() + _PATIENCE_S
    while dt.datetime.now(tz=dt.UTC).replace(microsecond=0) <= last:
        if time.monotonic() > until:
            raise StateError(
                f"clock: must be past {before[-1].tag}, set at {last:%Y-%m-%d %H:%M:%S} UTC, got "
                f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M:%S} (set this clock, or wait)"
            )
        time.sleep(0.05)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one promotion be made at a time in this repository; the lock dies with its process.

    Raises
    ------
    StateError
        When another one runs.
    """
    handle = lock_file(own_folder(root), "fairmark-promote.lock")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StateError(f"{root}: must have one promotion at a time, got another that runs") from error
    finally:
        os.close(handle)
