"""Every leaf of every file of a release, changed one at a time, and signed again with the maker's own key.

What no check of `verify` catches then rests on the signature alone: docs/attacks.md lists it, kind by kind.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from maker_and_forger import MINE, stated
from release_attacks import caught, relock, restate, sign

from fairmark.files import lines_of
from fairmark.release.layout import STATEMENT
from fairmark.verify.verify import Fact, verify

Path_ = tuple[str | int, ...]
NAMES = re.compile(r"^(?:fairmark:)?[a-zA-Z_][a-zA-Z0-9_$]*$")

DATA_KEYS = re.compile(
    r"^(?P<head>measurements\.json: (?:groups|disparities|comparisons)(?:\.\*)?|schema\.json: attributes"
    r"|metrics\.json: fairness|params\.yaml: prepare\.(?:protected|columns))$"
)


EXTERNAL = "predicate.buildDefinition.externalParameters"
WHOLE = {"stages.*.params", f"{EXTERNAL}.params", f"{EXTERNAL}.policy"}
"""Values that are compared with another file as a whole: each is one kind."""


@dataclass(frozen=True)
class Leaf:
    """One leaf: where it stands, and its kind, in which lists and names of data are a star."""

    file: str
    path: Path_
    kind: str


def leaves(folder: Path) -> Iterator[Leaf]:
    """Yield every leaf of the JSON and YAML files, and every line of the Markdown, HTML and other texts."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == STATEMENT:
            yield from _below(name, stated(folder), ())
        elif path.suffix == ".json" and not name.endswith(".intoto.json"):
            yield from _below(name, json.loads(path.read_text(encoding="utf-8")), ())
        elif path.suffix in {".yaml", ".dvc"} or name == "dvc.lock":
            yield from _below(name, yaml.safe_load(path.read_text(encoding="utf-8")), ())
        elif path.suffix in {".md", ".html", ".lock", ".txt"}:
            for number, line in enumerate(lines_of(path.read_text(encoding="utf-8"))):
                if line.strip():
                    yield Leaf(name, (number,), f"{name}: {_line_kind(line)}")


def _line_kind(line: str) -> str:
    start = line.lstrip()
    if start.startswith("--hash"):
        return "a hash"
    if start.startswith("|"):
        return f"a row of a table, {len(start.split('|')) - 2} columns"
    if "==" in line:
        return "a requirement"
    return "a line"


def _below(file: str, value: Any, path: Path_) -> Iterator[Leaf]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _below(file, item, (*path, str(key)))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _below(file, item, (*path, number))
    else:
        yield Leaf(file, path, f"{file}: {_kind(file, path)}")


def _kind(file: str, path: Path_) -> str:
    """Return the path with a star for each number of a list, and for each name that the data chose."""
    words: list[str] = []
    if file == "params.yaml":
        path = path[:1]
    for step in path:
        if ".".join(words) in WHOLE:
            break
        before = ".".join(words)
        chosen = DATA_KEYS.match(f"{file}: {before}") or (file == "dvc.lock" and before == "stages")
        plain = isinstance(step, str) and NAMES.match(step) and not chosen
        words.append(str(step) if plain else "*")
    return ".".join(words)


def other(value: Any) -> Any:
    """Return another value of the same kind, as little odd as can be."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value * 1.01 + 0.001
        case str() if re.fullmatch(r"[0-9a-f]{32,64}", value):
            return ("0" if value[0] != "0" else "1") + value[1:]
        case str():
            return f"{value}x"
        case None:
            return "x"
        case list():
            return ["x"]
        case _:
            return {"x": 1}


def unseen(folder: Path, each: Leaf) -> bool:
    """Return whether every check still holds after the leaf is another, all is stated and signed anew."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        _change(folder, each)
        if each.file == STATEMENT:
            return not wrong(folder)
        if each.file != "dvc.lock":
            relock(folder)
        restate(folder, MINE)
        return not wrong(folder)
    finally:
        for path, content in before.items():
            if path.read_bytes() != content:
                path.write_bytes(content)


def wrong(folder: Path) -> set[str]:
    """Return the names of what is found wrong, or can't be told."""
    facts: list[Fact] = verify(folder, None, MINE.public)
    return caught(facts) | {fact.name for fact in facts if fact.asked and fact.held is None}


def _change(folder: Path, each: Leaf) -> None:
    place = folder / each.file
    if each.file == STATEMENT:
        value = stated(folder)
        _set(value, each.path, other)
        sign(folder, value, MINE)
        return
    text = place.read_text(encoding="utf-8")
    if place.suffix == ".json":
        value = json.loads(text)
        _set(value, each.path, other)
        place.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False), encoding="utf-8")
    elif place.suffix in {".yaml", ".dvc"} or each.file == "dvc.lock":
        value = yaml.safe_load(text)
        _set(value, each.path, other)
        place.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")
    else:
        lines = lines_of(text)
        (number,) = each.path
        lines[int(number)] = _other_line(lines[int(number)])
        place.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _other_line(line: str) -> str:
    digit = re.search(r"\d(?=\D*$)", line)
    if digit is None:
        return f"{line}x" if not line.endswith("|") else f"{line[:-1]}x |"
    return line[: digit.start()] + str((int(digit[0]) + 1) % 10) + line[digit.end() :]


def _set(value: Any, path: Path_, change: Callable[[Any], Any]) -> None:
    *above, last = path
    for step in above:
        value = value[step]
    value[last] = change(value[last])


def resting() -> set[str]:
    """Return the kinds of leaves of which docs/attacks.md says that they rest on the signature."""
    page = (Path(__file__).parents[2] / "docs" / "attacks.md").read_text(encoding="utf-8")
    part = page.partition("## What rests on the signature alone\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^- `([^`]+)`", part, re.MULTILINE))
