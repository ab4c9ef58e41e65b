"""A release in one file: packed to the same bytes every time, and unpacked as if a stranger had packed it.

What is unpacked goes into a private folder, file by file, and stops at the first thing that no release needs:
a name that is not plain or comes twice, a link, a device, more than a release holds, or far more than the
archive itself. Nothing is ever written outside that folder, and nothing is run.
"""

import gzip
import re
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from fairmark.errors import UsageError, VerificationError
from fairmark.files import written_whole
from fairmark.release import integrity
from fairmark.release.opened import MOST_BYTES, MOST_FILES, PLAIN_NAME, Opened

ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
CHUNK = 2**16
GROWTH = 200
"""Times its own size that an archive may hold; one that holds less than `SMALL_BYTES` may always."""
SMALL_BYTES = 64 * 2**20

LONGEST_NAME = 255

_PACKED = re.compile(r".+\.(tar\.gz|tgz)")


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end."""


def pack(folder: Path, target: Path) -> int:
    """Write the release in `folder` to `target` as .tar.gz, and return how many files it holds.

    Sorted, with no time, user, mode or name of this machine: the same release gives the same bytes.

    Raises
    ------
    UsageError
        When there is no folder, or the target's name does not end as it should.
    VerificationError
        When the folder is not the one that its statement states.
    StateError
        When the target can't be written.
    """
    if not _PACKED.fullmatch(target.name):
        raise UsageError(f"{target}: must end in .tar.gz or .tgz, got another name")
    opened = Opened(folder)
    integrity.files(opened)
    integrity.digests(opened)
    top = folder.resolve().name
    if not PLAIN_NAME.fullmatch(top):
        raise UsageError(f"{folder}: must have a plain name, got an odd one")
    with (
        written_whole(target) as draft,
        draft.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in opened.files:
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = (folder / name).stat().st_size
            with (folder / name).open("rb") as content:
                tar.addfile(entry, content)
    return len(opened.files)


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Yield the one folder that `archive` holds, in a private place that is gone when the block ends.

    Raises
    ------
    VerificationError
        When it is no archive of one release folder, or holds what no release needs.
    """
    from fairmark.release import tarred, zipped

    size = archive.lstat().st_size
    if not stat.S_ISREG(archive.lstat().st_mode) or size > MOST_BYTES:
        raise VerificationError(f"{archive.name}: must be a file of at most {MOST_BYTES} bytes, got another")
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        into = Unpacking(archive.name, Path(place), size)
        with archive.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            if start[:2] == b"PK":
                zipped.unpack(stream, into)
            else:
                tarred.unpack(stream, into, packed=start[:2] == b"\x1f\x8b")
        yield into.folder()


class Unpacking:
    """A private folder that is filled from an archive, and what was put there so far.

    Parameters
    ----------
    archive
        Its name, for what is said of it.
    place
        The folder, empty.
    size
        Bytes of the archive.
    """

    def __init__(self, archive: str, place: Path, size: int) -> None:
        self.archive = archive
        self._place = place
        self._left = min(MOST_BYTES, max(SMALL_BYTES, GROWTH * size))
        self._entries: dict[str, str] = {}
        self._spelt: dict[str, str] = {}
        self._above: set[str] = set()

    def fault(self, text: str) -> VerificationError:
        """Return the error that says what the archive must be, and is not."""
        return VerificationError(f"{self.archive}: {text}")

    def enter(self, name: str) -> None:
        """Note an entry for a folder; it is made when a file is put into it.

        Raises
        ------
        VerificationError
            When its name is not plain or not new.
        """
        self._note(name.removesuffix("/"), "folder")

    def put(self, name: str, source: Reader, size: int) -> None:
        """Write a file of the next `size` bytes of `source`, as long as there is room.

        Raises
        ------
        VerificationError
            When its name is not plain or not new, there is too much, or too little.
        """
        self._note(name, "file")
        target = self._place / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with target.open("xb") as stream:
            while size > 0 and (chunk := source.read(min(size, CHUNK))):
                size -= len(chunk)
                self.spend(len(chunk))
                stream.write(chunk)
        if size:
            raise self.fault(f"{name} must be whole, got an end in the middle of it")

    def spend(self, count: int) -> None:
        """Note `count` bytes that came out of the archive.

        Raises
        ------
        VerificationError
            When there is no room for them.
        """
        self._left -= count
        if self._left < 0:
            raise self.fault("must hold no more than a release does, got one that grows without end")

    def folder(self) -> Path:
        """Return the one folder at the top, now that the archive is read to its end.

        Raises
        ------
        VerificationError
            When there is no such folder, or an empty one in it.
        """
        files = [name for name, kind in self._entries.items() if kind == "file"]
        tops = {name.split("/", 1)[0] for name in files}
        if len(tops) != 1 or any("/" not in name for name in files):
            raise self.fault(f"must hold one folder with files, got {sorted(tops)[:3] or 'nothing'}")
        filled = {str(above) for name in files for above in PurePosixPath(name).parents}
        if empty := sorted(self._entries.keys() - filled - {*files}):
            raise self.fault(f"{empty[0]} must hold a file, got an empty folder")
        return self._place / tops.pop()

    def _note(self, name: str, kind: str) -> None:
        if not PLAIN_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise self.fault(f"{name[:80]!a} must have a plain name, got an odd one")
        path = PurePosixPath(name)
        for above in (path, *path.parents):
            if self._spelt.setdefault(str(above).casefold(), str(above)) != str(above):
                raise self.fault(f"{above} must be spelt one way, got another case of it too")
            if above != path and self._entries.get(str(above), "folder") == "file":
                raise self.fault(f"{above} must be a file or a folder, got both")
        if name in self._entries or (kind == "file" and name in self._above):
            raise self.fault(f"{name} must be there once, got it again")
        self._entries[name] = kind
        self._above.update(map(str, path.parents))
        if len(self._entries) > MOST_FILES:
            raise self.fault(f"must hold at most {MOST_FILES} files, got more")
