"""The two releases of a canary: the one that is tried by its folder, the one in production by its tag."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError, StateError
from fairmark.files import read_json
from fairmark.governance import promotion_tags
from fairmark.governance.promotion_tags import Promotion
from fairmark.journal.place import journal_address, open_journal
from fairmark.journal.store import Journal
from fairmark.judge.measurements import read_measurements
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest
from fairmark.serve.canary.counts import canary_entries, current
from fairmark.serve.canary.decision import refuse_without_champion
from fairmark.serve.canary.evidence import Terms
from fairmark.serve.canary.state import UNDER_WAY, CanaryState, readable
from fairmark.serve.canary.steering import standing_at

PRODUCTION = "production"
SILENT_MINUTES = 60
"""Of a canary whose release says nothing of how it is served."""


def terms(folder: Path, today: dt.date) -> Terms:
    """Return what the release in a folder is held to: its own signed params, policy and measurements.

    Raises
    ------
    InputError
        When its params serve nothing, or a file of it is not what it must be.
    """
    return Terms.of(
        ReleaseFolder(folder).params, read_measurements(read_json(folder / "measurements.json")), today
    )


def champion(promotions: Sequence[Promotion], version: str) -> Promotion | None:
    """Return the promotion of what production holds, or, where that is `version`, of what it held before."""
    now = promotion_tags.now_in(promotions, PRODUCTION)
    if now is None or now.version != version:
        return now
    earlier = promotion_tags.before_present(promotions, PRODUCTION)
    there = [each for each in promotions if each.stage == PRODUCTION and each.version in earlier[-1:]]
    return there[-1] if there else None


def refuse_without(found: Promotion | None) -> None:
    """Do nothing where there is a champion; see `refuse_without_champion`."""
    refuse_without_champion(None if found is None else found.digest)


def settled(root: Path, name: str, version: str) -> bool:
    """Return whether production holds a version by the signed tags."""
    now = promotion_tags.now_in(promotion_tags.refs(root, name).promotions, PRODUCTION)
    return now is not None and now.version == version


async def state(root: Path, address: str | None = None) -> CanaryState:
    """Return where the canary stands, by the journal at an address or that of the environment."""
    journal = await open_journal(journal_address(root, address))
    try:
        return await current(journal)
    finally:
        await journal.close()


async def attended(journal: Journal, root: Path, at_us: int) -> dict[str, Any] | None:
    """Return the canary that is under way, who steers it, when it was last looked at, and whether by nobody.

    None where none is under way; `unattended` says that the services have halted it, by the challenger's own
    `serve.canary.silent_minutes`.
    """
    now = await current(journal)
    if now.phase not in UNDER_WAY or now.challenger is None:
        return None
    try:
        served = ReleaseFolder(folder_of(root, now.challenger)).params.serve
    except FairmarkError:  # its folder is elsewhere, or no release
        served = None
    minutes = SILENT_MINUTES if served is None else served.canary.silent_minutes
    standing = await standing_at(journal, at_us, minutes)
    return {
        "phase": now.phase,
        "release": now.challenger,
        "share": now.share,
        "by": now.by,
        "seen_us": standing.seen_us,
        "unattended": standing.now(at_us, minutes).phase == "halted",
    }


async def is_tried(root: Path, digest: str) -> bool:
    """Return whether the canary that is under way is that of a release digest."""
    now = await state(root)
    return now.phase in {"shadow", "share"} and now.challenger == f"sha256:{digest}"


async def half_returned(root: Path, name: str, version: str, address: str | None = None) -> str | None:
    """Return why a release was taken back, where production holds it all the same by a promotion from before.

    Between the journal's word that nobody is to meet it and the tag of the rollback, whoever steers may have
    been killed: a service that follows the stage serves it until the tag is there. None where nothing is left
    to do, also where a person has promoted it since.
    """
    now = promotion_tags.now_in(promotion_tags.refs(root, name).promotions, PRODUCTION)
    if now is None or now.version != version:
        return None
    journal = await open_journal(journal_address(root, address))
    try:
        last = None
        async for each in canary_entries(journal):
            last = each.entry
    finally:
        await journal.close()
    if (
        last is None
        or last.release != f"sha256:{now.digest}"
        or now.seen.when.timestamp() * 1e6 >= last.at_us
    ):
        return None
    set_by = readable(last)
    return (set_by.reason or "returned") if set_by.phase == "halted" else None


async def under_way(root: Path) -> Path | None:
    """Return the folder of the release whose canary is under way or half returned, or None where none is.

    Raises
    ------
    StateError
        When its folder is not below `releases`.
    """
    now = await state(root)
    if now.challenger is None or now.phase not in {"shadow", "share", "halted"}:
        return None
    if now.phase != "halted":
        return folder_of(root, now.challenger)
    try:
        folder = folder_of(root, now.challenger)
    except StateError:
        return None
    name, _, version = folder.name.rpartition("-")
    return folder if await half_returned(root, name, version) else None


def folder_of(root: Path, digest: str) -> Path:
    """Return the folder below `releases` of a release digest, `sha256:` and 64 hex digits.

    Raises
    ------
    StateError
        When there is none.
    """
    for folder in sorted((root / "releases").glob("*")):
        try:
            if folder.is_dir() and f"sha256:{release_digest(folder)}" == digest:
                return folder
        except FairmarkError:
            continue  # no release, or half of one
    raise StateError(f"{root / 'releases'}: must hold the release {digest[:19]}…, got none of that digest")
