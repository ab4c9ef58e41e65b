"""The `Journal`: what every store of entries does, and its twin in memory for tests.

`SqliteJournal` (one machine, a file) and `PostgresJournal` (a server) do the same and are held to it by the
same tests. `open_journal` gives the one that an address names.
"""

import bisect
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from fairmark.errors import ConflictError, UnavailableError, UsageError
from fairmark.journal.chain import genesis, stored
from fairmark.journal.entry import Appended, Entry, IdempotencyKey, Stored, json_bytes, new_id
from fairmark.journal.group import Append, Known, place


class Head(msgspec.Struct, frozen=True):
    """The journal's newest entry: which journal (32 hex digits), its number (0: none yet), its chain."""

    journal: str
    number: int
    chain: bytes


class Erased(msgspec.Struct, frozen=True):
    """What an erasure took out: ids of the entries, and the newest entry that records it, if any."""

    ids: tuple[str, ...]
    record: Stored | None = None


class Whose(msgspec.Struct, frozen=True):
    """Which entries an erasure means; see `Journal.erase`."""

    subjects: frozenset[str]
    ids: frozenset[str]
    before_us: int | None


class Overdue(msgspec.Struct, frozen=True):
    """What is kept too long: how many entries still hold what is personal, and the oldest one's time."""

    entries: int
    oldest_us: int | None


class Journal(Protocol):
    """Entries in order, each of which is on disk before anybody is told so.

    Every method raises `UnavailableError` when the store can't be written or read now (disk full, database
    away, held by another): nothing of the call is in the journal then that its caller was told of, and it may
    be called again. A reader sees what is on disk, and never half of an `append`.
    """

    async def append(self, entries: Sequence[Entry], key: IdempotencyKey | None = None) -> Appended:
        """Write the entries one after another, all or none; return when they are durable.

        Parameters
        ----------
        key
            Of a request that may come again: the entries of the first are returned then, and nothing is
            written.

        Raises
        ------
        ConflictError
            When `key` came with another request before, an id is there already, or a case that one of the
            entries closes is closed already.
        UnavailableError
            When they are not in the journal. After a lost connection it can't be told: repeat with the key.
        """
        ...

    async def entry(self, entry_id: str) -> Stored | None:
        """Return the entry of that id, or None."""
        ...

    async def about(self, entry_id: str) -> list[Stored]:
        """Return the entries about a decision (not itself), in order."""
        ...

    async def find(
        self,
        kinds: Collection[str],
        *,
        still_open: bool | None = None,
        due_before_us: int | None = None,
        release: str | None = None,
        after: int = 0,
        most: int = 100,
    ) -> list[Stored]:
        """Return entries of these kinds, for queues.

        Parameters
        ----------
        still_open
            True: only cases (entries with `due_us`) that no entry closes, the first due first; False: those
            that are closed; None: whatever they are, in order.
        due_before_us
            Only what is due before.
        release
            Only of this digest.
        after
            Only entries of greater numbers.
        most
            So many at most.
        """
        ...

    async def after(self, number: int, most: int, kinds: Collection[str] | None = None) -> list[Stored]:
        """Return at most `most` entries of numbers above `number`, in order; an empty list at the end."""
        ...

    async def head(self) -> Head:
        """Return the newest entry's number and chain."""
        ...

    async def erase(
        self,
        *,
        subjects: Collection[str] = (),
        ids: Collection[str] = (),
        before_us: int | None = None,
        reason: str,
        at_us: int,
        caller: str | None = None,
    ) -> Erased:
        """Take subject, personal and salt out of entries: their bytes are gone from the files of the store.

        An `erasure` entry with their numbers is written in the same step; of very many, one for each part of
        them. What stays is still in the chain.

        Parameters
        ----------
        subjects
            Pseudonyms: their entries, and all entries about these, and about those in turn.
        ids
            Of entries: these, and all entries about these, and about those in turn.
        before_us
            All entries that are older.
        """
        ...

    async def meant(
        self, *, subjects: Collection[str] = (), ids: Collection[str] = (), before_us: int | None = None
    ) -> list[str]:
        """Return the ids of the entries that `erase` would take something out of."""
        ...

    async def check_pages(self) -> list[str]:
        """Return what the store finds wrong with its own structure, in words; nothing where it can't look."""
        ...

    async def overdue(self, before_us: int) -> Overdue:
        """Return what is older than `before_us` and still holds what is personal."""
        ...

    async def close(self) -> None:
        """End, after what was given to `append` is on disk."""
        ...


class MemoryJournal:
    """The twin in memory: the same answers, nothing on disk; for tests.

    Parameters
    ----------
    journal
        Its id, 32 hex digits.
    """

    def __init__(self, journal: str | None = None) -> None:
        self.journal = journal or new_id()
        self.kept: list[Stored] = []
        self._numbers: dict[str, int] = {}
        self._closed: set[str] = set()
        self._requests: dict[tuple[str, str], tuple[bytes, range]] = {}
        self.unavailable: str | None = None
        """What keeps every call from being answered, in words; tests set it."""

    async def append(self, entries: Sequence[Entry], key: IdempotencyKey | None = None) -> Appended:
        """See `Journal.append`."""
        self._need()
        if not entries:
            raise UsageError("append: must be given an entry, got none")
        written = {
            name: (digest, tuple(self.kept[number - 1] for number in numbers))
            for name, (digest, numbers) in self._requests.items()
        }
        known = Known(written, self._numbers.keys(), self._closed)
        made = place([Append(tuple(entries), key)], len(self.kept), self._chain(), known)
        self._keep(made.rows)
        for each in made.requests:
            self._requests[each.caller, each.key] = each.digest, range(each.first, each.last + 1)
        [answer] = made.answers
        if isinstance(answer, ConflictError):
            raise answer
        return answer

    async def entry(self, entry_id: str) -> Stored | None:
        """See `Journal.entry`."""
        self._need()
        number = self._numbers.get(entry_id)
        return None if number is None else self.kept[number - 1]

    async def about(self, entry_id: str) -> list[Stored]:
        """See `Journal.about`."""
        self._need()
        return [each for each in self.kept if each.entry.about == entry_id]

    async def find(
        self,
        kinds: Collection[str],
        *,
        still_open: bool | None = None,
        due_before_us: int | None = None,
        release: str | None = None,
        after: int = 0,
        most: int = 100,
    ) -> list[Stored]:
        """See `Journal.find`."""
        self._need()
        found = [
            each
            for each in self.kept[after:]
            if each.entry.kind in kinds
            and (still_open is None or self._is_open(each.entry) is still_open)
            and (due_before_us is None or (each.entry.due_us or due_before_us) < due_before_us)
            and (release is None or each.entry.release == release)
        ]
        if still_open:
            found.sort(key=lambda each: (each.entry.due_us, each.number))
        return found[:most]

    async def after(self, number: int, most: int, kinds: Collection[str] | None = None) -> list[Stored]:
        """See `Journal.after`."""
        self._need()
        return [each for each in self.kept[number:] if kinds is None or each.entry.kind in kinds][:most]

    async def head(self) -> Head:
        """See `Journal.head`."""
        self._need()
        return Head(self.journal, len(self.kept), self._chain())

    async def erase(
        self,
        *,
        subjects: Collection[str] = (),
        ids: Collection[str] = (),
        before_us: int | None = None,
        reason: str,
        at_us: int,
        caller: str | None = None,
    ) -> Erased:
        """See `Journal.erase`."""
        self._need()
        found = self._held(Whose(frozenset(subjects), frozenset(ids), before_us))
        for each in found:
            self.kept[each.number - 1] = without_personal(each)
        if not found:  # an erasure of nothing leaves no entry: it would say that somebody was there
            return Erased(())
        record = erasure_entry([each.number for each in found], reason=reason, at_us=at_us, caller=caller)
        self._keep([stored(self._chain(), len(self.kept) + 1, record)])
        return Erased(tuple(each.entry.id for each in found), self.kept[-1])

    async def meant(
        self, *, subjects: Collection[str] = (), ids: Collection[str] = (), before_us: int | None = None
    ) -> list[str]:
        """See `Journal.meant`."""
        self._need()
        return [each.entry.id for each in self._held(Whose(frozenset(subjects), frozenset(ids), before_us))]

    async def check_pages(self) -> list[str]:
        """See `Journal.check_pages`."""
        return []

    async def overdue(self, before_us: int) -> Overdue:
        """See `Journal.overdue`."""
        self._need()
        times = [each.entry.at_us for each in self.kept if holds_personal(each)]
        old = [each for each in times if each < before_us]
        return Overdue(len(old), min(old, default=None))

    async def close(self) -> None:
        """See `Journal.close`."""

    def _held(self, whose: Whose) -> list[Stored]:
        named = {*whose.ids, *(each.entry.id for each in self.kept if each.entry.subject in whose.subjects)}
        for each in self.kept:  # in order, so that what is about a correction is about the decision too
            if each.entry.about in named:
                named.add(each.entry.id)
        return [
            each
            for each in self.kept
            if holds_personal(each)
            and (
                each.entry.id in named or (whose.before_us is not None and each.entry.at_us < whose.before_us)
            )
        ]

    def _need(self) -> None:
        if self.unavailable:
            raise UnavailableError(f"journal: must be writable, got {self.unavailable}")

    def _keep(self, rows: Sequence[Stored]) -> None:
        self.kept += rows
        self._numbers.update((each.entry.id, each.number) for each in rows)
        self._closed.update(each.entry.closes for each in rows if each.entry.closes is not None)

    def _chain(self) -> bytes:
        return self.kept[-1].chain if self.kept else genesis(self.journal)

    def _is_open(self, entry: Entry) -> bool | None:
        return None if entry.due_us is None else entry.id not in self._closed


def holds_personal(kept: Stored) -> bool:
    """Return whether there is anything personal in an entry."""
    return not kept.erased and (kept.entry.subject is not None or kept.entry.personal is not None)


def without_personal(kept: Stored) -> Stored:
    """Return an entry as it is after its erasure."""
    entry = msgspec.structs.replace(kept.entry, subject=None, personal=None)
    return msgspec.structs.replace(kept, entry=entry, salt=None)


def erasure_entry(numbers: Sequence[int], *, reason: str, at_us: int, caller: str | None) -> Entry:
    """Return the entry that records the erasure of `numbers`, which rise: as ranges, first and last of each.

    Raises
    ------
    UsageError
        When no reason is given.
    """
    if not reason.strip():
        raise UsageError("reason: must say why entries are erased, got nothing")
    body = {"erased": ranges(numbers), "reason": reason}
    return Entry(kind="erasure", at_us=at_us, caller=caller, body=json_bytes(body))


def ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return rising numbers as ranges: 1 2 3 7 as (1, 3), (7, 7)."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def in_ranges(number: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Return whether a number lies in one of `spans`, which are sorted and apart."""
    at = bisect.bisect_right(spans, (number, float("inf")))
    return at > 0 and spans[at - 1][0] <= number <= spans[at - 1][1]
