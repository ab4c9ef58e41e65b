"""What a user means by RELEASE: a folder, an archive of one, or a tag of a clone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.release.folder import ReleaseFolder
from fairmark.repo.commit import tagged
from fairmark.repo.git import git

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
def found(asked: str, clone: Path | None) -> Iterator[Target]:
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
        with found(str(_kept(root, asked, f"{named['name']}-{named['version']}")), root) as target:
            _refuse_other(target.folder, asked)
            yield Target(target.folder, root, asked)
    elif asked and place.is_dir():  # an empty word, such as an unset variable, would be the folder one is in
        yield Target(place, clone, None)
    elif place.is_file():
        from fairmark.release.pack import unpacked

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
    from fairmark.release.pack import ENDINGS

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
