"""A release on its way between people: packed into one file, and found by folder, by archive or by tag.

It is packed to the same bytes every time, and unpacked as if a stranger had packed it. What is unpacked goes
into a private folder, file by file, and stops at the first thing that no release needs: a name that is not
plain or comes twice, a link, a device, more than a release holds, or far more than the archive itself.
Nothing is ever written outside that folder, and nothing is run.
"""

import gzip
import re
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.files import written_whole
from fairmark.release import seal, unpack, unpack_zip
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import MOST_BYTES, PLAIN_NAME
from fairmark.release.unpack import Unpacking
from fairmark.repo.commit import tagged
from fairmark.repo.git import git

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
        raise UsageError(f"{target}: must end in .tar.gz or .tgz, got {target.name[-20:]!a}")
    if folder.resolve() in target.resolve().parents:
        raise UsageError(f"{target}: must lie outside the release that is packed, got a place in it")
    release = ReleaseFolder(folder)
    try:
        seal.files(release)
        seal.digests(release)
    except (LookupError, TypeError, AttributeError) as error:
        raise VerificationError(f"{folder}: must have the shape of a release, got {error!r}") from error
    top = folder.resolve().name
    if not PLAIN_NAME.fullmatch(top):
        raise UsageError(f"{folder}: must have a plain name, got {top[:80]!a}")
    with (
        written_whole(target) as draft,
        draft.open("wb") as raw,
        # Without a name and a time, so that a release packs to the same bytes whenever and by whomever.
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
    seen = archive.lstat()
    if not stat.S_ISREG(seen.st_mode):
        raise VerificationError(f"{archive.name}: must be a regular file, got a link, a pipe or a device")
    if (size := seen.st_size) > MOST_BYTES:
        raise VerificationError(f"{archive.name}: must have at most {MOST_BYTES} bytes, got {size}")
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


_TAG = re.compile(r"(?P<name>[a-z][a-z0-9-]*[a-z0-9])@(?P<version>v\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Target:
    """A release that was found.

    Parameters
    ----------
    folder
        Where its files are.
    clone
        The clone that it is held against, if any.
    tag
        The tag by which it was asked for, if it was.
    """

    folder: Path
    clone: Path | None
    tag: str | None


@contextmanager
def release_at(asked: str, clone: Path | None) -> Iterator[Target]:
    """Yield the release that `asked` names; what had to be unpacked is gone when the block ends.

    Parameters
    ----------
    asked
        A folder, an archive (.tar.gz, .tgz, .tar, .zip), or a tag NAME@vX.Y.Z of the clone. What reads like a
        tag is one: a folder or a file of such a name is asked for as `./NAME@vX.Y.Z`.
    clone
        None takes, for a tag alone, the repository that the working folder is in.

    Raises
    ------
    UsageError
        When it is none of these.
    StateError
        When the clone has no such tag, or the tag without the release's files.
    VerificationError
        When an archive holds what no release needs, or the files are those of another release than the tag.
    """
    place, named = Path(asked), _TAG.fullmatch(asked)
    if named is not None:
        root = clone or repository(asked)
        with release_at(str(_kept(root, asked, f"{named['name']}-{named['version']}")), root) as target:
            _refuse_other(target.folder, asked)
            yield Target(target.folder, root, asked)
    elif asked and place.is_dir():  # an empty word, such as an unset variable, would be the folder one is in
        yield Target(place, clone, None)
    elif place.is_file():
        with unpacked(place) as folder:
            yield Target(folder, clone, None)
    else:
        where = asked or "RELEASE"
        raise UsageError(
            f"{where}: must be a release folder, an archive of one, or a tag NAME@vX.Y.Z, got none"
        )


def repository(asked: str) -> Path:
    """Return the repository that RELEASE lies in, or else the one that the working folder is in.

    Raises
    ------
    UsageError
        When neither is in one.
    """
    for place in (Path(asked).parent, Path()):
        if place.is_dir():
            answer = git(place, "rev-parse", "--show-toplevel")
            if answer.returncode == 0:
                return Path(answer.stdout.strip())
            if "dubious ownership" in answer.stderr:
                raise StateError(
                    f"{place.resolve()}: must be a clone that git trusts, got one of another user "
                    "(git config --global --add safe.directory FOLDER, if you trust it)"
                )
    raise UsageError(
        f"{asked}: must be held against a clone, got no clone here (go into one, or give --clone)"
    )


def _kept(root: Path, tag: str, name: str) -> Path:
    """Return the folder or archive of the release `name` in the clone."""
    if tagged(root, tag) is None:
        raise StateError(f"{root}: must hold the tag {tag}, got a clone without it (fetch the tags)")
    places = [root / "releases" / f"{name}{ending}" for ending in ("", *ENDINGS)]
    there = [place for place in places if place.exists()]
    if not there:
        raise StateError(
            f"releases/{name}: must be in the clone for {tag} to be checked, got the tag without its files "
            "(get the folder or its archive from where it was released)"
        )
    return there[0]


def _refuse_other(folder: Path, tag: str) -> None:
    stated = ReleaseFolder(folder).statement
    if stated.tag != tag:
        raise VerificationError(f"{folder.name}: must hold the release {tag}, got {stated.tag[:80]!a}")
