"""What is required is imported, and what is imported is required: for the bare install and for each extra."""

import ast
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fairmark.extras import EXTRAS, PIPELINE

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]

# gradio is in the environment of the Space alone.
INSTALLED = {**packages_distributions(), "google": ["protobuf"], "gradio": ["gradio"]}
"""The distributions that each top-level package comes from."""

ROOMS: Mapping[str, str] = {
    **dict.fromkeys(("evaluate", "explain", "learn", "report", "stages"), "pipeline"),
    "export": "export",
    "journal": "serve",
    "serve": "serve",
    "watch": "watch",
    "cli/service.py": "serve",
    "learn/workers.py": "cluster",
    "project/workbook.py": "pipeline",
    "data/kinds.py": "pipeline",
    "evaluate/costs.py": "flows",
    "governance/pages.py": "pipeline",
    "release/mlflow_model.py": "flows",
    "release/mlflow_registry.py": "flows",
    "signing/key_store.py": "hsm",
    "signing/model_signature.py": "flows",
}
"""The extra of a room, or of a module that imports it where it is used; all else needs no extra."""

TAKEN_ALONG: Mapping[str, tuple[str, ...]] = {"flows": ("pipeline",), "cluster": ("pipeline",)}

NOT_IMPORTED = {
    "dvc": "a program, which the flows call",
    "fastapi": "Prefect imports it, and starts no server by the newest",
    "httptools": "uvicorn imports it, for the parser that the service asks for",
    "psycopg": "SQLAlchemy imports it for MLflow's database",
    "pyopenssl": "model-signing imports it without asking for it",
    "sqlalchemy": "Prefect imports it, and inserts no scheduled run by the newest",
}

OF_PROGRAMS = {
    "editables", "hatchling", "import-linter", "mypy", "pandas-stubs", "pre-commit", "pytest-xdist", "ruff",
    "types-pyyaml", "types-tqdm",
}  # fmt: skip
"""What of `dev` is called by the Makefile, or read by a program that it calls."""


def names(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(each).name)) for each in requirements} - {"fairmark"}


BARE = names(PROJECT["dependencies"])


def imported(path: Path) -> set[str]:
    """Return the distributions that a module imports at run time, in functions too, as their names stand."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    # Of two that share a package (mlflow and mlflow-skinny) the one of its own name.
    choice = {name: sorted(INSTALLED.get(name, ()), key=lambda each: (each != name, each)) for name in found}
    return {str(canonicalize_name(each[0])) for each in choice.values() if each} - {"fairmark"}


def extra_of(module: str) -> str:
    return ROOMS.get(module) or ROOMS.get(module.partition("/")[0], "")


def modules() -> Iterator[tuple[Path, str]]:
    """Yield each module of the package and of the flows with the extra that it may import ("" for none)."""
    package = ROOT / "src" / "fairmark"
    for path in sorted(package.rglob("*.py")):
        yield path, extra_of(str(path.relative_to(package)))
    for path in sorted((ROOT / "flows").glob("*.py")):
        yield path, "flows"
    for path in sorted((ROOT / "space").glob("*.py")):
        yield path, "space"


def of_extra(extra: str) -> set[str]:
    """Return what an extra brings, with those that it takes along and the bare install."""
    along = [name for more in (extra, *TAKEN_ALONG.get(extra, ())) if more for name in names(OPTIONAL[more])]
    return BARE | set(along)


@pytest.mark.parametrize(("path", "extra"), [*modules()], ids=lambda each: getattr(each, "name", each))
def test_what_a_module_imports_is_required(path: Path, extra: str) -> None:
    assert imported(path) - of_extra(extra) == set()


@pytest.mark.parametrize("extra", ["", *(name for name in OPTIONAL if name != "dev")])
def test_what_is_required_is_imported(extra: str) -> None:
    mine = [path for path, own in modules() if extra in {own, *TAKEN_ALONG.get(own, ())}]
    used = set().union(*map(imported, mine))
    wanted = names(OPTIONAL[extra]) if extra else BARE

    assert wanted - used - set(NOT_IMPORTED) == set()


def test_what_is_not_imported_is_named_with_its_reason_and_no_other() -> None:
    lacking = set()
    for extra, wanted in OPTIONAL.items():
        mine = [path for path, own in modules() if extra in {own, *TAKEN_ALONG.get(own, ())}]
        lacking |= names(wanted) - set().union(*map(imported, mine))

    assert set(NOT_IMPORTED) - lacking == set()
    assert set(NOT_IMPORTED) <= set().union(*map(names, OPTIONAL.values()))


def test_every_exception_names_a_module() -> None:
    package = ROOT / "src" / "fairmark"

    assert [name for name in ROOMS if not (package / name).exists()] == []


def test_what_tests_import_is_required_and_what_dev_brings_is_used() -> None:
    used = set().union(*(imported(path) for path in (ROOT / "tests").rglob("*.py")))
    dev = names(OPTIONAL["dev"])
    known = set().union(*map(names, OPTIONAL.values())) | BARE

    assert used - known == set()
    assert dev - used == OF_PROGRAMS


@pytest.mark.parametrize("extra", list(EXTRAS))
def test_a_missing_extra_is_known_by_every_module_that_it_brings(extra: str) -> None:
    brought = {canonicalize_name(each) for name in EXTRAS[extra] for each in INSTALLED.get(name, ())}
    silent = {"fastapi", "psycopg", "pyopenssl", "sqlalchemy"}

    assert names(OPTIONAL[extra]) - silent <= brought
    assert set(EXTRAS) | {"dev"} == set(OPTIONAL)
    assert "fairmark[pipeline]" in OPTIONAL["flows"]
    assert set(EXTRAS["pipeline"]) == set(PIPELINE)
