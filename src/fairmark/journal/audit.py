"""Whether a journal is whole: its chain walked entry by entry, and held against heads in the audit trail.

The chain alone shows an entry that was edited, taken out, put in or moved. Whoever can write the whole store
can write another chain, or cut its end: that is seen by the heads, numbers and chains of entries that were
appended to the audit trail (`governance.trail`) and signed there. So a head vouches for every entry up to it,
and none for what came after the newest one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairmark.errors import StateError, VerificationError
from fairmark.governance import trail, verify_trail
from fairmark.governance.flow_runs import COMPLETED
from fairmark.journal.chain import entry_faults, genesis
from fairmark.journal.entry import Stored
from fairmark.journal.store import Journal, in_ranges

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey, SigningKey

ACTION = "journal"
"""Of the trail's entries that hold heads."""
PAGE = 1000
MOST_HEADS = 1000
"""In one entry of the trail, which has a longest size."""
MOST_FAULTS = 20
"""After which a walk ends: what follows a break is of no use to a reader."""


@dataclass(frozen=True)
class SealedHead:
    """A head in the audit trail: entry `number` of the journal had this `chain`.

    Parameters
    ----------
    entry
        Number of the trail's entry.
    vouched
        Whether a known key signed that very entry of the trail. A signature of a later one says that it was
        there, not that its head is true.
    """

    number: int
    chain: bytes
    entry: int
    vouched: bool


@dataclass(frozen=True)
class Audited:
    """What a check of a journal found.

    Parameters
    ----------
    journal
        Its id.
    first, last
        Numbers of the first and last entry that were looked at; `last` 0 where there is none.
    erased
        How many of these are without what was personal.
    turned_back
        How often an entry's time is before that of the entry before it: the clock was set back.
    sealed
        Number of the newest entry that a signed head of a known key vouches for, 0 for none.
    heads
        How many sealed heads the entries were held against.
    others
        How many heads the trail holds of other journals.
    faults
        Everything that is wrong, in words.
    """

    journal: str
    first: int
    last: int
    erased: int
    turned_back: int
    sealed: int
    heads: int
    others: int
    faults: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 whole, 4 wrong, 5 can't be told: no signed head vouches for any of it."""
        return 4 if self.faults else 0 if self.sealed else 5

    def lines(self) -> list[str]:
        """Return it for a person."""
        if self.faults:
            return [*self.faults, "journal: NOT what was written"]
        if not self.last:
            return ["journal: empty, and no sealed head names an entry of it"]
        span = f"entries {self.first} to {self.last}"
        lines = [f"{span} are all there, unchanged and in order (journal {self.journal[:12]})"]
        if self.erased:
            lines.append(f"{self.erased} of them without their personal part, each by an erasure on record")
        if self.turned_back:
            lines.append(f"the clock was set back {self.turned_back} times: order is by number, not by time")
        if not self.sealed:
            other = f", and {self.others} of other journals" if self.others else ""
            return [*lines, f"no sealed head of a known key vouches for it{other} (fairmark journal --seal)"]
        lines.append(f"{self.heads} sealed heads hold, the newest of entry {self.sealed}")
        if self.sealed < self.last:
            lines.append(
                f"entries {self.sealed + 1} to {self.last} came after it: nobody vouches for them yet"
            )
        return lines


@dataclass
class _Walk:
    """What was seen so far of entries in order."""

    number: int
    chain: bytes
    wanted: Mapping[int, bytes]
    every: int
    chains: dict[int, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    recorded: list[tuple[int, int]] = field(default_factory=list)
    turned_back: int = 0
    at_us: int = 0

    def take(self, kept: Stored) -> None:
        """Go one entry further."""
        if found := entry_faults(kept, self.number, self.chain):
            self.faults += found
        self.number, self.chain = kept.number, kept.chain
        head = self.wanted.get(self.number)
        if head is not None and head != self.chain:
            self.faults.append(
                f"entry {self.number}: must have the chain {head.hex()[:12]}… of its sealed head, "
                f"got {self.chain.hex()[:12]}…: it or one before it was written anew"
            )
        if self.number % self.every == 0:
            self.chains[self.number] = self.chain
        if kept.erased:
            self.gone.append(self.number)
        if kept.entry.kind == "erasure":
            spans = _erased_by(kept)
            self.faults += [] if spans is not None else [f"entry {self.number}: must name what was erased"]
            # Numbers from its own on were not there to be erased.
            self.recorded += [(first, min(last, self.number - 1)) for first, last in spans or []]
        self.turned_back += kept.entry.at_us < self.at_us
        self.at_us = kept.entry.at_us

    def unrecorded(self) -> list[str]:
        """Return a fault for each entry whose personal part is gone without an erasure on record."""
        spans = _merged(self.recorded)
        lost = [number for number in self.gone if not in_ranges(number, spans)]
        return [f"entry {each}: must hold its personal part, which no erasure names" for each in lost]


async def audit(
    journal: Journal, root: Path | None, keys: Sequence["PublicKey"], *, from_newest: bool = False
) -> Audited:
    """Return what a check of a journal found: every entry against the chain, and against the sealed heads.

    Entries that are written meanwhile are left out.

    Parameters
    ----------
    root
        A clone with the audit trail; None where there is none, and nothing vouches for the journal then.
    keys
        Public keys whose signatures in the trail count.
    from_newest
        Begin after the newest sealed head, and take what is before it as checked then.

    Raises
    ------
    VerificationError
        When the trail itself does not hold.
    """
    head = await journal.head()
    heads, others = ([], 0) if root is None else sealed_heads(root, head.journal, keys)
    vouched = [each for each in heads if each.vouched]
    walk = _Walk(0, genesis(head.journal), {each.number: each.chain for each in heads}, PAGE)
    begun = max((each for each in vouched if each.number <= head.number), key=_number, default=None)
    first = 1
    if from_newest and begun is not None:
        walk.number, walk.chain, first = begun.number, begun.chain, begun.number + 1
        # The head's own entry is read again: it may be another one now.
        before = await journal.after(begun.number - 1, 1)
        if not before or before[0].chain != begun.chain:
            walk.faults.append(
                f"entry {begun.number}: must have the chain of its sealed head, got another one"
            )
    await _walk_to(journal, walk, head.number)
    faults = [*walk.faults, *walk.unrecorded()]
    if len(walk.faults) < MOST_FAULTS and (walk.number, walk.chain) != (head.number, head.chain):
        lost = f"entries {walk.number + 1} to {head.number}" if walk.number < head.number else "the newest"
        faults.append(f"{lost}: must be there as the journal's own head says, got an end at {walk.number}")
    beyond = max((each.number for each in heads), default=0)
    if beyond > head.number:
        faults.append(
            f"entries {head.number + 1} to {beyond}: must be there, for a head of {beyond} is sealed, "
            f"got a journal that ends at {head.number}"
        )
    return Audited(
        journal=head.journal,
        first=first,
        last=walk.number,
        erased=len(walk.gone),
        turned_back=walk.turned_back,
        sealed=begun.number if begun is not None else 0,
        heads=sum(first - 1 <= each.number <= head.number for each in heads),
        others=others,
        faults=tuple(faults[:MOST_FAULTS]),
    )


async def seal(journal: Journal, root: Path, segment: int, key: "SigningKey") -> list[tuple[int, bytes]]:
    """Sign the heads since the newest one into the audit trail; return them as number and chain.

    The head of every `segment` entries, and that of the newest entry. The entries since the newest sealed
    head are held against the chain before.

    Raises
    ------
    VerificationError
        When one of them is not what was written: nothing is sealed then.
    """
    head = await journal.head()
    heads, _ = sealed_heads(root, head.journal, [key.public])
    newest = max((each for each in heads if each.vouched), key=_number, default=None)
    number, chain = (0, genesis(head.journal)) if newest is None else (newest.number, newest.chain)
    if number > head.number:
        raise VerificationError(
            f"journal: must reach entry {number}, which is sealed, got an end at {head.number}"
        )
    walk = _Walk(number, chain, {}, segment)
    await _walk_to(journal, walk, head.number)
    if walk.faults or (walk.number, walk.chain) != (head.number, head.chain):
        raise VerificationError(*(walk.faults or [f"journal: must end at its head, entry {head.number}"]))
    if head.number > number:
        walk.chains[head.number] = head.chain
    made = sorted(walk.chains.items())
    for at in range(0, len(made), MOST_HEADS):
        part = [[each, link.hex()] for each, link in made[at : at + MOST_HEADS]]
        trail.append(root, {"action": ACTION, "journal": head.journal, "heads": part}, COMPLETED, key=key)
    return made


def sealed_heads(root: Path, journal: str, keys: Sequence["PublicKey"]) -> tuple[list[SealedHead], int]:
    """Return the heads of a journal in the audit trail, oldest first, and how many of others it holds.

    Raises
    ------
    VerificationError
        When the trail does not hold, or an entry of it that names heads is none.
    """
    try:
        kept = trail.entries(root)
    except StateError:  # no repository: nothing vouches
        return [], 0
    verify_trail.checked(kept, keys)
    known = {key.keyid for key in keys}
    found, others = [], 0
    for each in kept:
        if each.event.action != ACTION:
            continue
        what: Any = each.to_json()["what"]
        try:
            heads = [(int(number), bytes.fromhex(chain)) for number, chain in what["heads"]]
            whose = str(what["journal"])
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(f"trail entry {each.number}: must name heads of a journal") from error
        vouched = each.signature is not None and each.signature.keyid in known
        others += len(heads) if whose != journal else 0
        if whose == journal:
            found += [SealedHead(number, chain, each.number, vouched) for number, chain in heads]
    return found, others


async def unsealed(journal: Journal, root: Path, keys: Sequence["PublicKey"]) -> tuple[int, int] | None:
    """Return number and time (microseconds since 1970) of the oldest entry that no head vouches for, or None.

    Raises
    ------
    VerificationError
        When the trail does not hold.
    """
    head = await journal.head()
    heads, _ = sealed_heads(root, head.journal, keys)
    newest = max((each.number for each in heads if each.vouched and each.number <= head.number), default=0)
    found = await journal.after(newest, 1)
    return (found[0].number, found[0].entry.at_us) if found else None


async def _walk_to(journal: Journal, walk: _Walk, last: int) -> None:
    while walk.number < last and len(walk.faults) < MOST_FAULTS:
        try:
            page = await journal.after(walk.number, min(PAGE, last - walk.number))
        except VerificationError:
            page = await _one_by_one(journal, walk, last)
        # What is written while this walks is not looked at.
        page = [each for each in page if each.number <= last]
        if not page:
            return
        for each in page:
            walk.take(each)


async def _one_by_one(journal: Journal, walk: _Walk, last: int) -> list[Stored]:
    """Return the next entry that can be read, and note those before it that can't."""
    number = walk.number
    while number < last and len(walk.faults) < MOST_FAULTS:
        try:
            return await journal.after(number, 1)
        except VerificationError as error:
            walk.faults += error.faults
            number += 1
    return []


def _number(head: SealedHead) -> int:
    return head.number


def _erased_by(kept: Stored) -> list[tuple[int, int]] | None:
    """Return the ranges that an erasure names; None where it names none."""
    try:
        return msgspec.json.decode(kept.entry.body, type=_Erasure).erased
    except msgspec.MsgspecError:
        return None


class _Erasure(msgspec.Struct):
    erased: list[tuple[int, int]]


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges sorted and apart."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found
