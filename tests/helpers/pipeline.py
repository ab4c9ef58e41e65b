"""Run the stages of dvc.yaml as DVC runs them, on any project folder, without DVC."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from fairmark.entry import run

ROOT = Path(__file__).parents[2]
WHOLE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PIPELINE: dict[str, Any] = WHOLE["stages"]
VARS: dict[str, str] = {name: text for each in WHOLE["vars"] for name, text in each.items()}


def words_of(stage: str) -> list[str]:
    """Return the words of a stage's command behind `python -m MODULE`, its variables filled in."""
    command = re.sub(r"\$\{(\w+)\}", lambda found: VARS[found[1]], PIPELINE[stage]["cmd"])
    return shlex.split(command.split("python -m ")[1])[1:]


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
    with inside(folder):
        run(getattr(import_module(f"fairmark.stages.{name}"), name), [name, *words_of(name)])


def run_all(folder: Path) -> None:
    """Run every stage in order."""
    for name in PIPELINE:
        run_stage(name, folder)


def run_all_exactly(folder: Path) -> None:
    """Run every stage in a process with the environment that dvc.yaml gives them, whichever CPU this is.

    Two more processes search, as they do where nobody has asked for another number of them.
    """
    places = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    program = "import pathlib, pipeline, sys; pipeline.run_all(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [
            *shlex.split(VARS["exact"]),
            f"PYTHONPATH={places}",
            "FAIRMARK_WORKERS=2",
            sys.executable,
            "-c",
            program,
            str(folder),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=600,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below `folder`."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
