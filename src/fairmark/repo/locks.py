"""Locks on files and folders that die with their process, so that a killed run leaves none behind.

`flock(2)` by the standard library and not `filelock`: a lock here is also taken on a folder, which leaves no
file in it; on DVC's own lock files, whose content is DVC's; and handed on to a child or to the program that
this process becomes, for which the open file itself is needed.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairmark.errors import StateError


@contextmanager
def locked(place: Path, busy: str, *, wait_s: float = 0.0) -> Iterator[int]:
    """Hold the lock of a file or folder, and yield its open file, which a child may inherit.

    Parameters
    ----------
    place
        A folder that exists, or a file, which is made when it is missing and never changed.
    busy
        What to say when another process holds it: `where: what must hold, got what was found`.
    wait_s
        Seconds to wait for it; infinity waits for as long as it takes.

    Raises
    ------
    StateError
        When another process holds it for longer than that, or the file can't be made.
    """
    handle = lock(place, busy, wait_s=wait_s)
    try:
        yield handle
    finally:
        os.close(handle)


def lock(place: Path, busy: str, *, wait_s: float = 0.0) -> int:
    """Return the open file whose lock is held until it is closed or the process ends; see `locked`."""
    try:
        handle = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StateError(f"{place.parent}: must be writable, got {error.strerror}") from error
    # Asked again and again: flock(2) itself waits without a limit, and an alarm to end it would be a signal
    # to the whole process. It is of the open file, so a second one of this process waits like anybody else's.
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                os.close(handle)
                raise StateError(busy) from error
            time.sleep(0.01)
        except BaseException:
            os.close(handle)
            raise
        else:
            return handle
