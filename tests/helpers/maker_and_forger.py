"""One's own key in tests, another's, and a forger who signs a release again."""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fixed_keys import key

from fairmark.files import sha256
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import STATEMENT
from fairmark.release.statement import Statement
from fairmark.repo.dvc_files import names
from fairmark.signing.dsse import Envelope, seal
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey

MINE = own_key(make=True)
"""The key in the config folder of the tests (conftest.py names it)."""

FORGER = key("a forger")


def stated(folder: Path) -> dict[str, Any]:
    """Return what the statement of the release in `folder` says."""
    return Envelope.read(folder / STATEMENT).statement


def forge(folder: Path, change: Callable[[Any], Any], by: SigningKey = FORGER) -> None:
    """Change what the statement of the release in `folder` says, and sign it again."""
    statement = stated(folder)
    change(statement)
    seal(statement, by).write(folder / STATEMENT)


def renumbered(bill: dict[str, Any]) -> dict[str, Any]:
    """Return a bill with the serial number that its content gives."""
    rest = {key: value for key, value in bill.items() if key != "serialNumber"}
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(rest, sort_keys=True))
    return rest | {"serialNumber": f"urn:uuid:{number}"}


def with_inputs(found: ReleaseFolder, digests: Mapping[str, str]) -> None:
    """Let the statement of a release name these files too, as made from them."""
    said = found.statement.to_json()
    more = [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()]
    said["predicate"]["buildDefinition"]["resolvedDependencies"] += more
    found.statement = Statement.from_json(said, STATEMENT)


def taken(folder: Path) -> ReleaseFolder:
    """Return the release in `folder` as if its statement named the bytes that are there."""
    found = ReleaseFolder(folder)
    found.digests = {name: sha256(folder / name) for name in names(folder)}
    return found
