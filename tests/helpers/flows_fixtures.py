"""A tiny repository to run flows on, and flows that work on it without Prefect."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import flows_repo
import pytest


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a committed repository whose stages are up to date; copy it before use."""
    root = tmp_path_factory.mktemp("pattern") / "repo"
    flows_repo.build(root)
    return root


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
