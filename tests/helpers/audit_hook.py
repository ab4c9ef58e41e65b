"""Do something with hostile files in a Python that notes every dangerous event, and tell what it noted.

`python audited.py WHAT ROOM GOOD HOSTILE...`: WHAT is first done with GOOD, so that all modules are loaded,
and then, watched, with each HOSTILE; it may write in ROOM alone. Prints JSON: of each how it ended, and the
events (PEP 578) that no loading needs. Run may be what belongs to this Python, its packages and fairmark.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError

NEVER = (
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.system",
    "pickle.find_class",
    "shutil.",
    "socket.",
    "subprocess.",
    "ctypes.dlopen",
)
OURS = (
    sys.base_prefix,
    sys.prefix,
    str(Path(__file__).resolve().parents[2] / "src"),
    "<frozen ",
    "<string>",  # what collections and dataclasses make of names alone
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def model(place: Path) -> object:
    """Load a model folder as scoring does."""
    from fairmark.model.model import Model

    return Model.load(place)


def release(place: Path) -> object:
    """Verify a release folder, and say whether anything is wrong."""
    from fairmark.verify.verify import verify

    wrong = [fact.name for fact in verify(place) if fact.held is False]
    if wrong:
        raise FairmarkError(*wrong)
    return None


def archive(place: Path) -> object:
    """Open an archive of a release."""
    from fairmark.release.handover import release_at

    with release_at(str(place), None) as target:
        return sorted(target.folder.iterdir())


WHAT: dict[str, Callable[[Path], object]] = {"model": model, "release": release, "archive": archive}


def watched(do: Callable[[Path], object], hostile: Path, room: Path) -> dict[str, Any]:
    """Return how `do` ended on `hostile`, and each event that is not allowed."""
    events: list[str] = []
    on = True

    def hook(name: str, args: tuple[Any, ...]) -> None:
        if on and _dangerous(name, args, f"{room}{os.sep}"):
            events.append(f"{name} {str(args)[:160]}")

    sys.addaudithook(hook)
    try:
        do(hostile)
        ended = "taken"
    except FairmarkError as error:
        ended = f"refused: {error}"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is to be told
        ended = f"BROKEN: {type(error).__name__}: {error}"
    on = False
    return {"ended": ended, "events": events}


def _dangerous(name: str, args: tuple[Any, ...], room: str) -> bool:
    if name == "open":
        writes = isinstance(args[2], int) and bool(args[2] & WRITES)
        return writes and not str(args[0]).startswith(room)
    if name in ("exec", "import"):
        file = getattr(args[0], "co_filename", args[1] if len(args) > 1 else None)
        return file is not None and not str(file).startswith(OURS)
    if name in ("os.remove", "os.rmdir") and args[-1] != -1:
        return False  # below a folder that is held open: rmtree of the room
    return name.startswith(NEVER) and not str(args[0] if args else "").startswith(room)


if __name__ == "__main__":
    import tempfile

    what, place = WHAT[sys.argv[1]], Path(sys.argv[2])
    tempfile.tempdir = str(place)
    what(Path(sys.argv[3]))
    print(json.dumps([watched(what, Path(hostile), place) for hostile in sys.argv[4:]]))
