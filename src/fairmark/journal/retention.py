"""Erasure and retention of the journal: what is personal goes, from the journal and from the memberships."""

from collections.abc import Collection
from typing import TypedDict, Unpack

from fairmark.journal.memberships import Memberships
from fairmark.journal.store import Journal

DAY_US = 86_400 * 1_000_000


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
