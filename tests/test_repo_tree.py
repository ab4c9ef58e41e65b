"""Every file of a commit is listed by its bytes, and no object is believed that is not what its name says."""

import hashlib
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from release_folder import git

from fairmark.errors import StateError, VerificationError
from fairmark.repo.git import committed_files


def repository(root: Path, files: dict[str, bytes], *words: str) -> Path:
    """Return a repository with one commit of these files."""
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", *words)
    for key, text in (("user.name", "A Tester"), ("user.email", "tester@example.org"), ("gc.auto", "0")):
        git(root, "config", key, text)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    git(root, "add", "-A", "-f")
    git(root, "commit", "-q", "-m", "Files")
    return root


def head(root: Path) -> str:
    return git(root, "rev-parse", "HEAD").strip()


def forge(root: Path, name: str, content: bytes) -> None:
    """Put other bytes into the place of the git object `name` (of a kind that stays)."""
    kind = git(root, "cat-file", "-t", name).strip()
    full = git(root, "rev-parse", name).strip()
    place = root / ".git" / "objects" / full[:2] / full[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))


FILES = {"src/a.py": b"1\n", "src/deep/er/b.py": b"2\n", "yaml.py": b"", "src.txt": b"3"}


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_every_file_has_the_sha256_of_its_bytes(tmp_path: Path, form: str) -> None:
    root = repository(tmp_path / "a", FILES, f"--object-format={form}")

    found = committed_files(root, head(root))
    assert found == {name: hashlib.sha256(content).hexdigest() for name, content in sorted(FILES.items())}
    assert list(found) == sorted(found)


def test_a_folder_of_the_repository_is_listed_by_itself(tmp_path: Path) -> None:
    root = repository(tmp_path / "a", FILES)

    assert list(committed_files(root / "src", head(root))) == ["a.py", "deep/er/b.py"]
    assert list(committed_files(root / "src" / "deep", head(root))) == ["er/b.py"]


def test_packed_or_loose_gives_the_same(tmp_path: Path) -> None:
    root = repository(tmp_path / "a", FILES)
    loose = committed_files(root, head(root))
    git(root, "gc", "-q")

    assert committed_files(root, head(root)) == loose


@pytest.mark.parametrize("name", ["HEAD:yaml.py", "HEAD:src/deep/er/b.py", "HEAD:src", "HEAD^{tree}", "HEAD"])
def test_a_forged_object_is_refused_where_git_reads_it_without_a_word(tmp_path: Path, name: str) -> None:
    root = repository(tmp_path / "a", FILES)
    commit = head(root)
    other = {"HEAD": "HEAD~", "HEAD:src": "HEAD:src/deep", "HEAD^{tree}": "HEAD:src"}.get(name)
    (root / "more.txt").write_text("x")
    kind = git(root, "cat-file", "-t", name).strip()
    content = b"import os\n"
    if kind == "tree":
        content = subprocess.run(
            ["git", "-C", str(root), "cat-file", "tree", str(other)], check=True, capture_output=True
        ).stdout
    elif kind == "commit":
        tree = git(root, "rev-parse", "HEAD:src").strip()
        content = (
            git(root, "cat-file", "commit", "HEAD")
            .replace(git(root, "rev-parse", "HEAD^{tree}").strip(), tree)
            .encode()
        )
    forge(root, name, content)

    if kind == "blob":
        assert git(root, "cat-file", "-p", name) == "import os\n"  # git is content
    with pytest.raises(VerificationError, match=r"must hold the bytes that git object .* got those of"):
        committed_files(root, commit)


def test_a_clone_that_lacks_an_object_is_told_from_a_forged_one(tmp_path: Path) -> None:
    root = repository(tmp_path / "a", FILES)
    blob = git(root, "rev-parse", "HEAD:yaml.py").strip()
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(StateError, match=r"must hold yaml\.py, got a clone without it"):
        committed_files(root, head(root))


def test_a_submodule_is_refused(tmp_path: Path) -> None:
    root = repository(tmp_path / "a", FILES)
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{head(root)},vendor")
    git(root, "commit", "-q", "-m", "Submodule")

    with pytest.raises(VerificationError, match="must hold files alone, got submodule vendor"):
        committed_files(root, head(root))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), name=st.sampled_from(sorted(FILES)))
def test_no_byte_of_any_file_can_be_another(
    tmp_path_factory: pytest.TempPathFactory, place: int, name: str
) -> None:
    root = repository(tmp_path_factory.mktemp("flip") / "a", FILES)
    content = bytearray(FILES[name] or b"\0")
    content[place % len(content)] ^= 1 << place % 8
    forge(root, f"HEAD:{name}", bytes(content))

    with pytest.raises(VerificationError, match="must hold the bytes"):
        committed_files(root, head(root))
