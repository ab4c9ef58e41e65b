"""`fairmark` alone, installed from its wheel with what it requires alone, verifies, judges and scores."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PathDistribution, distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from maker_and_forger import MINE
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from release_folder import model, rows

from fairmark.extras import EXTRAS

pytest_plugins = ("release_fixtures",)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
UV = ROOT / ".venv-tools" / "bin" / "uv"
MOST = 25
"""Distributions of the bare install, fairmark among them."""

Done = subprocess.CompletedProcess[str]


def ran(*words: str | Path, own: Mapping[str, str] = {}) -> Done:
    env = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
    return subprocess.run(
        list(words), cwd=ROOT, env={**env, **own}, capture_output=True, text=True, check=False
    )


def good(*words: str | Path) -> str:
    answer = ran(*words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built by its own backend, which is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    good(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs' folder of an environment with the wheel and what its metadata requires.

    What it requires is linked from the environment that runs, which is that of the lock: no network is asked.
    """
    home = tmp_path_factory.mktemp("bare")
    good(sys.executable, "-m", "venv", "--without-pip", home)
    good(UV, "--quiet", "pip", "install", "--python", home, "--offline", "--no-index", "--no-deps", wheel)
    (site,) = (home / "lib").glob("python*/site-packages")
    (own,) = site.glob("fairmark-*.dist-info")
    for each in needed(PathDistribution(own)):
        link(each, site)
    return home / "bin"


def needed(root: Distribution) -> Iterator[Distribution]:
    """Yield what `root` requires without an extra, and what that requires."""
    seen, todo = set[str](), [root]
    while todo:
        for text in todo.pop().requires or []:
            wanted = Requirement(text)
            name = canonicalize_name(wanted.name)
            if name not in seen and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                assert not wanted.extras, text
                seen.add(name)
                todo.append(distribution(name))
                yield todo[-1]


def link(each: Distribution, site: Path) -> None:
    """Put the files of an installed distribution into another environment, compiled modules too."""
    old = Path(str(each.locate_file("")))
    for name in each.files or ():
        if ".." not in name.parts:
            for path in (old / name, Path(cache_from_source(str(old / name)))):
                new = site / path.relative_to(old)
                if path.is_file() and not new.exists():
                    new.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        new.hardlink_to(path)
                    except OSError:  # another file system
                        shutil.copy2(path, new)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pub.pem"
    path.write_text(MINE.public.pem)
    return path


def test_the_wheel_holds_the_package_its_types_and_its_templates_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    source = {path.relative_to(ROOT / "src") for path in (ROOT / "src" / "fairmark").rglob("*.*")}
    # Another test may be compiling modules now, each under a name of its own until it is whole.
    wanted = {str(path) for path in source if "__pycache__" not in path.parts}

    assert names == wanted
    assert "fairmark/py.typed" in names


def test_what_it_requires_is_little_and_complete(bare: Path) -> None:
    (site,) = bare.parent.glob("lib/python*/site-packages")

    assert len([*distributions(path=[str(site)])]) <= MOST
    good(UV, "--quiet", "pip", "check", "--python", bare / "python")


def test_no_module_of_an_extra_is_there(bare: Path) -> None:
    modules = [name for names in EXTRAS.values() for name in names]
    script = f"from importlib.util import find_spec; print([n for n in {modules} if find_spec(n)])"

    assert good(bare / "python", "-c", script).strip() == "[]"


def test_it_verifies_a_release(bare: Path, small_release: Path, key: Path) -> None:
    answer = json.loads(good(bare / "fairmark", "verify", small_release, "--key", key, "--json"))

    assert [fact for fact in answer["facts"] if fact["asked"] and not fact["held"]] == []
    assert answer["exit_code"] == 0


def test_it_judges_measurements(bare: Path, small_release: Path) -> None:
    words = ("judge", small_release / "measurements.json", small_release / "params.yaml")
    here = ran(Path(sys.executable).with_name("fairmark"), *words, "--model", small_release / "model")
    answer = ran(bare / "fairmark", *words, "--model", small_release / "model")

    assert answer.returncode in {0, 3}
    assert (answer.returncode, answer.stdout, answer.stderr) == (here.returncode, here.stdout, "")


@pytest.mark.parametrize("verb", ["diff", "pack", "predicates"])
def test_it_compares_packs_and_takes_apart(
    bare: Path, small_release: Path, tmp_path: Path, verb: str
) -> None:
    more: dict[str, list[str | Path]] = {
        "diff": [small_release],
        "pack": ["-o", tmp_path / "x.tar.gz"],
        "predicates": ["--into", tmp_path],
    }

    good(bare / "fairmark", verb, small_release, *more[verb])


@pytest.mark.parametrize("words", [["history"], ["policy", "--base", "HEAD"], ["trail"]], ids=" ".join)
def test_it_reads_a_repository(bare: Path, small_release: Path, words: list[str]) -> None:
    good(bare / "fairmark", *words, "--clone", small_release.parents[1])


def test_it_scores_by_a_released_model(bare: Path, small_release: Path, tmp_path: Path, key: Path) -> None:
    rows().to_csv(tmp_path / "rows.csv", index=False)
    script = """if True:
        import sys
        import pandas as pd
        from fairmark.api import load_release
        loaded = load_release(sys.argv[1], sys.argv[2])
        print([float(p).hex() for p in loaded.predict_proba(pd.read_csv(sys.argv[3], dtype=object))[:, 1]])"""

    answer = good(bare / "python", "-c", script, small_release, key, tmp_path / "rows.csv")
    assert answer.strip() == str([float(p).hex() for p in model().score(rows())])


@pytest.mark.parametrize("name", ["retrain", "release", "rebuild", "worker"])
def test_a_flow_without_its_extra_says_what_to_install(bare: Path, name: str) -> None:
    own = {"PYTHONPATH": str(ROOT / "src")}  # a flow runs the code of its own folder
    answer = ran(bare / "python", ROOT / "flows" / f"{name}.py", own=own)

    assert answer.returncode == 1
    assert answer.stderr.splitlines()[0] == f"{name} stopped:"
    assert "must have the extra flows (pip install 'fairmark[flows]'), got no module" in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


@pytest.mark.proof
def test_it_is_installed_from_the_locked_archives_and_verifies(
    wheel: Path, bare: Path, small_release: Path, key: Path, tmp_path: Path
) -> None:
    """What the index serves by the lock's hashes, installed by uv, not the files of this environment."""
    (site,) = bare.parent.glob("lib/python*/site-packages")
    names = {canonicalize_name(each.metadata["Name"]) for each in distributions(path=[str(site)])}
    blocks = (ROOT / "requirements.lock").read_text().replace("\\\n", "\0").splitlines()
    kept = [line.replace("\0", "\\\n") for line in blocks if line.partition("==")[0].strip() in names]
    (tmp_path / "bare.lock").write_text("\n".join(kept) + "\n")
    home = tmp_path / "env"
    good(sys.executable, "-m", "venv", "--without-pip", home)
    into: list[str | Path] = ["--python", home]

    good(
        UV,
        "--quiet",
        "pip",
        "sync",
        *into,
        "--require-hashes",
        "--only-binary",
        ":all:",
        tmp_path / "bare.lock",
    )
    good(UV, "--quiet", "pip", "install", *into, "--offline", "--no-index", "--no-deps", wheel)
    good(UV, "--quiet", "pip", "check", *into)
    good(home / "bin" / "fairmark", "verify", small_release, "--key", key)
