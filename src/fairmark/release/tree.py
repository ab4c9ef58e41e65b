"""Every file of a commit by its SHA-256, each git object on the way checked against its own name.

git does not do this when it reads an object: in a clone that a stranger made, an object may hold other bytes
than those that its name, which the commit's hash stands on, is the hash of.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fairmark.errors import StateError, VerificationError
from fairmark.release.git import git_bytes, need

_FOLDER, _SUBMODULE = b"40000", b"160000"
_ALGORITHMS = {40: "sha1", 64: "sha256"}
"""By the length of an object's name, in hex digits."""


class _Entry(NamedTuple):
    mode: bytes
    name: str
    object: str


def committed_files(root: Path, commit: str) -> dict[str, str]:
    """Return the SHA-256 of every file of `commit` in the folder `root`, by path relative to it, sorted.

    Of a symbolic link it is that of the path that it names.

    Raises
    ------
    StateError
        When git can't read an object: the clone does not hold it.
    VerificationError
        When an object is not what its name is the hash of, or the commit holds a submodule, whose files it
        does not name.
    """
    inside = need(root, "be in a git repository", "rev-parse", "--show-prefix").strip("\n")
    top = _header(_objects(root, {commit: f"commit {commit[:12]}"}, "commit")[commit], "tree")
    todo, files = {"": top}, dict[str, str]()
    while todo:
        # One level of folders at a time, each in one call of git.
        trees = _objects(root, {name: place or "the top folder" for place, name in todo.items()}, "tree")
        entries = [
            (place, each) for place, name in todo.items() for each in _entries(trees[name], len(commit) // 2)
        ]
        todo = {}
        for place, each in entries:
            path = f"{place}{each.name}"
            if each.mode == _SUBMODULE:
                raise VerificationError(f"commit {commit[:12]}: must hold files alone, got submodule {path}")
            if each.mode != _FOLDER:
                files[path] = each.object
            elif f"{path}/".startswith(inside) or inside.startswith(f"{path}/"):
                todo[f"{path}/"] = each.object
    files = {path: name for path, name in files.items() if path.startswith(inside)}
    bytes_of = _objects(root, {name: path for path, name in files.items()}, "blob")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in bytes_of.items()}
    return dict(sorted((path.removeprefix(inside), digests[name]) for path, name in files.items()))


def _objects(root: Path, places: Mapping[str, str], kind: str) -> dict[str, bytes]:
    """Return the content of each object; `places` says for each name what it is, for a person."""
    asked = "".join(f"{name}\n" for name in places).encode()
    answer = git_bytes(root, "cat-file", "--batch", given=asked)
    if answer is None:
        raise StateError(f"{root}: must hold every file of the commit, got objects that git can't read")
    found, start = {}, 0
    for name, place in places.items():
        end = answer.find(b"\n", start)
        head = answer[start:end].split()
        if len(head) != 3:
            raise StateError(f"{root}: must hold {place}, got a clone without it (fetch it)")
        start = end + 1 + int(head[2]) + 1
        content = answer[end + 1 : start - 1]
        stated = b"%s %d\0" % (kind.encode(), len(content))
        if hashlib.new(_ALGORITHMS[len(name)], stated + content, usedforsecurity=False).hexdigest() != name:
            raise VerificationError(
                f"{place}: must hold the bytes that git object {name[:12]} is the hash of, got others"
            )
        found[name] = content
    return found


def _header(commit: bytes, key: str) -> str:
    lines: Sequence[str] = commit.split(b"\n\n", 1)[0].decode("utf-8", "replace").split("\n")
    return next(line.removeprefix(f"{key} ") for line in lines if line.startswith(f"{key} "))


def _entries(tree: bytes, width: int) -> Iterator[_Entry]:
    """Yield what a tree object lists: mode, a space, name, a zero, and `width` bytes of an object's name."""
    place = 0
    while place < len(tree):
        space, end = tree.index(b" ", place), tree.index(b"\0", place)
        name = tree[space + 1 : end].decode("utf-8", "surrogateescape")
        yield _Entry(tree[place:space], name, tree[end + 1 : end + 1 + width].hex())
        place = end + 1 + width
