"""Ask git: the one module that starts it.

Nothing of the caller's environment can point git at another repository, and its words are always English.
The repository may be a stranger's: no program that its config names is started on the way (a monitor, a hook,
a fetch of objects that are not there), and no ref or file of it shows one object in the place of another.

Where a commit's files are told by their SHA-256 each git object on the way is checked against its own name,
which git does not do when it reads one: in a clone that a stranger made, an object may hold other bytes than
those that its name is the hash of.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fairmark.errors import StateError, VerificationError
from fairmark.files import lines_of

# A hook of another repository sets these, and git would then speak of that repository.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
)
_SAFE = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # a git before 2.39.4 knows not the one above
}
_QUIET = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "log.showSignature=false")

_ANSWER_S = 20.0


def git(
    root: Path, *words: str, given: str | None = None, extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Return how `git -C root words` ended, its output as text.

    Parameters
    ----------
    given
        What it reads on its standard input; None gives it nothing.
    extra
        Variables for its environment.

    Raises
    ------
    StateError
        When git is not installed.
    """
    # A path is bytes to git: what is no UTF-8 goes through, and comes back, as it is.
    answer = _ended(root, words, (given or "").encode("utf-8", "surrogateescape"), extra)
    return subprocess.CompletedProcess(
        answer.args, answer.returncode, _decoded(answer.stdout), _decoded(answer.stderr)
    )


def need(root: Path, what: str, *words: str, given: str | None = None) -> str:
    """Return what git wrote; `what` says in words what the call must do.

    Raises
    ------
    StateError
        When git refuses: `root: must WHAT, got` its words.
    """
    answer = git(root, *words, given=given)
    if answer.returncode != 0:
        raise StateError(f"{root}: must {what}, got {in_words(answer.stderr)}")
    return answer.stdout


def git_bytes(root: Path, *words: str, given: bytes = b"") -> bytes | None:
    """Return the bytes that git wrote when it read those given, or None when it refused.

    Raises
    ------
    StateError
        When git is not installed.
    """
    answer = _ended(root, words, given)
    return answer.stdout if answer.returncode == 0 else None


def _ended(
    root: Path, words: Sequence[str], given: bytes, extra: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    with _installed():
        return subprocess.run(
            _command(root, words),
            capture_output=True,
            check=False,
            input=given,
            env=environment() | dict(extra or {}),
        )


def remote_tags(root: Path, remote: str, pattern: str) -> dict[str, str]:
    """Return the tags of a remote whose names match, asked over its network: name -> commit.

    Raises
    ------
    StateError
        When it gives no answer in time, or refuses.
    """
    # Of protocols none that is a program of the config's own (ext::), and nobody is asked for a password.
    spoken = {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
    }
    shell = {} if "GIT_SSH_COMMAND" in os.environ else {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
    words = ("ls-remote", "--tags", "--", remote, f"refs/tags/{pattern}")
    with _installed():
        try:
            answer = subprocess.run(
                _command(root, words),
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_ANSWER_S,
                env=environment() | spoken | shell,
            )
        except subprocess.TimeoutExpired as error:
            raise StateError(f"no answer in {_ANSWER_S:.0f} s") from error
    if answer.returncode != 0:
        raise StateError(in_words(_decoded(answer.stderr)))
    found = {}
    for line in lines_of(_decoded(answer.stdout)):
        commit, _, ref = line.partition("\t")
        # An annotated tag is listed twice: itself, and as NAME^{} the commit that it names.
        name = ref.removeprefix("refs/tags/")
        if name.endswith("^{}") or name not in found:
            found[name.removesuffix("^{}")] = commit
    return found


def _decoded(text: bytes) -> str:
    # Not by subprocess, which would turn every carriage return of a stranger into a line feed.
    return text.decode("utf-8", "surrogateescape")


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StateError("git: must be installed and on PATH, got no such command") from error


def environment() -> dict[str, str]:
    """Return the environment that git runs in."""
    return own_environment() | _SAFE | {"LC_ALL": "C"}


def own_environment() -> dict[str, str]:
    """Return the caller's environment without what would point git at another repository."""
    return {key: value for key, value in os.environ.items() if key not in _FOREIGN}


def _command(root: Path, words: Sequence[str]) -> list[str]:
    quiet = [word for setting in _QUIET for word in ("-c", setting)]
    return ["git", "-C", str(root), *quiet, *words]


def in_words(text: str) -> str:
    """Return what git said, in one line."""
    return " ".join(text.split()) or "no word of git"


def own_folder(root: Path) -> Path:
    """Return the folder in which git keeps what is of the repository, not of one of its work trees.

    Raises
    ------
    StateError
        When `root` is in no repository.
    """
    place = Path(need(root, "be a git repository", "rev-parse", "--git-common-dir").strip())
    return place if place.is_absolute() else root / place


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
    # The line feed alone: a folder's name may end with a blank.
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
        # `NAME missing`, in two words, where there is no such object.
        if len(head) != 3:
            raise StateError(f"{root}: must hold {place}, got a clone without it (fetch it)")
        start = end + 1 + int(head[2]) + 1
        content = answer[end + 1 : start - 1]
        # git's hash is over kind, size, a zero and the content.
        stated = b"%s %d\0" % (kind.encode(), len(content))
        here = hashlib.new(_ALGORITHMS[len(name)], stated + content, usedforsecurity=False).hexdigest()
        if here != name:
            raise VerificationError(
                f"{place}: must hold the bytes that git object {name[:12]} is the hash of, got those of "
                f"{here[:12]}"
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
