"""Records of the findings register: what an opening and a closing say, in one signed statement each."""

import datetime as dt
import hashlib
import re
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Discriminator, Field

from fairmark.errors import InputError, UsageError, VerificationError
from fairmark.record import CamelRecord, utc_time
from fairmark.release.statement import FileDigest, Subject
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope

FOLDER = "findings"
TYPE = "urn:fairmark:finding:1"
"""Predicate type of a record."""
NAME = re.compile(r"(\d{4})-(open|close)")
"""Names of records: the number of the finding, and what it says."""

Severity: TypeAlias = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

_TEXT = 4000


class Opening(CamelRecord):
    """What was found: how severe it is, whose it is to repair by when, and what it is about."""

    event: Literal["open"]
    by: str
    when: str
    severity: Severity
    owner: str
    due: dt.date
    release: str | None
    limit: str | None
    section: str | None
    text: str
    evidence: tuple[Subject, ...]


class Closing(CamelRecord):
    """What repaired it, by the word of somebody other than its owner."""

    event: Literal["close"]
    by: str
    when: str
    text: str
    evidence: tuple[Subject, ...]


class FindingRecord(CamelRecord):
    """An in-toto Statement v1 that opens or closes a finding.

    The subject of an opening is the release that it is about, by its statement, or else params.yaml as it
    stood; that of a closing is the payload of the opening.
    """

    kind: str = Field(alias="_type")
    subject: Annotated[tuple[Subject, ...], Field(min_length=1, max_length=1)]
    predicate_type: str
    predicate: Annotated[Opening | Closing, Discriminator("event")]


def digest_of(envelope: Envelope) -> str:
    """Return the SHA-256 of a record, by which a closing and the audit trail name it."""
    return hashlib.sha256(envelope.payload).hexdigest()


def opening_subject(number: str, opening: Envelope) -> tuple[Subject, ...]:
    """Return the subject of what closes an opening."""
    return (Subject(name=f"{FOLDER}/{number}-open", digest=FileDigest(sha256=digest_of(opening))),)


def read_record(envelope: Envelope, name: str) -> FindingRecord:
    """Return the record in an envelope, whoever signed it.

    Raises
    ------
    VerificationError
        When it is none, or another than its name says.
    """
    try:
        found = FindingRecord.from_json(envelope.statement, "statement")
    except InputError as error:
        raise VerificationError(*error.faults) from error
    if (found.kind, found.predicate_type) != (STATEMENT_TYPE, TYPE):
        raise VerificationError(f"must be of type {TYPE}, got {found.predicate_type[:80]!a}")
    if found.predicate.event != name[5:]:
        raise VerificationError(f"must be the {name[5:]} that its name says, got {found.predicate.event}")
    return found


def moment(text: str) -> dt.datetime:
    """Return the time that a record gives, UTC.

    Raises
    ------
    VerificationError
        When it is none.
    """
    try:
        return utc_time(text)
    except ValueError as error:
        raise VerificationError(
            f"must be of a time such as 2026-11-28T12:00:00Z, got {text[:40]!a}"
        ) from error


def one_text(text: str) -> str:
    """Return what a person wrote as one line that JSON can carry.

    Raises
    ------
    UsageError
        When it is blank.
    """
    # A command line may hold bytes that are no UTF-8, which no JSON can carry.
    text = " ".join(text.encode("utf-8", "replace").decode().split())[:_TEXT]
    if not text:
        raise UsageError("--text: must say what it is, got nothing")
    return text
