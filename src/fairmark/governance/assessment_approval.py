"""The signature of the self-assessment: an approver's, over the very file that git's HEAD holds.

Answers carry names that anybody can type. So the file goes to production by the word of somebody with a key:
an approval of its SHA-256, as a release has one. Whoever answered may sign, for it is their word; a file
that changed since needs another signature.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

from fairmark.errors import RefusedError, StateError
from fairmark.governance.approvals import Counted, count, read_approvals
from fairmark.governance.approvers import APPROVAL, Approver, people
from fairmark.governance.approvers import FILE as APPROVERS
from fairmark.governance.assessment import FILE, PRODUCTION, committed_assessment
from fairmark.governance.request import ApprovalRequest
from fairmark.repo.commit import committed_file

KIND = "urn:fairmark:assessment-approval:1"
"""Predicate type of an approval of a self-assessment."""
FOLDER = "assessment"


def assessment_request(root: Path) -> ApprovalRequest:
    """Return what an approver signs: the self-assessment as git's HEAD holds it.

    Raises
    ------
    StateError
        When HEAD holds none.
    InputError
        When it is none that can be read.
    """
    content, found = committed_file(root, "HEAD", FILE), committed_assessment(root)
    if content is None or found is None:
        raise StateError(
            f"{FILE}: must be committed to be signed, got none at HEAD (fairmark assess --begin)"
        )
    return ApprovalRequest(
        kind=KIND,
        name=f"{FILE} of {found.project}",
        digest=hashlib.sha256(content).hexdigest(),
        folder=FOLDER,
        makers=frozenset(),
        authors=frozenset(),
        waived=(),
        needed=1,
    )


def assessment_signers(root: Path, approvers: Sequence[Approver], now: dt.datetime) -> Counted:
    """Return the signatures of the self-assessment at HEAD that count now, and why each other does not."""
    request = assessment_request(root)
    envelopes, faults = read_approvals(root, request)
    found = count(envelopes, request, approvers, now)
    return Counted(found.approvals, (*found.refused, *faults))


def refuse_unsigned(root: Path, approvers: Sequence[Approver], now: dt.datetime) -> None:
    """Do nothing where an approver has signed the self-assessment that git's HEAD holds.

    Raises
    ------
    RefusedError
        Saying who may, and why what is there does not count.
    """
    found = assessment_signers(root, approvers, now)
    if not found.approvals:
        able = ", ".join(people(approvers, APPROVAL, now)) or f"nobody that {APPROVERS} names"
        raise RefusedError(
            f"{FILE}: must be signed as HEAD holds it before a release goes to {PRODUCTION}, got nobody's "
            "signature that counts (fairmark approve --assessment)",
            f"who may sign: {able}",
            *found.refused,
        )
