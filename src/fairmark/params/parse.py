"""A section of params.yaml parsed alone, so that a stage rests on the sections that it reads and on no other.

`fairmark.params.read` reads the file whole and holds its sections to one another.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from fairmark.errors import InputError, ParamsError
from fairmark.params.base import Section
from fairmark.record import fault_lines
from fairmark.yaml12 import parse_yaml

SectionT = TypeVar("SectionT", bound=Section)


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises
    ------
    ParamsError
        When the file is missing, or is not YAML that DVC and fairmark read alike.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), path.name)
    except FileNotFoundError as error:
        raise ParamsError(f"{path.name}: must exist, got no file {path}") from error
    except OSError as error:
        raise ParamsError(f"{path.name}: must be a readable file, got {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name}: must be UTF-8, got {error.reason} at byte {error.start}") from error
    except InputError as error:
        raise ParamsError(*error.faults) from error


def typed(kind: type[SectionT], value: Any, where: str) -> SectionT:
    """Return `value` as a `kind`.

    Raises
    ------
    ParamsError
        With one line for every fault of the value.
    """
    try:
        # Through JSON, because strict JSON mode reads lists, dates and numbers as a person writes them.
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise ParamsError(*fault_lines(error, where)) from error
    except ValueError as error:
        raise ParamsError(f"{where}: must be a mapping of plain values, got {error}") from error


def section(kind: type[SectionT], value: Any, where: str) -> SectionT:
    """Return the section of a params file that is called as its class, in lower case: `Train` is `train`.

    Parameters
    ----------
    kind
        The section's class.
    value
        The whole file, as `read_yaml` gives it.
    where
        The file's name.

    Raises
    ------
    ParamsError
        With one line for every fault of the section.
    """
    name = kind.__name__.lower()
    return typed(kind, value.get(name) if isinstance(value, Mapping) else None, f"{where}: {name}")
