"""Is what the stages made again what was released: every output by its bytes, and how far apart if not.

How far two versions of a file are apart: how many numbers differ, the furthest, and what else does.
"""

import csv
import hashlib
import io
import json
import math
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeGuard

from fairmark.errors import FairmarkError, StateError, VerificationError
from fairmark.files import lines_of, sha256
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import GATHERED
from fairmark.release.statement import FileInput, stated_files
from fairmark.repo.data_versions import held_at
from fairmark.repo.dvc_files import files_of
from fairmark.repo.git import git_bytes
from fairmark.repo.untrusted import foreign_yaml
from fairmark.yaml12 import parse_yaml

Pair = tuple[str, object, object]
"""Where two values stand, the one that was released, and the one that was made again."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ABSENT = "nothing"


def file_difference(old: Path, new: Path, name: str) -> str:
    """Return in words how the file `name` differs between `old` and `new`.

    Numbers of JSON, YAML and CSV are compared by where they stand, those of Parquet by column, those of any
    other text in their order, where the words between them are the same.
    """
    try:
        if name.endswith(".parquet"):
            return _columns(old, new)
        texts = old.read_text(encoding="utf-8"), new.read_text(encoding="utf-8")
        if name.endswith((".json", ".yaml")):
            return differences_text(
                _leaves(
                    "", *(parse_yaml(t, name) if name.endswith(".yaml") else json.loads(t) for t in texts)
                )
            )
        if name.endswith(".csv"):
            # By cells, so that a number is told by its column.
            return differences_text(_cells(*(list(csv.reader(io.StringIO(text))) for text in texts)))
        return _text(*texts)
    except (OSError, ValueError, RecursionError, FairmarkError) as error:
        return f"other bytes; how far apart can't be told: {' '.join(str(error).split())[:100]}"


def differences_text(pairs: Iterator[Pair]) -> str:
    """Return in words which of these pairs differ, and how far the furthest numbers are apart."""
    count, others = 0, []
    furthest: tuple[float, str] = (-1.0, "")
    relative: tuple[float, str] = (-1.0, "")
    for where, old, new in pairs:
        # In Python 1 == True, and in JSON they are two values.
        if old == new and isinstance(old, bool) == isinstance(new, bool):
            continue
        if not (_is_number(old) and _is_number(new)):
            others.append(f"{where}: {_short(old)} was released, {_short(new)} made")
            continue
        count += 1
        # The furthest apart and the relatively furthest, as neither alone says enough: a probability of 1e-9
        # may be off by half of itself, a sum of squares by 100 in its last digit.
        gap = abs(new - old)
        text = f"{where}: {old:.10g} was released, {new:.10g} made"
        furthest = max(furthest, (gap, text))
        relative = max(relative, (gap / max(abs(old), abs(new)), text))
    words = []
    if count:
        differ = "numbers differ" if count > 1 else "number differs"
        words = [
            f"{count} {differ}, by at most {furthest[0]:.3g} ({furthest[1]})",
            f"relatively by at most {relative[0]:.3g} ({relative[1]})",
        ]
    if others:
        more = f", and {len(others) - 2} more" if len(others) > 2 else ""
        words.append(f"{len(others)} other value{'s' * (len(others) > 1)}: {'; '.join(others[:2])}{more}")
    return "; ".join(words) or "the same values, written otherwise"


def _leaves(where: str, old: object, new: object) -> Iterator[Pair]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            inside = f"{where}.{key}" if where else str(key)
            yield from _leaves(inside, old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for k, (one, two) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
            yield from _leaves(f"{where}[{k}]", one, two)
    else:
        yield where, old, new


def _cells(old: list[list[str]], new: list[list[str]]) -> Iterator[Pair]:
    header = old[0] if old else []
    empty: list[str] = []
    for k, (one, two) in enumerate(zip_longest(old, new, fillvalue=empty)):
        for column, (cell, other) in enumerate(zip_longest(one, two, fillvalue=_ABSENT)):
            name = header[column] if k and column < len(header) else f"column {column + 1}"
            yield f"line {k + 1}, {name}", _number(cell), _number(other)


def _text(old: str, new: str) -> str:
    # Only where the words between the numbers are the same do these stand for each other.
    if _NUMBER.sub("#", old) == _NUMBER.sub("#", new):
        line = 1
        pairs: list[Pair] = []
        for one, two in zip(lines_of(old), lines_of(new), strict=True):
            found = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
            pairs += [(f"line {line}", float(a), float(b)) for a, b in found]
            line += 1
        return differences_text(iter(pairs))
    lines = list(zip_longest(lines_of(old), lines_of(new)))
    changed = [k + 1 for k, (one, two) in enumerate(lines) if one != two]
    return f"{len(changed)} of {len(lines)} lines differ, the first is line {changed[0] if changed else 1}"


def _columns(old: Path, new: Path) -> str:
    from fairmark.files import read_parquet

    one, two = read_parquet(old), read_parquet(new)
    if list(one.columns) != list(two.columns) or len(one) != len(two):
        shapes = [f"{len(frame)} rows of {len(frame.columns)} columns" for frame in (one, two)]
        return f"{shapes[0]} were released, {shapes[1]} made"
    words = []
    for name in one.columns:
        if one[name].dtype != two[name].dtype:
            words.append(f"column {name}: {one[name].dtype} was released, {two[name].dtype} made")
        elif not one[name].equals(two[name]):
            pairs = zip(one[name].tolist(), two[name].tolist(), strict=True)
            words.append(
                f"column {name}: {differences_text((f'row {k + 1}', a, b) for k, (a, b) in enumerate(pairs))}"
            )
    return "; ".join(words) or "the same values, written otherwise"


def _number(text: str) -> float | str:
    return float(text) if _NUMBER.fullmatch(text) else text


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: object) -> str:
    text = str(value) if value is not None else "null"
    return text if len(text) <= 40 else f"{text[:40]}…"


@dataclass(frozen=True)
class Difference:
    """A file that came out otherwise: of which stage, and how far apart in words."""

    stage: str
    file: str
    text: str

    def line(self) -> str:
        """Return the difference as one line for a person."""
        return f"{self.file} of {self.stage}: {self.text}"


def order(root: Path) -> list[str]:
    """Return the stages of dvc.yaml in its order, in which each stands behind those that it is made from.

    Raises
    ------
    StateError
        When there is no such file, or it lists no stages.
    """
    value = foreign_yaml(root / "dvc.yaml") if (root / "dvc.yaml").is_file() else None
    stages = value.get("stages") if isinstance(value, dict) else None
    if not isinstance(stages, dict) or not stages:
        raise StateError("dvc.yaml: must list stages, got none")
    return list(stages)


def check_commit(release: ReleaseFolder, root: Path) -> None:
    """Do nothing when `root` holds the files of the commit as the release states them, in these bytes.

    Raises
    ------
    VerificationError
        With the files that are others, or not stated.
    """
    held = stated_files(root, release.commit)
    stated = {
        name: entry.digest.sha256
        for name, entry in release.statement.inputs.items()
        if name in held or entry.annotations is None
    }
    wrong = {name for name in {*held, *stated} if held.get(name) != stated.get(name)}
    # What git checked out is hashed again: attributes of the commit may change bytes on the way.
    wrong |= {name for name, digest in held.items() if _digest(root / name) != digest}
    if wrong:
        raise VerificationError(
            f"commit {release.commit[:12]}: must be checked out as the release states it, got unlike files "
            f"{', '.join(sorted(wrong)[:5])}"
        )


def _digest(place: Path) -> str:
    if place.is_symlink():
        return hashlib.sha256(os.fsencode(place.readlink())).hexdigest()
    return sha256(place) if place.is_file() else ""


def take_data(release: ReleaseFolder, source: Path, root: Path) -> bool:
    """Copy the data into `root` from the cache or folder remotes of `source`; return whether all is there.

    DVC is not asked: what it is told by a stranger's config runs nothing.
    """
    found = {}
    for name, stated in release.data_files.items():
        places = held_at(source, stated.md5)
        # DVC's MD5 is where to look; whether it is the data, the SHA-256 says.
        good = [place for place in places if sha256(place) == stated.digest.sha256]
        if not good:
            return False
        found[name] = good[0]
    # Copied when all is found, so that half of the data is never left beside what is pulled then.
    for name, place in found.items():
        target = root / name
        # A folder of the commit may be a link, and the statement's name would lead through it.
        if not target.resolve().is_relative_to(root.resolve()):
            raise VerificationError(f"{name}: must lie in the clone, got a path that leads out of it")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place, target)
    return True


def refuse_links(release: ReleaseFolder, root: Path) -> None:
    """Do nothing when what the stages left in `root` is plain files and folders, or what the commit holds.

    A link would let us read, and tell of, what lies elsewhere.

    Raises
    ------
    VerificationError
        With the first links, pipes or devices.
    """
    held = stated_files(root, release.commit)
    wrong = []
    for folder, inside, names in os.walk(root):
        # The clone's own git folder and environment were made by us, and the latter is full of links.
        inside[:] = [] if Path(folder) in {root / ".git", root / ".venv"} else inside
        for name in [*inside, *names]:
            place = Path(folder) / name
            mode, path = place.lstat().st_mode, place.relative_to(root).as_posix()
            plain = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
            if not plain and not (stat.S_ISLNK(mode) and _digest(place) == held.get(path)):
                wrong.append(path)
    if wrong:
        raise VerificationError(
            f"stages: must leave plain files, got links, pipes or devices: {', '.join(sorted(wrong)[:5])}"
        )


def check_data(release: ReleaseFolder, root: Path) -> int:
    """Return how many data files in `root` have the SHA-256 that the release states; all must.

    Raises
    ------
    VerificationError
        When one is missing or another, or there is one too many.
    """
    stated = release.data_files
    found = {name for path in release.data for name in files_of(root, path)}
    wrong = sorted(found ^ set(stated)) + sorted(
        name for name in found & set(stated) if sha256(root / name) != stated[name].digest.sha256
    )
    if wrong:
        raise VerificationError(
            f"data: must be the files that the release states, got unlike {', '.join(wrong[:5])}"
        )
    return len(stated)


def outputs(release: ReleaseFolder) -> int:
    """Return how many files the release's stages made."""
    return len(_stated(release))


def differences(release: ReleaseFolder, root: Path, source: Path, stages: Sequence[str]) -> list[Difference]:
    """Return every output in `root` that is not what was released, those of the first stage first.

    Parameters
    ----------
    root
        The clone in which the stages ran.
    source
        A clone whose cache, remotes and commits may still hold the bytes that were released.
    stages
        In the order in which they ran.
    """
    stated = _stated(release)
    owner = release.lock.maker
    made = {name: path for path in owner for name in files_of(root, path) if (root / path).exists()}
    found = list(_compared(release, root, source, stated, made, owner))
    place = {name: k for k, name in enumerate(stages)}
    # The first stage that came out otherwise is where to look: later ones may only follow it.
    return sorted(found, key=lambda each: (place.get(each.stage, len(place)), each.file))


def _stated(release: ReleaseFolder) -> dict[str, FileInput]:
    """Return the files that the stages made, as the statement names them."""
    beside = {None, *release.data}
    return {name: item for name, item in release.statement.inputs.items() if item.output not in beside}


def _compared(
    release: ReleaseFolder,
    root: Path,
    source: Path,
    stated: Mapping[str, FileInput],
    made: Mapping[str, str],
    owner: Mapping[str, str],
) -> Iterator[Difference]:
    for name in sorted({*stated, *made}):
        stage = owner.get(made.get(name) or str(stated[name].output), "no stage")
        if name not in stated:
            yield Difference(stage, name, "was made, but not released")
        elif name not in made:
            yield Difference(stage, name, "was released, but not made")
        elif sha256(root / name) != stated[name].digest.sha256:
            yield Difference(stage, name, _how_far(release, root, source, name, stated[name]))


def _how_far(release: ReleaseFolder, root: Path, source: Path, name: str, item: FileInput) -> str:
    """Return how far a file is from the released one, wherever the bytes of that still are."""
    with tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        # Small outputs are committed, others lie in the folder of the release, in a cache or a remote.
        blob = git_bytes(root, "cat-file", "blob", f"{release.commit}:./{name}")
        kept = Path(place) / "released"
        kept.write_bytes(blob or b"")
        released = [
            release.folder / name.replace(path, part, 1)
            for part, path in GATHERED.items()
            if name == path or name.startswith(f"{path}/")
        ]
        for old in [*released, *held_at(source, item.md5), kept]:
            if old.is_file() and sha256(old) == item.digest.sha256:
                return file_difference(old, root / name, name)
    return "other bytes; what was released is not at hand, so how far apart can't be told (dvc fetch)"
