"""Hostile archives: what we verify must be what every common program unpacks."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from hostile_acts import hostile

from fairmark.errors import VerificationError
from fairmark.release.handover import unpacked

KIND = "an archive that two programs unpack in two ways"
TOP = "loans-v0.1.0"
SIZE, SUM, PREFIX = slice(124, 136), slice(148, 156), slice(345, 500)


def tarred(kind: int = tarfile.USTAR_FORMAT, pax: dict[str, str] | None = None) -> bytes:
    """Return a plain tar of two files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content in ((f"{TOP}/a.json", b"{}"), (f"{TOP}/b.json", b"[1]")):
            entry = tarfile.TarInfo(name)
            entry.size, entry.pax_headers = len(content), pax or {}
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def resummed(header: bytes) -> bytes:
    """Return a header of a tar with the sum that it must have."""
    blank = header[: SUM.start] + b" " * 8 + header[SUM.stop :]
    return blank[: SUM.start] + b"%06o\0 " % sum(blank) + blank[SUM.stop :]


def with_field(content: bytes, place: slice, value: bytes) -> bytes:
    """Return a tar with another field in its first header, and the right sum."""
    head = content[: place.start] + value.ljust(place.stop - place.start, b"\0") + content[place.stop : 512]
    return resummed(head) + content[512:]


def zipped(extra: bytes = b"", change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    """Return a plain zip of two files, the first with an extra field."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number, name in enumerate((f"{TOP}/a.json", f"{TOP}/b.json")):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100644 << 16
            if not number:
                entry.extra = extra
                if change is not None:
                    change(entry)
            made.writestr(entry, b"{}")
    return out.getvalue()


def _unicode_path() -> bytes:
    name = f"{TOP}/c.json".encode()
    body = struct.pack("<BL", 1, zlib.crc32(f"{TOP}/a.json".encode())) + name
    return zipped(struct.pack("<2H", 0x7075, len(body)) + body)


def _fewer_listed() -> bytes:
    whole = zipped()
    at = whole.rindex(b"PK\5\6")
    return whole[: at + 8] + struct.pack("<2H", 1, 1) + whole[at + 12 :]


def _longer_list(at: int) -> bytes:
    """Return a zip whose last listed file says that more of it follows than the list holds."""
    whole = zipped()
    place = whole.rindex(b"PK\1\2") + at
    return whole[:place] + struct.pack("<H", 128) + whole[place + 2 :]


def _gap_in_list() -> bytes:
    whole = zipped()
    at = whole.rindex(b"PK\5\6")
    length = struct.unpack("<L", whole[at + 12 : at + 16])[0] + 8
    return whole[:at] + bytes(8) + whole[at : at + 12] + struct.pack("<L", length) + whole[at + 16 :]


def _zip_in_tar() -> bytes:
    inner = zipped()
    whole = tarred()
    body = inner.ljust(-(-len(inner) // 512) * 512, b"\0")
    entry = tarfile.TarInfo(f"{TOP}/z")
    entry.size = len(body)
    behind = 1024
    at = body.rindex(b"PK\5\6")
    ended = body[: at + 20] + struct.pack("<H", len(body) - at - 22 + behind) + body[at + 22 :]
    return whole[:2048] + entry.tobuf(tarfile.USTAR_FORMAT) + ended + bytes(behind)


def _tar_in_zip() -> bytes:
    """Return a zip whose first 512 bytes are a header of a tar of old as well."""
    name = f"{TOP}/{'a' * 60}".encode()
    start = 30 + len(name)

    def made(content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            entry = zipfile.ZipInfo(name.decode())
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
        return out.getvalue()

    content = bytearray(1024)
    content[SIZE.start - start : SIZE.stop - start] = b"00000000000\0"
    content[156 - start] = ord("0")
    for _ in range(2000):  # the CRC stands in the header too, so that the sum is looked for
        whole = made(bytes(content))
        total = sum(whole[: SUM.start]) + 8 * 32 + sum(whole[SUM.stop : 512])
        wanted = b"%06o\0 " % total
        if whole[SUM] == wanted:
            return whole
        content[SUM.start - start : SUM.stop - start] = wanted
        if made(bytes(content))[SUM] == wanted and _total(made(bytes(content))) == total:
            return made(bytes(content))
        content[600] = (content[600] + 1) % 256
    raise AssertionError("no such zip was found")


def _total(whole: bytes) -> int:
    return sum(whole[: SUM.start]) + 8 * 32 + sum(whole[SUM.stop : 512])


def _dos_folder(entry: zipfile.ZipInfo) -> None:
    entry.external_attr |= 16


def _other_system(entry: zipfile.ZipInfo) -> None:
    entry.create_system = 2


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "GNU's magic with a prefix": lambda: with_field(tarred(tarfile.GNU_FORMAT), PREFIX, b"elsewhere"),
    "a size in base 256": lambda: with_field(tarred(), SIZE, b"\x80" + bytes(10) + b"\x02"),
    "a negative size": lambda: with_field(tarred(), SIZE, b"\xff" * 11 + b"\xfe"),
    "a size with a sign": lambda: with_field(tarred(), SIZE, b"+0000000002\0"),
    "a size with an underscore": lambda: with_field(tarred(), SIZE, b"0000000_002\0"),
    "a size with a letter": lambda: with_field(tarred(), SIZE, b"0o000000002\0"),
    "a size of blanks": lambda: with_field(tarred(), SIZE, b"          2\0"),
    "a mode in base 256": lambda: with_field(tarred(), slice(100, 108), b"\x80" + bytes(5) + b"\x01\xa4"),
    "a file with a link's target": lambda: with_field(tarred(), slice(157, 257), b"b.json"),
    "a name with a second name behind it": lambda: with_field(
        tarred(), slice(0, 100), f"{TOP}/a.json".encode() + b"\0evil"
    ),
    "a version of ustar that is none": lambda: with_field(tarred(), slice(263, 265), b"1 "),
    "a pax header with another name": lambda: tarred(tarfile.PAX_FORMAT, {"path": f"{TOP}/c.json"}),
    "a pax header with another size": lambda: tarred(tarfile.PAX_FORMAT, {"size": "1"}),
    "a pax header of GNU's sparse files": lambda: tarred(
        tarfile.PAX_FORMAT, {"GNU.sparse.name": f"{TOP}/c.json"}
    ),
    "a pax comment with a line in it": lambda: tarred(
        tarfile.PAX_FORMAT, {"comment": f"x\n30 path={TOP}/c.json"}
    ),
    "a pax time that is none": lambda: tarred(tarfile.PAX_FORMAT, {"mtime": f"x path={TOP}/c.json"}),
    "a pax owner that is none": lambda: tarred(tarfile.PAX_FORMAT, {"uid": "x" * 300}),
    "a pax owner beyond all numbers": lambda: tarred(tarfile.PAX_FORMAT, {"gid": "9" * 40}),
    "a zip at the end of a tar": _zip_in_tar,
    "a tar at the start of a zip": _tar_in_zip,
    "zip's Unicode path": _unicode_path,
    "zip's Unicode comment": lambda: zipped(struct.pack("<2H", 0x6375, 5) + bytes(5)),
    "an extra field of zip64": lambda: zipped(struct.pack("<2H", 1, 8) + bytes(8)),
    "an extra field that breaks off": lambda: zipped(b"UT\x09"),
    "an extra field of times without one": lambda: zipped(struct.pack("<2H", 0x5455, 0)),
    "an extra field of fewer times than it says": lambda: zipped(b"UT\5\0\7" + bytes(4)),
    "an extra field of owners cut short": lambda: zipped(b"ux\1\0\1"),
    "a listed extra field beyond the list": lambda: _longer_list(30),
    "a listed comment beyond the list": lambda: _longer_list(32),
    "a list that ends before its end": _gap_in_list,
    "fewer files listed than there are": _fewer_listed,
    "a file with DOS's mark of a folder": lambda: zipped(change=_dos_folder),
    "a file of another system": lambda: zipped(change=_other_system),
}


def _add(name: str, made: Callable[[], bytes]) -> None:
    @hostile(KIND, name, ends=VerificationError, match="must")
    def archive(root: Path) -> object:
        (root / "hostile").write_bytes(made())
        with unpacked(root / "hostile") as folder:
            return sorted(path.name for path in folder.rglob("*"))


for _name, _made in ARCHIVES.items():
    _add(_name, _made)
