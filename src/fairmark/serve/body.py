"""The body of a request: how much of it is read, which JSON it may be, and what is answered where it is not.

JSON in UTF-8 that says one thing to every reader: each key once, finite numbers, no deeper, longer or larger
than the release's params allow. An answer that refuses is `application/problem+json` (RFC 9457) with every
fault, its row and its field; nothing of the program is in it.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from fairmark.params.serve import RequestLimits

StructT = TypeVar("StructT", bound=msgspec.Struct)
LONGEST_SHOWN = 80
# A text without an end goes up to the last byte: one that did not match would be looked at from each quote.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_PLACE = re.compile(r": line \d+ column \d+")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that a request must hold and does not.

    Parameters
    ----------
    must
        What must hold.
    got
        What was found instead.
    row
        Which row, from 1; None for the request as a whole.
    field
        Which column or key; None for a whole row.
    """

    must: str
    got: str
    row: int | None = None
    field: str | None = None

    def line(self) -> str:
        """Return the fault as one line: where, what must hold, what was found."""
        where = "request" if self.row is None else f"row {self.row}"
        column = "" if self.field is None else f": {self.field}"
        return f"{where}{column}: {self.must}, got {self.got}"


class Refused(Exception):  # noqa: N818 - an answer to the caller, no error of the program
    """A request that is not answered: the HTTP status, and every fault that it has."""

    def __init__(self, status: int, title: str, *faults: Fault, retry_after_s: int | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.faults = faults
        self.retry_after_s = retry_after_s


class _Strict:
    """Takes JSON apart as `json.loads` does, and notes what another reader would take otherwise."""

    def __init__(self, limits: RequestLimits) -> None:
        self.limits = limits
        self.faults: list[Fault] = []

    def once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return an object; keys that come twice are noted."""
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = [name for name, count in counts.items() if count > 1]
            self.faults += [Fault("must come once", "it twice", field=name[:LONGEST_SHOWN]) for name in twice]
        return found

    def number(self, kind: Callable[[str], float]) -> Callable[[str], float]:
        """Return the reader of numbers of a kind; those that are too long or endless are noted."""

        def read(text: str) -> float:
            if len(text) > self.limits.number_length:
                must = f"must be a number of at most {self.limits.number_length} characters"
                self.faults.append(Fault(must, str(len(text))))
                return 0.0
            found = kind(text)
            return self.endless(text) if found in {float("inf"), float("-inf")} else found

        return read

    def endless(self, text: str) -> float:
        """Note a number that is not finite."""
        self.faults.append(Fault("must be a finite number", text[:LONGEST_SHOWN]))
        return 0.0


def strict_json(body: bytes, limits: RequestLimits) -> Any:
    """Return a JSON value that says one thing to every reader.

    Raises
    ------
    Refused
        When it is no JSON in UTF-8 (400), is too deep, gives a key twice, or holds a number that is too long
        or not finite (422).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        got = f"byte 0x{body[error.start]:02x} at {error.start}"
        raise Refused(400, "no JSON", Fault("must be text in UTF-8", got)) from None
    if text.startswith("\ufeff"):
        raise Refused(400, "no JSON", Fault("must not begin with a byte order mark", "one"))
    if (deep := _depth(body, limits.depth)) > limits.depth:
        raise Refused(422, "too deep", Fault(f"must be at most {limits.depth} deep", f"{deep} or more"))
    strict = _Strict(limits)
    try:
        value = json.loads(
            text,
            object_pairs_hook=strict.once,
            parse_int=strict.number(int),
            parse_float=strict.number(float),
            parse_constant=strict.endless,
        )
        text.encode()
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is a text to nobody else
    except UnicodeEncodeError:
        raise Refused(400, "no JSON", Fault("must be text in UTF-8", "half a surrogate pair")) from None
    except ValueError as error:
        raise Refused(400, "no JSON", Fault("must be JSON", _PLACE.sub("", str(error))[:80])) from None
    except RecursionError:
        raise Refused(422, "too deep", Fault(f"must be at most {limits.depth} deep", "more")) from None
    if strict.faults:
        raise Refused(422, "no plain JSON", *strict.faults)
    return value


def _depth(body: bytes, most: int) -> int:
    """Return how deep objects and lists are nested; counting ends one beyond `most`."""
    deep = deepest = 0
    for byte in _STRING.sub(b"", body).translate(None, _OTHERS):
        if byte in b"[{":
            deep += 1
            deepest = max(deepest, deep)
            if deepest > most:
                break
        else:
            deep -= 1
    return deepest


def shown(value: object) -> str:
    """Return what was found, in a few words."""
    match value:
        case dict() | list():
            return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
        case None:
            return "nothing"
    return json.dumps(value, ensure_ascii=True, default=str)[:LONGEST_SHOWN]


encode = msgspec.json.Encoder().encode


def decoded(body: bytes, struct: type[StructT]) -> StructT:
    """Return an answer of the service as the struct that it was written from: for its callers."""
    return msgspec.json.decode(body, type=struct)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, as `application/problem+json` (RFC 9457)."""

    title: str
    status: int
    faults: tuple[Fault, ...] = ()
    type: str = "about:blank"


def problem(refused: Refused) -> bytes:
    """Return the body of an answer that refuses: the title, and every fault with its row and field."""
    return encode(Problem(refused.title, refused.status, tuple(refused.faults)))
