"""What follows the tags of promotions: the audit trail tells of each, and MLflow names what they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, StateError
from fairmark.release.decisions import chain
from fairmark.release.decisions.promoted import Promotion

if TYPE_CHECKING:
    from fairmark.release.signatures.keys import SigningKey


def follow(
    root: Path, name: str, promotions: Sequence[Promotion], key: "SigningKey | None" = None
) -> list[str]:
    """Let the audit trail and the registry follow the tags, and return what is to be said of it.

    Parameters
    ----------
    key
        What signs the entries of the trail; by default the user's own, where there is one.
    """
    said = []
    try:
        note(root, promotions, key)
    except FairmarkError as error:
        said.append(f"the audit trail does not tell of it yet: {error}")
    return said + aligned(root, name, promotions)


def note(root: Path, promotions: Sequence[Promotion], key: "SigningKey | None" = None) -> int:
    """Add to the audit trail each promotion that it does not tell of, and return how many.

    Raises
    ------
    StateError
        When it can't be written.
    """
    from fairmark.release.trails.runs import what_of, who
    from fairmark.release.trails.trail import append, entries

    told = {what_of(entry).get("object") for entry in entries(root)}
    late = [each for each in promotions if each.seen.hash not in told]
    for each in late:
        what = {
            "action": each.action,
            "promotion": each.tag,
            "object": each.seen.hash,
            "release": f"{each.tag.partition('#')[0]}-{each.version}",
            "stage": each.stage,
        }
        append(root, {"who": who(root), "what": what, "outcome": "completed"}, key)
    return len(late)


def aligned(root: Path, name: str, promotions: Sequence[Promotion]) -> list[str]:
    """Set MLflow's aliases to what the tags say, and return what is to be said of it."""
    from fairmark.release.decisions import aliases

    if not aliases.there(root):
        return []
    try:
        wanted = {stage: each.digest for stage, each in chain.stages(promotions).items()}
        return [f"MLflow: {line}" for line in aliases.align(root, name, wanted)]
    except StateError as error:
        return [f"MLflow does not follow yet (`fairmark history --align` makes it): {error}"]
