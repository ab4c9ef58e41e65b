"""Which rows two versions of the raw data have in common, and which are new, gone or changed.

The bytes come from DVC's cache or a remote that is a folder, by the MD5 of each version; that they are what
the release states is checked by SHA-256. A row is known by its id where there is one, else by its content:
then a changed row is one gone and one new.
"""

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.data import identity
from fairmark.data.evidence import MISSING, quoted
from fairmark.data.exclusion import kept
from fairmark.data.label import stripped
from fairmark.data.read import read_raw
from fairmark.errors import InputError, StateError, VerificationError
from fairmark.files import sha256
from fairmark.params import typed
from fairmark.release.checks.agreement import output_of
from fairmark.release.checks.opened import Opened
from fairmark.release.hashes import data_outputs
from fairmark.release.people.versions import held_at
from fairmark.sections.table import ByColumn, Prepare

if TYPE_CHECKING:
    import pandas as pd

Counts = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Rows:
    """What became of the rows between two releases.

    Parameters
    ----------
    before, after
        How many rows there are.
    added, removed, changed
        How many are new, gone, or of another content; without row ids nobody knows which was changed.
    counts
        Rows of each value of the label, of each protected column, and of both together, before and after, by
        `column value`.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int | None
    counts: Counts


@dataclass(frozen=True)
class _Version:
    rows: Counter[str]
    by_id: Mapping[str, str] | None
    counts: Counter[str]


def rows_between(one: Opened, two: Opened, clone: Path) -> Rows:
    """Return what became of the rows of the raw data between two releases.

    Raises
    ------
    StateError
        When the bytes of a version lie neither in the clone's cache nor in a remote that is a folder.
    VerificationError
        When what lies there is not what the release states.
    InputError
        When a raw file can't be read.
    """
    old, new = _version(one, clone), _version(two, clone)
    counts = {key: (old.counts[key], new.counts[key]) for key in sorted({*old.counts, *new.counts})}
    sizes = old.rows.total(), new.rows.total()
    if old.by_id is None or new.by_id is None:
        return Rows(*sizes, (new.rows - old.rows).total(), (old.rows - new.rows).total(), None, counts)
    kept = old.by_id.keys() & new.by_id.keys()
    changed = sum(old.by_id[row] != new.by_id[row] for row in kept)
    return Rows(*sizes, len(new.by_id) - len(kept), len(old.by_id) - len(kept), changed, counts)


def _version(opened: Opened, clone: Path) -> _Version:
    params = typed(Prepare, opened.params["prepare"], "params.yaml: prepare")
    paths = sorted(data_outputs(opened.folder))
    with tempfile.TemporaryDirectory(prefix="fairmark-") as folder:
        for name, item in opened.inputs.items():
            if output_of(item) in paths:
                target = Path(folder) / name.removeprefix(f"{output_of(item)}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(_held(name, item, clone).resolve())
        return _read(Path(folder), params)


def _held(name: str, item: Mapping[str, Any], clone: Path) -> Path:
    """Return where the bytes of a data file lie, checked."""
    places = held_at(clone, str(item["annotations"]["md5"]))
    if not places:
        raise StateError(
            f"{name}: must lie in DVC's cache or a folder that is its remote, got none (dvc fetch)"
        )
    good = [place for place in places if sha256(place) == item["digest"]["sha256"]]
    if not good:
        raise VerificationError(f"{name}: must have the SHA-256 that the release states, got other bytes")
    return good[0]


def _read(folder: Path, params: Prepare) -> _Version:
    label = params.target.column
    rows: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    by_id: dict[str, str] = {}
    for source in filter(None, (params.files.main, params.files.test)):
        raw = kept(read_raw(folder, source, params), params).raw
        if raw.faults.lines:
            raise InputError(*(line.replace(f"{folder.as_posix()}/", "") for line in raw.faults.lines))
        texts = raw.texts
        if label in texts:
            texts = texts.assign(**{label: stripped(texts[label], params.target.strip)})
        content = identity.contents(texts[sorted(map(str, texts))])
        rows.update(content)
        if params.row_id in texts:
            by_id |= zip(texts[params.row_id].fillna("").tolist(), content, strict=True)
        counts.update(_counted(texts, params))
    return _Version(rows, by_id if params.row_id is not None else None, counts)


def _counted(texts: "pd.DataFrame", params: Prepare) -> Counter[str]:
    """Return the rows of each label, of each group as it stands in a column, and of both together."""
    label = params.target.column
    groups = [each.column for each in params.protected.values() if isinstance(each, ByColumn)]
    found: Counter[str] = Counter()
    for names in [[label], *([name] for name in groups), *([name, label] for name in groups)]:
        if all(name in texts for name in names):
            cells = zip(*(_values(texts[name]) for name in names), strict=True)
            found.update(", ".join(map(" ".join, zip(names, row, strict=True))) for row in cells)
    return found


def _values(texts: "pd.Series[str]") -> list[str]:
    """Return the cells of a column as groups are named; those with a comma stand in quotes."""
    return [
        MISSING if cell is None else quoted(cell, always="," in cell)
        for cell in texts.astype(object).where(texts.notna(), None)
    ]
