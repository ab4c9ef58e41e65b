"""Two releases side by side: data, code, params, policy, dependencies, model, measures and verdict."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError
from fairmark.release.checks import integrity
from fairmark.release.checks.agreement import output_of
from fairmark.release.checks.opened import Opened
from fairmark.release.checks.origin import tag_of
from fairmark.release.contents import SOURCES
from fairmark.release.decisions.direction import SECTIONS, changes
from fairmark.release.hashes import data_outputs
from fairmark.release.materials.locks import normal

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
    value: Any


def compare(one: Opened, two: Opened, clone: Path | None) -> list[Part]:
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
    for opened in (one, two):
        for check in (integrity.statement, integrity.files, integrity.digests):
            check(opened)
    return [
        data(one, two, clone),
        _plain("code", _code(one), _code(two)),
        _plain("params", *(_flat("", _without_policy(each.params)) for each in (one, two))),
        policy(one, two),
        _plain("dependencies", _libraries(one), _libraries(two)),
        _plain("model", _model(one), _model(two)),
        measures(one, two),
        _plain("verdict", _verdict(one), _verdict(two)),
    ]


def named(opened: Opened) -> str:
    """Return what a release is called, and the commit that it comes from."""
    return f"{tag_of(opened)} (commit {opened.commit[:12]})"


def data(one: Opened, two: Opened, clone: Path | None) -> Part:
    """Return what became of the data: of its files, and of its rows where their bytes are at hand."""
    files = _plain("data", _data(one), _data(two))
    if not files.lines:
        return files
    told: dict[str, Any] = {"files": files.value, "rows": None}
    if clone is None:
        return Part("data", (*files.lines, "rows can't be told here: give a clone to look in"), told)
    from fairmark.release.rebuilds.rows_between import rows_between

    try:
        rows = rows_between(one, two, clone)
    except FairmarkError as error:
        return Part("data", (*files.lines, f"rows can't be told here: {error.faults[0]}"), told)
    lines = [f"rows: {rows.before:,} to {rows.after:,}; {rows.added:,} added, {rows.removed:,} removed"]
    if rows.changed is not None:
        lines[0] += f", {rows.changed:,} changed"
    lines += [f"rows of {key}: {old:,} to {new:,}" for key, (old, new) in rows.counts.items() if old != new]
    return Part("data", (*files.lines, *lines), told | {"rows": asdict(rows)})


def policy(one: Opened, two: Opened) -> Part:
    """Return each change of the policy, and whether it is looser, tighter or neither."""
    found = changes(one.params, two.params)
    return Part("policy", tuple(each.line() for each in found), [asdict(each) for each in found])


def measures(one: Opened, two: Opened) -> Part:
    """Return each measure that moved, with its intervals, and whether these lie apart."""
    was, now = _measures(one.measurements), _measures(two.measurements)
    words = {True: "; their intervals lie apart", False: "; within their intervals", None: ""}
    lines, told = [], {}
    for key in dict.fromkeys([*was, *now]):
        old, new = was.get(key), now.get(key)
        if old != new:
            apart = beyond(old, new)
            told[key] = {"old": old, "new": new, "beyond": apart}
            lines.append(f"{key}: {_interval(old)} to {_interval(new)}{words[apart]}")
    return Part("measures", tuple(lines), told)


def beyond(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool | None:
    """Return whether two intervals have no point in common; None where one is missing."""
    if old is None or new is None or None in (*old.values(), *new.values()):
        return None
    return bool(old["high"] < new["low"] or new["high"] < old["low"])


def _plain(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Part:
    """Compare two flat mappings."""
    lines, told = [], {}
    for key in sorted({*was, *now}):
        old, new = was.get(key, ABSENT), now.get(key, ABSENT)
        if old != new:
            told[key] = {"old": was.get(key), "new": now.get(key)}
            if old == ABSENT:
                lines.append(f"{key}: added, {_short(new)}")
            elif new == ABSENT:
                lines.append(f"{key}: removed, was {_short(old)}")
            else:
                lines.append(f"{key}: {changed(old, new)}")
    return Part(name, tuple(lines), told)


def _data(opened: Opened) -> dict[str, str]:
    paths = set(data_outputs(opened.folder))
    return {name: it["digest"]["sha256"] for name, it in opened.inputs.items() if output_of(it) in paths}


def _code(opened: Opened) -> dict[str, str]:
    """Return the SHA-256 of each file of code, and of each lock of requirements."""
    return {
        name: str(item["digest"]["sha256"])
        for name, item in opened.inputs.items()
        if "annotations" not in item and (name.startswith("requirements") or _is_code(name))
    }


def _is_code(name: str) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in SOURCES)


def _libraries(opened: Opened) -> dict[str, str]:
    python = opened.statement["predicate"]["runDetails"]["builder"]["version"]["python"]
    return {"python": str(python)} | {
        normal(part["name"]): str(part["version"])
        for part in opened.bill["components"]
        if part["type"] == "library" and part.get("scope") == "required"
    }


def _model(opened: Opened) -> dict[str, Any]:
    model = opened.json("model/model.json")
    kept = {key: model.get(key) for key in ("family", "threshold", "thresholds", "calibration", "chosen")}
    return _flat("", kept) | {f"feature {name}": "read" for name in model["features"]}


def _verdict(opened: Opened) -> dict[str, str]:
    """Return the outcome of the verdict, of each limit, and of each finding."""
    told = {"outcome": str(opened.verdict["outcome"])}
    told |= {f"limit {name}": str(outcome) for name, outcome in opened.verdict["limits"].items()}
    times: Counter[str] = Counter()
    for finding in opened.verdict["findings"]:
        groups = " and ".join(sorted(map(str, finding["groups"])))
        key = " ".join(filter(None, (str(finding["limit"]), str(finding["attribute"] or ""), groups)))
        times[key] += 1
        again = f" ({times[key]})" if times[key] > 1 else ""
        told[f"finding {key}{again}"] = str(finding["outcome"])
    return told


def _measures(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    pairs: list[tuple[str, Mapping[str, Any]]] = [*found["overall"].items()]
    for attribute, gaps in found["disparities"].items():
        pairs += [(f"{attribute} {name}", entry) for name, entry in gaps.items()]
    for attribute, groups in found["groups"].items():
        for group, cell in groups.items():
            pairs += [(f"{attribute} {group} {name}", entry) for name, entry in cell["measures"].items()]
    return {key: {end: entry.get(end) for end in ("value", "low", "high")} for key, entry in pairs}


def _interval(entry: Mapping[str, Any] | None) -> str:
    if entry is None or entry["value"] is None:
        return "not measured"
    if entry["low"] is None or entry["high"] is None:
        return f"{entry['value']:.4g}"
    return f"{entry['value']:.4g} ({entry['low']:.4g} to {entry['high']:.4g})"


def _without_policy(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: section for name, section in params.items() if name not in SECTIONS}


def _flat(where: str, value: Any) -> dict[str, Any]:
    """Return the leaves of nested mappings by their path in dots; a list is one, but of named mappings."""
    if isinstance(value, list) and value and all(isinstance(it, dict) and "name" in it for it in value):
        names = [str(it["name"]) for it in value]
        if len(set(names)) == len(names):
            value = dict(zip(names, value, strict=True))
    if not isinstance(value, dict) or not value:
        return {where: value}
    return dict(_leaves(where, value))


def _leaves(where: str, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield from _flat(f"{where}.{key}" if where else str(key), item).items()


def changed(old: Any, new: Any) -> str:
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


def _short(value: Any, longest: int = LONGEST) -> str:
    text = "none" if value is None else str(value)
    if len(text) == 64 and text.isalnum():
        return f"{text[:12]}…"
    return text if len(text) <= longest else f"{text[:longest]}…"
