"""How a stage is started: paths by named options, sections from params files, faults as plain lines.

A stage is a function, and its options are its parameters: `def split(table: Path, ..., params: Split)` is
started by `python -m fairmark.stages.split --params params.yaml --table artifacts/prepare/table.parquet ...`.
Each path has an option of its name. Sections are read from the file that `--params` names, all but `Chosen`:
the file that `tune` writes has an option of its own, named as the parameter.
"""

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

from fairmark.errors import FairmarkError, UsageError
from fairmark.extras import required
from fairmark.params.base import Section
from fairmark.params.parse import read_yaml, section
from fairmark.repo.machine import check_source
from fairmark.terminal import stopped

PARAMS = "params"
"""The option of every stage that names params.yaml."""


def run(stage: Callable[..., None], argv: Sequence[str]) -> None:
    """Call `stage` with its paths and sections, and exit non-zero with its faults if it has any.

    Parameters
    ----------
    stage
        The stage's one function.
    argv
        `[program, --params, params.yaml, --NAME, path, ...]`, as in `sys.argv`.
    """
    try:
        check_source(Path.cwd(), stage.__name__)
        called = arguments(stage, argv[1:])
        with required():
            stage(**called)
    except FairmarkError as error:
        stopped(f"{stage.__name__} stopped", error.faults)
        sys.exit(error.exit_code)


def arguments(stage: Callable[..., None], words: Sequence[str]) -> dict[str, Path | Section]:
    """Return what `stage` is called with: its paths by the options in `words`, and its sections.

    Raises
    ------
    UsageError
        When the options are not the stage's, each once and with a path.
    ParamsError
        When a params file does not hold what its sections demand, the stage's own or any other.
    """
    kinds = _kinds(stage)
    paths = paths_by_option(stage.__name__, option_names(stage), words)
    params = paths[PARAMS]
    value = read_yaml(params)
    refuse_inconsistent(value, params.name)
    found: dict[str, Path | Section] = {}
    for name, kind in kinds.items():
        if not issubclass(kind, Section):
            found[name] = paths[name]
        elif kind.in_params:
            found[name] = section(kind, value, params.name)
        else:
            found[name] = section(kind, read_yaml(paths[name]), paths[name].name)
    return found


def option_names(stage: Callable[..., None]) -> list[str]:
    """Return the names of the options of `stage`: `params`, then those of its parameters in their order."""
    sections = {name for name, kind in _kinds(stage).items() if issubclass(kind, Section) and kind.in_params}
    return [PARAMS, *(name for name in _kinds(stage) if name not in sections)]


def paths_by_option(where: str, names: Sequence[str], words: Sequence[str]) -> dict[str, Path]:
    """Return the paths in `words`, `--NAME PATH --NAME PATH ...`, by the names that must all be there.

    Raises
    ------
    UsageError
        In one line, when an option is unknown, doubled, missing or without its path.
    """
    by_option = {_option(name): name for name in names}
    given, values = words[::2], words[1::2]
    counts = Counter(given)
    faults = {
        f"must be given the options {' '.join(by_option)}, got": [o for o in counts if o not in by_option],
        "must be given each option once, got more than one": [o for o in by_option if counts[o] > 1],
        "must be given all of its options, got no": [o for o in by_option if o not in counts],
        "must be given a path with each option, got none with": given[len(values) :],
    }
    for text, found in faults.items():
        if found:
            raise UsageError(f"{where}: {text} {', '.join(found)}")
    return {by_option[option]: Path(value) for option, value in zip(given, values, strict=True)}


def refuse_inconsistent(value: object, where: str) -> None:
    """Do nothing when all sections of a params file are what they must be, alone and of one another.

    The module is imported by its name, which keeps it, and with it every other stage's sections, out of the
    import closure that `dvc.yaml` lists: what is checked here can stop a stage, not change what it writes.

    Raises
    ------
    ParamsError
        With one line for every fault of the whole file.
    """
    import_module("fairmark.params.read").parse_params(value, where)


def _kinds(stage: Callable[..., None]) -> "dict[str, type[Path | Section]]":
    hints = get_type_hints(stage)
    return {name: hints[name] for name in inspect.signature(stage).parameters}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
