"""Ask git: the one module that starts it.

Nothing of the caller's environment can point git at another repository, and its words are always English.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from fairmark.errors import StateError

# A hook of another repository sets these, and git would then speak of that repository.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)


def git(
    root: Path, *words: str, given: str | None = None, extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Return how `git -C root words` ended, its output as text.

    Parameters
    ----------
    given
        What it reads on its standard input; None gives it nothing.
    extra
        Variables for its environment.

    Raises
    ------
    StateError
        When git is not installed.
    """
    try:
        return subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
            input=given or "",
            env=environment() | dict(extra or {}),
        )
    except FileNotFoundError as error:
        raise StateError("git: must be installed and on PATH, got no such command") from error


def need(root: Path, what: str, *words: str, given: str | None = None) -> str:
    """Return what git wrote; `what` says in words what the call must do.

    Raises
    ------
    StateError
        When git refuses: `root: must WHAT, got` its words.
    """
    answer = git(root, *words, given=given)
    if answer.returncode != 0:
        raise StateError(f"{root}: must {what}, got {in_words(answer.stderr)}")
    return answer.stdout


def git_bytes(root: Path, *words: str, given: bytes = b"") -> bytes | None:
    """Return the bytes that git wrote when it read those given, or None when it refused."""
    answer = subprocess.run(
        ["git", "-C", str(root), *words],
        capture_output=True,
        check=False,
        input=given,
        env=environment(),
    )
    return answer.stdout if answer.returncode == 0 else None


def environment() -> dict[str, str]:
    """Return the environment that git runs in."""
    return {key: value for key, value in os.environ.items() if key not in _FOREIGN} | {"LC_ALL": "C"}


def in_words(text: str) -> str:
    """Return what git said, in one line."""
    return " ".join(text.split()) or "no word of git"
