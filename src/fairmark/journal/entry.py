"""The journal's entry: one decision, outcome, review, contest or alarm, as it is written and as it is kept.

What is counted (kind, time, release, arm, decision, score, latency) has a field of its own, so that nobody
parses JSON for a count. What tells whose it is stands apart from what may stay: `subject` and `personal` are
taken out when a person is erased or their time is over, and `body` stays. So the inputs of a decision, a
person's own words and a caller's row id belong into `personal`; output, reason codes and flags into `body`.
Protected attributes stand in neither (`journal.memberships`).
"""

import datetime as dt
import hashlib
import hmac
import math
import os
import re
import time
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from fairmark.errors import UsageError
from fairmark.record import SHA256

Kind = Literal[
    "decision", "shadow", "outcome", "review", "confirmation", "override", "contest", "correction", "opened",
    "closed", "drill", "alarm", "canary", "heartbeat", "erasure",
]  # fmt: skip
"""decision: answered to a caller; shadow: scored beside it and shown to nobody; outcome: the label, later;
review: a case for a person (`due_us`); confirmation, override: a person's decision on a case (`closes`) or on
a decision; contest: a person's objection (`due_us`); correction: an input mended, and the decision anew;
canary: the state of one; heartbeat: whoever steers it has looked, and goes on;
opened, closed: the service, for this release, by a named person; erasure: what was taken out of the
journal, and why."""

Arm = Literal["champion", "challenger", "shadow", "fallback", "none"]
"""Whose decision it is: of the release in production, of the canary, of the one that only looks on, of the
verified simpler model, or of no model (a person's, or none yet)."""

KINDS: tuple[str, ...] = get_args(Kind)
ARMS: tuple[str, ...] = get_args(Arm)

_ID = re.compile(r"[0-9a-f]{32}")
LONGEST_TEXT = 255
"""Characters of a name, an id or a key."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DAY_US = 24 * 60 * 60 * 1_000_000
"""Microseconds of a day: the clock of the journal counts microseconds."""


def new_id() -> str:
    """Return 128 random bits as 32 hex digits: an id that tells nothing and that nobody guesses."""
    return os.urandom(16).hex()


def new_ids(count: int) -> list[str]:
    """Return so many ids, as `new_id` makes each."""
    digits = os.urandom(16 * count).hex()
    return [digits[at : at + 32] for at in range(0, len(digits), 32)]


def now_us() -> int:
    """Return whole microseconds since 1970-01-01 UTC by the machine's clock, which may be set back."""
    return time.time_ns() // 1000


def moment(at_us: int) -> dt.datetime:
    """Return the moment, in UTC, that microseconds since 1970 say: whole, with no float between."""
    return EPOCH + dt.timedelta(microseconds=at_us)


def pseudonym(key: bytes, subject: str) -> str:
    """Return the keyed pseudonym of a person's id: HMAC-SHA256 (RFC 2104), 64 hex digits.

    Without the key nobody can tell whether a guessed id is the one; with it the same person is always the
    same pseudonym, so that a person's entries are found when they ask.

    Raises
    ------
    UsageError
        When the key has fewer than 16 bytes.
    """
    if len(key) < 16:
        raise UsageError(f"key of pseudonyms: must have at least 16 bytes, got {len(key)}")
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()


def json_bytes(value: object) -> bytes:
    """Return `value` as canonical JSON: sorted keys, no spaces, UTF-8, floats in their shortest exact form.

    A number that is not finite becomes `null`, as JSON has none.
    """
    return msgspec.json.encode(value, order="sorted")


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One entry, as its writer makes it.

    Parameters
    ----------
    kind
        What it is of.
    at_us
        Whole microseconds since 1970-01-01 UTC, as the writer's clock tells: the order of entries is their
        number's.
    id
        32 hex digits, random.
    about
        Id of the decision that it is about, also where it opens or closes a case; None for one that stands
        alone. What is erased of a decision is erased of all that is about it.
    closes
        Id of the case (an entry with `due_us`) that it ends. A case is ended once: the second is refused.
    due_us
        Until when a case is due; it stays open until an entry closes it.
    release
        Digest of the release that decided, `sha256:` and 64 hex digits; None where none did.
    arm, mode
        Whose decision it is, and the mode of human oversight that it was made under.
    caller
        Name of the key that asked, or of the person who decided.
    subject
        Keyed pseudonym of the person that it is about (`pseudonym`), 64 hex digits; erased with the person.
    decision
        0 or 1; None for an entry that decides nothing, or is left to a person.
    score
        The score in double precision, finite; None where there is none.
    took_us
        Microseconds that the answer took; None where nothing was answered.
    body
        Canonical JSON of an object: what may stay when the person is erased.
    personal
        Canonical JSON of an object: what is erased (the inputs, a person's own words); None for nothing.
    """

    kind: Kind
    at_us: int
    id: str = msgspec.field(default_factory=new_id)
    about: str | None = None
    closes: str | None = None
    due_us: int | None = None
    release: str | None = None
    arm: Arm = "none"
    mode: str | None = None
    caller: str | None = None
    subject: str | None = None
    decision: int | None = None
    score: float | None = None
    took_us: int | None = None
    body: bytes = b"{}"
    personal: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what no store could give back.

        Raises
        ------
        UsageError
            With every field that is not what it must be.
        """
        # One expression for the usual case: this runs for each answer.
        if not (
            self.kind in KINDS
            and self.arm in ARMS
            and _ID.fullmatch(self.id)
            and (self.about is None or _is_text(self.about))
            and (self.closes is None or _is_text(self.closes))
            and _is_known_text(self.release)
            and _is_known_text(self.mode)
            and _is_known_text(self.caller)
            and (self.subject is None or SHA256.fullmatch(self.subject))
            and _is_count(self.at_us)
            and (self.due_us is None or _is_count(self.due_us))
            and (self.took_us is None or _is_count(self.took_us))
            and (self.decision is None or _is_decision(self.decision))
            and (self.score is None or _is_score(self.score))
            and _is_object(self.body)
            and (self.personal is None or _is_object(self.personal))
        ):
            raise UsageError(*_faults(self))


class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An entry as the journal keeps it.

    Parameters
    ----------
    number
        Its place: 1, 2, 3 … without a gap, in the order in which entries were written.
    entry
        As it was appended; without `subject` and `personal` once they were erased.
    chain
        SHA-256 over the chain of the entry before it and this one (`journal.chain.link`), 32 bytes.
    seal
        SHA-256 over salt, subject and personal (`journal.chain.commitment`), 32 bytes; stays when they go.
    salt
        16 random bytes; None when what they hid was erased.
    """

    number: int
    entry: Entry
    chain: bytes
    seal: bytes
    salt: bytes | None

    @property
    def erased(self) -> bool:
        """Whether what was personal in it was taken out."""
        return self.salt is None


class IdempotencyKey(msgspec.Struct, frozen=True):
    """What makes a repeated request the same request.

    Parameters
    ----------
    caller
        Name of the key that asks; another caller's key is another one.
    key
        As the caller gives it (the header `Idempotency-Key`); it must tell nothing of a person.
    digest
        SHA-256 of the request, hex: the same key with another request is a conflict.
    """

    caller: str
    key: str
    digest: str

    def __post_init__(self) -> None:
        """Refuse a key that no store could hold.

        Raises
        ------
        UsageError
            When caller or key is empty, too long or not printable.
        """
        if not (self.caller and self.key and _is_text(self.caller) and _is_text(self.key)):
            raise UsageError(
                f"idempotency key: must be a printable text of 1 to {LONGEST_TEXT} characters, "
                f"got {len(self.key)} characters"
            )

    def salted(self, salt: bytes) -> bytes:
        """Return the SHA-256 of salt and digest, 32 bytes: without the salt it tells nothing."""
        return hashlib.sha256(salt + self.digest.encode()).digest()


class Appended(msgspec.Struct, frozen=True):
    """What `append` wrote, or had written before under the same idempotency key (`repeated`)."""

    entries: tuple[Stored, ...]
    repeated: bool = False


def _is_text(value: str | None) -> bool:
    return value is None or (0 < len(value) <= LONGEST_TEXT and "\0" not in value and value.isprintable())


_is_known_text = lru_cache(maxsize=256)(_is_text)
"""The same of what many entries share."""


def _is_count(value: int) -> bool:
    # By type: True is an int as well, and SQLite would give back 1.
    return type(value) is int and 0 <= value < 2**63


def _is_decision(value: int) -> bool:
    return type(value) is int and value in {0, 1}


def _is_score(value: float) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_object(value: bytes) -> bool:
    # By its ends alone, for this runs at each answer; our own encoder wrote what is between.
    return isinstance(value, bytes) and value[:1] == b"{" and value[-1:] == b"}"


def _faults(entry: Entry) -> list[str]:
    texts = {name: getattr(entry, name) for name in ("about", "closes", "release", "mode", "caller")}
    times = {name: getattr(entry, name) for name in ("at_us", "due_us", "took_us")}
    faults = [
        f"{name}: must be a printable text of 1 to {LONGEST_TEXT} characters or none, got {str(text)[:60]!a}"
        for name, text in texts.items()
        if not _is_text(text)
    ]
    faults += [
        f"{name}: must be a whole number of microseconds from 0, got {count!r}"
        for name, count in times.items()
        if not (_is_count(count) or (count is None and name != "at_us"))
    ]
    if entry.kind not in KINDS:
        faults.append(f"kind: must be one of {', '.join(KINDS)}, got {str(entry.kind)[:60]!a}")
    if entry.arm not in ARMS:
        faults.append(f"arm: must be one of {', '.join(ARMS)}, got {str(entry.arm)[:60]!a}")
    if not _ID.fullmatch(entry.id):
        faults.append(f"id: must be 32 hex digits, got {entry.id[:60]!a}")
    if entry.subject is not None and not SHA256.fullmatch(entry.subject):
        # What stands there instead may name the person.
        faults.append("subject: must be a pseudonym of 64 hex digits, got another text")
    if entry.decision is not None and not _is_decision(entry.decision):
        faults.append(f"decision: must be 0, 1 or none, got {entry.decision!r}")
    if entry.score is not None and not _is_score(entry.score):
        faults.append(f"score: must be a finite float or none, got {entry.score!r}")
    if not _is_object(entry.body):
        faults.append("body: must be the bytes of a JSON object, got others")
    if entry.personal is not None and not _is_object(entry.personal):
        faults.append("personal: must be the bytes of a JSON object or none, got others")
    return [f"journal entry: {fault}" for fault in faults]
