"""What DVC is asked for, and how its answers are read. DVC alone knows what is made from what.

The stages are reached only through `dvc repro`, started as a child program.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from fairmark.errors import InputError, StateError
from fairmark.repo import process
from fairmark.repo.data_versions import DATA
from fairmark.repo.isolation import Isolation
from fairmark.repo.process import Say
from fairmark.repo.untrusted import foreign_yaml

"""The file that names the raw data by its hash."""


class AgainError(StateError):
    """Another process holds DVC's lock, or a remote did not answer: the same call may go well later."""


def stages(root: Path) -> list[str]:
    """Return the names of the stages in the order of dvc.yaml.

    Raises
    ------
    StateError
        When the file is missing or is not a repro.
    """
    try:
        names = list(foreign_yaml(root / "dvc.yaml")["stages"])
    except (OSError, InputError, TypeError, KeyError) as error:
        raise StateError(f"dvc.yaml: must list stages, got {error!r}") from error
    return [str(name) for name in names]


def stale(status: Iterable[str], order: Sequence[str]) -> list[str]:
    """Return the stages that DVC has to be asked for: the first stale one and all after it.

    Law: a stage left out is up to date and so is every stage before it, so nothing that it is made
    from can change in this run.

    Parameters
    ----------
    status
        The names that `dvc status` calls changed.
    order
        The stages, each after those that it is made from.
    """
    changed = set(status)
    first = next((k for k, name in enumerate(order) if name in changed), len(order))
    return list(order[first:])


def status(root: Path) -> dict[str, object]:
    """Return what `dvc status` finds changed, by stage name; empty when all is up to date."""
    ended = _dvc(root, ["status", "--json"], "dvc status")
    return dict(json.loads(ended.lines[-1])) if ended.lines else {}


def refuse_unpushed(root: Path) -> None:
    """Do nothing when the remote that data.dvc goes to holds the data, by DVC's own word.

    Raises
    ------
    StateError
        When it lacks any: what is released from it could not be made again, not even by its maker.
    """
    ended = _dvc(root, ["status", "--cloud", "--json", DATA], "dvc status --cloud")
    found = dict(json.loads(ended.lines[-1])) if ended.lines else {}
    if lacking := sorted(name for name, state in found.items() if state in ("new", "missing")):
        raise StateError(
            f"{DATA}: its remote must hold the data, so that the release can be made again, got one that "
            f"lacks {len(lacking)} of its objects (dvc push {DATA}, commit what that adds, and run again)"
        )


def check_out(root: Path, name: str) -> None:
    """Put the files of an output in their place, out of the cache.

    Raises
    ------
    StateError
        When the cache lacks one of them.
    """
    _dvc(root, ["checkout", "--quiet", name], name)


def cache_folder(root: Path) -> Path:
    """Return the folder of the cache, wherever the repository's config has put it.

    Raises
    ------
    StateError
        When DVC does not say.
    """
    return Path(_dvc(root, ["cache", "dir"], "cache").lines[-1].strip())


def add(root: Path, path: str) -> None:
    """Let DVC keep a file or folder as it is now: its `.dvc` file is written anew."""
    _dvc(root, ["add", "--quiet", path], path)


def pull(root: Path) -> None:
    """Fetch and check out the raw data that data.dvc names; bytes that DVC does not know are kept.

    Raises
    ------
    StateError
        When the data in the folder was edited, or when an object is missing or is not what its hash says.
    AgainError
        When the remote did not answer.
    """
    ended = process.run(["dvc", "pull", DATA], root)
    if ended.code:
        raise pull_fault(ended.lines)


def pull_fault(lines: Sequence[str]) -> StateError:
    """Return what a failed pull means to the user, by what DVC said."""
    text = "\n".join(lines)
    if "unsaved files" in text:
        strangers = [line for line in lines if line.startswith("/")]
        return StateError(
            f"data: must hold what {DATA} names, got edited files, {', '.join(strangers)}; "
            f"`dvc add data` and commit {DATA} if you mean the change, `dvc checkout --force {DATA}` if not"
        )
    if "Checkout failed" in text or "No such file" in text:
        return StateError(
            f"data: must be what {DATA} names, got objects that are missing from the remote "
            "or whose bytes are not what their hash says; restore them there and run again",
            *_words(lines),
        )
    kind = AgainError if worth_another_try(lines, LOCK) or worth_another_try(lines, REMOTE) else StateError
    return kind(f"data: must be pulled as {DATA} names it, got", *_words(lines))


def reproduce(
    root: Path, stage: str, say: Say, *, force: bool = False, apart: Isolation | None = None
) -> str:
    """Bring one stage up to date through `dvc repro`, and return what is to be noted of it.

    Only the stage's own lines and DVC's faults are handed to `say`. With `force` the stage runs even if DVC
    holds it for up to date. Code of the folder's own `src` comes before what is installed. With `apart` it
    reaches nothing of the caller's.

    Raises
    ------
    AgainError
        When another process holds the lock of DVC or of one of the stage's files.
    StateError
        When the stage stopped; it says why.
    """
    reader = Reader(say)
    words = ["repro", "--single-item", *(["--force"] if force else []), stage]
    _dvc(root, words, f"stage {stage}", reader, apart)
    return reader.note


class Reader:
    """Tell a stage's own lines from those of DVC around them."""

    _OURS = (
        "Generating lock file",
        "Updating lock file",
        "To track the changes with git, run:",
        "To enable auto staging, run:",
        "\tgit add ",
        "\tdvc config core.autostage",
        "Use `dvc push` to send",
        "Data and pipelines are up to date",
    )

    def __init__(self, say: Say) -> None:
        self.note = ""
        self._say = say
        self._command_next = False

    def __call__(self, line: str) -> None:
        """Hand `line` on if it is the stage's own or a fault; note what DVC says of the stage."""
        if line.startswith("ERROR: "):
            # DVC repeats the whole command, which dvc.yaml holds.
            line = re.sub(r"failed to run: .*, exited with", "exited with", line)
        command, self._command_next = (
            self._command_next and line.startswith("> "),
            line.startswith("Running stage '"),
        )
        if line.startswith("Stage '") and line.endswith("didn't change, skipping"):
            self.note = "up to date"
        elif line.startswith("Stage '") and "is cached - skipping run" in line:
            self.note = "restored from the run cache"
        elif not command and not self._command_next and not line.startswith(self._OURS):
            self._say(line)


def _dvc(
    root: Path,
    arguments: Sequence[str],
    where: str,
    reader: Reader | None = None,
    apart: Isolation | None = None,
) -> process.Ended:
    words = ["dvc", *arguments]
    if apart is not None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
        extra = {
            "PATH": path,
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(apart.place.resolve() / "dvc"),
        }
        extra |= {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        words = apart.command(words, root, _own_code(root.resolve()) | extra, kept=[root / ".git"])
    ended = process.run(words, root, reader, _own_code(root))
    if not ended.code:
        return ended
    if worth_another_try(ended.lines, LOCK):
        raise AgainError(f"{where}: must have DVC to itself, got", *_words(ended.lines))
    raise StateError(f"{where}: must end well, got", *_words(ended.lines))


def _own_code(root: Path) -> dict[str, str]:
    # In a clone, the installed fairmark is that of another folder: its stages must be the clone's.
    if not (root / "src").is_dir():
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(root / "src"), os.environ.get("PYTHONPATH")]))}


LOCK = re.compile("blocked by|Unable to acquire lock")
REMOTE = re.compile(
    r"timed out|time-?out|connect|name resolution|reset by peer|SlowDown|\b50[0234]\b", re.IGNORECASE
)


def worth_another_try(lines: Iterable[str], sign: "re.Pattern[str]") -> bool:
    """Return whether DVC itself (not a stage) reported a fault that bears `sign`."""
    said = False
    for line in lines:
        # A stage may print such words itself: what counts follows an ERROR of DVC's own.
        said = said or line.startswith("ERROR:")
        if said and sign.search(line):
            return True
    return False


def _words(lines: Sequence[str]) -> list[str]:
    """Return the last lines that say why, without DVC's own chatter."""
    why: list[str] = []
    reader = Reader(why.append)
    for line in lines:
        reader(line)
    return [f"  {line}" for line in why[-12:]] or ["  no word from it"]
