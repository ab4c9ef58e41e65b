"""Protected attributes and probabilities of membership: a table of their own, beside the decisions.

The service that scores never reads it, and its keys and database role can be others (an address of its own).
It is not in the chain: what may be deleted whole, and is evidence for the watch alone, needs no trace. A row
names its decision by id; the decision's own entry names no group. `erase` takes a person out of both.
"""

from collections.abc import Collection, Sequence
from typing import Protocol, TypedDict, Unpack

import msgspec

from fairmark.errors import UsageError
from fairmark.journal.entry import DAY_US
from fairmark.journal.store import Journal


class Membership(msgspec.Struct, frozen=True):
    """What is known of one protected attribute of the person whom a decision is about.

    Parameters
    ----------
    decision
        Id of the decision's entry.
    attribute
        Name of the attribute, as in params.protected.
    groups
        Group -> probability, each 0..1, that sum to 1: `{"Female": 1.0}` where it is known for certain.
    """

    decision: str
    attribute: str
    groups: dict[str, float]

    def __post_init__(self) -> None:
        """Refuse what is no distribution over groups.

        Raises
        ------
        UsageError
            When it has no group, a probability is outside 0..1, or they do not sum to 1.
        """
        shares = list(self.groups.values())
        if not shares or not all(0 <= each <= 1 for each in shares) or abs(sum(shares) - 1) > 1e-6:
            raise UsageError(
                f"membership of {self.attribute}: must be probabilities of groups that sum to 1, "
                f"got a sum of {sum(shares):.6g} over {len(shares)}"
            )


class Memberships(Protocol):
    """The table of memberships; every method raises `UnavailableError` as those of `Journal` do."""

    async def add_memberships(self, items: Sequence[Membership]) -> None:
        """Keep them, durable on return; what was known of the same decision and attribute is replaced."""
        ...

    async def memberships(self, after: int, most: int) -> list[tuple[int, Membership]]:
        """Return at most `most` of numbers above `after`, with their numbers, in order of writing."""
        ...

    async def of_decisions(self, decisions: Collection[str]) -> list[Membership]:
        """Return what is known of these decisions."""
        ...

    async def numbered(self, decisions: Collection[str]) -> list[tuple[int, Membership]]:
        """Return what is known of these decisions with the numbers of `memberships`."""
        ...

    async def erase_memberships(self, decisions: Collection[str]) -> int:
        """Take out all that is known of these decisions, for good; return how many rows that were."""
        ...

    async def close(self) -> None:
        """End."""
        ...


class MemoryMemberships:
    """The twin in memory, for tests."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[int, Membership]] = {}
        self._last = 0

    async def add_memberships(self, items: Sequence[Membership]) -> None:
        """See `Memberships.add_memberships`."""
        for item in items:
            self._last += 1
            self._kept[item.decision, item.attribute] = self._last, item

    async def memberships(self, after: int, most: int) -> list[tuple[int, Membership]]:
        """See `Memberships.memberships`."""
        return sorted(((n, each) for n, each in self._kept.values() if n > after), key=lambda each: each[0])[
            :most
        ]

    async def of_decisions(self, decisions: Collection[str]) -> list[Membership]:
        """See `Memberships.of_decisions`."""
        wanted = set(decisions)
        return [each for _, each in self._kept.values() if each.decision in wanted]

    async def numbered(self, decisions: Collection[str]) -> list[tuple[int, Membership]]:
        """See `Memberships.numbered`."""
        wanted = set(decisions)
        return [(number, each) for number, each in self._kept.values() if each.decision in wanted]

    async def erase_memberships(self, decisions: Collection[str]) -> int:
        """See `Memberships.erase_memberships`."""
        gone = [key for key in self._kept if key[0] in set(decisions)]
        for key in gone:
            del self._kept[key]
        return len(gone)

    async def close(self) -> None:
        """See `Memberships.close`."""


class Which(TypedDict, total=False):
    """Which entries are meant, why and by whom; see `Journal.erase`."""

    subjects: Collection[str]
    ids: Collection[str]
    before_us: int | None
    reason: str
    at_us: int
    caller: str | None


def cutoff_us(now_us: int, days: int) -> int:
    """Return the moment before which an entry is older than `days` days, in microseconds since 1970."""
    return now_us - days * DAY_US


async def erase(journal: Journal, memberships: Memberships | None, **which: Unpack[Which]) -> tuple[int, int]:
    """Erase what is personal in the entries meant, and what is known of their groups.

    Returns
    -------
    How many entries, and how many rows of memberships.
    """
    # The groups first: were this to stop between the two, the entries still tell whose they are, and the same
    # call erases both.
    meant = await journal.meant(
        subjects=which.get("subjects", ()), ids=which.get("ids", ()), before_us=which.get("before_us")
    )
    rows = 0
    if memberships is not None:
        rows = await memberships.erase_memberships({*meant, *which.get("ids", ())})
    erased = await journal.erase(**which)
    return len(erased.ids), rows
