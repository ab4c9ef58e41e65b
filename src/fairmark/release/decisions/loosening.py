"""Whether the policy was loosened since it last held, and approved by those who may.

Compared are the sections `policy`, `release` and `privacy` of params.yaml and the file `approvers`, as they
stand in the working folder, with those of a base: what somebody names, or the newest release.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.errors import FairmarkError, RefusedError
from fairmark.params import Params, read_params, typed
from fairmark.release.decisions.approvals import Counted, count, kept
from fairmark.release.decisions.approver_changes import approver_changes
from fairmark.release.decisions.approvers import APPROVAL, FILE, Approver, named, people, read_approvers
from fairmark.release.decisions.asked import POLICY, Asked
from fairmark.release.decisions.direction import LOOSENED, SECTIONS, Change
from fairmark.release.decisions.policy_base import authors, base_of, changes_since, policy_at
from fairmark.release.foreign import foreign_text, foreign_yaml
from fairmark.release.signatures.envelope import canonical
from fairmark.sections.release import Approvals

if TYPE_CHECKING:
    from fairmark.release.signatures.keys import PublicKey

HOW = "each of them: `fairmark approve --policy --reason TEXT --expires YYYY-MM-DD`, and commit the file"


@dataclass(frozen=True)
class Compared:
    """The policy of the working folder beside that of a base.

    Parameters
    ----------
    base
        The revision, as it was named; None where there is nothing to compare with.
    approvers
        Those of the base: nobody can name himself and approve.
    asked
        What is to be approved, by how many; 0 when nothing is loosened.
    """

    base: str | None
    changes: tuple[Change, ...]
    approvers: tuple[Approver, ...]
    asked: Asked
    counted: Counted
    faults: tuple[str, ...]

    @property
    def stands(self) -> bool:
        """Whether nothing is loosened, or enough people approved it."""
        return len(self.counted.approvals) >= self.asked.needed

    def lines(self) -> list[str]:
        """Return what was found, for a person."""
        if self.base is None:
            return ["no release yet and no base named: nothing to compare the policy with"]
        told = [each.line() for each in self.changes] or ["nothing of the policy changed"]
        return [f"compared with {self.base}", *told, *self.approved()]

    def approved(self) -> list[str]:
        """Return how far what is loosened is approved, and why each approval that does not count does not."""
        if not self.asked.needed:
            return []
        given = [f"{each.who} until {each.expires}: {each.reason}" for each in self.counted.approvals]
        barred = self.asked.people(self.approvers) | {each.who for each in self.counted.approvals}
        able = [who for who in people(self.approvers, APPROVAL, _now()) if who not in barred]
        return [
            f"{self.base}: {self.asked.needed} of its approvers must approve that, got {len(given)}",
            *(f"approved by {line}" for line in given),
            *([] if self.stands else [f"who may still approve: {', '.join(able) or 'nobody'}"]),
            *self.counted.refused,
            *self.faults,
        ]


def compare(root: Path, base: str | None = None, own: "PublicKey | None" = None) -> Compared:
    """Return how the policy of the working folder moved since `base`.

    Parameters
    ----------
    base
        A revision; by default what $FAIRMARK_BASE names, else the newest release tag that HEAD holds.
    own
        The key of who makes a release of it, whose approval can't count.

    Raises
    ------
    UsageError
        When the base is no commit of this repository.
    StateError
        When the base's own files can't be read.
    """
    params = read_params(root / "params.yaml")
    after, text = foreign_yaml(root / "params.yaml"), _text(root / FILE)
    head = read_approvers(text)
    base, commit = base_of(root, base, params.project.name)
    if commit is None:
        return Compared(None, (), (), _asked(params, after, text, 0), Counted((), ()), ())
    before, known = policy_at(root, commit)
    found = (*changes_since(before, after, str(base)), *approver_changes(known, head))
    who, keys = authors(root, commit)
    makers = keys | ({own.keyid} if own else set())
    who |= {each for each in (named([*known, *head], key) for key in makers) if each}
    able = set(people(known, APPROVAL, _now())) - who
    needed = _needed(found, before, params, len(able))
    asked = _asked(params, after, text, needed, frozenset(makers), frozenset(who))
    envelopes, faults = kept(root, asked) if needed else ({}, [])
    counted = count(envelopes, asked, known, _now())
    return Compared(base, found, tuple(known), asked, counted, tuple(faults))


def refuse_unless_approved(root: Path, base: str | None = None) -> Compared:
    """Return how the policy moved, when nothing of it is loosened or that is approved.

    Asked by whoever makes a release: his own approval does not count.

    Raises
    ------
    RefusedError
        Naming what is loosened, how many must approve it, and who may.
    """
    from fairmark.release.signatures.own import own_public

    found = compare(root, base, own_public())
    if not found.stands:
        loosened = [each.line() for each in found.changes if each.way == LOOSENED]
        raise RefusedError(
            f"policy: must not be looser than at {found.base} without approvals, got",
            *loosened,
            *found.approved(),
            HOW,
        )
    return found


def policy_digest(sections: Any, approvers: str) -> str:
    """Return the SHA-256 by which a policy is approved: of the three sections and the text of `approvers`."""
    value = {name: sections.get(name) for name in SECTIONS} | {FILE: approvers}
    return hashlib.sha256(canonical(value)).hexdigest()


def _asked(
    params: Params,
    sections: Any,
    approvers: str,
    needed: int,
    makers: frozenset[str] = frozenset(),
    authors: frozenset[str] = frozenset(),
) -> Asked:
    digest = policy_digest(sections, approvers)
    waived = {each.limit for each in (*params.policy.waivers, *params.policy.overrides)}
    return Asked(
        kind=POLICY,
        name="policy",
        digest=digest,
        folder=f"policy/{digest[:16]}",
        makers=makers,
        authors=authors,
        waived=tuple(sorted(waived)),
        needed=needed,
    )


def _needed(found: Sequence[Change], before: Any, params: Params, able: int) -> int:
    """Return how many must approve, by the counts of the base where it has any."""
    loosened = [each for each in found if each.way == LOOSENED]
    if not loosened:
        return 0
    try:
        rules = typed(Approvals, before["release"]["approvals"], "base: release.approvals")
    except (FairmarkError, LookupError, TypeError):
        rules = params.release.approvals
    needed = rules.waived if any(each.heavy for each in loosened) else rules.plain
    if all(each.where == FILE for each in loosened):
        # Where fewer may approve than must, all who may: else nobody could ever be added.
        return min(needed, max(1, able))
    return needed


def _text(path: Path) -> str:
    return foreign_text(path) if path.exists() or path.is_symlink() else ""


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)
