"""Two releases side by side: data, code, params, policy, dependencies, model, measures and verdict.

Of the data also which rows both have in common, and which are new, gone or changed. The bytes come from DVC's
cache or a remote that is a folder, by the MD5 of each version; that they are what the release states is
checked by SHA-256. A row is known by its id where there is one, else by its content: then a changed row is
one gone and one new.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, InputError, StateError, VerificationError
from fairmark.files import sha256
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Measurements
from fairmark.judge.policy_diff import SECTIONS, changes
from fairmark.params.prepare import ByColumn, Prepare
from fairmark.release import seal
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import SOURCES
from fairmark.release.plan import in_words
from fairmark.release.sbom.requirements import normal
from fairmark.release.statement import FileInput
from fairmark.repo.data_versions import held_at

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


def rows_between(one: ReleaseFolder, two: ReleaseFolder, clone: Path) -> Rows:
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
        # Without ids a changed row is one that went and one that came.
        return Rows(*sizes, (new.rows - old.rows).total(), (old.rows - new.rows).total(), None, counts)
    kept = old.by_id.keys() & new.by_id.keys()
    changed = sum(old.by_id[row] != new.by_id[row] for row in kept)
    return Rows(*sizes, len(new.by_id) - len(kept), len(old.by_id) - len(kept), changed, counts)


def _version(release: ReleaseFolder, clone: Path) -> _Version:
    with tempfile.TemporaryDirectory(prefix="fairmark-") as folder:
        for name, item in release.data_files.items():
            target = Path(folder) / name.removeprefix(f"{item.output}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(_stored(name, item, clone).resolve())
        return _read(Path(folder), release.params.prepare)


def _stored(name: str, item: FileInput, clone: Path) -> Path:
    """Return where the bytes of a data file lie, checked."""
    places = held_at(clone, item.md5)
    if not places:
        raise StateError(
            f"{name}: must lie in DVC's cache or a folder that is its remote, got none (dvc fetch)"
        )
    good = [place for place in places if sha256(place) == item.digest.sha256]
    if not good:
        found = ", ".join(f"{sha256(place)[:12]}…" for place in places)
        raise VerificationError(
            f"{name}: must have the SHA-256 {item.digest.sha256[:12]}… that the release states, got {found}"
        )
    return good[0]


def _read(folder: Path, params: Prepare) -> _Version:
    # Here, because pandas takes longer to import than all else of a comparison without rows.
    from fairmark.data.raw import read_raw
    from fairmark.data.row_ids import contents
    from fairmark.data.row_rules import filtered, stripped

    label = params.target.column
    rows: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    by_id: dict[str, str] = {}
    for source in filter(None, (params.files.main, params.files.test)):
        raw = filtered(read_raw(folder, source, params), params).raw
        if raw.faults.lines:
            raise InputError(*(line.replace(f"{folder.as_posix()}/", "") for line in raw.faults.lines))
        texts = raw.texts
        if label in texts:
            texts = texts.assign(**{label: stripped(texts[label], params.target.strip)})
        content = contents(texts[sorted(map(str, texts))])
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
    from fairmark.data.group_names import quoted
    from fairmark.data.schema import MISSING

    return [
        MISSING if cell is None else quoted(cell, always="," in cell)
        for cell in texts.astype(object).where(texts.notna(), None)
    ]


ABSENT = "nothing"
LONGEST, LONG = 80, 400
"""Characters of a value that are shown, and of one that says what differs."""
CONTEXT = 20
"""Characters that are shown before the place where two long texts begin to differ."""


@dataclass(frozen=True)
class Part:
    """One part of two releases, compared.

    Parameters
    ----------
    name
        A word or two.
    lines
        What differs, a line each; none where nothing does.
    value
        The same as plain JSON.
    """

    name: str
    lines: tuple[str, ...]
    value: object


def compare(one: ReleaseFolder, two: ReleaseFolder, clone: Path | None) -> list[Part]:
    """Return every part of two releases, compared; each must be whole, whoever sealed it.

    Parameters
    ----------
    clone
        A repository whose cache or remotes hold the rows of both; None compares the data's hashes alone.

    Raises
    ------
    VerificationError
        When one of the folders is not what its statement states.
    """
    for release in (one, two):
        for check in (seal.statement, seal.files, seal.digests):
            check(release)
    return [
        data(one, two, clone),
        _plain("code", _code(one), _code(two)),
        _plain("params", *(_flat("", _without_policy(each.written_params)) for each in (one, two))),
        policy(one, two),
        _plain("dependencies", _libraries(one), _libraries(two)),
        _plain("model", _model(one), _model(two)),
        measures(one, two),
        _plain("verdict", _verdict(one), _verdict(two)),
    ]


def named(release: ReleaseFolder) -> str:
    """Return what a release is called, and the commit that it comes from."""
    return f"{release.statement.tag} (commit {release.commit[:12]})"


def data(one: ReleaseFolder, two: ReleaseFolder, clone: Path | None) -> Part:
    """Return what became of the data: of its files, and of its rows where their bytes are at hand."""
    files = _plain("data", _data(one), _data(two))
    if not files.lines:
        return files
    value: dict[str, object] = {"files": files.value, "rows": None}
    if clone is None:
        return Part("data", (*files.lines, "rows can't be told here: give a clone to look in"), value)

    try:
        rows = rows_between(one, two, clone)
    except FairmarkError as error:
        return Part("data", (*files.lines, f"rows can't be told here: {error.faults[0]}"), value)
    lines = [f"rows: {rows.before:,} to {rows.after:,}; {rows.added:,} added, {rows.removed:,} removed"]
    if rows.changed is not None:
        lines[0] += f", {rows.changed:,} changed"
    lines += [f"rows of {key}: {old:,} to {new:,}" for key, (old, new) in rows.counts.items() if old != new]
    return Part("data", (*files.lines, *lines), value | {"rows": asdict(rows)})


def policy(one: ReleaseFolder, two: ReleaseFolder) -> Part:
    """Return each change of the policy, and whether it is looser, tighter or neither."""
    found = changes(one.written_params, two.written_params)
    return Part("policy", tuple(each.line() for each in found), [asdict(each) for each in found])


def measures(one: ReleaseFolder, two: ReleaseFolder) -> Part:
    """Return each measure that moved, with its intervals, and whether these lie apart."""
    was, now = _measures(one.measurements), _measures(two.measurements)
    words = {True: "; their intervals lie apart", False: "; within their intervals", None: ""}
    lines, value = [], {}
    for key in dict.fromkeys([*was, *now]):
        old, new = was.get(key), now.get(key)
        if old != new:
            disjoint = beyond(old, new)
            value[key] = {"old": old and asdict(old), "new": new and asdict(new), "beyond": disjoint}
            lines.append(f"{key}: {_interval(old)} to {_interval(new)}{words[disjoint]}")
    return Part("measures", tuple(lines), value)


@dataclass(frozen=True)
class Interval:
    """A measure as two releases are compared by it: its value and the ends of its interval."""

    value: float | None
    low: float | None
    high: float | None


def beyond(old: Interval | None, new: Interval | None) -> bool | None:
    """Return whether two intervals have no point in common; None where one is missing."""
    if old is None or new is None or old.value is None or new.value is None:
        return None
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return None
    return old.high < new.low or new.high < old.low


def _plain(name: str, was: Mapping[str, object], now: Mapping[str, object]) -> Part:
    """Compare two flat mappings."""
    lines, value = [], {}
    for key in sorted({*was, *now}):
        old, new = was.get(key, ABSENT), now.get(key, ABSENT)
        if old != new:
            value[key] = {"old": was.get(key), "new": now.get(key)}
            if old == ABSENT:
                lines.append(f"{key}: added, {_short(new)}")
            elif new == ABSENT:
                lines.append(f"{key}: removed, was {_short(old)}")
            else:
                lines.append(f"{key}: {changed(old, new)}")
    return Part(name, tuple(lines), value)


def _data(release: ReleaseFolder) -> dict[str, str]:
    return {name: item.digest.sha256 for name, item in release.data_files.items()}


def _code(release: ReleaseFolder) -> dict[str, str]:
    """Return the SHA-256 of each file of code, and of each lock of requirements."""
    return {
        name: item.digest.sha256
        for name, item in release.statement.inputs.items()
        if item.annotations is None and (name.startswith("requirements") or _is_code(name))
    }


def _is_code(name: str) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in SOURCES)


def _libraries(release: ReleaseFolder) -> dict[str, str]:
    return {"python": release.statement.made_with.python} | {
        normal(part.name): str(part.version) for part in release.bill.required()
    }


def _model(release: ReleaseFolder) -> dict[str, object]:
    kept = {"thresholds": None} | release.model_file.to_json()
    # What tells of the file alone, or of what another part compares.
    for beside in ("format", "seed", "features", "files"):
        del kept[beside]
    return _flat("", kept) | {f"feature {name}": "read" for name in release.model_file.features}


def _verdict(release: ReleaseFolder) -> dict[str, str]:
    """Return the outcome of the verdict, of each limit, and of each finding."""
    outcomes = {"outcome": str(release.verdict.outcome)}
    outcomes |= {f"limit {name}": str(outcome) for name, outcome in release.verdict.limits.items()}
    outcomes |= {f"overlay {each.name}": in_words(each.verdict) for each in release.verdict.overlays}
    times: Counter[str] = Counter()
    for finding in release.verdict.findings:
        groups = " and ".join(sorted(map(str, finding.groups)))
        key = " ".join(filter(None, (str(finding.limit), str(finding.attribute or ""), groups)))
        times[key] += 1
        again = f" ({times[key]})" if times[key] > 1 else ""
        outcomes[f"finding {key}{again}"] = finding.outcome
    return outcomes


def _measures(found: Measurements) -> dict[str, Interval]:
    pairs: list[tuple[str, Measured]] = [*found.overall.items()]
    for attribute, gaps in found.disparities.items():
        pairs += [(f"{attribute} {name}", entry) for name, entry in gaps.items()]
    for attribute, groups in found.groups.items():
        for group, cell in groups.items():
            pairs += [(f"{attribute} {group} {name}", entry) for name, entry in cell.measures.items()]
    return {key: Interval(it.value, it.low, it.high) for key, it in pairs}


def _interval(entry: Interval | None) -> str:
    if entry is None or entry.value is None:
        return "not measured"
    if entry.low is None or entry.high is None:
        return f"{entry.value:.4g}"
    return f"{entry.value:.4g} ({entry.low:.4g} to {entry.high:.4g})"


def _without_policy(params: Mapping[str, object]) -> dict[str, object]:
    return {name: section for name, section in params.items() if name not in SECTIONS}


def _flat(where: str, value: object) -> dict[str, object]:
    """Return the leaves of nested mappings by their path in dots; a list is one, but of named mappings."""
    if isinstance(value, list) and value and all(isinstance(it, dict) and "name" in it for it in value):
        names = [str(it["name"]) for it in value]
        if len(set(names)) == len(names):
            value = dict(zip(names, value, strict=True))
    if not isinstance(value, dict) or not value:
        return {where: value}
    return dict(_leaves(where, value))


def _leaves(where: str, value: dict[str, object]) -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        yield from _flat(f"{where}.{key}" if where else str(key), item).items()


def changed(old: object, new: object) -> str:
    """Return what became of a value: in a list what came and went, of long texts where they differ."""
    if isinstance(old, list) and isinstance(new, list):
        lost, come = ([it for it in one if it not in two] for one, two in ((old, new), (new, old)))
        words = [
            f"{word} {_short(it, LONG)}" for word, them in (("without", lost), ("with", come)) for it in them
        ]
        return ", ".join(words) or f"another order, {_short(new, LONG)}"
    was, now = str(old), str(new)
    if max(len(was), len(now)) <= LONGEST or len(was) == len(now) == 64:
        return f"{_short(old)} to {_short(new)}"
    pairs = zip(was, now, strict=False)
    same = next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(was), len(now)))
    start = max(same - CONTEXT, 0)
    return " to ".join(_short(("…" if start else "") + text[start:], LONG) for text in (was, now))


def _short(value: object, longest: int = LONGEST) -> str:
    text = "none" if value is None else str(value)
    if len(text) == 64 and text.isalnum():
        return f"{text[:12]}…"
    return text if len(text) <= longest else f"{text[:longest]}…"
