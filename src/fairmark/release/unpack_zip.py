"""Read a zip file (PKWARE's APPNOTE 6.3) strictly: its two lists of files must say the same, without gaps.

A zip lists its files twice, before each file and at the end, and readers differ in which list they believe.
Here both must agree, byte follows byte, and there is neither comment, encryption nor zip64.
"""

import stat
import struct
import zipfile
import zlib
from typing import IO

from fairmark.release.layout import MOST_FILES
from fairmark.release.unpack import BLOCK, RAW, Inflated, Reader, Unpacking, plain_header

_END = struct.Struct("<4s4H2LH")
_LISTED = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
LARGEST_LIST = 16 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_FIELD = struct.Struct("<2H")
_HARMLESS = {0x5455: (5, 9, 13), 0x7875: (11,), 0x5855: (8, 12), 0x000A: (32,)}
"""Extra fields of times and owners, and how long they are: Info-ZIP's three, and that of NTFS."""
_TIMES = 0x5455
_SYSTEMS = (0, 3)
"""DOS and Unix: other systems have names of their own."""
_VERSION = 20
"""Of APPNOTE: from 2.1 on come methods and fields that not everybody reads."""
_UTF8 = 0x800
_DEFLATE_SPEED = 0x6


def unpack(stream: IO[bytes], into: Unpacking) -> None:
    """Unpack the zip in `stream`.

    Raises
    ------
    VerificationError
        When it is not such a zip, or holds what no release needs.
    """
    stream.seek(0)
    if plain_header(stream.read(BLOCK)):
        raise into.fault("must be a zip or a tar, got both in one")
    # Both the list at the end and the heads before each file say what is there. Programs differ in whom they
    # believe, so the two must agree on everything, and between them lie no bytes that neither accounts for.
    listed_at, count = _listed_at(stream, into)
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
            if len(entries) != count:
                raise into.fault(f"must list as many files as it says, {count}, got {len(entries)}")
            ends = [_follows(stream, entry, into) for entry in entries]
            if [0, *ends] != [*(entry.header_offset for entry in entries), listed_at]:
                raise into.fault("must hold file after file, got a gap or an overlap between them")
            for entry, end in zip(entries, ends, strict=True):
                _take(stream, entry, end, into)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise into.fault(f"must be a whole zip, got {str(error)[:80]!a}") from error


def _listed_at(stream: IO[bytes], into: Unpacking) -> tuple[int, int]:
    """Return where the list at the end begins and its length, having checked that it ends the file."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END.size))
    found = stream.read(_END.size)
    if len(found) != _END.size or found[:4] != b"PK\5\6":
        raise into.fault(f"must end with the list of a zip, without a comment, got {found[:4]!a}")
    _, disk, first, here, count, length, at, comment = _END.unpack(found)
    if (disk, first, comment) != (0, 0, 0) or here != count or at + length != size - _END.size:
        got = f"part {disk}, {here} of {count} files, a list of {length} bytes at {at}, {comment} of comment"
        raise into.fault(f"must be one plain zip with nothing around it, got {got}")
    if count > 2 * MOST_FILES or length > LARGEST_LIST:
        raise into.fault(f"must hold at most {MOST_FILES} files, got more")
    _walk(stream, int(at), int(length), int(count), into)
    return int(at), int(count)


def _walk(stream: IO[bytes], at: int, length: int, count: int, into: Unpacking) -> None:
    """Refuse a list whose entries do not fill it: Python takes what is cut off, others stop or go on."""
    stream.seek(at)
    listed, place = stream.read(length), 0
    for _ in range(count):
        part = listed[place : place + _LISTED.size]
        if len(part) != _LISTED.size or part[:4] != b"PK\1\2":
            raise into.fault(f"must list as many files as it says, {count}, got fewer")
        # Name, extra field and comment follow each entry.
        place += _LISTED.size + sum(_LISTED.unpack(part)[10:13])
    if place != length:
        raise into.fault(f"must have a list of {length} bytes, as it says, got {place}")


def _follows(stream: IO[bytes], entry: zipfile.ZipInfo, into: Unpacking) -> int:
    """Return where what belongs to `entry` ends, having checked what stands before its bytes."""
    stream.seek(entry.header_offset)
    found = stream.read(_LOCAL.size)
    if len(found) != _LOCAL.size or found[:4] != b"PK\3\4":
        raise into.fault(f"{entry.filename[:80]!a} must stand where the list says, got nothing there")
    _, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(found)
    said = (flags, method, crc, packed, size)
    listed = (entry.flag_bits, entry.compress_type, entry.CRC, entry.compress_size, entry.file_size)
    if flags & ~(_UTF8 | _DEFLATE_SPEED):
        raise into.fault(f"{entry.filename[:80]!a} must be neither encrypted nor streamed, got flags {flags}")
    if said != listed or stream.read(name) != entry.orig_filename.encode(
        "utf-8" if flags & _UTF8 else "cp437"
    ):
        raise into.fault(f"{entry.filename[:80]!a} must be the same in both lists, got two")
    _refuse_meaning(stream.read(extra), entry, into, listed=False)
    _refuse_meaning(entry.extra, entry, into, listed=True)
    return int(entry.header_offset + _LOCAL.size + name + extra + packed)


def _refuse_meaning(fields: bytes, entry: zipfile.ZipInfo, into: Unpacking, *, listed: bool) -> None:
    """Refuse an extra field that says more than times and owners, such as another name (APPNOTE 4.5)."""
    while fields:
        kind, size = _FIELD.unpack(fields[: _FIELD.size]) if len(fields) >= _FIELD.size else (0, 0)
        content = fields[_FIELD.size : _FIELD.size + size]
        if (
            size not in _HARMLESS.get(kind, ())
            or len(content) != size
            or _short(kind, content, listed=listed)
        ):
            raise into.fault(f"{entry.filename[:80]!a} must need no extra field, got one, {fields[:2].hex()}")
        fields = fields[_FIELD.size + size :]


def _short(kind: int, content: bytes, *, listed: bool) -> bool:
    """Return whether a field of times holds others than it says; in the list the first may stand alone."""
    # Bits 0 to 2 say which of the three times follow, four bytes each.
    whole = 1 + 4 * (content[0] & 7).bit_count() if kind == _TIMES else len(content)
    return kind == _TIMES and len(content) != whole and not (listed and len(content) == 5)


def _take(stream: IO[bytes], entry: zipfile.ZipInfo, ends_at: int, into: Unpacking) -> None:
    # The upper half is the mode of Unix, 0 where another system wrote it.
    kind = stat.S_IFMT(entry.external_attr >> 16)
    said = (entry.compress_type, entry.create_system, entry.extract_version, len(entry.comment))
    plain = entry.compress_type in _METHODS and entry.create_system in _SYSTEMS and not entry.comment
    if entry.orig_filename != entry.filename or not plain or entry.extract_version > _VERSION:
        raise into.fault(
            f"{entry.orig_filename[:80]!a} must be stored or deflated under a plain name, without a comment, "
            "got method {}, system {}, version {} and {} bytes of comment".format(*said)
        )
    # The low byte is that of DOS: 8 a volume's label, 16 a folder.
    if entry.volume or entry.external_attr & 8 or (entry.external_attr & 16 and entry.filename[-1:] != "/"):
        raise into.fault(f"{entry.filename[:80]!a} must be a file or a folder, got one of two readings")
    if entry.filename.endswith("/") and kind in (0, stat.S_IFDIR) and not entry.file_size:
        into.enter(entry.filename)
    elif kind in (0, stat.S_IFREG):
        stream.seek(ends_at - entry.compress_size)
        # Not by `ZipFile.open`, which inflates as long as there is input, whatever size the list gives.
        part = _Part(stream, entry.compress_size)
        stored = entry.compress_type == zipfile.ZIP_STORED
        content = _Summed(part if stored else Inflated(part, into, RAW))
        into.put(entry.filename, content, entry.file_size)
        if content.read(1):
            raise into.fault(f"{entry.filename} must have {entry.file_size} bytes, as the zip says, got more")
        if content.sum != entry.CRC:
            raise into.fault(
                f"{entry.filename} must have the sum {entry.CRC:08x} that the zip says, got {content.sum:08x}"
            )
    else:
        raise into.fault(f"{entry.filename[:80]!a} must be a file or a folder, got a link or the like")


class _Part:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int, /) -> bytes:
        found = self._stream.read(min(size, self._left))
        self._left -= len(found)
        return found


class _Summed:
    """What is read, and its CRC-32 so far."""

    def __init__(self, source: Reader) -> None:
        self._source, self.sum = source, 0

    def read(self, size: int, /) -> bytes:
        found = self._source.read(size)
        self.sum = zlib.crc32(found, self.sum)
        return found
