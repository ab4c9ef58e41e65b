"""The environment that releases of the tests are made in: the one that runs, and a small part of it.

What is installed is written down, because to read and hash each file of it takes every process seconds. And a
bill of all that is installed holds some three hundred parts: whoever makes or verifies a release spends four
fifths of the time on it. One of a few parts goes through the same code.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from fairmark.release.sbom import build
from fairmark.release.sbom.cyclonedx import Listing
from fairmark.release.sbom.installed import Installed
from fairmark.release.sbom.requirements import normal

LISTED = "listed.json"
"""What cyclonedx-py says of the environment, a `Listing`."""

THERE = "installed.json"
"""What `fairmark.release.sbom.installed` finds in it."""

FEW = frozenset({"asyncssh", "fairmark", "lightgbm", "numpy", "nvidia-ml-py", "pandas", "pytest", "sniffio"})
"""The small part: pytest, which no release requires, and of the others each way to state a licence."""

_INSTALLED = TypeAdapter(dict[str, Installed])


def write_environment(listed: Listing, there: Mapping[str, Installed], folder: Path) -> None:
    """Write an environment into `folder`."""
    listed.write(folder / LISTED)
    (folder / THERE).write_bytes(_INSTALLED.dump_json(dict(there)))


def read_environment(folder: Path) -> tuple[Listing, dict[str, Installed]]:
    """Return what was written into `folder`."""
    return Listing.read(folder / LISTED), _INSTALLED.validate_json((folder / THERE).read_bytes())


def few_listed(listed: Listing) -> Listing:
    """Return the small part of a listing."""
    parts = tuple(part for part in listed.components if normal(part.name) in FEW)
    kept = {part.bom_ref for part in parts}
    dependencies = tuple(
        entry.model_copy(update={"depends_on": tuple(ref for ref in entry.depends_on if ref in kept)})
        for entry in listed.dependencies
        if entry.ref in kept
    )
    return listed.model_copy(update={"components": parts, "dependencies": dependencies})


def few_there(there: Mapping[str, Installed]) -> dict[str, Installed]:
    """Return the small part of what is installed."""
    return {name: each for name, each in there.items() if name in FEW}


def few_locked(lock: str) -> str:
    """Return the small part of a file of locked requirements."""
    kept, inside = [], True
    for line in lock.splitlines():
        if not line.startswith(" "):
            inside = line.startswith("-") or line.partition("==")[0] in FEW
        if inside:
            kept.append(line)
    return "\n".join(kept) + "\n"


def share(patch: pytest.MonkeyPatch, listed: Listing, there: Mapping[str, Installed], tools: Path) -> None:
    """Let every release share one look at the environment."""
    patch.setenv("FAIRMARK_CYCLONEDX", str(tools.with_name("cyclonedx-py")))
    patch.setattr(build, "list_environment", lambda _: listed)
    patch.setattr(build, "installed", lambda: dict(there))
