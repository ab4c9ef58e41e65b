"""A folder that `fairmark init` takes for a checkout of the default project, without code or data."""

from pathlib import Path

from release_folder import git

ROOT = Path(__file__).parents[2]


def default_checkout(root: Path) -> Path:
    """Return `root`, made into such a folder and committed."""
    (root / "src" / "fairmark").mkdir(parents=True)
    (root / "src" / "fairmark" / "__init__.py").touch()
    (root / ".dvc").mkdir()
    for name in ("params.yaml", "dvc.yaml", "data.dvc", ".gitignore", ".dvc/config"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "dvc.lock").write_text("stages: {}\n")
    (root / "artifacts").mkdir()
    (root / "artifacts" / "x.json").write_text("{}")
    git(root, "init", "-q")
    committed(root)
    return root


def committed(root: Path) -> None:
    """Commit all that stands in the folder."""
    git(root, "add", "-A")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "as it stands")
