"""What a release was made on, and what this is: machine, Python, libraries, and what differs between them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import FairmarkError, StateError
from fairmark.files import lines_of
from fairmark.release.folder import ReleaseFolder
from fairmark.release.sbom.installed import installed
from fairmark.release.sbom.requirements import TABLE, archives, here, locked, normal, unlike
from fairmark.repo.machine import made_on
from fairmark.repo.process import Run
from fairmark.signing.git_tags import read_tag

_LINE = "Made-On: "
_ASK = (
    "import importlib.metadata as m, json, platform as p;"
    "print(json.dumps([f'{p.python_implementation()} {p.python_version()}',"
    "{d.metadata['Name']: d.version for d in m.distributions()}]))"
)


@dataclass(frozen=True)
class Environment:
    """A machine with what is installed on it.

    Parameters
    ----------
    machine
        CPU, platform and Python, as far as they are known, by these names.
    libraries
        Version of each distribution, by its normalised name.
    """

    machine: Mapping[str, str]
    libraries: Mapping[str, str]


def made(release: ReleaseFolder, clone: Path) -> Environment:
    """Return what the release was made on: machine by its tag, libraries by its bill of materials.

    Without the tag the machine is not known, and of it only the Python's version is, by the statement.
    """
    try:
        lines = lines_of(read_tag(clone, release.statement.tag).message)
    except FairmarkError:
        lines = []
    said = next((line.removeprefix(_LINE) for line in lines if line.startswith(_LINE)), "")
    machine = _machine(said)
    if not machine:
        machine = {"Python": f"CPython {release.statement.made_with.python}"}
    libraries = {normal(part.name): str(part.version) for part in release.bill.required()}
    return Environment(machine, libraries)


def present(python: Path, folder: Path, run: Run) -> Environment:
    """Return what the interpreter `python` is, and what it finds installed.

    Raises
    ------
    StateError
        When it does not run.
    """
    # Isolated, so that no variable and no folder of the caller adds to what it finds.
    ended = run([str(python), "-I", "-c", _ASK], folder, None, None)
    if ended.code or not ended.lines:
        raise StateError(f"{python}: must run and say its versions, got", *ended.lines[-3:])
    version, installed = json.loads(ended.lines[-1])
    # The machine is this one; the Python is that of the interpreter asked, which may be another.
    machine = _machine(made_on()) | {"Python": version}
    return Environment(machine, {normal(name): text for name, text in installed.items()})


def differences(old: Environment, new: Environment) -> list[str]:
    """Return a line for each thing that is not the same now as when the release was made."""
    pairs = [(name, text, new.machine.get(name)) for name, text in old.machine.items()]
    pairs += [(name, text, new.libraries.get(name)) for name, text in sorted(old.libraries.items())]
    return [
        f"{name}: {was} when it was released, {now or 'none'} here" for name, was, now in pairs if was != now
    ]


def unlocked(lock: str, installed: Mapping[str, str]) -> list[str]:
    """Return a line for each requirement of a lock file that is not installed in the version that it asks."""
    return [
        f"{name}: must be {version}, got {installed.get(name, 'none')}"
        for name, version in sorted(locked(lock, here()).items())
        if installed.get(name) != version
    ]


def check_wheels(root: Path, lock: str) -> None:
    """Do nothing when the environment of the clone `root` is what the locked wheels that it lists install.

    A commit from before such lists is taken with the hashes that the installer checked alone.

    Raises
    ------
    StateError
        With a line for each distribution that is another.
    """
    table = root / TABLE
    homes = [str(place) for place in (root / ".venv").glob("lib/python3*/site-packages")]
    there = installed(homes)
    if table.is_file():
        digests = {name: each.sha256 for name, each in there.items()}
        if faults := [*unlike(archives(lock), table.read_text(encoding="utf-8"), digests)]:
            raise StateError(*(f"environment: {fault}" for fault in faults))


def _machine(said: str) -> dict[str, str]:
    return dict(zip(("CPU", "platform", "Python"), said.split("; "), strict=False)) if said else {}
