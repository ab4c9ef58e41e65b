"""Put right what a killed run left in the way, so that the next one needs no hand.

DVC removes a stage's outputs before the stage runs, those that git keeps among them; it rewrites dvc.lock and
its own lock files in place; git leaves the lock of a ref. A run that is killed at the wrong moment so leaves
a tree that is not clean, a file cut off, or a lock that nobody holds. Only what a run of a flow can have left
is touched: what was changed before it began is a person's, and stays.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fairmark.errors import FairmarkError, StateError
from fairmark.files import written_whole
from fairmark.record import Record
from fairmark.repo.commit import committed_file, trace
from fairmark.repo.dvc_files import DvcLock, data_outputs, stage_outputs
from fairmark.repo.git import git
from fairmark.repo.locks import lock

LOCK = "dvc.lock"

STALE_S = 10.0
"""git holds the lock of a ref for milliseconds: one this old was left by a git that was killed."""

_OF_DVC = re.compile(r"\.[\w-]{22}\.tmp")
_OF_OURS = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
"""What DVC (`tmp_fname`) and fairmark (`written_whole`) call a file that is not whole yet."""


@contextmanager
def begun(root: Path) -> Iterator[None]:
    """Note for as long as stages run what was changed before; the note stays when they do not end well."""
    with _held(root / ".fairmark" / "stages.lock") as ours:
        if ours:
            with suppress(StateError):  # without git there is nothing that could be put back
                seen = trace(root)
                if not _note(root):
                    _Note(commit=seen.commit, changed=seen.dirty).write(_place(root))
        yield
        if ours:
            _place(root).unlink(missing_ok=True)


def recover(root: Path) -> list[str]:
    """Put right what a killed run left in `root`; return a line for each thing that was.

    Nothing is done while another flow runs stages there, or another DVC is at work.
    """
    with ExitStack() as held:
        for path in (".fairmark/stages.lock", ".dvc/tmp/lock", ".dvc/tmp/rwlock.lock"):
            if not held.enter_context(_held(root / path)):
                return []
        if not _unlock(root / ".dvc" / "tmp" / "rwlock"):
            return []
        note = _note(root)
        return [*(_put_back(root, note) if note else []), *_ref_locks(root)]


def broken(root: Path) -> list[str]:
    """Delete the objects in DVC's cache that are not what their name says; return a line for each.

    DVC itself trusts an object that it has made read-only, even one that a power cut has spoilt. What is
    deleted is pulled or made again. Looked at are those that dvc.lock and data.dvc name.
    """
    named = []
    for tell in (data_outputs, stage_outputs):
        with suppress(StateError):
            named += [output.md5 for output in tell(root).values()]
    store, found = root / ".dvc" / "cache" / "files" / "md5", []
    for address in named:
        spoilt = _spoilt(store, address)
        members = _members(store, address) if address.endswith(".dir") and not spoilt else []
        for name in [address] * spoilt + [member for member in members if _spoilt(store, member)]:
            _object(store, name).unlink(missing_ok=True)
            found.append(
                f".dvc/cache: object {name[:12]}… was not what its name says: deleted, to be made again"
            )
    return found


def _object(store: Path, address: str) -> Path:
    return store / address[:2] / address[2:]


def _spoilt(store: Path, address: str) -> bool:
    try:
        with _object(store, address).open("rb") as stream:
            found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return False  # one that is missing is not trusted by DVC either
    return found != address.removesuffix(".dir")


def _members(store: Path, address: str) -> list[str]:
    path = _object(store, address)
    return [str(entry["md5"]) for entry in json.loads(path.read_bytes())] if path.is_file() else []


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock of a file as DVC does (flock), and tell whether that was possible; it dies with us."""
    if not path.parent.parent.is_dir():
        yield False
        return
    path.parent.mkdir(exist_ok=True)
    try:
        handle = lock(path, f"{path}: must be free, got another process that holds it")
    except StateError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _place(root: Path) -> Path:
    return root / ".fairmark" / "stages.json"


class _Note(Record):
    """What a run leaves before it begins, and takes away when it ends well."""

    commit: str
    changed: tuple[str, ...]
    """Files that differed from the commit already: what is theirs is not put back."""


def _note(root: Path) -> _Note | None:
    try:
        return _Note.read(_place(root))
    except (FairmarkError, OSError):
        return None


def _unlock(path: Path) -> bool:
    """Remove DVC's list of who reads and writes what when nobody on it lives; return whether it is gone.

    DVC rewrites it in place, can't read one that was cut off, and takes any process that was given the number
    of a dead one for that one.
    """
    try:
        written_s, lists = path.stat().st_mtime, json.loads(path.read_text(encoding="utf-8"))
        infos = [
            *lists.get("write", {}).values(),
            *(info for one in lists.get("read", {}).values() for info in one),
        ]
        if any(_lived(int(info["pid"]), written_s) for info in infos):
            return False
    except FileNotFoundError:
        return True
    except (ValueError, AttributeError, TypeError, KeyError):
        pass
    path.unlink(missing_ok=True)
    return True


def _lived(pid: int, when_s: float) -> bool:
    """Return whether process `pid` lives, and did so at a time (seconds since 1970)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It lives, and is somebody else's.
        pass
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return True
    if words[0] == "Z":
        return False
    # The system gives a number again. A process that began after the list was written is not the one on it.
    began_s = int(boot[1] if boot else 0) + int(words[19]) / os.sysconf("SC_CLK_TCK")
    return began_s <= when_s + 1


def _cut_off(root: Path) -> list[str]:
    """Put HEAD's dvc.lock back when the one that is there can't be read."""
    path = root / LOCK
    try:
        if not path.exists() or DvcLock.read(path):
            return []
    except StateError:
        pass
    return [_restored(root, LOCK)]


def _put_back(root: Path, note: _Note) -> list[str]:
    """Put back what the run that left `note` took or changed of what git keeps, and remove its drafts."""
    done = _cut_off(root)
    with suppress(StateError):
        outputs = [LOCK, *_outputs(root)]
        for path in trace(root).dirty:
            ours = any(path == output or path.startswith(f"{output}/") for output in outputs)
            # A person may have committed since the run began: what the commit changed is not the run's to put
            # back.
            kept = committed_file(root, "HEAD", path)
            same = kept is not None and kept == committed_file(root, note.commit, path)
            if ours and same and path not in note.changed:
                done.append(_restored(root, path))
        done += [_removed(root, left) for left in _drafts(root, outputs)]
    _place(root).unlink(missing_ok=True)
    return done


def _outputs(root: Path) -> list[str]:
    return sorted({*stage_outputs(root), *data_outputs(root)})


def _restored(root: Path, path: str) -> str:
    kept = committed_file(root, "HEAD", path)
    if kept is None:
        (root / path).unlink(missing_ok=True)
        return f"{path}: a killed run had made it: removed"
    with written_whole(root / path) as draft:
        draft.write_bytes(kept)
    return f"{path}: a killed run had changed it: put back as committed"


def _drafts(root: Path, outputs: Sequence[str]) -> list[Path]:
    """Return the files that are not whole: beside and in the outputs, and in DVC's cache."""
    names = {(root / path).parent: set[str]() for path in outputs}
    for path in outputs:
        names[(root / path).parent].add(Path(path).name)
    found = [
        left
        for folder, ours in names.items()
        for left in folder.glob(".*")
        if (match := _OF_OURS.fullmatch(left.name)) and match[1] in ours
    ]
    places = [
        *((folder, "*") for folder in names),
        *((root / path, "**/*") for path in [*outputs, ".dvc/cache"]),
    ]
    found += [left for place, all_in in places for left in place.glob(all_in) if _OF_DVC.fullmatch(left.name)]
    return sorted({left for left in found if left.is_file()})


def _removed(root: Path, left: Path) -> str:
    left.unlink(missing_ok=True)
    return f"{left.relative_to(root)}: a killed run had not finished it: removed"


def _ref_locks(root: Path) -> list[str]:
    """Remove the locks of release and promotion tags that a killed git left."""
    answer = git(root, "rev-parse", "--git-common-dir")
    folder = root / answer.stdout.strip() / "refs" / "tags"  # an absolute path stays as it is
    done = []
    for left in sorted(folder.glob("*[@#]*.lock")) if answer.returncode == 0 else []:
        with suppress(FileNotFoundError):
            seen = left.stat()
            # A live git's lock is gone, or is another file, once this has passed.
            time.sleep(min(max(STALE_S - (time.time() - seen.st_mtime), 0.0), STALE_S))
            if left.stat().st_ino == seen.st_ino:
                left.unlink()
                done.append(f"{left.name}: a killed git had left it: removed")
    return done
