"""Kill the release of a small project, or of this repository's own, at a moment, and run it again."""

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flows_repo import ROOT, call, commit, eventually, living
from loans_table import make_second

Whom = Literal["the flow alone", "its group", "all that it started"]
WHOM: tuple[Whom, ...] = ("the flow alone", "its group", "all that it started")
MARK = "FAIRMARK_KILLED_IN"
LOCKS = (
    ".git/refs/**/*.lock",
    ".git/index.lock",
    ".git/HEAD.lock",
    "releases/.*",
    ".fairmark/stages.json",
    "artifacts/**/.*.tmp",
    "data/.*",
)


@dataclass(frozen=True)
class Left:
    """What a run came to: SHA-256 of every file that must be the same again, and the tags."""

    files: dict[str, str]
    tags: str


def project(folder: Path, *, default: bool) -> Path:
    """Make a repository in `folder` with committed results: of this one's own data, or of a small table."""
    origin = folder / "origin"
    call(folder, "git", "clone", "--quiet", "--no-local", str(ROOT), str(origin))
    for tag in call(origin, "git", "tag").split():
        call(origin, "git", "tag", "--delete", tag)
    if not default:
        make_second(origin, rows=600)
        (origin / "data.dvc").unlink()
        call(origin, "dvc", "add", "--quiet", "data")
        call(origin, "dvc", "push", "--quiet", "--remote", "store", "data.dvc")
        call(origin, "dvc", "remote", "default", "store")
        run(origin, folder, "retrain")
        commit(origin)
    return origin


def fresh(origin: Path, folder: Path) -> Path:
    """Return a new clone of `origin` in `folder`: nothing made, nothing cached."""
    target = folder / "clone"
    shutil.rmtree(target, ignore_errors=True)
    call(folder, "git", "clone", "--quiet", "--no-local", str(origin), str(target))
    return target


def start(root: Path, home: Path, flow: str) -> "subprocess.Popen[str]":
    """Start a flow of the repository `root`, with `home` as the user's own folder."""
    kept = {
        key: text for key, text in os.environ.items() if not key.startswith(("PREFECT", "FAIRMARK", "MLFLOW"))
    }
    environment = kept | {
        MARK: str(root),
        "HOME": str(home),
        "PYTHONPATH": str(root / "src"),
        "FAIRMARK_CONFIG": str(home / "config"),
        "FAIRMARK_CYCLONEDX": str(ROOT / ".venv-tools" / "bin" / "cyclonedx-py"),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@localhost",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@localhost",
    }
    return subprocess.Popen(
        [sys.executable, f"flows/{flow}.py"],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that starts tests in the background has them ignore Ctrl-C, and what they start as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )


def run(root: Path, home: Path, flow: str = "release") -> str:
    """Run a flow to its end, which must be a good one; return what it said."""
    with start(root, home, flow) as process:
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return said


def kill(root: Path, home: Path, after_s: float, whom: Whom) -> str | None:
    """Run `release` for `after_s` seconds, kill it, return its last words; None when it had ended by then."""
    with start(root, home, "release") as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
            process.communicate()
            return None
        if whom == "the flow alone":
            process.kill()
        elif whom == "its group":
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            for pid in (process.pid, *living(f"{MARK}={root}")):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        assert eventually(lambda: not alive(root)), alive(root)
        assert process.stdout is not None
        words = [line.strip() for line in process.stdout.read().splitlines() if line.strip()]
    return words[-1] if words else "nothing yet"


def alive(root: Path) -> list[int]:
    """Return the processes that a flow in `root` started, its guardian among them."""
    return [*living(f"{MARK}={root}"), *living(f"{root}/src/fairmark/repo/guardian.py")]


def left(root: Path) -> Left:
    """Return what stands in `root`."""
    names = ["dvc.lock", *_below(root, "artifacts"), *_below(root, "releases"), *_below(root, "data")]
    files = {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}
    return Left(files, _tags(root))


def faults(root: Path) -> list[str]:
    """Return what a run left in the way: a tree that is not clean, a lock, a draft, a broken cache."""
    found = [f"changed: {line}" for line in call(root, "git", "status", "--porcelain").splitlines()]
    found += [f"left: {path.relative_to(root)}" for pattern in LOCKS for path in root.glob(pattern)]
    found += [f"alive: {pid}" for pid in alive(root) if not eventually(lambda: not alive(root))]
    users = root / ".dvc" / "tmp" / "rwlock"
    if users.exists() and any(json.loads(users.read_text()).values()):
        found.append("left: an entry in .dvc/tmp/rwlock")
    found += [f"stale: {line}" for line in call(root, "dvc", "status", "--json").split() if line != "{}"]
    return found + [f"spoilt: {name}" for name in _spoilt(root)]


def moments(count: int, whole_s: float, seed: int = 4) -> Iterator[tuple[float, Whom]]:
    """Yield when to kill (seconds, drawn one from each equal part of a run) and whom."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    parts = [0.95 * whole_s * (k + draw.random()) / count for k in range(count)]
    draw.shuffle(parts)
    for number, after_s in enumerate(parts):
        yield after_s, WHOM[number % len(WHOM)]


def timed(root: Path, home: Path) -> float:
    """Release, and return the seconds that it took."""
    began = time.monotonic()
    run(root, home)
    return time.monotonic() - began


def versions(root: Path) -> list[str]:
    """Return the versions of models in the registry beside the releases."""
    with closing(sqlite3.connect(root / "mlflow.db")) as registry:
        return [
            f"{name} {version}"
            for name, version in registry.execute("SELECT name, version FROM model_versions")
        ]


def _below(root: Path, name: str) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / name).rglob("*") if path.is_file())


def _tags(root: Path) -> str:
    """Return each tag with the commit that it names and its message, which names the statement."""
    form = "%(refname:short) %(*objectname) %(contents:subject) %(contents:body)"
    return call(root, "git", "for-each-ref", "--sort=refname", f"--format={form}", "refs/tags")


def _spoilt(root: Path) -> list[str]:
    store = root / ".dvc" / "cache" / "files" / "md5"
    return [
        path.name
        for path in store.glob("??/*")
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        != path.parent.name + path.name.removesuffix(".dir")
    ]
