"""Run the stages of dvc.yaml as DVC runs them, on any project folder, without DVC."""

import contextlib
import os
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from fairmark.entry import run

ROOT = Path(__file__).parents[1]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Stand in `folder` for the length of the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run_stage(name: str, folder: Path) -> None:
    """Run one stage with the paths of its command in dvc.yaml, relative to `folder`."""
    words = shlex.split(PIPELINE[name]["cmd"].split("python -m ")[1])
    with inside(folder):
        run(getattr(import_module(f"fairmark.stages.{name}"), name), words)


def run_all(folder: Path) -> None:
    """Run every stage in order."""
    for name in PIPELINE:
        run_stage(name, folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below `folder`."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
