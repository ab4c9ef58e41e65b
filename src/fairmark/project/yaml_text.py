"""YAML with its comments: values on one line or in a block, and a file's entry put in the place of another.

What is written here is read back by `fairmark.yaml12`, the one reader; comments are for people alone.
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

from fairmark.errors import StateError
from fairmark.files import lines_of
from fairmark.terminal import printable

PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
TAKEN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that some reader of YAML takes for something else."""

WIDTH = 110


def scalar(value: object) -> str:
    """Return a plain value as one YAML scalar, texts in quotes where they need any."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return json.dumps(value)
    text = str(value)
    return text if PLAIN.fullmatch(text) and text.lower() not in TAKEN else _quoted(text)


def _quoted(text: str) -> str:
    """Return a text in double quotes; what is not printable is escaped as YAML reads it."""
    # A string of JSON is one of YAML 1.2 too, in double quotes.
    plain = json.dumps(text, ensure_ascii=False)
    return plain if plain.isprintable() else "".join(map(_escaped, plain))


def _escaped(char: str) -> str:
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def flow(value: object) -> str:
    """Return a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def entry(key: str, value: object, indent: int) -> list[str]:
    """Return an entry of a mapping: on one line where it fits, a long list broken, a long text folded."""
    blanks = " " * indent
    line = f"{blanks}{scalar(key)}: {flow(value)}"
    if len(line) <= WIDTH:
        return [line]
    if isinstance(value, str):
        folded = " ".join(value.split())
        wrapped = textwrap.wrap(folded, WIDTH - indent - 2, break_long_words=False, break_on_hyphens=False)
        return [f"{blanks}{scalar(key)}: >-", *(f"{blanks}  {each}" for each in wrapped)]
    if isinstance(value, Mapping) and value:
        return [
            f"{blanks}{scalar(key)}:",
            *(line for k, item in value.items() for line in entry(k, item, indent + 2)),
        ]
    if isinstance(value, Sequence) and value:
        # Each item whole: a scalar in quotes that a line is broken in would be another text.
        items, lines = [flow(item) for item in value], [f"{blanks}{scalar(key)}:"]
        return [*lines, *(f"{blanks}  - {item}" for item in items)]
    return [line]


def comment(text: str, indent: int) -> list[str]:
    """Return a comment, in lines that fit; nothing for no text."""
    blanks = " " * indent
    shown = printable(" ".join(text.split()))
    return [f"{blanks}# {line}" for line in textwrap.wrap(shown, WIDTH - indent - 2, break_long_words=False)]


def with_section(text: str, name: str, lines: Sequence[str]) -> str:
    """Return a file's text with the section `name` and the comments above it replaced.

    Raises
    ------
    StateError
        When there is no such section.
    """
    old = lines_of(text)
    start, end = _span(old, f"{name}:", 0, len(old), name)
    return "\n".join([*old[:start], *lines, "", *old[end:]]) + "\n"


def with_entry(text: str, section: str, key: str, lines: Sequence[str]) -> str:
    """Return a file's text with one entry of a section, and the comments above it, replaced.

    Raises
    ------
    StateError
        When there is no such entry.
    """
    old = lines_of(text)
    start, end = _span(old, f"{section}:", 0, len(old), section)
    begin = next(k for k in range(start, end) if old[k].startswith(f"{section}:")) + 1
    first, last = _span(old, f"  {key}:", begin, end, f"{section}.{key}")
    return "\n".join([*old[:first], *lines, *old[last:]]) + "\n"


def _span(lines: Sequence[str], begins: str, low: int, high: int, where: str) -> tuple[int, int]:
    """Return the lines of an entry, those of the comments above it too, without what belongs to the next."""
    indent = len(begins) - len(begins.lstrip())
    at = next((k for k in range(low, high) if lines[k].startswith(begins)), None)
    if at is None:
        raise StateError(f"params.yaml: must have {where}, to be written anew, got no such entry")
    end = at + 1
    while end < high and not (lines[end].strip() and _indent(lines[end]) <= indent):
        end += 1
    # Comments at the height of an entry speak of the one below them, and stay.
    while end - 1 > at and not lines[end - 1].strip():
        end -= 1
    start = at
    while start > low and lines[start - 1].strip().startswith("#") and _indent(lines[start - 1]) == indent:
        start -= 1
    if indent == 0:
        while end < high and not lines[end].strip():
            end += 1
    return start, end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
