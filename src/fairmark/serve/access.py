"""Who may ask what: bearer keys, hashed at rest, each with scopes, and how often each may ask.

The file that FAIRMARK_SERVICE_KEYS names holds one key a line, as JSON: name, scopes, and the SHA-256 of the
key. A key is 256 random bits, so that a plain hash of it can't be guessed back; it is shown once, when it is
made. The file is read again when it changes: a line that is taken out ends its key within a second.
"""

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from fairmark.errors import InputError, StateError, UsageError
from fairmark.files import disk_fault, lines_of
from fairmark.params.serve import RequestLimits
from fairmark.record import Record
from fairmark.serve.body import Fault, Refused

KEYS = "FAIRMARK_SERVICE_KEYS"
Scope = Literal["decide", "outcome", "review", "read", "evidence"]
"""decide: ask for decisions, explanations and contests; outcome: report labels; review: decide cases, open
the service; read: see decisions, cases, the release; evidence: metrics, memberships, counts by group."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "fmk_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Key(Record):
    """One line of the file: a caller, what it may ask, and the hash of its key."""

    name: str
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def new_key(path: Path, name: str, scopes: Sequence[str]) -> str:
    """Return a new key, whose hash is appended to the file; it is not to be had again.

    Raises
    ------
    UsageError
        When the name is taken or no plain word, or a scope is unknown.
    StateError
        When the file can't be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"--new-key: must be a name of letters, digits and ._@-, got {name[:80]!a}")
    if unknown := [scope for scope in scopes if scope not in SCOPES] or ([] if scopes else ["none"]):
        raise UsageError(f"--scope: must be of {', '.join(SCOPES)}, got {', '.join(unknown)[:80]!a}")
    if path.exists() and any(key.name == name for key in read_keys(path)):
        raise UsageError(f"{path.name}: must have each name once, got {name} again")
    token = PREFIX + secrets.token_urlsafe(32)
    made = Key(name=name, scopes=tuple(dict.fromkeys(scopes)), sha256=_hash(token))  # type: ignore[arg-type]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(made.to_json(), sort_keys=True) + "\n")
    except OSError as error:
        raise StateError(disk_fault(error, path, "writable")) from error
    return token


def read_keys(path: Path) -> list[Key]:
    """Return the keys in a file.

    Raises
    ------
    InputError
        When a line is no key, or a name comes twice.
    StateError
        When the file can't be read.
    """
    try:
        lines = lines_of(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StateError(disk_fault(error, path, "readable")) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be text in UTF-8, got {error.reason}") from error
    found = [Key.from_text(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    names = [key.name for key in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: must have each name once, got {', '.join(twice)} more than once")
    return found


@dataclass
class Caller:
    """A key that was recognised, and how much of its share is left.

    Parameters
    ----------
    left, at_s
        Requests that it may still make at once, as of a time of the monotonic clock.
    """

    name: str
    scopes: frozenset[str]
    left: float
    at_s: float


@dataclass
class Access:
    """Recognises callers by their keys.

    Parameters
    ----------
    path
        The file of keys.
    limits
        How often each may ask: `requests` in `seconds`, as a bucket that fills evenly.
    """

    path: Path
    limits: RequestLimits
    _callers: dict[str, Caller] = field(default_factory=dict)
    _seen: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Read the file again where it has changed.

        Raises
        ------
        InputError, StateError
            As `read_keys`; the keys that were known stay until it can be read.
        """
        try:
            about = self.path.stat()
        except OSError as error:
            raise StateError(disk_fault(error, self.path, "readable")) from error
        seen = about.st_mtime_ns, about.st_size
        if seen == self._seen:
            return
        now, most = time.monotonic(), float(self.limits.requests)
        before = {caller.name: caller for caller in self._callers.values()}
        callers = {}
        for key in read_keys(self.path):
            had = before.get(key.name)
            left, at = (had.left, had.at_s) if had else (most, now)
            callers[key.sha256] = Caller(key.name, frozenset(key.scopes), left, at)
        self._callers, self._seen = callers, seen

    def known(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return who asks, whatever it may ask.

        Raises
        ------
        Refused
            401 without a known key.
        """
        token = _token(headers.get(b"authorization", b""))
        found = self._callers.get(_hash(token)) if token else None
        if found is None:
            must = "must be Bearer and a key of this service, or Basic with it as the password"
            raise Refused(401, "no known key", Fault(must, "another", field="authorization"))
        return found

    def caller(self, headers: Mapping[bytes, bytes], scope: Scope) -> Caller:
        """Return who asks, when its key has the scope and it has not asked too often.

        Raises
        ------
        Refused
            401 without a known key, 403 without the scope, 429 after too many requests.
        """
        found = self.known(headers)
        if scope not in found.scopes:
            got = ", ".join(sorted(found.scopes))
            raise Refused(403, "not allowed", Fault(f"must be a key with the scope {scope}", got))
        self._count(found)
        return found

    def _count(self, caller: Caller) -> None:
        now, most, seconds = time.monotonic(), self.limits.requests, self.limits.seconds
        caller.left = min(most, caller.left + (now - caller.at_s) * most / seconds)
        caller.at_s = now
        if caller.left < 1:
            wait = max(1, round((1 - caller.left) * seconds / most + 0.5))
            must = f"must be at most {most} in {seconds} s"
            raise Refused(429, "too many requests", Fault(must, "more"), retry_after_s=wait)
        caller.left -= 1


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _token(header: bytes) -> str | None:
    """Return the key in an Authorization header: Bearer (RFC 6750), or the password of Basic (RFC 7617)."""
    kind, _, rest = header.partition(b" ")
    try:
        match kind.lower():
            case b"bearer":
                return rest.strip().decode("ascii")
            case b"basic":
                # Clients that know no bearer keys, MLflow's among them, send what a .netrc says.
                return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (UnicodeDecodeError, binascii.Error):
        return None
    return None
