"""A packed release is the same bytes every time; a hostile archive is refused before it writes outside."""

import gzip
import io
import os
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from maker_and_forger import MINE

from fairmark.cli.main import main
from fairmark.errors import UsageError, VerificationError
from fairmark.release import unpack
from fairmark.release.handover import pack, unpacked
from fairmark.signing.dsse import seal

pytest_plugins = ("release_fixtures",)

TOP = "loans-v0.1.0"
PLAIN = [(f"{TOP}/a.json", b"{}"), (f"{TOP}/model/m.txt", b"tree\n" * 400)]

Entry = tarfile.TarInfo
Files = Sequence[tuple[str, bytes]]


def _tar(files: Files, *odd: Entry, kind: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, content in files:
            entry = Entry(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for entry in odd:
            tar.addfile(entry)
    return out.getvalue()


def _odd(name: str, kind: bytes, to: str = "") -> Entry:
    entry = Entry(name)
    entry.type, entry.linkname = kind, to
    return entry


def _zip(files: Files, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            made.writestr(entry, content, method)
    return out.getvalue()


def _held(path: Path) -> dict[str, bytes]:
    with unpacked(path) as folder:
        assert folder.name == TOP
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, str], None]:
    """Return a check that an archive of these bytes is refused, and that nothing of it is left anywhere."""
    place, outside = tmp_path / "private", tmp_path / "outside"
    place.mkdir()
    outside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.chdir(outside)

    def check(content: bytes, why: str) -> None:
        hostile = tmp_path / "hostile"
        hostile.write_bytes(content)
        with pytest.raises(VerificationError, match=why), unpacked(hostile):
            pass
        assert list(place.iterdir()) == list(outside.iterdir()) == []
        assert {path.name for path in tmp_path.iterdir()} == {"private", "outside", "hostile"}

    return check


def test_packed_twice_a_release_is_the_same_bytes_whatever_the_times_and_modes(
    small_release: Path, tmp_path: Path
) -> None:
    count = pack(small_release, tmp_path / "one.tar.gz")
    for path in small_release.rglob("*"):
        os.utime(path, (1, 1))
    (small_release / "dvc.lock").chmod(0o600)
    pack(small_release, tmp_path / "two.tgz")

    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tgz").read_bytes()
    listed = subprocess.run(
        ["tar", "--list", "--verbose", "--numeric-owner", "--file", tmp_path / "one.tar.gz"],
        capture_output=True, check=True, text=True, env={**os.environ, "TZ": "UTC"},
    ).stdout.splitlines()  # fmt: skip
    assert len(listed) == count
    assert all(line.startswith("-rw-r--r-- 0/0 ") and "1970-01-01" in line for line in listed)


def test_what_was_packed_is_unpacked_the_same(small_release: Path, tmp_path: Path) -> None:
    pack(small_release, tmp_path / "it.tar.gz")
    with unpacked(tmp_path / "it.tar.gz") as folder:
        private = stat.S_IMODE(folder.parent.stat().st_mode)
        same = subprocess.run(["diff", "-r", small_release, folder], check=False).returncode == 0

    assert same
    assert private == 0o700
    assert not folder.exists()


def test_a_release_that_was_changed_is_not_packed(small_release: Path, tmp_path: Path) -> None:
    (small_release / "report.html").write_text("another")
    with pytest.raises(VerificationError, match=r"report\.html: must have the SHA-256"):
        pack(small_release, tmp_path / "it.tar.gz")

    assert list(tmp_path.glob("*.gz")) == []


@pytest.mark.parametrize("stated", [{}, {"subject": 7}, {"subject": [{}]}, {"subject": [[]]}])
@pytest.mark.parametrize("words", [["pack", "-o", "it.tgz"], ["predicates", "--into", "pieces"]])
def test_a_signed_statement_of_an_odd_shape_is_no_traceback(
    words: list[str],
    stated: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd").mkdir()
    seal(stated, MINE).write(Path("odd/statement.json"))

    assert main([*words, "odd"]) == 4
    said = capsys.readouterr().err
    assert "must have the shape of a statement" in said or "statement.json: predicate" in said
    assert sorted(Path().iterdir()) == [Path("odd")]


def test_a_release_is_not_packed_into_itself(small_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(small_release.rglob("*"))
    monkeypatch.chdir(small_release)

    for target in (small_release / "it.tar.gz", small_release / "model" / "it.tgz", Path("it.tar.gz")):
        with pytest.raises(
            UsageError, match="must lie outside the release that is packed, got a place in it"
        ):
            pack(small_release, target)
    assert sorted(small_release.rglob("*")) == before


def test_only_a_name_that_says_what_it_is_is_packed_into(small_release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.tar\.gz or \.tgz"):
        pack(small_release, tmp_path / "it.zip")


@pytest.mark.parametrize(
    "content",
    [
        _tar(PLAIN),
        gzip.compress(_tar(PLAIN)),
        _tar(PLAIN, kind=tarfile.GNU_FORMAT),
        _tar(PLAIN, kind=tarfile.PAX_FORMAT),
        _tar(PLAIN, _odd(TOP, tarfile.DIRTYPE), _odd(f"{TOP}/model", tarfile.DIRTYPE)),
        _zip(PLAIN),
        _zip(PLAIN, method=zipfile.ZIP_STORED),
        _zip([*PLAIN, (f"{TOP}/", b"")], mode=0),
    ],
)
def test_plain_archives_of_every_kind_are_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(content)

    assert _held(tmp_path / "it") == {"a.json": b"{}", "model/m.txt": b"tree\n" * 400}


@pytest.mark.parametrize("words", [["tar", "-czf"], ["tar", "-cf"], ["tar", "--format=pax", "-czf"]])
def test_what_the_system_s_own_tar_packs_is_read(words: list[str], tmp_path: Path) -> None:
    for name, content in PLAIN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    subprocess.run([*words, "it", TOP], cwd=tmp_path, check=True)

    assert set(_held(tmp_path / "it")) == {"a.json", "model/m.txt"}


NAMES = [
    ("/tmp/it", "plain name"),  # noqa: S108 - must not be written to
    ("../it", "plain name"),
    (f"{TOP}/../../it", "plain name"),
    (f"{TOP}/./it", "plain name"),
    (f"{TOP}//it", "plain name"),
    (f"{TOP}/.hidden", "plain name"),
    (f"{TOP}/a b", "plain name"),
    (f"{TOP}\\it", "plain name"),
    (f"{TOP}/caf\N{LATIN SMALL LETTER E WITH ACUTE}", "plain name"),
    (f"{TOP}/cafe\N{COMBINING ACUTE ACCENT}", "plain name"),
    (f"{TOP}/a.json", "must be there once"),
    (f"{TOP}/A.json", "must be spelt one way"),
    (f"{TOP}/Model/it", "must be spelt one way"),
    (f"{TOP}/a.json/it", "must be a file or a folder, got both"),
    (f"{TOP}/model", "must be there once"),
    ("other/it", "one folder"),
    ("it", "one folder"),
]


@pytest.mark.parametrize(("name", "why"), NAMES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_leaves_the_folder_is_odd_or_there_twice_is_refused(
    name: str, why: str, refused: Callable[[bytes, str], None]
) -> None:
    refused(_tar([*PLAIN, (name, b"x")]), why)
    refused(gzip.compress(_tar([*PLAIN, (name, b"x")])), why)
    refused(_zip([*PLAIN, (name, b"x")]), why)


@pytest.mark.parametrize(
    "entry",
    [
        _odd(f"{TOP}/it", tarfile.SYMTYPE, "/etc/passwd"),
        _odd(f"{TOP}/it", tarfile.LNKTYPE, f"{TOP}/a.json"),
        _odd(f"{TOP}/it", tarfile.CHRTYPE),
        _odd(f"{TOP}/it", tarfile.BLKTYPE),
        _odd(f"{TOP}/it", tarfile.FIFOTYPE),
        _odd(f"{TOP}/it", tarfile.CONTTYPE),
        _odd(f"{TOP}/it", tarfile.GNUTYPE_SPARSE),
        _odd(f"{TOP}/it", tarfile.GNUTYPE_LONGNAME),
    ],
    ids=lambda entry: str(entry.type),
)
def test_links_devices_and_pipes_in_a_tar_are_refused(
    entry: Entry, refused: Callable[[bytes, str], None]
) -> None:
    refused(_tar(PLAIN, entry, kind=tarfile.GNU_FORMAT), "must be a file or a folder, got a link")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_devices_and_pipes_in_a_zip_are_refused(
    kind: int, refused: Callable[[bytes, str], None]
) -> None:
    refused(
        _zip([(f"{TOP}/it", b"/etc/passwd")], mode=kind | 0o777), "must be a file or a folder, got a link"
    )


def test_an_extended_header_that_renames_a_file_is_refused(refused: Callable[[bytes, str], None]) -> None:
    long = _tar([(f"{TOP}/{'a' * 300}", b"x")], kind=tarfile.PAX_FORMAT)
    broken = bytearray(_tar(PLAIN, kind=tarfile.PAX_FORMAT))
    entry = Entry("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 2**30

    refused(long, "must need no extended header, got b'path=")
    refused(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(broken), "must be a file or a folder")


@pytest.mark.parametrize("grows", [lambda: gzip.compress(_tar([(f"{TOP}/it", bytes(2**26 + 1))])),
                                   lambda: _zip([(f"{TOP}/it", bytes(2**26 + 1))]),
                                   lambda: gzip.compress(_tar(PLAIN) + bytes(2**26))])  # fmt: skip
def test_what_grows_far_beyond_its_own_size_is_stopped_on_the_way(
    grows: Callable[[], bytes], refused: Callable[[bytes, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "GROWTH", 1)
    refused(grows(), "got one that grows without end")


def test_too_many_files_are_refused(
    refused: Callable[[bytes, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MOST_FILES", 10)
    many = [(f"{TOP}/{k}", b"") for k in range(11)]

    refused(_tar(many), "at most 10 files")
    refused(_zip(many), "at most 10 files")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_tar(PLAIN) + b"more", "something behind it"),
        (gzip.compress(_tar(PLAIN)) + b"more", "something behind it"),
        (gzip.compress(_tar(PLAIN)) + gzip.compress(b"more"), "something behind it"),
        (gzip.compress(_tar(PLAIN) + b"more"), "something behind it"),
        (_zip(PLAIN) + b"more", "must end with the list of a zip"),
        (_tar(PLAIN)[:1400], "must be whole"),
        (gzip.compress(_tar(PLAIN))[:-9], "breaks off"),
        (_zip(PLAIN)[:-40], "must end with the list of a zip"),
        (b"\x1f\x8b" + bytes(600), "must be deflated"),
        (b"PK\3\4" + bytes(600), "must end with the list of a zip"),
        (b"hello" * 200, "must be a tar"),
        (b"", "must be whole"),
        (bytes(1024), "must hold one folder with files, got nothing"),
        (_tar(PLAIN, _odd(f"{TOP}/empty", tarfile.DIRTYPE)), "got an empty folder"),
        (_zip([*PLAIN, (f"{TOP}/empty/", b"")], mode=0), "got an empty folder"),
    ],
)
def test_what_is_broken_or_has_something_behind_it_is_refused(
    content: bytes, why: str, refused: Callable[[bytes, str], None]
) -> None:
    refused(content, why)


def _changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def test_a_zip_whose_two_lists_differ_is_refused(refused: Callable[[bytes, str], None]) -> None:
    content = _zip([(f"{TOP}/a.json", b"{}")], method=zipfile.ZIP_STORED)
    listed = content.index(b"PK\1\2")

    refused(_changed(content, 30, b"l0ans"), "the same in both lists")
    refused(_changed(content, listed + 46, b"l0ans"), "the same in both lists")
    refused(_changed(content, 22, struct.pack("<L", 1)), "the same in both lists")
    refused(_changed(content, 30 + 19, b"[]"), "must have the sum [0-9a-f]{8} that the zip says")


def test_an_encrypted_or_streamed_zip_is_refused(refused: Callable[[bytes, str], None]) -> None:
    content = _zip([(f"{TOP}/a.json", b"{}")])
    listed = content.index(b"PK\1\2")
    for bit in (0x1, 0x8):
        flags = struct.pack("<H", bit)
        refused(_changed(_changed(content, 6, flags), listed + 8, flags), "neither encrypted nor streamed")


def test_a_zip_with_a_gap_an_overlap_or_a_prefix_is_refused(refused: Callable[[bytes, str], None]) -> None:
    content = _zip([(f"{TOP}/a.json", b"{}")])
    two = _zip([(f"{TOP}/a.json", b"{}"), (f"{TOP}/b.json", b"{}")])
    second = two.rindex(b"PK\1\2")

    refused(_changed(two, second + 42, bytes(4)), "the same in both lists")
    refused(b"PK\3\4" + content, "must be one plain zip with nothing around it")


def test_an_odd_method_is_refused(refused: Callable[[bytes, str], None]) -> None:
    refused(_zip(PLAIN, method=zipfile.ZIP_LZMA), "neither encrypted nor streamed|stored or deflated")
    refused(_zip(PLAIN, method=zipfile.ZIP_BZIP2), "stored or deflated")


def test_a_bomb_of_one_declared_byte_is_not_believed(refused: Callable[[bytes, str], None]) -> None:
    content = _zip([(f"{TOP}/it", bytes(10**6))])
    listed = content.index(b"PK\1\2")
    one = struct.pack("<L", 1)
    crc = struct.pack("<L", zlib.crc32(b"\0"))
    said = _changed(_changed(content, 22, one), listed + 24, one)

    refused(said, "must have 1 bytes, as the zip says")
    refused(_changed(_changed(said, 14, crc), listed + 16, crc), "must have 1 bytes, as the zip says")
    stored = _zip([(f"{TOP}/it", b"ab")], method=zipfile.ZIP_STORED)
    refused(
        _changed(_changed(stored, 22, one), stored.index(b"PK\1\2") + 24, one),
        "must have 1 bytes, as the zip says",
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "it")
    with pytest.raises(VerificationError, match="must be a regular file"), unpacked(tmp_path / "it"):
        pass
