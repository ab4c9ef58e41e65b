"""`fairmark approve RELEASE` (or `--policy`): sign that it may go on, by the rules of maker and checker."""

import argparse
from typing import TYPE_CHECKING

from fairmark.cli import options
from fairmark.terminal import say

if TYPE_CHECKING:
    from fairmark.governance.approvers import Approver
    from fairmark.governance.request import ApprovalRequest

HELP = "approve a release, or a policy that was loosened"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", nargs="?", metavar="RELEASE", help="a release folder, or its name")
    parser.add_argument("--policy", action="store_true", help="approve the policy as it stands instead")
    parser.add_argument("--base", metavar="REV", help="with --policy: what it is compared with")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
    parser.add_argument("--expires", required=True, metavar="YYYY-MM-DD", help="its last day")
    options.signing(parser)


def run(given: argparse.Namespace) -> int:
    """Show what is approved, write the signed record, and say how many are still lacking; return 0."""
    import datetime as dt

    from fairmark.errors import UsageError
    from fairmark.governance import approvals

    if given.policy == (given.release is not None):
        raise UsageError("approve: must be given a release or --policy, got both or neither")
    now, expires, key = (
        dt.datetime.now(tz=dt.UTC),
        options.day(given.expires, "--expires"),
        options.key_of(given),
    )
    asked, approvers = _policy(given) if given.policy else _release(given)
    envelope = approvals.signed(asked, approvers, key, given.reason, expires, now)
    path = approvals.keep(given.clone, asked, envelope)
    found, _ = approvals.kept(given.clone, asked)
    counted = approvals.count(found, asked, approvers, now).approvals
    say(f"approved by {', '.join(each.who for each in counted)}: {len(counted)} of {asked.needed} needed")
    say(f"written: {path} (commit it)")
    return 0


def _release(given: argparse.Namespace) -> "tuple[ApprovalRequest, list[Approver]]":
    import datetime as dt

    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.request import candidate, find_release, refuse_expired_waivers

    approvers, folder = read_approvers(given.clone / FILE), find_release(given.clone, given.release)
    found = candidate(folder, given.clone, approvers, options.trusted(given))
    refuse_expired_waivers(folder, dt.datetime.now(tz=dt.UTC))
    say(f"{found.request.name} is verified; its digest is {found.request.digest}")
    say(f"verdict: {found.outcome}" + (", of which was let through:" if found.let_through else ""))
    say(*[f"  {line}" for line in found.let_through])
    return found.request, approvers


def _policy(given: argparse.Namespace) -> "tuple[ApprovalRequest, list[Approver]]":
    from fairmark.errors import StateError, UndeterminedError
    from fairmark.governance.policy_base import named_base
    from fairmark.governance.policy_gate import compare

    found = compare(given.clone, given.base or named_base())
    say(*found.lines())
    if found.undetermined:
        raise UndeterminedError(
            "policy: must be approved in a whole clone, got one that lacks", *found.undetermined
        )
    if not found.request.needed:
        raise StateError("policy: must be looser than before to need an approval, got one that is not")
    return found.request, list(found.approvers)
