"""Every distribution that is installed: a hash of what it installed, and the licence that it says it has.

Nothing on disk says which archive was installed, so `Installed.sha256` is not the hash in a lock file: it
is a digest of what is there, by the method that `fairmark.release.sbom.installed` names.

The RECORD of an installed distribution: what it says was installed, and whether that is what is there.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import base64
import configparser
import csv
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

from fairmark.errors import StateError
from fairmark.files import lines_of, sha256
from fairmark.release.sbom.licences import FILE, Licence, licence_of
from fairmark.release.sbom.requirements import normal, over, without_first_line

METHOD = (
    "SHA-256 over the sorted lines `sha256  path` of what was installed, without RECORD, INSTALLER, "
    "REQUESTED, direct_url.json, uv_*.json, *.pyc, headers and the scripts of entry points; of other "
    "scripts (#!) outside site-packages without the line that names the Python"
)
CHECKED = "each file has the bytes that RECORD says, and together they are what the locked wheel installs"

_LEFT_OUT = re.compile(
    r".*\.pyc|[^/]+\.dist-info/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_[a-z]+\.json)|"
    r"\.\./\.\./\.\./include/.*"
)
"""What differs between two folders of one machine, or is made there."""

_PROGRAMS = "../../../bin/"
"""Where scripts go, relative to site-packages."""

_ENVIRONMENT = re.compile(
    r"python(?:w|\d(?:\.\d+)?)?|(?:de)?activate(?:\.[a-z0-9]+)?|Activate\.ps1|activate_this\.py|pydoc\.bat"
)
"""What an environment has of its own beside the programs that were installed."""


# By uv, by pip of today, and by the pip that comes with Python 3.11.
_TEMPLATES = (
    """# -*- coding: utf-8 -*-
import sys
from {module} import {top}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({call}())
""",
    """import sys
from {module} import {top}
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({call}())
""",
    """# -*- coding: utf-8 -*-
import re
import sys
from {module} import {top}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({call}())
""",
)


class Line(NamedTuple):
    """One file of a RECORD that has a hash."""

    path: str
    """Relative to site-packages, POSIX."""
    sha256: str
    """64 hex digits; another algorithm's as RECORD writes it."""
    size: int | None
    """In bytes."""


@dataclass(frozen=True)
class Record:
    """The files that one distribution has installed.

    Parameters
    ----------
    home
        The site-packages folder.
    lines
        Its files, without bytecode.
    programs
        Of each entry point the texts that its script may have below the first line, by the script's name.
    """

    home: str
    lines: tuple[Line, ...]
    programs: Mapping[str, frozenset[str]]

    @property
    def sha256(self) -> str:
        """Return the digest over what is the same in two folders (`METHOD`)."""
        return over(
            (self._script(line) if line.path.startswith(_PROGRAMS) else line.sha256, line.path)
            for line in self.lines
            if not _LEFT_OUT.fullmatch(line.path) and self.program(line) is None
        )

    def program(self, line: Line) -> frozenset[str] | None:
        """Return the texts that a file may have that an installer made of an entry point, else None."""
        return (
            self.programs.get(line.path.removeprefix(_PROGRAMS)) if line.path.startswith(_PROGRAMS) else None
        )

    def _script(self, line: Line) -> str:
        try:
            content = _read(os.path.join(self.home, line.path))  # noqa: PTH118
        except OSError:
            return line.sha256  # `changed` says that it is gone
        return hashlib.sha256(without_first_line(content)).hexdigest()


class _Claim(NamedTuple):
    """What a distribution says of a file."""

    name: str
    line: Line
    program: frozenset[str] | None


def read_record(text: str, home: str, entry_points: str = "") -> Record:
    """Return the record whose RECORD holds `text`, of a distribution with these entry points.

    Raises
    ------
    ValueError
        When it is not of three columns: path, hash and size.
    configparser.Error
        When the entry points can't be read.
    """
    rows = [(path, sha, size) for path, sha, size in csv.reader(lines_of(text))]
    lines = (
        Line(path, _hex(sha), int(size) if size else None)
        for path, sha, size in rows
        if sha and not path.endswith(".pyc")
    )
    return Record(home, tuple(lines), _entry_programs(entry_points))


def changed(records: Mapping[str, Record]) -> Iterator[str]:
    """Yield a fault for each file that is not the one that was installed.

    Parameters
    ----------
    records
        By the distribution's name.
    """
    claims: dict[str, list[_Claim]] = {}
    for name, record in records.items():
        for line in record.lines:
            # Strings, not paths: there are some 30,000 of them.
            place = os.path.join(record.home, line.path)  # noqa: PTH118
            claims.setdefault(place, []).append(_Claim(name, line, record.program(line)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing lets the other threads run
        for fault in pool.map(_fault_of, claims.items(), chunksize=256):
            if fault:
                yield f"{fault} (run make clean, and make again)"


def unnamed(homes: Iterable[str], records: Mapping[str, Record]) -> Iterator[str]:
    """Yield a fault for each file in site-packages or beside the programs that no distribution names.

    Python runs some of them at its start (`*.pth`, `sitecustomize.py`), and others in the place of a library.
    """
    named = {
        os.path.normpath(os.path.join(record.home, line.path))  # noqa: PTH118
        for record in records.values()
        for line in record.lines
    }
    for home in sorted(homes):
        for folder, inside, names in os.walk(home):
            inside.sort()
            for name in sorted(names):
                place = os.path.join(folder, name)  # noqa: PTH118
                if place not in named and not _made_there(folder, name, named):
                    path = os.path.relpath(place, home)
                    yield f"{path}: must be named by a distribution, got a file that none names (delete it)"
        programs = os.path.normpath(os.path.join(home, "../../../bin"))  # noqa: PTH118
        if any(os.path.dirname(place) == programs for place in named):  # noqa: PTH120
            for name in sorted(each.name for each in os.scandir(programs)):
                place = os.path.join(programs, name)  # noqa: PTH118
                if place not in named and not _ENVIRONMENT.fullmatch(name):
                    yield f"bin/{name}: must be named by a distribution, got one that none names (delete it)"


def _made_there(folder: str, name: str, named: Collection[str]) -> bool:
    """Return whether a file is what an installer, or Python, makes beside what is named."""
    parent, last = os.path.split(folder)
    if last == "__pycache__" and name.endswith(".pyc"):
        source = f"{name.removesuffix('.pyc').split('.cpython-')[0]}.py"
        return os.path.join(parent, source) in named  # noqa: PTH118
    metadata = os.path.join(folder, "METADATA")  # noqa: PTH118
    return bool(_LEFT_OUT.fullmatch(f"{last}/{name}")) and metadata in named


def _fault_of(item: "tuple[str, list[_Claim]]") -> str | None:
    place, claims = item
    # Two distributions may name one file: it is what the later one wrote.
    found = [_fault(place, each) for each in claims]
    if not all(found):
        return None
    return f"{claims[0].name}: {claims[0].line.path} must be as installed, got {found[0]}"


def _fault(place: str, claim: "_Claim") -> str | None:
    line = claim.line
    try:
        if claim.program is not None:
            text = without_first_line(_read(place)).decode("utf-8", "replace")
            return None if text in claim.program else f"{text[:80]!a} in place of its entry point"
        if line.path.startswith(_PROGRAMS):
            os.stat(place)  # noqa: PTH116 - its digest, without its first line, is compared with the wheel's
            return None
        size = os.stat(place).st_size  # noqa: PTH116
        if line.size is not None and size != line.size:
            return f"{size} bytes, not {line.size}"
        return None if _sha256(place) == line.sha256 else "other bytes"
    except OSError as error:
        return str(error.strerror).lower()


def _sha256(place: str) -> str:
    with open(place, "rb") as stream:  # noqa: PTH123
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(place: str) -> bytes:
    with open(place, "rb") as stream:  # noqa: PTH123
        return stream.read()


def _entry_programs(entry_points: str) -> dict[str, frozenset[str]]:
    """Return the texts that installers give the script of each entry point, without the first line."""
    config = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    # Names of programs keep their case.
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read_string(entry_points)
    found = {}
    for section in {"console_scripts", "gui_scripts"} & set(config.sections()):
        for name, text in config[section].items():
            module, _, call = text.partition("[")[0].partition(":")
            words = {"module": module.strip(), "top": call.strip().split(".")[0], "call": call.strip()}
            found[name] = frozenset(each.format(**words) for each in _TEMPLATES)
    return found


def _hex(recorded: str) -> str:
    algorithm, _, text = recorded.partition("=")
    if algorithm != "sha256":
        return recorded
    # In base64 for addresses and without padding, as RECORD has it.
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


@dataclass(frozen=True)
class Installed:
    """One installed distribution."""

    version: str
    sha256: str
    licence: Licence


def installed(folders: Sequence[str] | None = None) -> dict[str, Installed]:
    """Return normalised name -> distribution for all that is installed in `folders`, sorted by name.

    Parameters
    ----------
    folders
        Site-packages folders; by default those of the Python that runs.

    Raises
    ------
    StateError
        When a distribution has no RECORD or is there twice, a file is not the one that was installed, or no
        distribution names it.
    """
    import site

    found: dict[str, Installed] = {}
    records: dict[str, Record] = {}
    faults: list[str] = []
    homes = list(folders or site.getsitepackages())
    for each in distributions(path=homes):
        try:
            metadata = each.metadata
        except FileNotFoundError:  # so says the library's own backport, once something has imported it
            faults.append("a folder without a name: must have one RECORD, got no METADATA beside it")
            continue
        name = normal(metadata["Name"] or "") or "a folder without a name"
        record = _record(each)
        if record is None or name in found:
            got = "none that can be read" if record is None else "two of them"
            faults.append(f"{name}: must have one RECORD, got {got} (run make clean, and make again)")
            continue
        records[name] = record
        found[name] = Installed(metadata["Version"], record.sha256, licence_of(metadata, _Texts(record)))
    faults += changed(records)
    faults += unnamed(homes, records)
    if faults:
        raise StateError(*faults)
    return dict(sorted(found.items()))


def source_sha256(folder: Path) -> str:
    """Return the SHA-256 over the sorted lines `sha256  path` of a package's own files, without caches.

    The paths begin with the package's name, so that a checkout and an installed wheel give the same.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return over((sha256(path), path.relative_to(folder.parent).as_posix()) for path in files)


@dataclass(frozen=True)
class _Texts:
    """Reads the licence files of a distribution when it is called."""

    record: Record

    def __call__(self) -> list[str]:
        home = Path(self.record.home)
        named = sorted(line.path for line in self.record.lines if FILE.fullmatch(line.path))
        return [(home / path).read_text(encoding="utf-8", errors="replace") for path in named]


def _record(each: Distribution) -> Record | None:
    text = each.read_text("RECORD") or ""
    if not any(line.endswith("RECORD,,") for line in lines_of(text)):
        return None
    try:
        return read_record(text, str(each.locate_file("")), each.read_text("entry_points.txt") or "")
    except (ValueError, configparser.Error):
        return None
