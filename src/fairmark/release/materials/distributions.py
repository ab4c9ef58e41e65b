"""Every distribution that is installed: a hash of what it installed, and the licence that it says it has.

Nothing on disk says which archive was installed, so `Installed.sha256` is not the hash in a lock file: it
is a digest of what is there, by the method that `fairmark.release.materials.records` names.
"""

import configparser
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from fairmark.errors import StateError
from fairmark.files import lines_of, sha256
from fairmark.release.materials.licence_metadata import FILE, Licence, licence_of
from fairmark.release.materials.locks import normal
from fairmark.release.materials.records import Record, changed, over, read_record, unnamed


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
