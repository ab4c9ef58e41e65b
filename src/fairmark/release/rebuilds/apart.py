"""How far two versions of a file are apart: how many numbers differ, the furthest, and what else does."""

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError
from fairmark.files import lines_of
from fairmark.yaml12 import parse_yaml

Pair = tuple[str, Any, Any]
"""Where two values stand, the one that was released, and the one that was made again."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ABSENT = "nothing"


def apart(old: Path, new: Path, name: str) -> str:
    """Return in words how the file `name` differs between `old` and `new`.

    Numbers of JSON, YAML and CSV are compared by where they stand, those of Parquet by column, those of any
    other text in their order, where the words between them are the same.
    """
    try:
        if name.endswith(".parquet"):
            return _columns(old, new)
        texts = old.read_text(encoding="utf-8"), new.read_text(encoding="utf-8")
        if name.endswith((".json", ".yaml")):
            return told(
                _leaves(
                    "", *(parse_yaml(t, name) if name.endswith(".yaml") else json.loads(t) for t in texts)
                )
            )
        if name.endswith(".csv"):
            return told(_cells(*(list(csv.reader(io.StringIO(text))) for text in texts)))
        return _text(*texts)
    except (OSError, ValueError, RecursionError, FairmarkError) as error:
        return f"other bytes; how far apart can't be told: {' '.join(str(error).split())[:100]}"


def told(pairs: Iterator[Pair]) -> str:
    """Return in words which of these pairs differ, and how far the furthest numbers are apart."""
    count, others = 0, []
    furthest: tuple[float, str] = (-1.0, "")
    relative: tuple[float, str] = (-1.0, "")
    for where, old, new in pairs:
        if old == new and isinstance(old, bool) == isinstance(new, bool):
            continue
        if not (_is_number(old) and _is_number(new)):
            others.append(f"{where}: {_short(old)} was released, {_short(new)} made")
            continue
        count += 1
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


def _leaves(where: str, old: Any, new: Any) -> Iterator[Pair]:
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
    if _NUMBER.sub("#", old) == _NUMBER.sub("#", new):
        line = 1
        pairs: list[Pair] = []
        for one, two in zip(lines_of(old), lines_of(new), strict=True):
            found = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
            pairs += [(f"line {line}", float(a), float(b)) for a, b in found]
            line += 1
        return told(iter(pairs))
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
            words.append(f"column {name}: {told((f'row {k + 1}', a, b) for k, (a, b) in enumerate(pairs))}")
    return "; ".join(words) or "the same values, written otherwise"


def _number(text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text) else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    text = str(value) if value is not None else "null"
    return text if len(text) <= 40 else f"{text[:40]}…"
