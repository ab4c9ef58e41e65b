"""A tiny repository with git, DVC and three quick stages."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from confusion_rows import document
from release_folder import model
from schemas import schema

from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Disparity, MeasuredModel
from fairmark.model.model_file import FORMAT, MODEL_JSON, Calibration, ModelFile
from fairmark.repo.dvc_files import folder_sha256

ROOT = Path(__file__).parents[2]
FLOWS = ROOT / "flows"
NO_ANALYTICS = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

PIPELINE = """\
stages:
  train:
    cmd: mkdir -p artifacts/train/model && cp data/model.json artifacts/train/model/ && echo trained
    deps: [data]
    outs: [artifacts/train/model]
  evaluate:
    cmd: mkdir -p artifacts/evaluate && cp measured.json artifacts/evaluate/measurements.json
    deps: [artifacts/train/model, measured.json]
    outs:
      - artifacts/evaluate/measurements.json: {cache: false}
  document:
    cmd: mkdir -p artifacts/document && cp measured.json artifacts/document/report.html
    deps: [artifacts/evaluate/measurements.json, measured.json]
    outs: [artifacts/document/report.html]
"""

# As `dvc remote add --default store dvcstore` and `dvc remote modify store verify true` write it.
DVC_CONFIG = """\
[core]
    remote = store
['remote "store"']
    url = ../dvcstore
    verify = true
"""

MEASURED = document({"F": (90, 30, 30, 90), "M": (90, 30, 30, 90)}).model_copy(
    update={
        "overall": {
            "roc_auc": Measured(value=0.9, low=0.88, high=0.92),
            "accuracy": Measured(value=0.8, low=None, high=None),
        },
        "disparities": {"sex": {"selection_rate_ratio": Disparity(value=0.85, low=0.81, high=0.9)}},
    }
)


def call(folder: Path, *command: str) -> str:
    """Return what a program (found beside this Python first) printed; it must end well."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    who = {f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nap(seconds: int) -> str:
    """Return a command that sleeps so long and that no other run of the tests on this machine has."""
    return f"sleep {seconds}.{os.getpid()}"


def asleep(seconds: int) -> str:
    """Return by what `living` knows those who run `nap(seconds)`."""
    return "\0".join([*nap(seconds).split(), ""])


def living(marker: str) -> list[int]:
    """Return the processes that have `marker` in their command line or environment; zombies have neither."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if marker.encode() in words and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def eventually(holds: Callable[[], object], within_s: float = 120, every_s: float = 0.05) -> bool:
    """Return whether `holds` within a time; at once when it does: a long time costs only who fails."""
    until = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True


def gone(marker: str) -> bool:
    """Return whether no process of `marker` lives, the kernel given time to bury the killed."""
    return eventually(lambda: not living(marker), every_s=0.2)


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first `old` in a file, which must hold it, by `new`."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def commit(folder: Path) -> str:
    """Commit everything in `folder`; return the commit."""
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", "x")
    return call(folder, "git", "rev-parse", "HEAD").strip()


def build(root: Path) -> None:
    """Make a committed repository in `root` whose stages are up to date."""
    for folder in ("data", "dvcstore", "artifacts/prepare"):
        (root / folder).mkdir(parents=True)
    ModelFile(
        format=FORMAT,
        family="logistic",
        features=["age"],
        threshold=0.5,
        calibration=Calibration(a=1, b=0),
        seed=1,
        chosen=model().chosen,
        files={},
    ).write(root / "data" / MODEL_JSON)
    measured_model = MeasuredModel(sha256=folder_sha256(root / "data"), threshold=0.5)
    measured = MEASURED.model_copy(update={"model": measured_model})
    (root / "data" / "rows.csv").write_text("income\n1\n")
    schema(groups={"sex": ["F", "M"]}).write(root / "artifacts" / "prepare" / "schema.json")
    (root / "measured.json").write_text(json.dumps(measured.to_json()))
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text(".fairmark/\n.prefect/\nreleases/\nmlflow.db\n")
    (root / "requirements.lock").write_text("")
    shutil.copy(ROOT / "params.yaml", root)
    call(root, "git", "init", "--quiet", "--initial-branch", "main")
    call(root, "dvc", "init", "--quiet")
    (root / ".dvc" / "config").write_text(DVC_CONFIG)
    call(root, "dvc", "add", "--quiet", "data")
    call(root, "dvc", "push", "--quiet", "data.dvc")
    call(root, "dvc", "repro", "--quiet")
    commit(root)
