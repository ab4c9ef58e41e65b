"""A working folder in a git repository, and the release that is made of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from environment_files import (
    few_listed,
    few_locked,
    few_there,
    read_environment,
    share,
    write_environment,
)
from made_once import made_once
from release_folder import PARAMS, git, make_release, write_artifacts, write_lock
from self_assessment import answered

from fairmark.errors import StateError
from fairmark.files import write_text
from fairmark.release.sbom import build
from fairmark.release.sbom.build import LOCKS
from fairmark.release.sbom.cyclonedx import Listing
from fairmark.release.sbom.installed import Installed, installed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder with one commit, never to be written to."""
    root = tmp_path_factory.mktemp("working") / "folder"
    write_text(root / "data" / "people.csv", "sex,paid\nFemale,yes\n")
    write_text(root / "data" / "DATASHEET.md", "# Data sheet\n")
    write_text(root / "params.yaml", yaml.safe_dump(PARAMS, sort_keys=False, allow_unicode=True))
    write_text(root / "assessment.yaml", yaml.safe_dump(answered("loans"), sort_keys=False))
    write_text(root / ".gitignore", "/data\nreleases/\nmlflow.db\nmlruns/\n/artifacts/train/model\n")
    shutil.copyfile(ROOT / "requirements.wheels", root / "requirements.wheels")
    for name in LOCKS:
        write_text(root / name, few_locked((ROOT / name).read_text(encoding="utf-8")))
    write_artifacts(root)
    write_lock(root)
    subprocess.run(["git", "init", "-q", "-b", "main", "--template=", str(root)], check=True)
    for key, text in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        git(root, "config", key, text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Start")
    return root


@pytest.fixture
def working(template: Path, tmp_path: Path) -> Path:
    """Return a working folder of one's own."""
    return Path(shutil.copytree(template, tmp_path / "working"))


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the Python of the tools environment, or skip where there is none."""
    try:
        return build.tools(ROOT)
    except StateError as error:
        pytest.skip(f"needs cyclonedx-py: {error}")


@pytest.fixture(scope="session")
def whole_environment(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the environment that runs, looked at once for all workers."""

    def make(folder: Path) -> None:
        write_environment(build.list_environment(tools), installed(), folder)

    return made_once(tmp_path_factory, "environment", make)


@pytest.fixture(scope="session")
def environment(whole_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the small part of it that releases of the tests are made in."""
    folder = tmp_path_factory.mktemp("few")
    listed, there = read_environment(whole_environment)
    write_environment(few_listed(listed), few_there(there), folder)
    return folder


@pytest.fixture(scope="session")
def listed(environment: Path) -> Listing:
    """Return what cyclonedx-py says of the environment."""
    return read_environment(environment)[0]


@pytest.fixture(scope="session")
def there(environment: Path) -> dict[str, Installed]:
    """Return what is installed in it, each file read and compared with its RECORD."""
    return read_environment(environment)[1]


@pytest.fixture
def quick_bill(
    listed: Listing, there: dict[str, Installed], tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let every release of a test share one look at the environment."""
    share(monkeypatch, listed, there, tools)


@pytest.fixture(scope="session")
def released(
    template: Path,
    listed: Listing,
    there: dict[str, Installed],
    tools: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a working folder with one tagged release, never to be written to."""
    root = Path(shutil.copytree(template, tmp_path_factory.mktemp("released") / "folder"))
    with pytest.MonkeyPatch.context() as patch:
        share(patch, listed, there, tools)
        make_release(root, "v0.1.0")
    return root


@pytest.fixture
def small_release(released: Path, tmp_path: Path) -> Path:
    """Return a release folder of one's own; the folder above `releases` is its working folder and clone."""
    root = Path(shutil.copytree(released, tmp_path / "released"))
    return root / "releases" / "loans-v0.1.0"
