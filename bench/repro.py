"""What `dvc repro --force` costs over the bare computations, and where the rest goes.

Run `python bench/repro.py [REPEATS]`. Clones the last commit into a temporary folder and times there, in
turns: the whole `dvc repro --force`; each stage's command in a process of its own, without DVC; and the stage
functions in one process that has imported everything (its second pass is timed). One worker on every side.
Seconds are of the clock on the wall; beside them stand seconds of the processor, which other work on the
machine moves less. Uncommitted changes are not measured.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np
from sides.rows import ROOT

from fairmark.entry import arguments
from fairmark.params.parse import read_yaml

Pair = np.ndarray
"""Seconds on the wall and seconds of the processor."""
Turn = dict[str, dict[str, Pair]]
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


def clock() -> Pair:
    """Return the time on the wall, and that of the processor for this process and its ended children."""
    now = os.times()
    return np.array([time.perf_counter(), now.user + now.system + now.children_user + now.children_system])


def timed(folder: Path, *command: str, env: dict[str, str]) -> Pair:
    """Return both seconds that a command takes in `folder`."""
    start = clock()
    say(folder, *command, env=env)
    return clock() - start


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
    seconds: dict[str, list[float]] = {}
    for _ in range(2):
        for name, command in commands(folder).items():
            words = shlex.split(command)
            stage = getattr(import_module(f"fairmark.stages.{name}"), name)
            start = clock()
            stage(**arguments(stage, words[words.index("-m") + 2 :]))
            seconds[name] = (clock() - start).tolist()
    print(json.dumps(seconds))


def turn(whole: Path, parts: Path, env: dict[str, str]) -> Turn:
    """Return both seconds of one turn: of DVC, and of each stage in a process and bare."""
    steps = commands(whole)
    dvc = timed(whole, sys.executable, "-m", "dvc", "repro", "--force", env=env)
    idle = timed(whole, sys.executable, "-m", "dvc", "repro", env=env)
    own = env | {"PYTHONPATH": str(parts / "src")}
    process = {name: timed(parts, "bash", "-c", command, env=own) for name, command in steps.items()}
    exact = settings(next(iter(steps.values())))
    plain = json.loads(say(parts, sys.executable, __file__, "bare", str(parts), env=own | exact))
    plain = {name: np.array(pair) for name, pair in plain.items()}
    return {"dvc": {"force": dvc, "idle": idle}, "process": process, "bare": plain}


def show(turns: list[Turn]) -> None:
    """Print the medians of all turns as a table, and the ratio."""

    def middle(kind: str, name: str) -> Pair:
        return np.median([each[kind][name] for each in turns], axis=0)

    def line(name: str, plain: Pair, process: Pair) -> str:
        cells = zip(plain, process, process - plain, strict=True)
        return f"{name:<10}" + "".join(f"{cell:>10.2f}" for row in cells for cell in row)

    names = list(turns[0]["bare"])
    print(f"{'':<10}{'seconds':>30}{'of the processor':>30}")
    print(f"{'stage':<10}" + f"{'bare':>10}{'process':>10}{'start':>10}" * 2)
    for name in names:
        print(line(name, middle("bare", name), middle("process", name)))
    plain, process = (sum(middle(kind, name) for name in names) for kind in ("bare", "process"))
    print(line("all", plain, process))
    force, idle = middle("dvc", "force"), middle("dvc", "idle")
    for place, kind in enumerate(("seconds", "seconds of the processor")):
        total, own = force[place], force[place] - process[place]
        print(f"dvc repro --force: {total:.2f} {kind}, {own:.2f} of them DVC's own (start, hashing, cache)")
        print(f"  over bare: {total / plain[place]:.3g}; with nothing to do: {idle[place]:.2f}")
    print(f"medians of {len(turns)}; start: of the stage's process, with its imports; goal: below 1.5")


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
