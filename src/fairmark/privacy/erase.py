"""Erasure: take the rows of a person out of the data, as a new version of it, and tell who learnt from them.

The raw files of `data/` are written without the rows, and `dvc add data` makes a new version of them: all of
that, or nothing. Older versions keep the rows in DVC's cache and remotes and in git's history until they are
purged: that is told, with the commands, and never done here.
"""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fairmark.data.roles import ROW_ID
from fairmark.errors import FairmarkError, StateError, UsageError
from fairmark.files import lines_of, read_parquet, write_json
from fairmark.governance.flow_runs import COMPLETED
from fairmark.governance.trail import append
from fairmark.params.parse import typed
from fairmark.params.prepare import Prepare, Source
from fairmark.params.read import Params
from fairmark.privacy import raw_rows
from fairmark.repo.commit import refuse_dirty, trace
from fairmark.repo.data_versions import (
    DATA,
    address_in,
    held_at,
    manifest,
    outputs_in,
    remotes,
    rewriting,
    yaml_in,
)
from fairmark.repo.dvc_files import address, data_outputs
from fairmark.repo.git import need
from fairmark.repo.locks import locked

RECORD = "forgotten.jsonl"
"""At the repository's top, to be committed beside data.dvc: one line for each time, which names no one."""
STATE = ".fairmark"
ASIDE = Path(STATE) / "forgetting"
PLAN = "plan.json"
PARTED = "artifacts/split/rows.parquet"
WORDS = {
    "train": "learnt from it (train)",
    "valid": "chose by it (valid)",
    "test": "was measured on it (test)",
    "unused": "held it and used it for nothing (unused)",
}


@dataclass(frozen=True)
class Forgotten:
    """What was taken out.

    Parameters
    ----------
    files
        Name of each raw file -> rows taken out of it.
    before, after
        DVC's address of the data.
    too_few
        Files that now have fewer rows than params.yaml demands, each in words.
    elsewhere
        Other files of the data that hold one of the ids as a text, and were not touched.
    """

    files: Mapping[str, int]
    before: str
    after: str
    too_few: Sequence[str]
    elsewhere: Sequence[str]


def forget(root: Path, ids: Sequence[str], reason: str, params: Params, day: dt.date) -> Forgotten:
    """Take the rows of `ids` out of the data, write the record, and say what was done.

    Raises
    ------
    UsageError
        When an id stands in no row, or the reason is empty or names an id.
    StateError
        When the tree is dirty, the data is not what data.dvc names, or DVC can't add it: all is as before.
    """
    _check_call(ids, reason)
    with alone(root) as lock:
        restore(root)
        refuse_dirty(trace(root))
        before = _check_data(root)
        folder, prepare = root / "data", params.prepare
        places, unknown = raw_rows.find(folder, prepare, ids)
        if unknown:
            raise UsageError(
                *(f"--id: must be the id of a row of the data, got {each!r}" for each in sorted(unknown))
            )
        new = {
            source.name: raw_rows.without(folder / source.name, source, prepare, places[source.name])
            for source in _sources(prepare)
            if places[source.name]
        }
        # Raw files, data.dvc and the record change together: a rerun after a kill would find the ids gone
        # from the rows and no record that says so.
        with _all_or_nothing(root, [*(f"data/{name}" for name in new), DATA, RECORD]):
            for name, content in new.items():
                _replace(folder / name, content, root / ASIDE / "old" / "data" / name)
            _dvc_add(root, lock)
            after = data_outputs(root)["data"].md5
            files = {name: len(places[name]) for name in new}
            _record(
                root, {"day": str(day), "rows": files, "before": before, "after": after, "reason": reason}
            )
            _tell_trail(root, files, before, after)
    return Forgotten(files, before, after, _too_few(folder, prepare), _elsewhere(folder, prepare, ids))


def restore(root: Path) -> bool:
    """Put back what a call that was killed had moved aside; return whether there was anything."""
    plan = root / ASIDE / PLAN
    if not plan.is_file():
        shutil.rmtree(root / ASIDE, ignore_errors=True)
        return False
    for name, existed in json.loads(plan.read_text(encoding="utf-8")).items():
        old = root / ASIDE / "old" / name
        # A file that had not been moved yet has no old one, and stays.
        if old.exists() or old.is_symlink():
            old.replace(root / name)
        elif not existed:
            (root / name).unlink(missing_ok=True)
    # Taken away last: whoever is killed in between begins again.
    plan.unlink()
    shutil.rmtree(root / ASIDE, ignore_errors=True)
    return True


def _check_call(ids: Sequence[str], reason: str) -> None:
    if not reason.strip():
        raise UsageError("--reason: must say why, got nothing")
    if any(each in reason for each in ids):
        raise UsageError("--reason: must name no one, because it is kept, got one with the id in it")


def _check_data(root: Path) -> str:
    outputs = data_outputs(root)
    named = outputs.get("data")
    if named is None:
        raise StateError(f"{DATA}: must name the folder data, got {', '.join(outputs) or 'nothing'}")
    here = address(root / "data") if (root / "data").is_dir() else "no folder"
    if here != named.md5:
        raise StateError(
            f"data: must be what {DATA} names, {named.md5}, got {here} (dvc checkout --force {DATA}, or "
            "dvc add data)"
        )
    return named.md5


def _sources(prepare: Prepare) -> list[Source]:
    return [source for source in (prepare.files.main, prepare.files.test) if source is not None]


@contextmanager
def alone(root: Path) -> Iterator[int]:
    """Hold the lock of releases and of forgetting in this working folder; yield its file descriptor."""
    (root / STATE).mkdir(exist_ok=True)
    # The lock of a release too: the data must not change under one.
    busy = f"{root}: must have nothing else that runs, got a release or a forgetting"
    with locked(root / STATE / "release.lock", busy) as handle:
        yield handle


@contextmanager
def _all_or_nothing(root: Path, names: Sequence[str]) -> Iterator[None]:
    """Keep the files of these names until the block ends well; put all of them back otherwise.

    What a kill leaves is put back by the next call (`restore`): the plan is written before anything moves and
    taken away first.
    """
    aside = root / ASIDE
    for name in names:
        (aside / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        # Files of the data are moved aside by `_replace`; these are small, and are written in place.
        if not name.startswith("data/") and (root / name).exists():
            shutil.copy2(root / name, aside / "old" / name)
    write_json(aside / PLAN, {name: (root / name).exists() for name in names})
    try:
        yield
    except BaseException:
        restore(root)
        raise
    (aside / PLAN).unlink()
    shutil.rmtree(aside, ignore_errors=True)


def _replace(path: Path, content: bytes, old: Path) -> None:
    """Put `content` in the place of a file, which is moved to `old`; no link into DVC's cache is followed."""
    draft = old.with_name(f"{old.name}.new")
    try:
        draft.write_bytes(content)
        # DVC may have linked the file read-only into its cache; the new one is no link, and may be written.
        draft.chmod(path.stat().st_mode & 0o777 | 0o200)
        path.replace(old)
        draft.replace(path)
    except OSError as error:
        raise StateError(f"{path}: must be writable, got {error.strerror or error}") from error


def _dvc_add(root: Path, lock: int) -> None:
    # The child holds the lock as well: were we killed, it would go on, and nobody may begin before it ends.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        answer = subprocess.run(
            ["dvc", "add", "--quiet", "data"],
            cwd=root,
            env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except FileNotFoundError as error:
        raise StateError("dvc: must be installed and on PATH, got no such command") from error
    if answer.returncode != 0:
        words = lines_of((answer.stderr or answer.stdout).strip())[-3:]
        raise StateError("dvc add data: must end well, got", *(f"  {line}" for line in words))


def _record(root: Path, entry: Mapping[str, object]) -> None:
    with (root / RECORD).open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n")


def _tell_trail(root: Path, files: Mapping[str, int], before: str, after: str) -> None:
    event = {"action": "forget", "rows": sum(files.values()), "before": before, "after": after}
    append(root, event, COMPLETED)


def _too_few(folder: Path, prepare: Prepare) -> list[str]:
    left = raw_rows.counts(folder, prepare)
    return [
        f"{source.name}: {left[source.name]:,} rows are left, and prepare.files asks for {source.rows.min:,}"
        for source in _sources(prepare)
        if left[source.name] < source.rows.min
    ]


def _elsewhere(folder: Path, prepare: Prepare, ids: Sequence[str]) -> list[str]:
    """Return the other files of the data that hold an id as a text; the raw files are read by their rows."""
    read = {source.name for source in _sources(prepare)}
    if prepare.row_id is None:
        return []
    others = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        name
        for path in others
        if (name := path.relative_to(folder).as_posix()) not in read
        and any(each.encode() in path.read_bytes() for each in ids)
    ]


@dataclass(frozen=True)
class Learnt:
    """What a release had to do with the rows asked for.

    Parameters
    ----------
    release
        Its tag.
    held
        Whether its data held one of the rows; None when that can't be told here.
    words
        The same for a reader.
    """

    release: str
    held: bool | None
    words: str


def learnt(root: Path, name: str, ids: Collection[str]) -> list[Learnt]:
    """Return what each release of `name` had to do with the rows `ids`, in the order of their versions."""
    lines = need(
        root, "list its tags", "for-each-ref", "--sort=v:refname", "--format=%(refname:short)",
        f"refs/tags/{name}@v*",
    ).split()  # fmt: skip
    return [_of_release(root, tag, set(ids)) for tag in lines]


def _of_release(root: Path, tag: str, ids: set[str]) -> Learnt:
    try:
        parts = _parts(root, tag, ids)
        if parts is not None:
            found = [WORDS.get(part, part) for part in parts]
            return Learnt(tag, bool(found), ", ".join(found) or "its data did not hold it")
        if _in_raw(root, tag, ids):
            return Learnt(tag, True, "its data held it; the part can't be told here (dvc fetch its split)")
        return Learnt(tag, False, "its data did not hold it")
    except (FairmarkError, OSError, KeyError) as error:
        fault = str(error).split("\n")[0]
        return Learnt(tag, None, f"can't be told here: {fault}")


def _parts(root: Path, tag: str, ids: set[str]) -> list[str] | None:
    """Return the parts of the split that hold one of the ids; None when the split's bytes are not here."""
    address = outputs_in(root, tag).get(PARTED)
    for place in held_at(root, address) if address else []:
        frame = read_parquet(place)
        return sorted(frame.loc[frame[ROW_ID].isin(ids), "part"].unique(), key=list(WORDS).index)
    return None


def _in_raw(root: Path, tag: str, ids: set[str]) -> bool:
    """Return whether the raw files of a release's commit hold one of the ids."""
    params = typed(Prepare, (yaml_in(root, tag, "params.yaml") or {})["prepare"], "params.yaml")
    address = address_in(root, tag)
    files = manifest(root, str(address))
    if files is None:
        raise FileNotFoundError(f"data.dvc: must name data that is here, got {address} (dvc fetch)")
    with tempfile.TemporaryDirectory() as folder:
        for name, md5 in files.items():
            for place in held_at(root, md5)[:1]:
                (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / name).symlink_to(place)
        _, unknown = raw_rows.find(Path(folder), params, ids)
    return bool(ids - unknown)


def purge(root: Path, before: str, after: str) -> list[str]:
    """Return the commands that take the version `before` away from where it still lies, for a person to run.

    They take away every version that the commit checked out does not use, and with them what older releases
    are rebuilt from.
    """
    commands = ["dvc gc --workspace"]
    commands += [f"dvc gc --workspace --cloud --remote {name}" for name in remotes(root)]
    return [*commands, *rewriting(root, before, after)]
