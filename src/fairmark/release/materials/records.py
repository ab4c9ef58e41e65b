"""The RECORD of an installed distribution: what it says was installed, and whether that is what is there.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

import base64
import csv
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fairmark.files import lines_of

METHOD = (
    "SHA-256 over the sorted lines `sha256  path` of the RECORD, without RECORD itself, INSTALLER, "
    "REQUESTED, direct_url.json, uv_*.json, *.pyc, and scripts (#!) outside site-packages"
)
CHECKED = "each file of RECORD is there in its size, and in its bytes where it is younger than RECORD"

_LEFT_OUT = re.compile(
    r".*\.pyc|[^/]+\.dist-info/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_[a-z]+\.json)"
)
"""What differs between two folders of one machine, or is made there."""


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
    made
        When RECORD was written, which installers do last; in seconds.
    """

    home: str
    lines: tuple[Line, ...]
    made: float

    @property
    def sha256(self) -> str:
        """Return the digest over what is the same in two folders (`METHOD`)."""
        return over((line.sha256, line.path) for line in self.lines if self._kept(line))

    def _kept(self, line: Line) -> bool:
        if _LEFT_OUT.fullmatch(line.path):
            return False
        return not (line.path.startswith("../") and _script(os.path.join(self.home, line.path)))  # noqa: PTH118


def read_record(text: str, home: str, made: float) -> Record:
    """Return the record whose RECORD holds `text`.

    Raises
    ------
    ValueError
        When it is not of three columns: path, hash and size.
    """
    rows = [(path, sha, size) for path, sha, size in csv.reader(lines_of(text))]
    lines = (
        Line(path, _hex(sha), int(size) if size else None)
        for path, sha, size in rows
        if sha and not path.endswith(".pyc")
    )
    return Record(home, tuple(lines), made)


def over(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over the sorted lines `sha256  path`."""
    return hashlib.sha256("".join(sorted(f"{sha}  {path}\n" for sha, path in pairs)).encode()).hexdigest()


def changed(records: dict[str, Record]) -> Iterator[str]:
    """Yield a fault for each file that is not the one that was installed (`CHECKED`).

    Parameters
    ----------
    records
        By the distribution's name.
    """
    claims: dict[str, list[tuple[str, Line, float]]] = {}
    for name, record in records.items():
        for line in record.lines:
            # Strings, not paths: there are some 30,000 of them.
            place = os.path.join(record.home, line.path)  # noqa: PTH118
            claims.setdefault(place, []).append((name, line, record.made))
    for place, each in claims.items():
        # Two distributions may name one file: it is what the later one wrote.
        found = [_fault(place, line, made) for _, line, made in each]
        if all(found):
            name, line, _ = each[0]
            yield f"{name}: {line.path} must be as installed, got {found[0]} (run make clean, and make again)"


def _fault(place: str, line: Line, made: float) -> str | None:
    try:
        seen = os.stat(place)  # noqa: PTH116
        if line.size is not None and seen.st_size != line.size:
            return f"{seen.st_size} bytes, not {line.size}"
        if seen.st_mtime > made and _sha256(place) != line.sha256:
            return "other bytes"
    except OSError as error:
        return str(error.strerror).lower()
    return None


def _sha256(place: str) -> str:
    with open(place, "rb") as stream:  # noqa: PTH123
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _script(place: str) -> bool:
    # Its first line names the Python of the folder that it was installed in.
    try:
        with open(place, "rb") as stream:  # noqa: PTH123
            return stream.read(2) == b"#!"
    except OSError:
        return False


def _hex(recorded: str) -> str:
    algorithm, _, text = recorded.partition("=")
    if algorithm != "sha256":
        return recorded
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
