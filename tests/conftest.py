"""Settings of every test run: one thread, no telemetry, quick tests first."""

import gc
import os
import random
import shutil
import tempfile
from pathlib import Path

# Before any numeric library is imported: threads change how long a test takes, never its result.
os.environ.update(
    OMP_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    DVC_NO_ANALYTICS="1",
    # Else each call in a repository of a test starts a process that asks for newer versions of DVC.
    DVC_TEST="1",
    DO_NOT_TRACK="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    MPLBACKEND="Agg",
)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# No result hangs on the number of processes that search, and each new one imports what this one has.
os.environ["FAIRMARK_WORKERS"] = "1"
# No test may sign with, or make, the key of the person who runs it.
os.environ.pop("FAIRMARK_KEY", None)
os.environ.pop("FAIRMARK_KEY_PASSWORD", None)
os.environ.pop("FAIRMARK_KEY_PUBLIC", None)
# A policy is compared with what a test says.
os.environ.pop("FAIRMARK_BASE", None)
os.environ["FAIRMARK_CONFIG"] = tempfile.mkdtemp(prefix="fairmark-config-")

import pytest
from hypothesis import HealthCheck, settings

DRAWN = random.Random()  # noqa: S311 - nobody guards anything by it

# What collection makes lives until the end: looking through it for garbage is a quarter of its time.
gc.disable()

# How long an example takes is the machine's matter; a property holds or does not.
# The suite tries the same examples each time, so that a change is judged by itself; `make fuzz` draws others.
settings.register_profile(
    "project",
    deadline=None,
    derandomize="FAIRMARK_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")


if "FAIRMARK_FUZZ" not in os.environ:
    # Ids and salts are the same in each run, and others in each test: what holds once of them holds again.
    # Keys (`secrets`, `cryptography`) are drawn from the system as ever, and so is all in other processes.
    os.urandom = DRAWN.randbytes


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Draw by the name of the test from here on, its fixtures included."""
    DRAWN.seed(item.nodeid)


def pytest_collection_finish() -> None:
    """Leave alone, from here on, what was made until now, and collect the garbage of the tests."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Remove the key that the tests signed with."""
    shutil.rmtree(os.environ["FAIRMARK_CONFIG"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick files of tests first, then those with slow tests, then those that start servers.

    A file stays whole, for what its tests share is made once. Where several workers take files off one list,
    the slow ones come first: the last file to end is then a quick one.
    """

    def cost(item: pytest.Item) -> int:
        marks = {mark.name for mark in item.iter_markers()}
        return 2 if "server" in marks else 1 if marks & {"slow", "browser", "proof"} else 0

    files: dict[Path, list[int]] = {}
    for item in items:
        files.setdefault(item.path, []).append(cost(item))
    last_to_end = -1 if "PYTEST_XDIST_WORKER" in os.environ else 1
    items.sort(key=lambda item: (last_to_end * max(files[item.path]), last_to_end * sum(files[item.path])))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their length: packed ones hold the second of their making, and all must collect alike."""
    return f"{argname} of {len(val)} bytes" if isinstance(val, bytes) else None
