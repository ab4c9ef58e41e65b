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
_HARMLESS = re.compile(rb"(?:[amc]time|[ug]id|[ug]name|comment|LIBARCHIVE\.creationtime)=")
_NAME, _SIZE, _SUM, _KIND, _MAGIC, _PREFIX = (
    slice(0, 100),
    slice(124, 136),
    slice(148, 156),
    slice(156, 157),
    slice(257, 263),
    slice(345, 500),
)


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


def _entry(header: bytes, into: Unpacking) -> tuple[str, int, bytes]:
    """Return name, size and kind of an entry."""
    try:
        given = int(header[_SUM].strip(b" \0"), 8)
        size = int(header[_SIZE].strip(b" \0") or b"0", 8)
    except ValueError:
        given, size = -1, -1
    blank = header[: _SUM.start] + b" " * 8 + header[_SUM.stop :]
    if sum(blank) != given or size < 0 or header[_MAGIC] not in (b"ustar\0", b"ustar "):
        raise into.fault("must be a tar, plain or in gzip, or a zip, got another file or a broken one")
    parts = [header[_PREFIX] if header[_MAGIC] == b"ustar\0" else b"", header[_NAME]]
    texts = [part.split(b"\0", 1)[0].decode("utf-8", "backslashreplace") for part in parts]
    return "/".join(filter(None, texts)), size, header[_KIND]


def _refuse_meaning(records: bytes, into: Unpacking) -> None:
    """Refuse an extended header that says more than times and owners: `length key=value`, a line each."""
    while records:
        length, _, rest = records.partition(b" ")
        count = int(length) if length.isdigit() and len(length) < 6 else 0
        if not len(length) + 1 < count <= len(records) or not _HARMLESS.match(rest):
            raise into.fault(f"must need no extended header, got {rest[:40]!a}")
        records = records[count:]


def _exactly(source: Reader, size: int, into: Unpacking) -> bytes:
    found = source.read(size) if size else b""
    if len(found) != size:
        raise into.fault("must be whole, with empty blocks at its end, got an end before them")
    into.spend(size)
    return found
