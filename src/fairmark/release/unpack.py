"""The private folder that an archive is unpacked into, until the first thing that no release needs.

Read what is deflated (RFC 1951), piece by piece: as much as is asked for, and nothing behind its end.

Read a tar file (POSIX.1-1988 ustar, as GNU tar and Python write it for plain files) strictly.

Python's own reader follows every extension of forty years, reads headers of any size into memory, and stops
silently at the first one that it can't read. A release needs none of that: plain files and folders, in whole
blocks, up to two empty blocks and nothing after them. Extended headers (pax) are skipped when they speak of
times and owners alone; one that gives a name, a size or a link is refused.
"""

import re
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from fairmark.errors import VerificationError
from fairmark.release.layout import MOST_BYTES, MOST_FILES, PLAIN_NAME

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
        # A bomb is known by how it grows, not by its size: what a release holds shrinks to a tenth at most,
        # while deflate can reach a thousandth.
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
        # `x` never follows a link and never overwrites, even if a check above were wrong.
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
            raise self.fault(
                f"{name[:80]!a} must have a plain name of at most {LONGEST_NAME} characters, got {len(name)}"
            )
        path = PurePosixPath(name)
        for above in (path, *path.parents):
            # On a file system that knows no case, two spellings are one file, and the second would win.
            if (first := self._spelt.setdefault(str(above).casefold(), str(above))) != str(above):
                raise self.fault(f"{above} must be spelt one way, got {first} too")
            if above != path and self._entries.get(str(above), "folder") == "file":
                raise self.fault(f"{above} must be a file or a folder, got both")
        if name in self._entries or (kind == "file" and name in self._above):
            raise self.fault(f"{name} must be there once, got it again")
        self._entries[name] = kind
        self._above.update(map(str, path.parents))
        if len(self._entries) > MOST_FILES:
            raise self.fault(f"must hold at most {MOST_FILES} files, got more")


GZIP, RAW = 31, -15
"""Around the deflated bytes: one member of gzip (RFC 1952) with its sum, or nothing."""


class Inflated:
    """What `source` holds when it is inflated; no more of it is in memory than was asked for."""

    def __init__(self, source: Reader, into: Unpacking, around: int) -> None:
        self._source, self._into = source, into
        self._inflate = zlib.decompressobj(wbits=around)

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end alone.

        Raises
        ------
        VerificationError
            When it is broken, or there is something behind its end.
        """
        found = b""
        while len(found) < size and not self._inflate.eof:
            # What was left over, because no more was asked for, comes before new bytes.
            given = self._inflate.unconsumed_tail or self._source.read(CHUNK)
            try:
                more = self._inflate.decompress(given, size - len(found))
            except zlib.error as error:
                raise self._into.fault(f"must be deflated as it says, got {error}") from error
            if not given and not more:
                raise self._into.fault("must be whole, got a stream that breaks off")
            # No more than was asked for: `decompress` would else put the whole bomb into memory at once.
            found += more
        # A second member behind the first is read by some programs and not by others.
        if self._inflate.eof and (self._inflate.unused_data or self._source.read(1)):
            raise self._into.fault("must end with its stream, got something behind it")
        return found


BLOCK = 512
LARGEST_PAX = 2**16

_FILE, _FOLDER, _PAX = (b"0", b"\0"), b"5", (b"x", b"g")
# A time or a number that is none is skipped by some programs and stops others.
_HARMLESS = re.compile(
    rb"(?:(?:[amc]time|LIBARCHIVE\.creationtime)=[0-9]{1,11}(?:\.[0-9]{1,20})?"
    rb"|[ug]id=[0-9]{1,9}|(?:[ug]name|comment)=[^\n\0]*)\n"
)
_POSIX, _GNU = b"ustar\x0000", b"ustar  \0"
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")
_SIZE_OCTAL = re.compile(rb"([0-7]{11})[ \0]")
_LENGTH = re.compile(rb"[1-9][0-9]{0,4}")
_NAME, _SIZE, _SUM, _KIND, _LINK, _MAGIC, _PREFIX = (
    slice(0, 100),
    slice(124, 136),
    slice(148, 156),
    slice(156, 157),
    slice(157, 257),
    slice(257, 265),
    slice(345, 500),
)
_NUMBERS = (
    slice(100, 108),
    slice(108, 116),
    slice(116, 124),
    slice(136, 148),
    slice(329, 337),
    slice(337, 345),
)
"""Mode, user, group, time and device."""


def unpack(stream: IO[bytes], into: Unpacking, *, packed: bool) -> None:
    """Unpack the tar in `stream`, which is in gzip if `packed`.

    Raises
    ------
    VerificationError
        When it is not such a tar, or holds what no release needs.
    """
    source: Reader = Inflated(stream, into, GZIP) if packed else stream
    # A tar ends with empty blocks, and a header is never empty: the checksum alone is not zero.
    while any(header := _exactly(source, BLOCK, into)):
        name, size, kind = _entry(header, into)
        padding = -size % BLOCK
        if kind in _FILE:
            into.put(name, source, size)
        elif kind == _FOLDER and not size:
            into.enter(name)
        elif kind in _PAX and size <= LARGEST_PAX:
            _refuse_meaning(_exactly(source, size, into), into)
        else:
            raise into.fault(f"{name[:80]!a} must be a file or a folder, got a link, a device or the like")
        if any(_exactly(source, padding, into)):
            raise into.fault("must have empty space between its files, got something in it")
    while rest := source.read(CHUNK):
        if any(rest):
            raise into.fault("must end after its last file, got something behind it")
        into.spend(len(rest))


def plain_header(header: bytes) -> bool:
    """Return whether 512 bytes are the header of a tar by their sum, as programs older than ustar tell."""
    given = _OCTAL.fullmatch(header[_SUM])
    return len(header) == BLOCK and given is not None and int(given[1] or b"0", 8) == _sum(header)


def _sum(header: bytes) -> int:
    # The checksum takes its own field for eight blanks (POSIX, ustar).
    return sum(header[: _SUM.start]) + 8 * ord(" ") + sum(header[_SUM.stop :])


def _entry(header: bytes, into: Unpacking) -> tuple[str, int, bytes]:
    """Return name, size and kind of an entry, of a header that every program reads the same way."""
    if header[_MAGIC] not in (_POSIX, _GNU) or not plain_header(header):
        raise into.fault(f"must be a tar, plain or in gzip, or a zip, got a header of {header[:8]!a}")
    name = header[_NAME].split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    numbers = [_OCTAL.fullmatch(header[part]) for part in _NUMBERS]
    size = _SIZE_OCTAL.fullmatch(header[_SIZE])
    # Base-256, signs and blanks are numbers to one program and none, or others, to the next.
    if size is None or not all(numbers):
        raise into.fault(f"{name[:80]!a} must have numbers in octal, got a header of two readings")
    if any(header[_LINK]) and header[_KIND] in (*_FILE, _FOLDER):
        raise into.fault(f"{name[:80]!a} must have no link, got a header of two readings")
    # Some readers join the prefix to the name and others do not know it: both must come to one path.
    prefix = header[_PREFIX]
    if header[_MAGIC] == _GNU:  # GNU tar keeps other things where ustar has the prefix of the name
        if any(prefix):
            raise into.fault(f"{name[:80]!a} must have one name, got a header of two readings")
        prefix = b""
    above = prefix.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    for part in (header[_NAME], prefix):
        if any(part.partition(b"\0")[2]):
            raise into.fault(f"{name[:80]!a} must end where it ends, got something behind its name")
    return "/".join(filter(None, (above, name))), int(size[1], 8), header[_KIND]


def _refuse_meaning(records: bytes, into: Unpacking) -> None:
    """Refuse an extended header that says more than times and owners: `length key=value`, a line each."""
    while records:
        length, _, rest = records.partition(b" ")
        # The length counts itself, its blank and the end of the line (POSIX, pax).
        count = int(length) if _LENGTH.fullmatch(length) else 0
        line = records[:count]
        whole = len(length) + 1 < count <= len(records) and line.endswith(b"\n")
        if not whole or not _HARMLESS.fullmatch(line[len(length) + 1 :]):
            raise into.fault(f"must need no extended header, got {rest[:40]!a}")
        records = records[count:]


def _exactly(source: Reader, size: int, into: Unpacking) -> bytes:
    found = source.read(size) if size else b""
    if len(found) != size:
        raise into.fault("must be whole, with empty blocks at its end, got an end before them")
    into.spend(size)
    return found
