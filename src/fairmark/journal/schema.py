"""The tables of the journal in SQL, as migrations named by version; both stores have the same columns.

`entries` holds what is counted and what stays; `personal` what is erased, by the entry's number. A version is
never edited once it was released: the next one is added.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from fairmark.errors import UsageError, VerificationError
from fairmark.journal.entry import Entry, Stored

FREQUENT = ("decision", "shadow", "outcome")
"""Kinds that come with the traffic: all others are few, and have an index."""
_RARE_SQL = "kind NOT IN ('decision', 'shadow', 'outcome')"

Steps: TypeAlias = Mapping[int, Sequence[str]]
"""Version -> the statements that lead to it from the version before."""

SQLITE: Steps = {
    1: (
        "CREATE TABLE head (journal TEXT NOT NULL, number INTEGER NOT NULL, chain BLOB NOT NULL) STRICT",
        """
        CREATE TABLE entries (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at_us INTEGER NOT NULL,
            about TEXT, closes TEXT UNIQUE, due_us INTEGER, release TEXT, arm TEXT NOT NULL, mode TEXT,
            caller TEXT, decision INTEGER, score REAL, took_us INTEGER, body BLOB NOT NULL,
            chain BLOB NOT NULL, seal BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX entries_about ON entries (about) WHERE about IS NOT NULL",
        "CREATE INDEX entries_due ON entries (due_us) WHERE due_us IS NOT NULL",
        f"CREATE INDEX entries_rare ON entries (kind, number) WHERE {_RARE_SQL}",
        # No index on subject: pages of an index that was split keep old bytes, and erasure may read all.
        """
        CREATE TABLE personal (
            number INTEGER PRIMARY KEY, salt BLOB NOT NULL, subject TEXT, content BLOB
        ) STRICT
        """,
        """
        CREATE TABLE requests (
            caller TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, first INTEGER NOT NULL,
            last INTEGER NOT NULL, PRIMARY KEY (caller, key)
        ) STRICT, WITHOUT ROWID
        """,
    )
}

POSTGRES: Steps = {
    1: (
        "CREATE TABLE head (journal text NOT NULL, number bigint NOT NULL, chain bytea NOT NULL)",
        """
        CREATE TABLE entries (
            number bigint PRIMARY KEY, id text NOT NULL UNIQUE, kind text NOT NULL, at_us bigint NOT NULL,
            about text, closes text UNIQUE, due_us bigint, release text, arm text NOT NULL, mode text,
            caller text, decision smallint, score double precision, took_us bigint, body bytea NOT NULL,
            chain bytea NOT NULL, seal bytea NOT NULL
        )
        """,
        "CREATE INDEX entries_about ON entries (about) WHERE about IS NOT NULL",
        "CREATE INDEX entries_due ON entries (due_us) WHERE due_us IS NOT NULL",
        f"CREATE INDEX entries_rare ON entries (kind, number) WHERE {_RARE_SQL}",
        "CREATE TABLE personal (number bigint PRIMARY KEY, salt bytea NOT NULL, subject text, content bytea)",
        """
        CREATE TABLE requests (
            caller text NOT NULL, key text NOT NULL, digest bytea NOT NULL, first bigint NOT NULL,
            last bigint NOT NULL, PRIMARY KEY (caller, key)
        )
        """,
    )
}

ENTRY_COLUMNS = (
    "number", "id", "kind", "at_us", "about", "closes", "due_us", "release", "arm", "mode", "caller",
    "decision", "score", "took_us", "body", "chain", "seal",
)  # fmt: skip
PERSONAL_COLUMNS = ("number", "salt", "subject", "content")

SELECT = (
    f"SELECT {', '.join(f'e.{name}' for name in ENTRY_COLUMNS)}, p.salt, p.subject, p.content "
    "FROM entries e JOIN personal p ON p.number = e.number"
)
"""What a `Stored` is made of, in the order of `from_row`."""


def rare(kinds: Collection[str] | None) -> str:
    """Return the condition that lets a query of these kinds use their index; true of each of their rows."""
    # A partial index is used only where the query itself says what the index is limited to.
    return f" AND e.{_RARE_SQL}" if kinds is not None and not {*kinds} & {*FREQUENT} else ""


def entry_row(kept: Stored) -> tuple[object, ...]:
    """Return the values of `ENTRY_COLUMNS`."""
    e = kept.entry
    return (
        kept.number, e.id, e.kind, e.at_us, e.about, e.closes, e.due_us, e.release, e.arm, e.mode, e.caller,
        e.decision, e.score, e.took_us, e.body, kept.chain, kept.seal,
    )  # fmt: skip


def personal_row(kept: Stored) -> tuple[object, ...]:
    """Return the values of `PERSONAL_COLUMNS`."""
    return kept.number, kept.salt, kept.entry.subject, kept.entry.personal


def from_row(row: Sequence[Any]) -> Stored:
    """Return the entry in a row of `SELECT`; a salt of zeros alone is that of an erased one.

    Raises
    ------
    VerificationError
        When no journal wrote it.
    """
    # In the order of `SELECT`: this runs for each entry of a check.
    (
        number, entry_id, kind, at_us, about, closes, due_us, release, arm, mode, caller, decision, score,
        took_us, body, chain, seal, salt, subject, content,
    ) = row  # fmt: skip
    # 16 random bytes are zeros alone once in 2^128 entries.
    erased = isinstance(salt, bytes) and not any(salt)
    try:
        entry = Entry(
            id=entry_id, kind=kind, at_us=at_us, about=about, closes=closes, due_us=due_us, release=release,
            arm=arm, mode=mode, caller=caller, decision=decision, score=score, took_us=took_us, body=body,
            subject=None if erased else subject, personal=None if erased else content,
        )  # fmt: skip
        if not (isinstance(chain, bytes) and isinstance(seal, bytes) and isinstance(salt, bytes)):
            raise UsageError("chain, seal and salt: must be bytes, got others")
    except (UsageError, TypeError) as error:
        raise VerificationError(f"entry {number}: must be as a journal writes it, got {error}") from error
    return Stored(
        number=number,
        entry=entry,
        chain=chain,
        seal=seal,
        salt=None if erased else salt,
    )


def migrations(steps: Steps, version: int) -> list[str]:
    """Return the statements that lead from `version` (0: no table yet) to the newest."""
    return [statement for step in range(version + 1, max(steps) + 1) for statement in steps[step]]
