"""Read a tar file (POSIX.1-1988 ustar, as GNU tar and Python write it for plain files) strictly.

Python's own reader follows every extension of forty years, reads headers of any size into memory, and stops
silently at the first one that it can't read. A release needs none of that: plain files and folders, in whole
blocks, up to two empty blocks and nothing after them. Extended headers (pax) are skipped when they speak of
times and owners alone; one that gives a name, a size or a link is refused.
"""

import re
from typing import IO

from fairmark.release.archives.inflated import GZIP, Inflated
from fairmark.release.archives.unpacking import CHUNK, Reader, Unpacking

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
    return sum(header[: _SUM.start]) + 8 * ord(" ") + sum(header[_SUM.stop :])


def _entry(header: bytes, into: Unpacking) -> tuple[str, int, bytes]:
    """Return name, size and kind of an entry, of a header that every program reads the same way."""
    if header[_MAGIC] not in (_POSIX, _GNU) or not plain_header(header):
        raise into.fault("must be a tar, plain or in gzip, or a zip, got another file or a broken one")
    name = header[_NAME].split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
    numbers = [_OCTAL.fullmatch(header[part]) for part in _NUMBERS]
    size = _SIZE_OCTAL.fullmatch(header[_SIZE])
    # Base-256, signs and blanks are numbers to one program and none, or others, to the next.
    if size is None or not all(numbers):
        raise into.fault(f"{name[:80]!a} must have numbers in octal, got a header of two readings")
    if any(header[_LINK]) and header[_KIND] in (*_FILE, _FOLDER):
        raise into.fault(f"{name[:80]!a} must have no link, got a header of two readings")
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
