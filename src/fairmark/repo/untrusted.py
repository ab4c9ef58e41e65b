"""Read files that a stranger may have written: plain values only, within bounds, nothing executed."""

import json
import math
import stat
from pathlib import Path
from typing import Any

from fairmark.errors import InputError
from fairmark.files import keys_once
from fairmark.yaml12 import LIMIT_DEPTH, parse_yaml

LIMIT_BYTES = 32 * 2**20
"""No text of a release is near this; a larger one is not read into memory."""

LIMIT_YAML_BYTES = 4 * 2**20
"""Reading YAML takes a hundred times as long as JSON; the default dvc.lock is 80 kB."""

LIMIT_VALUES = 400_000
"""Values of one JSON text, at most; each takes some 60 to 250 bytes of memory."""

_KINDS = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


def foreign_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of at most `LIMIT_BYTES`.

    Raises
    ------
    InputError
        When it is missing, too large, or anything but a regular file (a link, a pipe, a device).
    """
    try:
        # Looked at before it is opened: a link may lead to a device that never ends, a pipe may never begin.
        seen = path.lstat()
        if not stat.S_ISREG(seen.st_mode):
            found = _KINDS.get(stat.S_IFMT(seen.st_mode), "a device")
            raise InputError(f"{path.name}: must be a regular file, got {found}")
        if seen.st_size > LIMIT_BYTES:
            raise InputError(f"{path.name}: must have at most {LIMIT_BYTES} bytes, got {seen.st_size}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path.name}: must exist, got no such file") from error


def foreign_text(path: Path) -> str:
    """Return the text of a regular UTF-8 file of at most `LIMIT_BYTES`.

    Raises
    ------
    InputError
        As `foreign_bytes`, and when the bytes are not UTF-8.
    """
    return text_of(foreign_bytes(path), path.name)


def text_of(content: bytes, where: str) -> str:
    """Return the text of bytes that must be UTF-8; `where` names them in a fault.

    Raises
    ------
    InputError
        When they are not.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: must be UTF-8, got {error.reason} at byte {error.start}") from error


def foreign_json(path: Path) -> Any:
    """Return the value of a JSON file (RFC 8259) that says one thing to every reader.

    Raises
    ------
    InputError
        When it is not JSON, gives a key twice, holds a number that is not finite, or is nested too deeply.
    """
    return strict_json(foreign_text(path), path.name)


def strict_json(text: str, where: str) -> Any:
    """Return the value of a JSON text, as `foreign_json` does; `where` names it in a fault.

    Raises
    ------
    InputError
        As `foreign_json`.
    """
    # Before any of it is built, and so an upper bound: each value but the first follows one of these signs.
    signs = sum(map(text.count, ",[{:"))
    if signs > LIMIT_VALUES:
        raise InputError(f"{where}: must have at most {LIMIT_VALUES} values, got up to {signs}")
    try:
        value = json.loads(
            text, object_pairs_hook=keys_once, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: must be strict JSON, got {str(error)[:200]}") from error
    if not _shallow(value):
        raise InputError(f"{where}: must be nested at most {LIMIT_DEPTH} deep, got more")
    return value


def foreign_yaml(path: Path) -> Any:
    """Return the value of a YAML file as `parse_yaml` does.

    Raises
    ------
    InputError
        As `foreign_bytes` and `parse_yaml`.
    """
    return strict_yaml(foreign_text(path), path.name)


def strict_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML text, as `foreign_yaml` does; `where` names it in a fault.

    Raises
    ------
    InputError
        As `parse_yaml`.
    """
    if len(text) > LIMIT_YAML_BYTES:
        raise InputError(f"{where}: must be YAML of at most {LIMIT_YAML_BYTES} bytes, got {len(text)}")
    return parse_yaml(text, where)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"the number {name}")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]}")
    return number


def _shallow(value: object) -> bool:
    # Level by level, not by recursion, which a deep value would end.
    level = [value]
    for _ in range(LIMIT_DEPTH):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return True
    return False
