"""The versions of the data in git's history, and where DVC keeps their bytes."""

import configparser
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import InputError, StateError
from fairmark.files import lines_of
from fairmark.repo.dvc_files import DvcLock
from fairmark.repo.git import git, git_bytes, need
from fairmark.repo.untrusted import strict_yaml

DATA = "data.dvc"
CACHE = Path(".dvc") / "cache"


@dataclass(frozen=True)
class Version:
    """One version of the data: its address, and the first commit that named it, with its day (UTC)."""

    address: str
    commit: str
    since: dt.date


def versions(root: Path) -> list[Version]:
    """Return every version of the data that a commit of any branch or tag names, the newest first.

    Raises
    ------
    StateError
        When `root` is in no git repository, or a commit's data.dvc is not DVC's.
    """
    log = need(root, "tell the versions of its data", "log", "--all", "--format=%ct %H", "--", DATA)
    found: dict[str, Version] = {}
    for line in lines_of(log):
        seconds, commit = line.split()
        day = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC).date()
        address = address_in(root, commit)
        if address is not None:
            found[address] = Version(address, commit, day)  # the log runs backwards: the first one stays
    return list(found.values())


def address_in(root: Path, commit: str) -> str | None:
    """Return DVC's address of the data in a commit, or None where it has none."""
    value = yaml_in(root, commit, DATA)
    return None if value is None else _address(value, commit)


def outputs_in(root: Path, commit: str) -> dict[str, str]:
    """Return the address of every output in the dvc.lock of a commit, by path."""
    value = yaml_in(root, commit, "dvc.lock")
    outputs = {} if value is None else DvcLock.from_yaml(value, f"dvc.lock of {commit[:12]}").outputs
    return {path: output.md5 for path, output in outputs.items()}


def yaml_in(root: Path, commit: str, name: str) -> dict[str, object] | None:
    """Return the value of a YAML file in a commit, or None where the commit has no such file."""
    text = git_bytes(root, "cat-file", "blob", f"{commit}:./{name}")
    if text is None:
        return None
    try:
        value = strict_yaml(text.decode("utf-8"), f"{name} of {commit[:12]}")
    except (UnicodeDecodeError, InputError) as error:
        raise StateError(f"{name} of {commit[:12]}: must be YAML, got {error}") from error
    if not isinstance(value, dict):
        raise StateError(f"{name} of {commit[:12]}: must be a mapping, got {type(value).__name__}")
    return value


def held_at(root: Path, address: str) -> list[Path]:
    """Return where the bytes of an address lie on this machine: in the cache, in remotes that are folders."""
    inside = Path("files") / "md5" / address[:2] / address[2:]
    return [place / inside for place in stores(root).values() if (place / inside).is_file()]


def stores(root: Path) -> dict[str, Path]:
    """Return the folders that DVC keeps bytes in, by name: `cache`, and each remote that is a folder."""
    found = {"cache": root / CACHE}
    for name in ("config", "config.local"):
        # DVC writes quoted section names: ['remote "store"'].
        # Without interpolation, for an address may hold a percent sign.
        config = configparser.ConfigParser(interpolation=None, strict=False)
        config.read(root / ".dvc" / name, encoding="utf-8")
        for section in config.sections():
            words = section.strip("'").split('"')
            url = config[section].get("url") or config[section].get("dir")
            if url is None or "://" in url:
                continue
            if words[0].strip() == "remote":
                found[words[1]] = (root / ".dvc" / url).resolve()
            elif words[0].strip() == "cache":
                found["cache"] = (root / ".dvc" / url).resolve()
    return found


def remotes(root: Path) -> list[str]:
    """Return the names of DVC's remotes, those that are no folders too."""
    names: dict[str, None] = {}
    for name in ("config", "config.local"):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        config.read(root / ".dvc" / name, encoding="utf-8")
        names |= {
            s.strip("'").split('"')[1]: None for s in config.sections() if s.strip("'").startswith("remote ")
        }
    return list(names)


def manifest(root: Path, address: str) -> dict[str, str] | None:
    """Return path -> address of the files of a folder's version, or None where its bytes are not here."""
    places = (path.read_bytes() for path in held_at(root, address))
    text = next(places, None) or _from_history(root, address)
    if text is None:
        return None
    return {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(text)}


def _from_history(root: Path, address: str) -> bytes | None:
    """Return the bytes of an address from the commit that added it to a store in the repository itself."""
    for path in in_git(root, address):
        words = ("log", "--all", "--diff-filter=A", "-1", "--format=%H", "--", path)
        commit = git(root, *words).stdout.strip()
        return git_bytes(root, "cat-file", "blob", f"{commit}:{path}")
    return None


def rewriting(root: Path, before: str, after: str) -> list[str]:
    """Return the command that takes the version `before` out of git's history, none where it isn't in it.

    Only what `after` does not use is named.
    """
    kept = set((manifest(root, after) or {}).values()) | {after}
    gone = [*sorted(set((manifest(root, before) or {}).values()) - kept), before]
    paths = [path for md5 in gone for path in in_git(root, md5)]
    if not paths:
        return []
    words = " ".join(f"--path {path}" for path in paths)
    return [f"git filter-repo --invert-paths {words}  # then force-push; every clone keeps its own"]


def in_git(root: Path, address: str) -> list[str]:
    """Return the paths of an address in git's history, where a remote stands in the repository itself."""
    found = []
    for store in stores(root).values():
        if store.is_relative_to(root.resolve()):
            place = store / "files" / "md5" / address[:2] / address[2:]
            path = place.relative_to(root.resolve()).as_posix()
            if git(root, "log", "--all", "-1", "--format=%H", "--", path).stdout.strip():
                found.append(path)
    return found


def gone(root: Path, address: str) -> bool:
    """Return whether the bytes of a version are nowhere that can be seen from here."""
    elsewhere = set(remotes(root)) - set(stores(root))
    return not elsewhere and not held_at(root, address) and not in_git(root, address)


def _address(value: Mapping[str, object], commit: str) -> str:
    # Not by `data_outputs`: an old commit's file may be of a DVC that named no kind of hash.
    outs = value.get("outs")
    if not isinstance(outs, list) or not outs or not isinstance(outs[0], dict) or "md5" not in outs[0]:
        raise StateError(f"{DATA} of {commit[:12]}: must name an output by its MD5, got {str(outs)[:80]}")
    return str(outs[0]["md5"])
