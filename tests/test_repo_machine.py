"""The code that is recorded is the code that runs: another folder's is never run under this one's hash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fairmark.errors import StateError
from fairmark.repo.machine import check_source

ROOT = Path(__file__).parents[1]
EXACT = next(each["exact"] for each in yaml.safe_load((ROOT / "dvc.yaml").read_text())["vars"])


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another folder with the same code, but for one stage."""
    shutil.copytree(ROOT / "src", tmp_path / "src")
    stage = tmp_path / "src" / "fairmark" / "stages" / "split.py"
    stage.write_text(
        "import sys\nfrom fairmark.entry import run\n"
        "def split() -> None:\n    print('the code of the clone')\n"
        "if __name__ == '__main__':\n    run(split, sys.argv)\n"
    )
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def _run(folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run a stage of `folder` by the environment of this repository, whose own code is installed in it."""
    plain = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}
    environment = plain | {"PYTHONPATH": str(ROOT / "src")}
    command = f"{words} {sys.executable} -m fairmark.stages.split --params params.yaml"
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_stage_of_dvc_yaml_runs_the_code_of_the_folder_that_it_stands_in(clone: Path) -> None:
    ended = _run(clone, EXACT)

    assert (ended.returncode, ended.stdout) == (0, "the code of the clone\n"), ended.stderr


def test_a_stage_that_would_run_the_code_of_another_folder_is_refused_in_one_line(clone: Path) -> None:
    ended = _run(clone, "env PYTHONSAFEPATH=1")

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert (
        f"split: must run the code of its own folder {clone / 'src/fairmark'}, got that of " in ended.stderr
    )
    assert len(ended.stderr.splitlines()) == 2


def test_a_module_beside_the_data_does_not_pose_as_a_library(clone: Path) -> None:
    (clone / "yaml.py").write_text("raise SystemExit('a stranger')")
    (clone / "pydantic.py").write_text("raise SystemExit('a stranger')")

    assert _run(clone, EXACT).stdout == "the code of the clone\n"


def test_the_own_folder_and_a_folder_without_code_are_no_fault(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    check_source(ROOT, "flow")
    check_source(tmp_path / "empty", "flow")
    with pytest.raises(StateError, match="flow: must run the code of its own folder"):
        check_source(clone, "flow")
