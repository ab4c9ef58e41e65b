"""Typed JSON documents: parsed once where they are read, and written by their own `to_json`.

What one room writes and another reads is a `Record`, never a dictionary: a key that is missing, misspelt or
of another type is a fault of the file with its place, not a `KeyError` three rooms later.
"""

import csv
import datetime as dt
import json
import re
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from fairmark.errors import InputError
from fairmark.files import canonical_floats, read_json, write_json

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_ABSENT = object()

SHA256 = re.compile("[0-9a-f]{64}")
"""A digest as documents write it, whole: ask `fullmatch`."""
Digest = Annotated[str, Field(pattern=f"^{SHA256.pattern}$")]
Whole = Annotated[int, Field(ge=0, lt=2**53)]
"""A count: what every reader of JSON holds exactly (RFC 8259, section 6)."""
TIME = "%Y-%m-%dT%H:%M:%SZ"
"""How documents write a moment: RFC 3339, to the second, in UTC."""


def utc_text(moment: dt.datetime) -> str:
    """Return a moment that is in UTC as documents write it."""
    return moment.strftime(TIME)


def utc_time(text: str) -> dt.datetime:
    """Return the moment that a document writes.

    Raises
    ------
    ValueError
        When it is written otherwise.
    """
    return dt.datetime.strptime(text, TIME).replace(tzinfo=dt.UTC)


class Record(BaseModel):
    """A document, or a part of one: strict types, no unknown keys, finite numbers, frozen once read.

    A key that may be absent has a default in its class and is left out of the JSON unless it was given: what
    was read and is written again is the same document.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Return the parsed JSON `value` as this class.

        Parameters
        ----------
        value
            As `json.loads` gives it.
        where
            The document as its reader knows it, such as `measurements.json`.

        Raises
        ------
        InputError
            With one line for every fault: wrong type, unknown key, key missing, number that is not finite.
        """
        try:
            # Through JSON text, because the strict mode of JSON reads arrays as tuples and texts as dates.
            text = json.dumps(value)
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{where}: must be plain JSON values, got {error}") from error
        return cls.from_text(text, where)

    @classmethod
    def from_text(cls, text: str, where: str) -> Self:
        """Return a JSON text as this class; who takes it from a stranger refuses keys that come twice before.

        Raises
        ------
        InputError
            As `from_json`.
        """
        try:
            return cls.model_validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InputError(*fault_lines(error, where)) from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: must be plain JSON values, got {error}") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the document in a JSON file of our own making.

        Raises
        ------
        InputError
            When the file is missing, gives a key twice, or is no such document.
        """
        return cls.from_json(read_json(path), str(path))

    @classmethod
    def read_csv(cls, path: Path) -> list[Self]:
        """Return the lines of a CSV file of our own making; an empty cell is a key that was not given.

        Raises
        ------
        InputError
            When the file is missing, is no CSV, or a line is no such record.
        """
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                lines = list(csv.DictReader(stream, strict=True))
        except FileNotFoundError as error:
            raise InputError(f"{path}: must exist, got no such file") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}: must be CSV in UTF-8, got {error}") from error
        found = []
        for number, line in enumerate(lines, 2):
            try:
                found.append(cls.model_validate_strings({key: cell for key, cell in line.items() if cell}))
            except ValidationError as error:
                raise InputError(*fault_lines(error, f"{path}:{number}")) from error
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the document as plain JSON values, floats rounded as they are written."""
        value = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {key: canonical_floats(item) for key, item in value.items()}

    def write(self, path: Path) -> None:
        """Write the document, the same bytes every time (`files.write_json`)."""
        write_json(path, self.to_json())


def first_difference(wanted: object, found: object, where: str = "") -> str | None:
    """Return where two JSON values first differ and what stands there in `found`; None where they are equal.

    Such as `'fail' at findings.3.outcome`; mappings are gone through by sorted keys.
    """
    match wanted, found:
        case dict(), dict():
            keys = sorted({*wanted, *found}, key=str)
            pairs = [(key, wanted.get(key, _ABSENT), found.get(key, _ABSENT)) for key in keys]
        case list(), list():
            both = zip_longest(wanted, found, fillvalue=_ABSENT)
            pairs = [(place, one, two) for place, (one, two) in enumerate(both)]
        case _:
            if wanted == found and type(wanted) is type(found):
                return None
            shown = "nothing" if found is _ABSENT else json.dumps(found, default=str)[:80]
            return f"{shown} at {where}" if where else shown
    for key, one, two in pairs:
        if difference := first_difference(one, two, f"{where}.{key}" if where else str(key)):
            return difference
    return None


class CamelRecord(Record):
    """A Record of a format that writes its keys in camelCase; in Python they are written as everywhere."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


def fault_lines(error: ValidationError, where: str) -> list[str]:
    """Return what is wrong with a value that pydantic refused, one line for each fault."""
    return [_line(where, fault) for fault in error.errors()]


def _line(where: str, fault: "ErrorDetails") -> str:
    place = ".".join(str(part) for part in fault["loc"])
    spot = f"{where}: {place}" if place else where
    match fault["type"]:
        case "missing":
            return f"{spot}: must be given, got nothing"
        case "extra_forbidden":
            return f"{spot}: must be a known key, got an unknown one"
    text = fault["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be ", "must be ", 1)
    if fault["type"] == "value_error":
        return f"{spot}: {text}"
    if not text.startswith("must"):
        text = "must hold: " + text[:1].lower() + text[1:]
    return f"{spot}: {text}, got {json.dumps(fault['input'], default=str)[:80]}"
