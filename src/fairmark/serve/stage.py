"""Which release a stage holds now, by the signed promotions of a clone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import StateError, VerificationError
from fairmark.governance import promotion_tags
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.promotions import promoters
from fairmark.signing.git_tags import tag_signer

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


def version_in(clone: Path, name: str, stage: str, keys: "Sequence[PublicKey]") -> str:
    """Return the version that a stage holds, such as `v0.1.0`.

    Raises
    ------
    VerificationError
        When the promotions are not one signed chain.
    StateError
        When the stage holds nothing.
    """
    found = promotion_tags.refs(clone, name)
    faults = [*found.faults, *promotion_tags.breaks(found)]
    lines = promoters(read_approvers(clone / FILE), keys)
    for each in found.promotions:
        try:
            tag_signer(clone, each.tag, lines)
        except VerificationError as error:
            faults += error.faults
    if faults:
        raise VerificationError(f"{name}: its promotions must be one signed chain, got", *faults)
    now = promotion_tags.now_in(found.promotions, promotion_tags.check_stage(stage))
    if now is None:
        raise StateError(f"{stage}: must hold a release of {name}, got none")
    return now.version
