"""Which releases learnt from a row, and where the bytes of an older version of the data still lie."""

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import FairmarkError
from fairmark.files import read_parquet
from fairmark.params.parse import typed
from fairmark.params.prepare import Prepare
from fairmark.privacy import raw_rows
from fairmark.repo.data_versions import address_in, held_at, manifest, outputs_in, remotes, rewriting, yaml_in
from fairmark.repo.git import need

PARTED = "artifacts/split/rows.parquet"
WORDS = {
    "train": "learnt from it (train)",
    "valid": "chose by it (valid)",
    "test": "was measured on it (test)",
    "unused": "held it and used it for nothing (unused)",
}


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
        return sorted(frame.loc[frame["_row_id"].isin(ids), "part"].unique(), key=list(WORDS).index)
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
