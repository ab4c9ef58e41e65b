"""Erasure and retention of people who were decided on: in the journal and in its memberships.

A person is found by the keyed pseudonym of their id (`FAIRMARK_SUBJECT_KEY`), by the pseudonym itself, or by
the id of a decision about them.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import UsageError
from fairmark.governance.flow_runs import COMPLETED
from fairmark.governance.trail import append
from fairmark.journal.entry import moment, now_us, pseudonym
from fairmark.journal.memberships import cutoff_us, erase
from fairmark.journal.place import (
    JOURNAL,
    existing_journal,
    existing_memberships,
    is_postgres,
    journal_address,
    subject_key,
)
from fairmark.params.read import Params
from fairmark.privacy.retention import Overdue
from fairmark.record import SHA256


@dataclass(frozen=True)
class ForgottenDecisions:
    """How many entries of the journal and how many rows of memberships were erased, or hold something."""

    entries: int
    memberships: int


def forget_decided(
    root: Path,
    ids: Sequence[str],
    reason: str | None,
    journal: str | None,
    memberships: str | None,
    *,
    only_list: bool = False,
) -> ForgottenDecisions:
    """Erase people from the journal, say so in the audit trail, and return how much that was.

    Parameters
    ----------
    ids
        Of persons as the service was given them, their pseudonyms, or ids of decisions.
    reason
        It is kept, and must name no one.
    only_list
        Erase nothing.

    Raises
    ------
    UsageError
        When the reason is empty or names an id.
    StateError
        When there is no journal.
    """
    if not only_list and (not (reason or "").strip() or any(each in (reason or "") for each in ids)):
        raise UsageError("--reason: must say why and name no one, because it is kept, got none or an id")
    key = subject_key()
    # An id may be a person's as the service was given it, a pseudonym, or that of a decision: each is looked
    # for.
    subjects = [each for each in ids if SHA256.fullmatch(each)]
    subjects += [] if key is None else [pseudonym(key, each) for each in ids]
    done = asyncio.run(_forget(root, ids, subjects, reason or "", journal, memberships, only_list))
    if done.entries and not only_list:
        append(root, {"action": "forget", "entries": done.entries}, COMPLETED)
    return done


async def _forget(
    root: Path,
    ids: Sequence[str],
    subjects: Sequence[str],
    reason: str,
    journal: str | None,
    memberships: str | None,
    only_list: bool,
) -> ForgottenDecisions:
    kept = await existing_journal(root, journal)
    groups = await existing_memberships(root, memberships)
    try:
        if not only_list:
            return ForgottenDecisions(
                *await erase(kept, groups, subjects=subjects, ids=ids, reason=reason, at_us=now_us())
            )
        meant = await kept.meant(subjects=subjects, ids=ids)
        rows = [] if groups is None else await groups.of_decisions({*meant, *ids})
        return ForgottenDecisions(len(meant), len(rows))
    finally:
        await kept.close()
        if groups is not None:
            await groups.close()


def overdue_decided(root: Path, params: Params, now: dt.datetime, journal: str | None) -> list[Overdue]:
    """Return the entries whose inputs are kept for longer than serve.journal.days; none without a journal.

    Raises
    ------
    StateError
        When a journal is named, and is not there.
    """
    address = journal_address(root, journal)
    named = journal or os.environ.get(JOURNAL)
    if params.serve is None or (not named and not is_postgres(address) and not Path(address).is_file()):
        return []
    days = params.serve.journal.days
    now_in_us = int(now.timestamp() * 1_000_000)
    found = asyncio.run(_overdue(root, journal, cutoff_us(now_in_us, days)))
    if found[1] is None:
        return []
    since = moment(found[1]).date()
    command = f'fairmark journal --expire --reason "kept for {days} days"'
    return [Overdue("journal", f"{found[0]} entries", since, (now.date() - since).days - days, command)]


async def _overdue(root: Path, journal: str | None, before_us: int) -> tuple[int, int | None]:
    kept = await existing_journal(root, journal)
    try:
        found = await kept.overdue(before_us)
    finally:
        await kept.close()
    return found.entries, found.oldest_us
