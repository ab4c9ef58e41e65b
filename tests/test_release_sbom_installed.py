"""The hash of a distribution is of what it installed: the same in every folder, another for other bytes."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from release_folder import ROOT

import fairmark
from fairmark.errors import StateError
from fairmark.release.sbom.installed import installed, source_sha256
from fairmark.release.sbom.requirements import archives, listing, unlike

UV = ROOT / ".venv-tools" / "bin" / "uv"
PIP = ROOT / ".venv-tools" / "bin" / "python"

METADATA = "Metadata-Version: 2.4\nName: Small_Thing\nVersion: 1.2\nLicense-Expression: MIT\n"
FILES = {
    "small/__init__.py": "def main():\n    print('small')\n",
    "small/data, with a comma.txt": "1\n",
    "small_thing-1.2.data/scripts/small-script": "#!python\nprint('script')\n",
    "small_thing-1.2.data/scripts/small-binary": "\x7fELF not really",
    "small_thing-1.2.data/data/share/small.txt": "shared\n",
    "small_thing-1.2.dist-info/METADATA": METADATA,
    "small_thing-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "small_thing-1.2.dist-info/entry_points.txt": "[console_scripts]\nsmall = small:main\n",
}


def recorded(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(text.encode())}"


def write_wheel(folder: Path) -> Path:
    path = folder / "small_thing-1.2-py3-none-any.whl"
    lines = [f'"{name}",{recorded(text)}' for name, text in FILES.items()]
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
        wheel.writestr(
            "small_thing-1.2.dist-info/RECORD", "\n".join([*lines, "small_thing-1.2.dist-info/RECORD,,"])
        )
    return path


def by_uv(python: Path, wheel: Path, *words: str) -> None:
    call(UV, "pip", "install", "--offline", "--python", python, *words, wheel)


def by_pip(python: Path, wheel: Path) -> None:
    call(PIP, "-m", "pip", "--python", python, "install", "--no-index", "--no-compile", wheel)


def call(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def environment(folder: Path) -> Path:
    call(UV, "venv", "--offline", "--python", sys.executable, folder)
    return folder / "bin" / "python"


def site_packages(folder: Path) -> list[str]:
    return [str(next(folder.glob("lib/python*/site-packages")))]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def pattern(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that holds the wheel, never to be written to."""
    if not UV.is_file():
        pytest.skip("needs uv in .venv-tools")
    folder = tmp_path_factory.mktemp("one") / "environment"
    by_uv(environment(folder), wheel)
    return folder


@pytest.fixture
def small(pattern: Path, tmp_path: Path) -> Path:
    """Return such an environment of one's own; times of files are kept."""
    return Path(shutil.copytree(pattern, tmp_path / "environment", symlinks=True))


def digest_of(folder: Path) -> str:
    return installed(site_packages(folder))["small-thing"].sha256


def test_the_hash_is_the_one_that_is_counted_by_hand(pattern: Path) -> None:
    kept = {
        "small/__init__.py": FILES["small/__init__.py"],
        "small/data, with a comma.txt": "1\n",
        "../../../bin/small-binary": "\x7fELF not really",
        "../../../bin/small-script": "print('script')\n",
        "../../../share/small.txt": "shared\n",
        **{name: text for name, text in FILES.items() if ".dist-info/" in name},
    }
    lines = sorted(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in kept.items())

    found = installed(site_packages(pattern))["small-thing"]
    assert found.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (found.version, found.licence.expression) == ("1.2", "MIT")


def test_two_folders_and_two_installers_give_the_same_hash(
    pattern: Path, wheel: Path, tmp_path: Path
) -> None:
    other, third = tmp_path / "elsewhere" / "env", tmp_path / "third"
    by_uv(environment(other), wheel, "--compile-bytecode")
    by_pip(environment(third), wheel)
    scripts = {(folder / "bin" / "small").read_text().splitlines()[0] for folder in (pattern, other, third)}

    assert len(scripts) == 3  # what is left out does differ
    assert digest_of(pattern) == digest_of(other) == digest_of(third)


def test_two_copies_of_fairmark_give_the_same_hash_and_a_changed_one_another(tmp_path: Path) -> None:
    source = Path(str(fairmark.__file__)).parent
    for name in ("one", "two"):
        ignored = shutil.ignore_patterns("__pycache__") if name == "one" else None
        shutil.copytree(source, tmp_path / name / "fairmark", ignore=ignored)
    one, two = tmp_path / "one" / "fairmark", tmp_path / "two" / "fairmark"
    before = source_sha256(one)

    assert before == source_sha256(two)
    (two / "errors.py").write_text((two / "errors.py").read_text() + "\n")
    assert source_sha256(two) != before
    (one / "entry.py").rename(one / "entrance.py")
    assert source_sha256(one) != before


def lengthen(path: Path) -> None:
    path.write_text(path.read_text() + "#\n")


def same_size(path: Path) -> None:
    path.write_text(path.read_text().replace("small", "smell"))


@pytest.mark.parametrize(
    ("change", "got"),
    [(lengthen, "33 bytes, not 31"), (same_size, "other bytes"), (Path.unlink, "no such file or directory")],
)
def test_a_file_that_is_not_the_installed_one_is_refused(
    small: Path, change: Callable[[Path], None], got: str
) -> None:
    change(Path(site_packages(small)[0]) / "small" / "__init__.py")

    with pytest.raises(StateError, match=rf"small-thing: small/__init__\.py must be as installed, got {got}"):
        digest_of(small)


def test_bytecode_is_nobodys_business(small: Path) -> None:
    before = digest_of(small)
    cache = Path(site_packages(small)[0]) / "small" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"whatever")

    assert digest_of(small) == before


def test_every_recorded_byte_is_in_the_hash(small: Path) -> None:
    record = next(Path(site_packages(small)[0]).glob("small_thing-*.dist-info/RECORD"))
    place = Path(site_packages(small)[0]) / "small" / "__init__.py"
    before, text = digest_of(small), place.read_text()
    same_size(place)
    record.write_text(record.read_text().replace(recorded(text), recorded(place.read_text())))

    assert digest_of(small) != before


def test_a_file_that_two_distributions_wrote_is_the_later_ones(small: Path) -> None:
    home = Path(site_packages(small)[0])
    other = home / "other-1.0.dist-info"
    other.mkdir()
    metadata = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    (other / "METADATA").write_text(metadata)
    lengthen(home / "small" / "__init__.py")
    text = (home / "small" / "__init__.py").read_text()
    own = f"other-1.0.dist-info/METADATA,{recorded(metadata)}\nother-1.0.dist-info/RECORD,,\n"
    (other / "RECORD").write_text(f"small/__init__.py,{recorded(text)}\n{own}")

    assert set(installed([str(home)])) == {"small-thing", "other"}


def test_a_distribution_without_a_record_or_there_twice_is_refused(small: Path) -> None:
    home = Path(site_packages(small)[0])
    shutil.copytree(home / "small_thing-1.2.dist-info", home / "small_thing-1.3.dist-info")
    with pytest.raises(StateError, match="small-thing: must have one RECORD, got two of them"):
        installed([str(home)])
    for record in home.glob("*/RECORD"):
        record.unlink()
    with pytest.raises(StateError, match="small-thing: must have one RECORD, got none that can be read"):
        installed([str(home)])
    (home / "small_thing-1.2.dist-info" / "RECORD").write_text("one column\n,,RECORD,,\n")
    with pytest.raises(StateError, match="small-thing: must have one RECORD"):
        installed([str(home)])


def test_the_order_in_which_a_disk_lists_files_changes_nothing(
    pattern: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, before = Path(str(fairmark.__file__)).parent, digest_of(pattern)
    own, listing = source_sha256(source), os.listdir
    monkeypatch.setattr(os, "listdir", lambda *given: sorted(listing(*given), reverse=True))
    monkeypatch.setattr(Path, "rglob", lambda self, text: sorted(self.glob(f"**/{text}"), reverse=True))

    assert digest_of(pattern) == before
    assert source_sha256(source) == own


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("more.pth", "more.pth: must be named by a distribution"),
        ("sitecustomize.py", "sitecustomize.py: must be named by a distribution"),
        ("small/more.py", "small/more.py: must be named by a distribution"),
        ("small/__pycache__/gone.cpython-311.pyc", "must be named by a distribution"),
        ("fake-1.dist-info/RECORD", "a folder without a name: must have one RECORD"),
        ("../../../bin/git", "bin/git: must be named by a distribution"),
    ],
)
def test_a_file_that_no_distribution_names_is_refused(small: Path, name: str, told: str) -> None:
    place = Path(site_packages(small)[0]) / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("import os\n")

    with pytest.raises(StateError, match=told):
        digest_of(small)


def test_a_program_that_runs_something_else_than_its_entry_point_is_refused(small: Path) -> None:
    program = small / "bin" / "small"
    program.write_text(program.read_text().replace("import sys\n", "import sys, os\n"))
    record = next(Path(site_packages(small)[0]).glob("small_thing-*.dist-info/RECORD"))
    lines = [line for line in record.read_text().split("\n") if "bin/small," not in line]
    record.write_text("\n".join([f"../../../bin/small,{recorded(program.read_text())}", *lines]))

    with pytest.raises(
        StateError,
        match=r"bin/small must be as installed, got .*sys, os.* in place of its entry",
    ):
        digest_of(small)


def test_what_is_installed_is_compared_with_the_wheel_of_the_lock_not_with_its_own_record(
    small: Path, wheel: Path
) -> None:
    archive = hashlib.sha256(wheel.read_bytes()).hexdigest()
    locks = archives(f"small-thing==1.2 \\\n    --hash=sha256:{archive}\n")
    folder = wheel.parent

    table = listing(folder, locks, "")
    assert table == f"{archive}  {digest_of(small)}  {wheel.name}\n"
    assert [*unlike(locks, table, {"small-thing": digest_of(small)})] == []
    home = Path(site_packages(small)[0])
    record = next(home.glob("small_thing-*.dist-info/RECORD"))
    place = home / "small" / "__init__.py"
    before = place.read_text()
    lengthen(place)
    record.write_text(record.read_text().replace(recorded(before), recorded(place.read_text())))
    found = f"files of SHA-256 {digest_of(small)[:12]}… (run make clean, and make again)"
    assert [*unlike(locks, table, {"small-thing": digest_of(small)})] == [
        f"must have small-thing as its wheel holds it, got {found}"
    ]
    assert [*unlike(locks, "", {"small-thing": "0" * 64})] == [
        "must have small-thing from a wheel that requirements.wheels lists, got none of it (run make wheels)"
    ]


def test_a_wheel_that_no_lock_names_any_more_leaves_the_table(wheel: Path) -> None:
    archive = hashlib.sha256(wheel.read_bytes()).hexdigest()
    before = f"{'1' * 64}  {'2' * 64}  gone-1-py3-none-any.whl\n{'3' * 64}  {'4' * 64}  kept-1-any.whl\n"
    locks = {"small-thing": {archive}, "kept": {"3" * 64}}

    lines = listing(wheel.parent, locks, before).split("\n")
    assert [line.split("  ")[-1] for line in lines[:-1]] == ["kept-1-any.whl", wheel.name]
