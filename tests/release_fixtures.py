"""A working folder in a git repository, and the release that is made of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from release_folder import PARAMS, git, write_artifacts, write_lock

from fairmark.files import write_text


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder with one commit, never to be written to."""
    root = tmp_path_factory.mktemp("working") / "folder"
    write_text(root / "data" / "people.csv", "sex,paid\nFemale,yes\n")
    write_text(root / "data" / "DATASHEET.md", "# Data sheet\n")
    write_text(root / "params.yaml", yaml.safe_dump(PARAMS, sort_keys=False, allow_unicode=True))
    write_text(root / ".gitignore", "/data\nreleases/\nmlflow.db\nmlruns/\n/artifacts/train/model\n")
    for name in ("requirements.lock", "requirements-dev.lock"):
        shutil.copyfile(Path(__file__).parent.parent / name, root / name)
    write_artifacts(root)
    write_lock(root)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    for key, text in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        git(root, "config", key, text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    return root


@pytest.fixture
def working(template: Path, tmp_path: Path) -> Path:
    """Return a working folder of one's own."""
    return Path(shutil.copytree(template, tmp_path / "working"))
