"""The hash chain of the journal: each entry's SHA-256 goes over the one before it.

An entry that was edited, deleted, inserted or moved breaks the chain from there on. What is personal enters
by a salted commitment alone, so that erasing it (and its salt) leaves the chain as it was. The chain is keyed
to nothing: whoever can write the file can write another one, which is why its heads are signed into the audit
trail (`journal.seal`).

By hand: `seal = SHA-256(salt ‖ JSON [subject] ‖ personal)`, with nothing in place of a `personal` of None;
`chain = SHA-256(chain before ‖ JSON [number, id, kind, about, closes, at_us, due_us, release, arm, mode,
caller, decision, score, took_us, SHA-256 of body, seal])`, where JSON is canonical (no spaces, UTF-8), the
score is its C99 hexadecimal text (`float.hex`), and hashes inside the JSON are hex.
"""

import hashlib
import os
from collections.abc import Sequence

import msgspec

from fairmark.journal.entry import Entry, Stored

SALT_BYTES = 16
"""128 random bits: without them, the commitment of an erased row can't be tried against guesses."""

_encode = msgspec.json.Encoder().encode


def genesis(journal: str) -> bytes:
    """Return what stands before the first entry: SHA-256 of the journal's own id, 32 bytes."""
    return hashlib.sha256(f"fairmark journal {journal}".encode()).digest()


def commitment(salt: bytes, entry: Entry) -> bytes:
    """Return the SHA-256 that commits to subject and personal without telling them, 32 bytes."""
    # As JSON in a list, whose end can be told, so that subject and personal can't run into each other.
    return hashlib.sha256(salt + _encode([entry.subject]) + (entry.personal or b"")).digest()


def link(before: bytes, number: int, entry: Entry, seal: bytes) -> bytes:
    """Return the chain at entry `number`, 32 bytes, from the chain `before` it."""
    # What is personal is in here by its seal alone: the chain stays right when that is erased.
    fields = [
        number, entry.id, entry.kind, entry.about, entry.closes, entry.at_us, entry.due_us, entry.release,
        entry.arm, entry.mode, entry.caller, entry.decision,
        # Zero has one sign: SQLite keeps no other.
        None if entry.score is None else (float(entry.score) + 0.0).hex(), entry.took_us,
        hashlib.sha256(entry.body).hexdigest(), seal.hex(),
    ]  # fmt: skip
    return hashlib.sha256(before + _encode(fields)).digest()


def stored(before: bytes, number: int, entry: Entry) -> Stored:
    """Return `entry` as it is kept at `number`, with a salt of its own, after the chain `before`."""
    return chained(before, number - 1, [entry])[0]


def chained(before: bytes, number: int, entries: Sequence[Entry]) -> list[Stored]:
    """Return entries as they are kept after entry `number` and its chain `before`, each with its own salt."""
    salts = os.urandom(SALT_BYTES * len(entries))
    made = []
    for at, entry in enumerate(entries):
        number, salt = number + 1, salts[at * SALT_BYTES : (at + 1) * SALT_BYTES]
        seal = commitment(salt, entry)
        before = link(before, number, entry, seal)
        made.append(Stored(number=number, entry=entry, chain=before, seal=seal, salt=salt))
    return made


def tail_faults(
    kept: Sequence[Stored], last: int, chain: bytes, before: tuple[int, bytes] | None
) -> list[str]:
    """Return what is wrong with entries that must end at number `last` with `chain`, in words.

    Parameters
    ----------
    before
        Number and chain before the first of them; None takes those of the first as given.
    """
    faults: list[str] = []
    for each in kept:
        faults += [] if before is None else entry_faults(each, *before)
        before = each.number, each.chain
    if before is not None and before != (last, chain):
        faults.append(f"entry {last}: must be the newest, as the head says, got {before[0]} or another chain")
    return faults


def entry_faults(kept: Stored, number: int, chain: bytes) -> list[str]:
    """Return what is wrong with an entry after `number` and its `chain`, in words; nothing where it holds."""
    here = kept.number
    if here != number + 1:
        return [f"entry {number + 1}: must be there, got {here} in its place"]
    if link(chain, here, kept.entry, kept.seal) != kept.chain:
        return [f"entry {here}: must be what was written after entry {number}, got another entry or order"]
    # An erased entry has no salt, and its seal can't be tried any more.
    if kept.salt is not None and commitment(kept.salt, kept.entry) != kept.seal:
        return [f"entry {here}: must hold the personal part that was written, got another one"]
    return []
