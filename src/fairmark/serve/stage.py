"""Which release a stage holds now, by the signed promotions of a clone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import StateError, VerificationError
from fairmark.governance import promotion_tags
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.history import history
from fairmark.governance.promotions import promoters

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


def promotion_in(clone: Path, name: str, stage: str, keys: "Sequence[PublicKey]") -> promotion_tags.Promotion:
    """Return the promotion by which a stage holds what it holds: its version, and its digest.

    Raises
    ------
    VerificationError
        When the promotions are not one signed chain, or this one lacks approvals that it must carry.
    StateError
        When the stage holds nothing.
    """
    stage, approvers = promotion_tags.check_stage(stage), read_approvers(clone / FILE)
    past = history(clone, name, approvers, promoters(approvers, keys))
    faults = [
        *promotion_tags.breaks(past.found),
        *(fault for each in past.entries for fault in each.unsigned),
    ]
    now = next((each for each in reversed(past.entries) if each.promotion.stage == stage), None)
    faults += [] if now is None else now.unapproved
    if faults:
        raise VerificationError(f"{name}: its promotions must be one signed and approved chain, got", *faults)
    if now is None:
        raise StateError(f"{stage}: must hold a release of {name}, got none")
    return now.promotion


def version_in(clone: Path, name: str, stage: str, keys: "Sequence[PublicKey]") -> str:
    """Return the version that a stage holds, such as `v0.1.0`; raises as `promotion_in`."""
    return promotion_in(clone, name, stage, keys).version
