"""What `dvc repro --force` costs over the bare computations, and where the rest goes.

Run `python bench/repro.py [REPEATS]`. Clones the last commit into a temporary folder and times there, in
turns: the whole `dvc repro --force`; each stage's command in a process of its own, without DVC; and the
stage functions in one process that has imported everything (its second pass is timed). One worker on
every side. Uncommitted changes are not measured.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from sides.rows import ROOT, call

from fairmark.params import read_yaml

ENV = {
    **os.environ,
    "FAIRMARK_WORKERS": "1",
    "OMP_NUM_THREADS": "1",
    "DVC_NO_ANALYTICS": "1",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
}


def say(folder: Path, *command: str, env: dict[str, str] | None = None) -> str:
    """Run a command in `folder` and return what it prints; its fault ends the script."""
    own = env or ENV
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command)[:200]} stopped:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def timed(folder: Path, *command: str, env: dict[str, str]) -> float:
    """Return the seconds that a command takes in `folder`."""
    start = time.perf_counter()
    say(folder, *command, env=env)
    return time.perf_counter() - start


def clone(folder: Path) -> dict[str, str]:
    """Clone the last commit into `folder` with its data; return the environment that runs its own code."""
    say(ROOT, "git", "clone", "--quiet", str(ROOT), str(folder))
    env = {**ENV, "PYTHONPATH": str(folder / "src")}
    say(folder, sys.executable, "-m", "dvc", "pull", "--quiet", "data.dvc", env=env)
    return env


def commands(folder: Path) -> dict[str, str]:
    """Return each stage's command, in the order of the pipeline."""
    locked = read_yaml(folder / "dvc.lock")["stages"]
    return {name: locked[name]["cmd"] for name in read_yaml(folder / "dvc.yaml")["stages"]}


def settings(command: str) -> dict[str, str]:
    """Return the variables that a stage's command sets (`env NAME=VALUE ... python ...`)."""
    words = shlex.split(command)
    return dict(word.split("=", 1) for word in words[1 : words.index("python")])


def bare(folder: Path) -> None:
    """Print the seconds of each stage function as JSON, from a second pass in this process."""
    os.chdir(folder)
    seconds: dict[str, float] = {}
    for _ in range(2):
        for name, command in commands(folder).items():
            words = shlex.split(command)
            paths = [Path(word) for word in words[words.index("-m") + 2 :]]
            stage = getattr(import_module(f"fairmark.stages.{name}"), name)
            start = time.perf_counter()
            call(stage, *paths)
            seconds[name] = time.perf_counter() - start
    print(json.dumps(seconds))


def turn(whole: Path, parts: Path, env: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return the seconds of one turn: of DVC, and of each stage in a process and bare."""
    steps = commands(whole)
    dvc = timed(whole, sys.executable, "-m", "dvc", "repro", "--force", env=env)
    idle = timed(whole, sys.executable, "-m", "dvc", "repro", env=env)
    own = env | {"PYTHONPATH": str(parts / "src")}
    process = {name: timed(parts, "bash", "-c", command, env=own) for name, command in steps.items()}
    exact = settings(next(iter(steps.values())))
    plain = json.loads(say(parts, sys.executable, __file__, "bare", str(parts), env=own | exact))
    return {"dvc": {"force": dvc, "idle": idle}, "process": process, "bare": plain}


def show(turns: list[dict[str, dict[str, float]]]) -> None:
    """Print the medians of all turns as a table, and the ratio."""

    def middle(kind: str, name: str) -> float:
        return statistics.median(each[kind][name] for each in turns)

    names = list(turns[0]["bare"])
    print(f"{'stage':<12}{'bare s':>9}{'own process s':>15}{'start and imports s':>21}")
    for name in names:
        plain, process = middle("bare", name), middle("process", name)
        print(f"{name:<12}{plain:>9.2f}{process:>15.2f}{process - plain:>21.2f}")
    plain, process = (sum(middle(kind, name) for name in names) for kind in ("bare", "process"))
    force = middle("dvc", "force")
    print(f"{'all':<12}{plain:>9.2f}{process:>15.2f}{process - plain:>21.2f}")
    print(f"dvc repro --force: {force:.2f} s; DVC's own (start, hashing, cache): {force - process:.2f} s")
    print(f"dvc repro with nothing to do: {middle('dvc', 'idle'):.2f} s")
    print(f"dvc repro --force / bare = {force / plain:.3g} (medians of {len(turns)}; goal: below 1.5)")


def main(repeats: int) -> None:
    """Measure in two clones: one for DVC, one for what runs without it."""
    with tempfile.TemporaryDirectory() as scratch:
        whole, parts = Path(scratch) / "whole", Path(scratch) / "parts"
        env = clone(whole)
        clone(parts)
        say(whole, sys.executable, "-m", "dvc", "repro", env=env)
        (parts / "dvc.lock").write_bytes((whole / "dvc.lock").read_bytes())
        show([turn(whole, parts, env) for _ in range(repeats)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
