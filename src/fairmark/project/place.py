"""Put a proposed project into a checkout of fairmark: its data, its params, what was there moved aside whole.

What stood there goes to `.fairmark/replaced/`. It is moved by names on one disk and put back on any fault; a
run that was killed is put back by the next one, so that at no moment bytes stand nowhere. The one step that
decides is the move of all that stood there to its kept place: a run killed before it is put back, a run
killed after it is done.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairmark.errors import InputError, StateError, UsageError
from fairmark.files import disk_fault, lines_of, write_text
from fairmark.repo import process
from fairmark.repo.dvc_files import address, data_outputs
from fairmark.repo.git import git
from fairmark.repo.locks import locked
from fairmark.repo.untrusted import foreign_yaml

DEFAULT_DATA = "654533607b8f54b70ddf8abb01830955.dir"
"""The address of the default project's data, as its data.dvc has it: what else is there is somebody's own."""

NAMES = (
    "params.yaml",
    "scores.yaml",
    "assessment.yaml",
    "data",
    "data.dvc",
    "dvc.lock",
    "artifacts",
    "dvc.yaml",
)
"""What a project consists of beside code, and what is moved aside."""

SHEET = "DATASHEET.md"


def refuse_elsewhere(root: Path) -> None:
    """Do nothing in a checkout of fairmark.

    Raises
    ------
    StateError
        When the folder is none.
    """
    lacking = [
        name
        for name in ("params.yaml", "dvc.yaml", "src/fairmark", ".dvc", ".git")
        if not (root / name).exists()
    ]
    if lacking:
        raise StateError(
            f"{root}: must be a checkout of fairmark, which holds the code of the stages, got a "
            "folder without "
            f"{', '.join(lacking)} (git clone it, and call `fairmark init` inside; see docs/own-data.md)"
        )


def default_pipeline(root: Path) -> dict[str, Any]:
    """Return the parsed dvc.yaml of a project that makes models, of which every project has its stages.

    Raises
    ------
    StateError
        When the file is that of a project of scores, or another.
    """
    try:
        found: dict[str, Any] = foreign_yaml(root / "dvc.yaml")
        lacking = {"prepare", "audit", "train", "evaluate", "document"} - {*found["stages"]}
    except (OSError, InputError, TypeError, KeyError):
        lacking = {"stages"}
    if lacking:
        raise StateError(
            "dvc.yaml: must list the stages of the default project, got one without "
            f"{', '.join(sorted(lacking))} "
            "(git log -- dvc.yaml names the commit that has it; git checkout COMMIT -- dvc.yaml)"
        )
    return found


def refuse_own(root: Path, files: Sequence[Path]) -> None:
    """Do nothing where the project is the default one, unchanged.

    Parameters
    ----------
    files
        What is to become the data: where it lies in `data/` already, it is no fault.

    Raises
    ------
    StateError
        Naming what would be replaced.
    """
    faults = []
    names = [name for name in NAMES if name != "data"]
    changed = lines_of(git(root, "status", "--porcelain", "--", *names).stdout)
    if changed:
        found = ", ".join(line[3:] for line in changed[:5])
        faults.append(f"{root.name}: must have no changes that are not committed, got {found}")
    if not _default_data(root):
        faults.append("data.dvc: must name the data of the default project, got data of your own")
    faults += _strangers(root, files)
    if faults:
        raise StateError(*faults, "--force replaces them, and keeps what was there in .fairmark/replaced/")


def _default_data(root: Path) -> bool:
    """Return whether data.dvc names the default project's data, or there is none."""
    if not os.path.lexists(root / "data.dvc"):
        return True
    try:
        return [output.md5 for output in data_outputs(root).values()] == [DEFAULT_DATA]
    except (StateError, OSError):  # whatever a file of somebody's holds, it is theirs
        return False


def _strangers(root: Path, files: Sequence[Path]) -> list[str]:
    """Return a fault for files in data/ that are neither the default project's nor those to be taken in."""
    import json

    data = root / "data"
    listing = root / "dvcstore" / "files" / "md5" / DEFAULT_DATA[:2] / DEFAULT_DATA[2:]
    try:
        known = {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_text(encoding="utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    given = {path.resolve() for path in files}
    odd = [
        path.relative_to(data).as_posix()
        for path in sorted(data.rglob("*"))
        if path.is_file()
        and path.resolve() not in given
        and address(path) != known.get(path.relative_to(data).as_posix())
    ]
    return [f"data/: must hold the default project's files alone, got {', '.join(odd[:5])}"] if odd else []


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one `init` run in a folder at a time, and put back first what a killed one left."""
    state = root / ".fairmark"
    state.mkdir(exist_ok=True)
    with locked(state / "init.lock", f"{root}: must have one init at a time, got another that runs"):
        yield


def recover(root: Path) -> list[str]:
    """Put back what a killed run had moved aside; return a line that says what was found, or nothing."""
    work = root / ".fairmark" / "init"
    moved = work / "old"
    begun, aside = os.path.lexists(work / "begun"), os.path.lexists(moved)
    if begun and aside:
        _put_back(root, work, keep=True)
        return ["an init that was stopped in the middle has been put back: everything is as it was before it"]
    if aside and any(moved.iterdir()):  # of what moved it nothing is known: it may be all there is of it
        kept = _next(root / ".fairmark" / "replaced", "project")
        kept.parent.mkdir(parents=True, exist_ok=True)
        moved.rename(kept)
        return [f"files of an init that was stopped are kept in {kept.relative_to(root)}"]
    shutil.rmtree(work, ignore_errors=True)
    return ["an init that was stopped at its end had done its work"] if begun else []


def _put_back(root: Path, work: Path, *, keep: bool) -> None:
    """Put everything back where it was; with `keep` what stands there now, which may be a person's, stays."""
    absent = lines_of((work / "begun").read_text(encoding="utf-8"))
    for name in NAMES:
        old, here = work / "old" / name, root / name
        moved = os.path.lexists(old)  # a link to nowhere is somebody's as well
        if moved or name in absent:
            if os.path.lexists(here):
                _kept_apart(root, here) if keep else _removed(here)
            if moved:
                old.rename(here)
    (work / "begun").unlink()
    shutil.rmtree(work, ignore_errors=True)


def _removed(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _kept_apart(root: Path, path: Path) -> None:
    place = _next(root / ".fairmark" / "replaced", "interrupted")
    place.mkdir(parents=True)
    path.rename(place / path.name)


def _next(folder: Path, stem: str) -> Path:
    taken = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return folder / next(name for k in range(1, 10**6) if (name := f"{stem}-{k}") not in taken)


def put(
    root: Path, files: Sequence[Path], texts: Mapping[str, str], sheet: str, add: Callable[[], None]
) -> Path:
    """Put a project in the place of the one that is there, and return where that one is kept.

    Parameters
    ----------
    files
        What becomes the data.
    texts
        Files of the project that are written, such as params.yaml, by name.
    sheet
        The text of the datasheet, where no file of `files` is one.
    add
        Lets DVC know of the data; a fault in it puts everything back.

    Raises
    ------
    StateError
        When the disk does not let it, or DVC; then everything is as it was.
    """
    work = root / ".fairmark" / "init"
    try:
        recover(root)
        kept = _next(root / ".fairmark" / "replaced", "project")
        (work / "new").mkdir(parents=True)
        (work / "old").mkdir()
        for path in files:
            shutil.copyfile(path, work / "new" / path.name)
        if not (work / "new" / SHEET).exists():
            write_text(work / "new" / SHEET, sheet)
        for name, text in texts.items():
            write_text(work / "texts" / name, text)
        # dvc.yaml stays, unless a project of scores brings one.
        moved = [name for name in NAMES if name in texts or name != "dvc.yaml"]
        # Written before anything moves: by this list a killed run is put back.
        write_text(work / "begun", "".join(f"{name}\n" for name in moved if not os.path.lexists(root / name)))
        try:
            for name in moved:
                if os.path.lexists(root / name):
                    (root / name).rename(work / "old" / name)
            (work / "new").rename(root / "data")
            for name in texts:
                (work / "texts" / name).rename(root / name)
            add()
            kept.parent.mkdir(parents=True, exist_ok=True)
        except BaseException:
            _put_back(root, work, keep=False)
            raise
        # From here on `begun` without `old` says that the work was done.
        (work / "old").rename(kept)
        shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StateError(disk_fault(error, must="usable")) from error
    return kept


def dvc_add(root: Path) -> None:
    """Let DVC know of `data/`: its own file data.dvc, and a copy in its cache.

    Raises
    ------
    StateError
        With what DVC said.
    """
    process.need(process.run, "dvc add data: must end well", ["dvc", "add", "--quiet", "data"], root)


def stage(root: Path) -> None:
    """Put what was written, and what is gone, into git's index: the commit stays the person's."""
    names = [
        name
        for name in (*NAMES, ".gitignore")
        if name != "data"
        and (os.path.lexists(root / name) or git(root, "ls-files", "--", name).stdout.strip())
    ]
    git(root, "add", "--all", "--", *names)


def refuse_names(files: Sequence[Path]) -> None:
    """Do nothing for files that may stand in `data/` by their own names.

    Raises
    ------
    UsageError
        When there are none, more than two, or two of one name, or a name that params.yaml can't have.
    """
    if not 1 <= len(files) <= 2:
        raise UsageError(
            f"FILE: must be one table, or a table and its published test file, got {len(files)} files "
            "(put the parts "
            "of one table together first)"
        )
    names = [path.name for path in files]
    faults = [f"{path}: must be a file, got a folder" for path in files if path.is_dir()]
    faults += [
        f"{name}: must have a name without a backslash that does not begin with a point"
        for name in names
        if name.startswith(".") or "\\" in name
    ]
    faults += [f"{name}: must be the datasheet's name alone" for name in names if name == SHEET]
    if len({*names}) < len(names):
        faults.append(f"FILE: must be files of different names, got {names[0]} twice")
    if faults:
        raise UsageError(*faults)


def sheet(names: Sequence[str], origins: Mapping[str, str] | None = None) -> str:
    """Return the text of a datasheet that the owner is to write.

    Parameters
    ----------
    origins
        What a file was made from, by its name, where it is not as it was given.
    """
    made = origins or {}
    listed = "\n".join(f"- `{name}`" + (f": {made[name]}" if name in made else "") for name in names)
    return f"""# Datasheet

Files:

{listed}

TODO: say where the rows come from, of which days and places, and how they were chosen.

TODO: say what a row stands for, and what each column means.

TODO: say who is not in the table, and what is known to be wrong in it.
"""
