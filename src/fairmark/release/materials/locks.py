"""What a lock file of requirements asks for, on a given kind of machine."""

from collections.abc import Mapping

from fairmark.errors import InputError

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

MARKER = "fairmark:marker:"
"""Prefix of the properties of a bill of materials that say for which kind of machine the locks were read."""


def here() -> dict[str, str]:
    """Return the values of `MARKERS` for the Python that runs."""
    from packaging.markers import default_environment

    found = {key: str(value) for key, value in default_environment().items()}
    return {key: found[key] for key in MARKERS}


def locked(text: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return normalised name -> version of every requirement in `text` that applies in `environment`.

    Raises
    ------
    InputError
        When a line is not a requirement pinned by `==`.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line[0] in " \t#-":
            continue
        try:
            wanted = Requirement(line.rstrip(" \\"))
        except InvalidRequirement as error:
            raise InputError(f"lock: must hold one requirement a line, got {line[:80]!r}") from error
        pins = [pin.version for pin in wanted.specifier if pin.operator == "=="]
        if len(pins) != 1:
            raise InputError(f"lock: must pin {wanted.name} by ==, got {str(wanted.specifier)!r}")
        if wanted.marker is None or wanted.marker.evaluate(dict(environment)):
            found[normal(wanted.name)] = pins[0]
    return found


def normal(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503)."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
