"""Kill `place.put`, or `place.recover` after it, at each step that changes the disk, and tell what is left.

`python killed_init.py WHAT CHECKOUT ROOM TABLE`: for each number k of a step a copy of CHECKOUT is made in
ROOM, and a fork of this process does WHAT in it and dies before its k-th change (PEP 578: audit events).
Prints JSON: of each k the names and bytes that stand in the copy before and after `recover`.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from fairmark.project import place

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def dies_before(step: int) -> None:
    """Let this process die before its change number `step` of the disk, counted from 0."""
    count = 0

    def hook(name: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        writes = name == "open" and isinstance(args[2], int) and bool(args[2] & WRITES)
        if writes or name in CHANGES:
            if count == step:
                os._exit(9)
            count += 1

    sys.addaudithook(hook)


def forked(do: Callable[[], object]) -> int:
    """Return how a fork of this process ended that did `do`: 0, or 9 when it was killed."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            do()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def standing(root: Path) -> dict[str, str]:
    """Return the bytes of each file below `root` (as Latin-1) and where each link points, without git's."""
    return {
        path.relative_to(root).as_posix(): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_bytes().decode("latin-1")
        for path in sorted(root.rglob("*"))
        if (path.is_symlink() or path.is_file()) and ".git" not in path.relative_to(root).parts
    }


def put(root: Path, table: Path, add: Callable[[], object] | None = None) -> None:
    """Put a project of one table in the place of the one in `root`, as DVC would, which writes data.dvc."""
    writes = partial((root / "data.dvc").write_text, "new: 2\n")
    place.put(root, [table], {"params.yaml": "new: 1\n"}, "sheet", cast("Callable[[], None]", add or writes))


def killed(what: str, root: Path, table: Path, step: int) -> None:
    """Do `what` in `root`, and die before its change number `step`."""
    dies_before(step)
    put(root, table) if what == "put" else place.recover(root)


def main(what: str, checkout: Path, room: Path, table: Path) -> None:
    """Print what each kill left."""
    found = []
    for step in range(1000):
        root = room / "root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(checkout, root, symlinks=True)
        if what == "recover":
            forked(partial(put, root, table, add=partial(os._exit, 9)))
        code = forked(partial(killed, what, root, table, step))
        left = standing(root)
        said = place.recover(root)
        found.append({"code": code, "left": left, "said": said, "recovered": standing(root)})
        if code != 9:
            break
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
