"""A working folder in a git repository, and the release that is made of it."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from release_folder import PARAMS, git, make_release, write_artifacts, write_lock

from fairmark.errors import StateError
from fairmark.files import write_text
from fairmark.release.sbom import build
from fairmark.release.sbom.cyclonedx import Listing
from fairmark.release.sbom.installed import Installed, installed


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder with one commit, never to be written to."""
    root = tmp_path_factory.mktemp("working") / "folder"
    write_text(root / "data" / "people.csv", "sex,paid\nFemale,yes\n")
    write_text(root / "data" / "DATASHEET.md", "# Data sheet\n")
    write_text(root / "params.yaml", yaml.safe_dump(PARAMS, sort_keys=False, allow_unicode=True))
    write_text(root / ".gitignore", "/data\nreleases/\nmlflow.db\nmlruns/\n/artifacts/train/model\n")
    for name in ("requirements.lock", "requirements-dev.lock", "requirements.wheels"):
        shutil.copyfile(Path(__file__).parents[2] / name, root / name)
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
        return build.tools(Path(__file__).resolve().parents[2])
    except StateError as error:
        pytest.skip(f"needs cyclonedx-py: {error}")


@pytest.fixture(scope="session")
def listed(tools: Path) -> Listing:
    """Return what cyclonedx-py says of the environment, asked once."""
    return build.list_environment(tools)


@pytest.fixture(scope="session")
def there() -> dict[str, Installed]:
    """Return what is installed, read once."""
    return installed()


@pytest.fixture
def quick_bill(
    listed: Listing, there: dict[str, Installed], tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let every release of a test share one look at the environment."""
    _share(monkeypatch, listed, there, tools)


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
        _share(patch, listed, there, tools)
        make_release(root, "v0.1.0")
    return root


@pytest.fixture
def small_release(released: Path, tmp_path: Path) -> Path:
    """Return a release folder of one's own; the folder above `releases` is its working folder and clone."""
    root = Path(shutil.copytree(released, tmp_path / "released"))
    return root / "releases" / "loans-v0.1.0"


def _share(patch: pytest.MonkeyPatch, listed: Listing, there: dict[str, Installed], tools: Path) -> None:
    patch.setenv("FAIRMARK_CYCLONEDX", str(tools.with_name("cyclonedx-py")))
    patch.setattr(build, "list_environment", lambda _: listed)
    patch.setattr(build, "installed", lambda: dict(there))
