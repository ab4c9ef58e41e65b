"""What a lock file of requirements asks for, on a given kind of machine."""

import re
from collections.abc import Iterator, Mapping, Sequence

from fairmark.errors import InputError
from fairmark.files import plain_lines

MARKERS = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_system",
    "python_full_version",
    "python_version",
    "sys_platform",
)
"""The environment markers that a lock file may ask about (PEP 508), without those that name one machine."""

ONLY_WHEELS = "--only-binary :all:"
"""An option that a lock file may hold: it can only refuse."""

OWN_WHEELS = "-f ./wheels"
"""The option of a lock by which an archive may lie beside it; its hash must be the lock's all the same."""

_COMMENT = re.compile(r"(?:^|[ \t]+)#.*$")
_HASH_OPTION = re.compile(r"[ \t]+--")
_HASH = re.compile(r"hash=sha256:[0-9a-f]+")

MARKER = "fairmark:marker:"
"""Prefix of the properties of a bill of materials that say for which kind of machine the locks were read."""


def here() -> dict[str, str]:
    """Return the values of `MARKERS` for the Python that runs."""
    from packaging.markers import default_environment

    found = {key: str(value) for key, value in default_environment().items()}
    return {key: found[key] for key in MARKERS}


def locked(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return normalised name -> version of every requirement in `text` that applies in `environment`.

    The text is read as pip and uv read it (https://pip.pypa.io/en/stable/reference/requirements-file-format/):
    what they would install and this would not see is a fault.

    Raises
    ------
    InputError
        When a line is not a requirement pinned by `==` with hashes, is an option that could bring in
        something else, or gives a distribution a second time.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    for line in _joined(plain_lines(text, "lock")):
        if line in {ONLY_WHEELS, OWN_WHEELS}:
            continue
        asked, *hashes = _HASH_OPTION.split(line)
        try:
            wanted = Requirement(asked)
        except InvalidRequirement as error:
            raise InputError(f"lock: must hold one requirement a line, got {line[:80]!a}") from error
        pins = [pin.version for pin in wanted.specifier]
        if len(pins) != 1 or next(iter(wanted.specifier)).operator != "==" or pins[0].endswith("*"):
            raise InputError(f"lock: must pin {wanted.name} by ==, got {str(wanted.specifier)!r}")
        if not all(map(_HASH.fullmatch, hashes)):
            raise InputError(f"lock: must give {wanted.name} nothing but hashes, got {line[-80:]!a}")
        if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
            name = normal(wanted.name)
            if name in found:
                raise InputError(f"lock: must name {name} once, got {found[name]} and {pins[0]}")
            found[name] = pins[0]
    return found


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Yield each line without its comment, with those that a backslash at its end continues it by."""
    whole = ""
    for line in lines:
        # pip ends there what was continued, and others read on behind it.
        if whole and line.lstrip(" \t").startswith("#"):
            raise InputError(f"lock: must go on after a backslash, got a comment, {line[:80]!a}")
        whole += line.removesuffix("\\") if line.endswith("\\") else _COMMENT.sub("", line)
        if not line.endswith("\\"):
            if whole.strip(" \t"):
                yield whole.strip(" \t")
            whole = ""
    if whole:
        raise InputError("lock: must end with a whole requirement, got a backslash at its end")


def normal(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503)."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
