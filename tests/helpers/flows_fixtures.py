"""A tiny repository to run flows on, and flows that work on it without Prefect."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flows_repo
import pytest
from made_once import made_once

from flows import server


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a committed repository whose stages are up to date; copy it before use."""
    return made_once(tmp_path_factory, "pattern", flows_repo.build)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home of Prefect as its first server leaves it; copy it before use.

    A first server makes the tables of its database by every migration since Prefect began, which costs
    more than all else that a server and a flow do here.
    """

    def make(home: Path) -> None:
        first = server.start({**os.environ, "PREFECT_HOME": str(home)} | flows_repo.NO_ANALYTICS)
        try:
            server.await_answer(first, 240)
        finally:
            first.stop()

    return made_once(tmp_path_factory, "prefect-home", make)


@pytest.fixture
def repo(pattern: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny repository of one's own."""
    return Path(shutil.copytree(pattern, tmp_path / "repo", symlinks=True))


@pytest.fixture
def without_prefect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that makes the flows work on a folder, their tasks as plain functions."""
    from flows import rebuild, release, retrain

    def settle(root: Path) -> None:
        for module in (rebuild, release, retrain):
            monkeypatch.setattr(module, "ROOT", root)
            for name, value in _tasks(module):
                monkeypatch.setattr(module, name, value.fn)
        monkeypatch.setattr(release, "STATE", root / ".fairmark")
        monkeypatch.setattr("flows.console.TIMINGS", root / ".fairmark" / "timings.json")

    return settle


def _tasks(module: ModuleType) -> Iterator[tuple[str, Any]]:
    from prefect import Task

    return ((name, value) for name, value in vars(module).items() if isinstance(value, Task))
