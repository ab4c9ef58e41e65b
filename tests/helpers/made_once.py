"""Folders that all the workers of a run of tests share: made once by the one that needs it first."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name`, which `make` has filled for every worker; never to be written to.

    `make` is given an empty folder, which is moved when it is whole: it must not hold its own path.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / name
    with (base / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go with the file
        if not folder.exists():
            draft = factory.mktemp(name) / name
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder
