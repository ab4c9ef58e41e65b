"""The shape of the project holds: one word in five places, deps equal to imports, declared paths alone."""

import ast
import functools
import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from pipeline import words_of

from fairmark.entry import option_names
from fairmark.params import read
from fairmark.params.base import Section
from fairmark.params.learn import Chosen
from fairmark.report.inputs import FILES

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = list(PIPELINE)


@functools.cache
def modules_of(path: Path) -> frozenset[str]:
    """Every fairmark module that a module may import at run time, inside functions too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.startswith("fairmark."))


def file_of(module: str) -> Path | None:
    path = SRC / Path(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


FLOOR = ("params", "repo", "stages")
"""Rooms of which a stage depends on the files that it imports; on any other room it depends whole."""


@functools.cache
def closure(stage: str) -> set[str]:
    """What a stage's code is made of, as dvc.yaml lists it: rooms, and files of the floor below them."""
    seen: set[Path] = set()
    todo = [SRC / "fairmark" / "stages" / f"{stage}.py"]
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += [f for m in modules_of(path) if (f := file_of(m))]
    return {listed_as(path.relative_to(SRC / "fairmark")) for path in seen}


def listed_as(path: Path) -> str:
    """The dep that a module of the package stands under."""
    whole = len(path.parts) > 1 and path.parts[0] not in FLOOR
    return f"src/fairmark/{path.parts[0] if whole else path}"


def declared(stage: str, key: str) -> list[str]:
    return [next(iter(d)) if isinstance(d, dict) else d for d in PIPELINE[stage].get(key, [])]


def function(stage: str) -> Any:
    return getattr(import_module(f"fairmark.stages.{stage}"), stage)


def test_the_stages_stand_in_the_order_of_the_way_of_the_data() -> None:
    assert STAGES == ["prepare", "audit", "split", "tune", "train", "evaluate", "explain", "document"]


def test_every_stage_module_is_a_stage_of_the_pipeline() -> None:
    modules = {p.stem for p in (SRC / "fairmark" / "stages").glob("*.py")} - {"__init__"}

    assert modules == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_one_word_stands_in_five_places(stage: str) -> None:
    section = yaml.safe_load((ROOT / "params.yaml").read_text())[stage]
    kind = read.Params.model_fields[stage].annotation

    assert kind is getattr(read, stage.capitalize())
    assert function(stage).__name__ == stage
    assert f"python -m fairmark.stages.{stage} " in PIPELINE[stage]["cmd"]
    assert set(section) == set(kind.model_fields)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_equal_the_import_closure(stage: str) -> None:
    listed = {dep for dep in declared(stage, "deps") if dep.startswith("src/")}

    assert listed == closure(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_names_its_declared_paths_and_no_other(stage: str) -> None:
    given = [word for word in words_of(stage) if not word.startswith("--")]
    inputs = [d for d in declared(stage, "deps") if not d.startswith("src/")]
    params_files = [d for d in declared(stage, "params") if "/" in d]
    outputs = [p for key in ("outs", "metrics", "plots") for p in declared(stage, key)]
    if stage == "document":  # it is given folders: of every stage's outputs, and of its own
        inputs, outputs = ["artifacts"], ["artifacts/document"]

    assert given[0] == "params.yaml"
    assert sorted(given[1:]) == sorted(inputs + params_files + outputs)


def test_document_depends_on_the_facts_that_it_reads() -> None:
    read = {f"artifacts/{file}" for file in FILES.values()}

    assert {dep for dep in declared("document", "deps") if not dep.startswith("src/")} == read
    assert all(path.startswith("artifacts/document/") for path in declared("document", "outs"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_gives_each_option_of_the_stage_in_its_order(stage: str) -> None:
    assert words_of(stage)[::2] == [f"--{name.replace('_', '-')}" for name in option_names(function(stage))]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_the_sections_that_it_reads_and_never_the_whole_of_params(stage: str) -> None:
    assert "src/fairmark/params/read.py" not in closure(stage)
    assert ("src/fairmark/params/release.py" in closure(stage)) == (stage == "document")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_sections_that_it_takes(stage: str) -> None:
    hints = get_type_hints(function(stage))
    kinds = [k for k in hints.values() if inspect.isclass(k) and issubclass(k, Section)]
    names = {n for n, f in read.Params.model_fields.items() if f.annotation in kinds}
    listed = {d for d in declared(stage, "params") if "/" not in d}

    assert listed == names
    assert (Chosen in kinds) == any("tuned.yaml" in d for d in declared(stage, "params"))


def sections(kind: type[Section]) -> set[type[Section]]:
    found = {kind}
    for name in vars(read).values():
        if inspect.isclass(name) and issubclass(name, Section):
            found.add(name)
    return found


@pytest.mark.parametrize("kind", sorted(sections(read.Params), key=str))
def test_params_are_strict_frozen_and_without_defaults(kind: type[Section]) -> None:
    assert kind.model_config["strict"]
    assert kind.model_config["frozen"]
    assert kind.model_config["extra"] == "forbid"
    assert all(field.is_required() for field in kind.model_fields.values())


def test_package_files_hold_a_docstring_only() -> None:
    """But for the first one, which leads to the front door when it is first asked for."""
    for path in SRC.rglob("__init__.py"):
        if path.parent == SRC / "fairmark":
            continue
        body = ast.parse(path.read_text()).body

        assert [type(node) for node in body] == [ast.Expr], path


def test_the_package_knows_no_data_set() -> None:
    columns = yaml.safe_load((ROOT / "params.yaml").read_text())["prepare"]["format"]["header"]
    telling = [c for c in columns if c not in {"age", "race", "sex", "education", "income"}]
    words = re.compile(r"\badult\b|" + "|".join(rf"\b{re.escape(c)}\b" for c in telling), re.IGNORECASE)

    for path in [*SRC.rglob("*.py"), *SRC.rglob("*.j2")]:
        assert not words.search(path.read_text()), path


def test_one_module_alone_knows_a_library_of_yaml() -> None:
    knowing = re.compile(r"^\s*(?:import|from) +(?:yaml|ruamel)\b", re.MULTILINE)
    paths = [*SRC.rglob("*.py"), *(ROOT / "flows").rglob("*.py")]

    assert [path.name for path in paths if knowing.search(path.read_text())] == ["yaml12.py"]


def test_no_file_names_a_registry_host() -> None:
    for path in [ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("requirements*.lock")]:
        text = path.read_text().replace("-f ./wheels", "")  # our own, beside the lock
        assert not re.search(r"index.url|find.links|https?://", text), path


def test_every_room_stands_in_the_contract_of_layers() -> None:
    text = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = text["tool"]["importlinter"]["contracts"][0]["layers"]
    listed = {name.strip() for layer in layers for name in re.split("[:|]", layer)}
    rooms = {
        p.stem for p in (SRC / "fairmark").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }

    assert listed == {f"fairmark.{room}" for room in rooms - {"__init__"}} | {"flows"}
