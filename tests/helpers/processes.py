"""The environments that the Makefile makes beside the main one, for tests that run programs of theirs."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python_of(environment: str) -> Path:
    """Return the Python of an environment, or skip the test where it is not made."""
    python = ROOT / f".venv-{environment}" / "bin" / "python"
    if not (python.parents[1] / ".ready").is_file():
        pytest.skip(f"needs the environment {environment}: make .venv-{environment}/.ready")
    return python


def program_of(environment: str, name: str) -> str:
    """Return a program of an environment, or skip the test where it is not made."""
    return str(python_of(environment).with_name(name))
