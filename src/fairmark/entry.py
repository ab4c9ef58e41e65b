"""How a stage is started: paths from the command line, sections from params files, faults as plain lines."""

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_type_hints

from fairmark.errors import FairmarkError, UsageError
from fairmark.extras import required
from fairmark.params.base import Section
from fairmark.params.learn import Chosen
from fairmark.params.read import Params, read_params, read_yaml, typed
from fairmark.repo.machine import check_source
from fairmark.terminal import stopped


def run(stage: Callable[..., None], argv: Sequence[str]) -> None:
    """Call `stage` with its paths and sections, and exit non-zero with its faults if it has any.

    A stage takes paths first, in the order of its command line, then sections of params.yaml by their
    types. A stage that takes `Chosen` is given the path of that file as `tuned`, like any other path.

    Parameters
    ----------
    stage
        The stage's one function.
    argv
        `[program, params.yaml, path, ...]`, as in `sys.argv`.
    """
    try:
        check_source(Path.cwd(), stage.__name__)
        paths, sections = called(stage, argv)
        with required():
            stage(*paths, **sections)
    except FairmarkError as error:
        stopped(f"{stage.__name__} stopped", error.faults)
        sys.exit(error.exit_code)


def called(stage: Callable[..., None], argv: Sequence[str]) -> tuple[list[Path], dict[str, Section]]:
    """Return the paths and the sections that `stage` asks for.

    Raises
    ------
    UsageError
        When the number of paths is not the stage's.
    ParamsError
        When a params file does not hold what its sections demand.
    """
    hints = get_type_hints(stage)
    names = list(inspect.signature(stage).parameters)
    paths = [name for name in names if hints[name] is Path]
    given = [Path(text) for text in argv[1:]]
    if len(given) != len(paths) + 1:
        raise UsageError(
            f"{stage.__name__}: must be called with params.yaml {' '.join(paths)}, got {len(given)} paths"
        )
    params = read_params(given[0])
    by_name = dict(zip(paths, given[1:], strict=True))
    sections = {
        name: chosen(by_name["tuned"]) if hints[name] is Chosen else section(params, hints[name])
        for name in names
        if name not in by_name
    }
    return given[1:], sections


def chosen(path: Path) -> Chosen:
    """Return the section `chosen` of the params file that `tune` writes."""
    value = read_yaml(path)
    return typed(Chosen, value["chosen"] if isinstance(value, dict) else None, path.name)


def section(params: Params, kind: type[Section]) -> Section:
    """Return the one section of `params` of type `kind`."""
    return next(value for _, value in params if isinstance(value, kind))
