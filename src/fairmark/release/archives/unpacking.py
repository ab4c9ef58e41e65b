"""The private folder that an archive is unpacked into, until the first thing that no release needs."""

from pathlib import Path, PurePosixPath
from typing import Protocol

from fairmark.errors import VerificationError
from fairmark.release.checks.opened import MOST_BYTES, MOST_FILES, PLAIN_NAME

CHUNK = 2**16
GROWTH = 200
"""Times its own size that an archive may hold; one that holds less than `SMALL_BYTES` may always."""
SMALL_BYTES = 64 * 2**20

LONGEST_NAME = 255


class Reader(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end."""


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
