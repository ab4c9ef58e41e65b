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
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairmark.errors import UsageError, VerificationError
from fairmark.files import written_whole
from fairmark.release import integrity, unpack, unpack_zip
from fairmark.release.folder import MOST_BYTES, PLAIN_NAME, ReleaseFolder
from fairmark.release.unpack import Unpacking

ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip")
_PACKED = re.compile(r".+\.(tar\.gz|tgz)")


def pack(folder: Path, target: Path) -> int:
    """Write the release in `folder` to `target` as .tar.gz, and return how many files it holds.

    Sorted, with no time, user, mode or name of this machine: the same release gives the same bytes.

    Raises
    ------
    UsageError
        When there is no folder, or the target's name does not end as it should, or it lies in the folder.
    VerificationError
        When the folder is not the one that its statement states.
    StateError
        When the target can't be written.
    """
    if not _PACKED.fullmatch(target.name):
        raise UsageError(f"{target}: must end in .tar.gz or .tgz, got another name")
    if folder.resolve() in target.resolve().parents:
        raise UsageError(f"{target}: must lie outside the release that is packed, got a place in it")
    release = ReleaseFolder(folder)
    try:
        integrity.files(release)
        integrity.digests(release)
    except (LookupError, TypeError, AttributeError) as error:
        raise VerificationError(f"{folder}: must have the shape of a release, got {error!r}") from error
    top = folder.resolve().name
    if not PLAIN_NAME.fullmatch(top):
        raise UsageError(f"{folder}: must have a plain name, got an odd one")
    with (
        written_whole(target) as draft,
        draft.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in release.files:
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = (folder / name).stat().st_size
            with (folder / name).open("rb") as content:
                tar.addfile(entry, content)
    return len(release.files)


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Yield the one folder that `archive` holds, in a private place that is gone when the block ends.

    Raises
    ------
    VerificationError
        When it is no archive of one release folder, or holds what no release needs.
    """
    size = archive.lstat().st_size
    if not stat.S_ISREG(archive.lstat().st_mode) or size > MOST_BYTES:
        raise VerificationError(f"{archive.name}: must be a file of at most {MOST_BYTES} bytes, got another")
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        into = Unpacking(archive.name, Path(place), size)
        with archive.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            if start[:2] == b"PK":
                unpack_zip.unpack(stream, into)
            else:
                # A zip is found by its end: one can stand in the last file of a tar.
                if zipfile.is_zipfile(stream):
                    raise into.fault("must be a zip or a tar, got both in one")
                stream.seek(0)
                unpack.unpack(stream, into, packed=start[:2] == b"\x1f\x8b")
        yield into.folder()
