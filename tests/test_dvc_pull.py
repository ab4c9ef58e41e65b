"""A fresh clone gets its data by what docs/own-data.md says, and hears of no failure."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = "".join((ROOT / "docs" / name).read_text() for name in ("own-data.md", "decisions.md"))


@pytest.mark.parametrize("words", ["pull --allow-missing", "pull data.dvc"])
def test_a_fresh_clone_pulls_its_data(tmp_path: Path, words: str) -> None:
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(tmp_path / "clone")], check=True)

    pull = [sys.executable, "-m", "dvc", *words.split()]
    done = subprocess.run(pull, cwd=tmp_path / "clone", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "data" / "adult.data").stat().st_size > 3_000_000
    assert f"`dvc {words}`" in PAGES
