"""A candidate on newer data: a branch of its own, made in a clone, with all evidence and no promotion.

The raw rows are those of before and the journal's labelled rows behind them; `data.dvc` and `dvc.lock` are
new, and the data sheet of the new rows (how many, how late their labels came, whether outcomes came for the
selected alone) is committed beside them. Nothing of the working folder changes: whoever decides looks at
the branch.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.errors import StateError
from fairmark.files import lines_of, write_json
from fairmark.journal.collect import Collected, Form, collect, read_beside
from fairmark.journal.place import open_journal, open_memberships
from fairmark.params.prepare import Csv
from fairmark.params.read import read_params
from fairmark.repo import dvc
from fairmark.repo.data_versions import DATA
from fairmark.repo.git import git, in_words, need

PREFIX = "candidate/"
"""Of branches that the watch makes; one that is merged or deleted is answered."""
SHEET = "candidate.json"
BESIDE = "FAIRMARK_BESIDE"
"""Names the file with what the service is never told, by decision (`fairmark collect --beside`): params.yaml
may ask for columns that are forbidden to the model."""


def open_candidates(root: Path) -> list[str]:
    """Return the branches of candidates that are not merged into HEAD."""
    text = git(
        root, "for-each-ref", "--format=%(refname:short)", "--no-merged", "HEAD", f"refs/heads/{PREFIX}"
    )
    return sorted(text.stdout.split())


def make(root: Path, name: str, why: str, journal: str, memberships: str, say: Callable[[str], None]) -> str:
    """Make the branch `candidate/NAME`, every stage run on the newer data, and return it.

    Raises
    ------
    StateError
        When the branch is there, the data is no text, a stage stops, or git can't take it.
    """
    branch, place = f"{PREFIX}{name}", root / ".fairmark" / "candidates" / name
    if git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}").returncode == 0:
        raise StateError(f"{branch}: must be new, got a branch that is there")
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    own = ("--quiet", "--local", "--no-tags", "--template=", str(root.resolve()), str(place.resolve()))
    _from_here(root, "be cloned", "clone", *own)
    try:
        need(place, "begin a branch", "checkout", "--quiet", "-b", branch)
        for key in ("user.name", "user.email"):
            value = git(root, "config", key).stdout.strip()
            if value:
                need(place, "take the identity", "config", key, value)
        _share_cache(root, place)
        dvc.check_out(place, DATA)
        found = asyncio.run(_newer(root, place, journal, memberships))
        dvc.add(place, "data")
        for stage in dvc.stages(place):
            say(f"{branch}: {stage}")
            dvc.reproduce(place, stage, say)
        write_json(place / SHEET, found.to_json())
        need(place, "take its files", "add", "--all")
        need(place, "be committed", "commit", "--quiet", "-m", f"Candidate on newer data\n\n{why}")
        _from_here(root, "take the branch", "fetch", "--quiet", str(place.resolve()), f"{branch}:{branch}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return branch


def _from_here(root: Path, what: str, *words: str) -> None:
    """Let git read another folder of this machine, which every other call of it must not."""
    answer = git(root, *words, extra={"GIT_ALLOW_PROTOCOL": "file"})
    if answer.returncode != 0:
        raise StateError(f"{root}: must {what}, got {in_words(answer.stderr)}")


def _share_cache(root: Path, place: Path) -> None:
    """Let the clone read and write the cache of the folder that it was made of."""
    cache = dvc.cache_folder(root.resolve())
    (place / ".dvc" / "config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")


async def _newer(root: Path, place: Path, journal: str, memberships: str) -> Collected:
    """Add the journal's labelled rows to the main file of the clone's data; return what they are."""
    params = read_params(place / "params.yaml").prepare
    if not isinstance(params.format, Csv):
        raise StateError("data: must be text that rows can be added to, got Parquet (fairmark collect)")
    form = Form(params, Schema.read(root / "artifacts" / "prepare" / "schema.json"))
    new, main = place / ".fairmark-new", place / "data" / params.files.main.name
    entries, held = await open_journal(journal), await open_memberships(memberships)
    try:
        kept = os.environ.get(BESIDE)
        found = await collect(
            entries, held, form, new, beside=None if kept is None else read_beside(Path(kept))
        )
    finally:
        await held.close()
        await entries.close()
    lines = lines_of(new.read_text(encoding=params.format.encoding))
    head = params.files.main.skip_rows + (params.format.header is None)
    before = main.read_text(encoding=params.format.encoding)
    # The file may be a link into the cache, which is never written.
    main.unlink()
    joined = before if before.endswith("\n") else before + "\n"
    main.write_text(
        joined + "".join(f"{line}\n" for line in lines[head:]), encoding=params.format.encoding, newline=""
    )
    new.unlink()
    return found
