"""The container engine that proofs use: $FAIRMARK_CONTAINER, or podman or docker where one is on PATH."""

import os
import shlex
import shutil
import subprocess

import pytest


def engine(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Return how a call of the engine ended; without one the test is skipped."""
    program = os.environ.get("FAIRMARK_CONTAINER") or next(
        filter(None, map(shutil.which, ("podman", "docker"))), ""
    )
    if not program:
        pytest.skip("needs podman or docker on PATH")
    ended = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert not check or ended.returncode == 0, f"{words}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
    return ended


def options(name: str) -> list[str]:
    """Return the words of an environment variable: what this machine's engine needs."""
    return shlex.split(os.environ.get(name, ""))
