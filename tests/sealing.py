"""One's own key in tests, another's, and a forger who signs a release again."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signing import key

from fairmark.files import sha256
from fairmark.release.folder import Opened
from fairmark.release.layout import STATEMENT
from fairmark.repo.dvc_files import names
from fairmark.signing.dsse import opened, read_envelope, seal, write_envelope
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey

MINE = own_key(make=True)
"""The key in the config folder of the tests (conftest.py names it)."""

FORGER = key("a forger")


def stated(folder: Path) -> dict[str, Any]:
    """Return what the statement of the release in `folder` says."""
    return opened(read_envelope(folder / STATEMENT))[1]


def forge(folder: Path, change: Callable[[Any], Any], by: SigningKey = FORGER) -> None:
    """Change what the statement of the release in `folder` says, and sign it again."""
    statement = stated(folder)
    change(statement)
    write_envelope(folder / STATEMENT, seal(statement, by))


def renumbered(bill: dict[str, Any]) -> dict[str, Any]:
    """Return a bill with the serial number that its content gives."""
    rest = {key: value for key, value in bill.items() if key != "serialNumber"}
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(rest, sort_keys=True))
    return rest | {"serialNumber": f"urn:uuid:{number}"}


def taken(folder: Path) -> Opened:
    """Return the release in `folder` as if its statement named the bytes that are there."""
    found = Opened(folder)
    found.digests = {name: sha256(folder / name) for name in names(folder)}
    return found
