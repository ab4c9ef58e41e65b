"""Replay: score a journalled decision again, by the release that it names and the row that it holds.

That the same 64 bits come out, and the same decision, shows that this release made that decision of that row.
Whether the journal itself is what was written, `fairmark journal --check` says.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairmark.data.row import CellFault
from fairmark.errors import FairmarkError, UndeterminedError, VerificationError
from fairmark.journal.chain import commitment
from fairmark.journal.entry import Stored
from fairmark.journal.store import Journal
from fairmark.model.row import RowModel
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest
from fairmark.verify.verify import verified_copy

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


@dataclass(frozen=True)
class Replay:
    """What a decision's row scores today, beside what was journalled.

    Parameters
    ----------
    decision
        Its id.
    release, digest
        Name of the release's folder, and `sha256:` with its digest.
    kept, again
        The score in the journal, and the one of now.
    threshold
        From which score on this release decides 1 on such a row.
    said
        What the journal says that the release decided, 0 or 1; None where it does not say.
    """

    decision: str
    release: str
    digest: str
    kept: float
    again: float
    threshold: float
    said: int | None = None

    @property
    def same_score(self) -> bool:
        """Whether both scores are the same 64 bits."""
        # By bits, not by ==: a zero has two signs, and what is no number equals nothing.
        return bits(self.kept) == bits(self.again)

    @property
    def decides(self) -> int:
        """What the release decides now."""
        return int(self.again >= self.threshold)

    @property
    def same(self) -> bool:
        """Whether both scores are the same 64 bits, and lead to the decision that was journalled."""
        return self.same_score and self.said in {None, self.decides}

    def lines(self) -> list[str]:
        """Return it for a person."""
        other = f"OTHER bits: {bits(self.kept)}, now {bits(self.again)}"
        words = "the same 64 bits" if self.same_score else other
        said = "" if self.said in {None, self.decides} else f", and NOT {self.said}, as the journal has it"
        return [
            f"decision {self.decision} by {self.release} ({self.digest[:19]}…), verified",
            f"score {self.kept!r} in the journal, {self.again!r} now: {words}",
            f"the release decides {self.decides}, from {self.threshold!r} on{said}",
        ]


async def replay(
    journal: Journal, decision: str, key: "PublicKey | None", clone: Path, release: str | None = None
) -> Replay:
    """Return what the release that decided says of the same row now.

    Parameters
    ----------
    decision
        Id of a decision, a correction or a shadow's score.
    key
        The public key that the release must be signed by.
    clone
        Where it is looked for (`releases/`), by the digest that the entry names.
    release
        A release folder or an archive of one instead.

    Raises
    ------
    UndeterminedError
        When there is no such entry, no model scored it, its row was erased, or its release is not here or
        can't be verified.
    VerificationError
        When the release is not what was released, or the row not the one that was journalled.
    """
    kept = await _entry(journal, decision)
    if kept.entry.score is None or kept.entry.release is None:
        raise UndeterminedError(
            f"decision {decision}: must have been scored by a model, got one that was not"
        )
    row = await _row(journal, kept)
    if key is None:
        raise UndeterminedError("--key: must be the public key that the release is signed by, got none")
    try:
        with verified_copy(release or str(found_release(clone, kept.entry.release)), key) as place:
            digest = f"sha256:{release_digest(place)}"
            if digest != kept.entry.release:
                raise UndeterminedError(
                    f"{place.name}: must be the release that decided, {kept.entry.release[:19]}…, "
                    f"got {digest[:19]}…"
                )
            folder = ReleaseFolder(place)
            model = RowModel.load(place / "model", folder.schema, folder.params.prepare)
            read = model.read(row)
            again = model.score(read)
    except CellFault as error:
        raise VerificationError(
            f"decision {decision}: must hold a row that its release reads, which must {error.must}, "
            f"got {error.got}"
        ) from error
    except (UndeterminedError, VerificationError):
        raise
    except FairmarkError as error:
        raise UndeterminedError(*error.faults) from error
    return Replay(decision, place.name, digest, kept.entry.score, again, read.threshold, _said(kept))


def found_release(clone: Path, digest: str) -> Path:
    """Return the release folder below `clone` of this digest, `sha256:` and 64 hex digits.

    Raises
    ------
    UndeterminedError
        When there is none.
    """
    for folder in sorted((clone / "releases").glob("*/statement.json")):
        try:
            if f"sha256:{release_digest(folder.parent)}" == digest:
                return folder.parent
        except FairmarkError:
            continue  # no release: it is not the one either
    raise UndeterminedError(
        f"{clone / 'releases'}: must hold the release {digest[:19]}…, got none of that digest (--release)"
    )


def bits(score: float) -> str:
    """Return the 64 bits of a double (IEEE 754) as 16 hex digits."""
    return struct.pack(">d", score).hex()


async def _entry(journal: Journal, entry_id: str) -> Stored:
    kept = await journal.entry(entry_id)
    if kept is None:
        raise UndeterminedError(f"decision {entry_id[:64]!a}: must be in the journal, got no such entry")
    return kept


async def _row(journal: Journal, kept: Stored) -> dict[str, Any]:
    """Return the raw row of a decision; a shadow scored that of the decision that it is about."""
    if kept.entry.kind == "shadow" and kept.entry.about is not None:
        kept = await _entry(journal, kept.entry.about)
    if kept.salt is None or kept.entry.personal is None:
        raise UndeterminedError(f"decision {kept.entry.id}: must hold its row, got one that was erased")
    if commitment(kept.salt, kept.entry) != kept.seal:
        raise VerificationError(
            f"entry {kept.number}: must hold the personal part that was written, got another one"
        )
    try:
        return msgspec.json.decode(kept.entry.personal, type=_Inputs).row
    except msgspec.MsgspecError as error:
        raise UndeterminedError(
            f"decision {kept.entry.id}: must hold a row, got another content ({error})"
        ) from error


def _said(kept: Stored) -> int | None:
    """Return what a release decided: the answer, or what it proposed where a person was to answer."""
    if kept.entry.decision is not None:
        return kept.entry.decision
    try:
        return msgspec.json.decode(kept.entry.body, type=_Proposed).proposal
    except msgspec.MsgspecError as error:
        raise UndeterminedError(
            f"decision {kept.entry.id}: must have the body of a decision, got {error}"
        ) from error


class _Proposed(msgspec.Struct):
    proposal: int | None = None


class _Inputs(msgspec.Struct):
    row: dict[str, Any]
