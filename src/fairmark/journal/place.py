"""Where the journal is: an address from the environment, never from params (it changes no result)."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import StateError, UsageError
from fairmark.journal.store import Journal

if TYPE_CHECKING:
    from fairmark.journal.memberships import Memberships

JOURNAL = "FAIRMARK_JOURNAL"
"""A path, or `postgresql://USER@HOST/DATABASE`; the password comes from PGPASSWORD or ~/.pgpass."""
MEMBERSHIPS = "FAIRMARK_MEMBERSHIPS"
"""The same for protected attributes: another file or database, which may have a role of its own."""
SUBJECT_KEY = "FAIRMARK_SUBJECT_KEY"
"""The secret of pseudonyms, at least 16 bytes of text."""
DEFAULT = Path(".fairmark/journal.db")
DEFAULT_MEMBERSHIPS = Path(".fairmark/memberships.db")


def journal_address(clone: Path, given: str | None = None) -> str:
    """Return the journal's address: the one given, that of the environment, or the file below `clone`."""
    return given or os.environ.get(JOURNAL) or str(clone / DEFAULT)


def memberships_address(clone: Path, given: str | None = None) -> str:
    """Return the address of the memberships: as `journal_address`."""
    return given or os.environ.get(MEMBERSHIPS) or str(clone / DEFAULT_MEMBERSHIPS)


def subject_key() -> bytes | None:
    """Return the secret that pseudonyms are made with, or None where none is set."""
    text = os.environ.get(SUBJECT_KEY)
    return text.encode() if text else None


async def open_journal(address: str, tail: int | None = 1000) -> Journal:
    """Return the journal at an address; see `SqliteJournal.open` and `PostgresJournal.open`.

    Raises
    ------
    UsageError
        When the address is of another kind.
    """
    if is_postgres(address):
        from fairmark.journal.postgres import PostgresJournal

        return await PostgresJournal.open(address, tail)
    from fairmark.journal.sqlite import SqliteJournal

    return await SqliteJournal.open(Path(address), tail)


async def existing_journal(clone: Path, given: str | None) -> Journal:
    """Return the journal that is there, whatever is wrong with its newest entries: to be read and checked.

    Raises
    ------
    StateError
        When there is no such file: none is made.
    """
    address = journal_address(clone, given)
    if _absent(address):
        raise StateError(f"{address}: must be a journal, got no such file (--journal, or ${JOURNAL})")
    return await open_journal(address, tail=None)


async def existing_memberships(clone: Path, given: str | None) -> "Memberships | None":
    """Return the memberships that are there; None where there is no file of them and no address was given."""
    address = memberships_address(clone, given)
    if _absent(address):
        # Who has named them expects them; without a name there need be none.
        if given or os.environ.get(MEMBERSHIPS):
            raise StateError(f"{address}: must hold memberships, got no such file")
        return None
    return await open_memberships(address)


async def open_memberships(address: str) -> "Memberships":
    """Return the memberships at an address, as `open_journal` does."""
    if is_postgres(address):
        from fairmark.journal.membership_stores import PostgresMemberships

        return await PostgresMemberships.open(address)
    from fairmark.journal.membership_stores import SqliteMemberships

    return await SqliteMemberships.open(Path(address))


def _absent(address: str) -> bool:
    return not is_postgres(address) and not Path(address).is_file()


def is_postgres(address: str) -> bool:
    """Return whether an address is a database's; a path otherwise.

    Raises
    ------
    UsageError
        When it is the address of something else.
    """
    scheme, mark, _ = address.partition("://")
    if not mark and address.startswith(("postgres:", "postgresql:")):
        # No path, and it may hold a password.
        raise UsageError("journal: must be a path or postgresql://USER@HOST/DATABASE, got another address")
    if mark and scheme not in {"postgresql", "postgres"}:
        raise UsageError(f"journal: must be a path or postgresql://…, got {scheme}://…")
    return bool(mark)
