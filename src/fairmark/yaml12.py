"""YAML 1.2 as DVC reads and writes it: the one reader and the one writer of YAML, for own files and foreign.

DVC reads by ruamel.yaml, to which `yes`, `on` and `12:30:45` are texts, `016` is sixteen and `1e-05` a
number. A reader of YAML 1.1 takes `yes` for true, and one file would say two things. Here the events come
from the parser that DVC uses, plain scalars are told apart by ruamel's own expressions, and what could be
read in another way than it was written is refused: a text means to fairmark what it means to DVC, or nothing.

Events are built into values one by one: within bounds, without tags, nothing executed.
"""

import datetime as dt
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML, events
from ruamel.yaml.error import YAMLError
from ruamel.yaml.resolver import implicit_resolvers
from ruamel.yaml.util import LazyEval

from fairmark.errors import InputError

LIMIT_DEPTH = 64
LIMIT_NODES = 200_000
"""Values of one file, those that aliases stand for counted each time."""

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What a document is built of."""

_TAG = "tag:yaml.org,2002:"
_DIGITS = 4300
"""Of a whole number: Python's own bound for decimal ones, held for the other bases too."""

# Which expressions a plain scalar is tried with, by its first character, in ruamel's order.
_EXPRESSIONS: dict[str, list[tuple[str, LazyEval]]] = {}
for _versions, _tag, _expression, _first in implicit_resolvers:
    if (1, 2) in _versions:
        for _character in _first:
            _EXPRESSIONS.setdefault(_character, []).append((str(_tag).removeprefix(_TAG), _expression))


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of a YAML text as JSON would hold it; a date stays the text that it is written as.

    Parameters
    ----------
    where
        Names the text in a fault.

    Raises
    ------
    InputError
        When it is not YAML, gives a key twice or one that is no text, has tags, directives, merge keys or a
        second document, holds a moment without quotes or a number that is not finite, is nested deeper than
        `LIMIT_DEPTH`, or has more than `LIMIT_NODES` values when its aliases are filled in.
    """
    try:
        return _Builder().document(YAML(typ="safe").parse(io.StringIO(text)))
    except (YAMLError, ValueError, RecursionError) as error:
        fault = " ".join(str(error).split())
        raise InputError(f"{where}: must be plain YAML, got {fault[:300]}") from error


def format_yaml(value: object) -> str:
    """Return a plain value as DVC would write it; law: `parse_yaml(format_yaml(value), ...) == value`.

    Raises
    ------
    InputError
        When the value does not come back, as a text with U+0085 would not.
    """
    writer = YAML()
    writer.default_flow_style = False
    stream = io.StringIO()
    writer.dump(value, stream)
    text = stream.getvalue()
    if parse_yaml(text, "YAML") != value:
        raise InputError(f"YAML: must come back as it was written, got {value!r:.100}")
    return text


@dataclass
class _Open:
    """A list or mapping whose end has not come."""

    value: "dict[str, Plain] | list[Plain]"
    line: int
    before: int
    anchor: str | None
    key: str | None = None


@dataclass
class _Builder:
    """Builds one document's value from its events."""

    stack: list[_Open] = field(default_factory=list)
    anchors: "dict[str, tuple[Plain, int] | None]" = field(default_factory=dict)
    nodes: int = 0
    documents: int = 0
    value: "Plain" = None

    def document(self, stream: Iterator[events.Event]) -> "Plain":
        """Return the value that the events tell; None where there is no document."""
        for event in stream:
            match event:
                case events.ScalarEvent():
                    self._scalar(event)
                case events.AliasEvent():
                    self._alias(event)
                case events.CollectionStartEvent():
                    self._open(event)
                case events.CollectionEndEvent():
                    self._close()
                case events.DocumentStartEvent():
                    self._start(event)
        return self.value

    def _start(self, event: events.DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise ValueError(f"{_at(event)}: a second document")
        if event.version is not None or event.tags:
            raise ValueError(f"{_at(event)}: a directive, which changes what a text means")

    def _alias(self, event: events.AliasEvent) -> None:
        known = self.anchors.get(event.anchor)
        if known is None:
            raise ValueError(f"{_at(event)}: *{event.anchor}, which stands for nothing, or for itself")
        # An alias costs as many values as what it stands for: ten lines, each ten aliases of the one before,
        # would else be ten thousand million.
        self._count(known[1], event)
        self._place(known[0], event)

    def _scalar(self, event: events.ScalarEvent) -> None:
        _refuse_tag(event)
        self._count(1, event)
        value = _plain(event) if _is_plain(event) else _text(event.value, event)
        self._place(value, event)
        self._name(event.anchor, (value, 1), event)

    def _open(self, event: events.CollectionStartEvent) -> None:
        _refuse_tag(event)
        self._count(1, event)
        if len(self.stack) >= LIMIT_DEPTH:
            raise ValueError(f"{_at(event)}: more than {LIMIT_DEPTH} levels")
        value: dict[str, Plain] | list[Plain] = {} if isinstance(event, events.MappingStartEvent) else []
        self._place(value, event)
        # None until the collection ends: an alias within it would make it hold itself.
        self._name(event.anchor, None, event)
        self.stack.append(_Open(value, event.start_mark.line, self.nodes - 1, event.anchor))

    def _close(self) -> None:
        ended = self.stack.pop()
        if ended.anchor is not None:
            self.anchors[ended.anchor] = (ended.value, self.nodes - ended.before)

    def _count(self, nodes: int, event: events.Event) -> None:
        self.nodes += nodes
        if self.nodes > LIMIT_NODES:
            raise ValueError(f"{_at(event)}: more than {LIMIT_NODES} values")

    def _name(self, anchor: str | None, known: "tuple[Plain, int] | None", event: events.Event) -> None:
        if anchor is None:
            return
        if anchor in self.anchors:
            raise ValueError(f"{_at(event)}: &{anchor} a second time")
        self.anchors[anchor] = known

    def _place(self, value: "Plain", event: events.Event) -> None:
        if not self.stack:
            self.value = value
            return
        inner = self.stack[-1]
        if isinstance(inner.value, list):
            inner.value.append(value)
        elif inner.key is None:
            inner.key = _key(value, inner.value, event)
        else:
            inner.value[inner.key] = value
            inner.key = None


def _key(value: "Plain", known: Iterable[str], event: events.Event) -> str:
    if isinstance(event, events.AliasEvent):
        fault = f"the key *{event.anchor}, which is no text of its own"
    elif not isinstance(event, events.ScalarEvent):
        fault = "a list or mapping as a key"
    elif not isinstance(value, str) or (_is_plain(event) and _taken_for(event.value) is not None):
        # A day too: its value here is the text of it, and DVC's key is a date.
        fault = f"the key {event.value!r:.80}, which is no text until it stands in quotes"
    elif value in known:
        fault = f"the key {value!r:.80} a second time"
    else:
        return value
    raise ValueError(f"{_at(event)}: {fault}")


def _is_plain(event: events.ScalarEvent) -> bool:
    return bool(event.implicit[0] and not event.style)


def _taken_for(text: str) -> str | None:
    """Return what a scalar without quotes is taken for, or None for a text."""
    for tag, expression in _EXPRESSIONS.get(text[:1], ()):
        if expression.match(text):
            return tag
    return None


def _plain(event: events.ScalarEvent) -> "Plain":
    """Return what a scalar without quotes stands for."""
    tag = _taken_for(event.value)
    return _text(event.value, event) if tag is None else _known(tag, event.value, event)


def _known(tag: str, text: str, event: events.Event) -> "Plain":
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _whole(text, event)
        case "float":
            return _finite(text, event)
        case "timestamp":
            return _day(text, event)
    # Of `<<` DVC would make a merge, and of `=` nothing.
    raise ValueError(f"{_at(event)}: {text!r:.80}, which is no text until it stands in quotes")


def _whole(text: str, event: events.Event) -> int:
    digits = text.replace("_", "")
    sign, digits = (-1 if digits[0] == "-" else 1), digits.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    try:
        # Python refuses more decimal digits, whose reading takes the square of their number, and no other
        # base.
        if len(digits) > _DIGITS:
            raise ValueError("too many digits")
        return sign * int(digits if base == 10 else digits[2:], base)
    except ValueError as error:
        raise ValueError(f"{_at(event)}: {text!r:.40}, a number of {len(digits)} digits") from error


def _finite(text: str, event: events.Event) -> float:
    try:
        number = float(text.replace("_", "").lower())
    except ValueError:  # `.inf`, `.nan`, and `._`, which ruamel's expression takes for a number
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{_at(event)}: {text!r:.80}, which must be a finite number, or a text in quotes")
    return number


def _day(text: str, event: events.Event) -> str:
    try:
        if len(text) == len("2026-01-31"):
            return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"{_at(event)}: {text!r}, a day that no calendar has ({error})") from error
    raise ValueError(f"{_at(event)}: {text!r:.80}, a moment, which is no text until it stands in quotes")


def _text(text: str, event: events.Event) -> str:
    # ruamel's writer turns U+0085 into U+0085 and blanks, so that DVC would record another text.
    if "\x85" in text:
        raise ValueError(f"{_at(event)}: a text with U+0085 (next line), which DVC can't write down")
    return text


def _refuse_tag(event: events.ScalarEvent | events.CollectionStartEvent) -> None:
    if event.tag is not None:
        raise ValueError(f"{_at(event)}: a tag ({event.tag!s:.80})")


def _at(event: events.Event) -> str:
    return f"line {event.start_mark.line + 1}"
