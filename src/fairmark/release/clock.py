"""The clock of this machine: what it can be held against, and how far it may be from those of others."""

import datetime as dt

from fairmark.errors import StateError

SKEW = dt.timedelta(minutes=5)
"""How far the clocks of two people may be apart."""


def refuse_behind(committed: str, now: dt.datetime) -> None:
    """Do nothing when `now` is not before the commit's time, ISO 8601 in UTC, which must have come.

    A clock that is behind would let waivers and approvals count, or not, by a day that is none.

    Raises
    ------
    StateError
        Naming both times.
    """
    if dt.datetime.fromisoformat(committed) > now + SKEW:
        raise StateError(
            f"clock: must be past the commit's own time, {committed}, got {now:%Y-%m-%dT%H:%M:%SZ} "
            "(set this clock; or, if the committer's was wrong, commit again)"
        )
