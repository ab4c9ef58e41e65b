"""The verbs of maker and checker: approve, promote, roll back, and tell whether the policy stands."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import Verb, add_signing_options, parse_day, release_name, signing_key, trusted_keys
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.governance.approvers import Approver
    from fairmark.governance.promotions import PromotionResult
    from fairmark.governance.request import ApprovalRequest


class Approve(Verb):
    """`fairmark approve RELEASE` (or `--policy`, `--assessment`): sign that it may go on."""

    name = "approve"
    help = "approve a release, a policy that was loosened, or the self-assessment"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", nargs="?", metavar="RELEASE", help="a release folder, or its name")
        parser.add_argument("--policy", action="store_true", help="approve the policy as it stands instead")
        parser.add_argument(
            "--assessment", action="store_true", help="sign the self-assessment as HEAD holds it instead"
        )
        parser.add_argument("--base", metavar="REV", help="with --policy: what it is compared with")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
        parser.add_argument("--expires", required=True, metavar="YYYY-MM-DD", help="its last day")
        add_signing_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Show what is approved, write the signed record, and say how many are still lacking; return 0."""
        import datetime as dt

        from fairmark.errors import UsageError
        from fairmark.governance import approvals

        if given.policy + given.assessment + (given.release is not None) != 1:
            raise UsageError(
                "approve: must be given one of a release, --policy and --assessment, got none or several"
            )
        now, expires, key = (
            dt.datetime.now(tz=dt.UTC),
            parse_day(given.expires, "--expires"),
            signing_key(given),
        )
        asked, approvers = (_policy if given.policy else _assessed if given.assessment else _release)(given)
        envelope = approvals.signed(asked, approvers, key, given.reason, expires, now)
        path = approvals.keep(given.clone, asked, envelope)
        found, _ = approvals.read_approvals(given.clone, asked)
        counted = approvals.count(found, asked, approvers, now).approvals
        say(f"approved by {', '.join(each.who for each in counted)}: {len(counted)} of {asked.needed} needed")
        say(f"written: {path} (commit it)")
        return 0


def _release(given: argparse.Namespace) -> "tuple[ApprovalRequest, list[Approver]]":
    import datetime as dt

    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.request import candidate, find_release, refuse_expired_waivers

    approvers, folder = read_approvers(given.clone / FILE), find_release(given.clone, given.release)
    found = candidate(folder, given.clone, approvers, trusted_keys(given))
    refuse_expired_waivers(folder, dt.datetime.now(tz=dt.UTC))
    say(f"{found.request.name} is verified; its digest is {found.request.digest}")
    say(f"verdict: {found.outcome}" + (", of which was let through:" if found.let_through else ""))
    say(*[f"  {line}" for line in found.let_through])
    return found.request, approvers


def _assessed(given: argparse.Namespace) -> "tuple[ApprovalRequest, list[Approver]]":
    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.assessment_approval import assessment_request

    request = assessment_request(given.clone)
    say(f"{request.name} at HEAD, SHA-256 {request.digest}")
    return request, read_approvers(given.clone / FILE)


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
        raise StateError(
            f"policy: must be looser than before to need an approval, got nothing loosened since {found.base}"
        )
    return found.request, list(found.approvers)


class Promote(Verb):
    """`fairmark promote RELEASE --to STAGE`: say by a signed tag that a stage holds a release from now on."""

    name = "promote"
    help = "promote an approved release to a stage"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", metavar="RELEASE", help="a release folder, or its name")
        parser.add_argument("--to", required=True, metavar="STAGE", help="such as staging or production")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
        add_signing_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Promote the release, say what was done, and return 0."""
        from fairmark.governance.promotions import promote
        from fairmark.governance.request import find_release

        folder, key = find_release(given.clone, given.release), signing_key(given)
        done = promote(given.clone, folder, given.to, given.reason, key, trusted_keys(given))
        show(done, "promoted")
        return 0


class Rollback(Verb):
    """`fairmark rollback --stage STAGE`: take a stage back to the version before, or to one that it had."""

    name = "rollback"
    help = "take a stage back to a version that it had"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--stage", required=True, metavar="STAGE", help="such as production")
        parser.add_argument(
            "--to", metavar="vX.Y.Z", help="the version; by default the one before the present"
        )
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
        parser.add_argument("--name", help="of the releases; by default that of params.yaml")
        add_signing_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Roll the stage back, say what was done, and return 0."""
        from fairmark.governance.promotions import rollback

        key, trusted = signing_key(given), trusted_keys(given)
        done = rollback(given.clone, release_name(given), given.stage, given.reason, key, given.to, trusted)
        show(done, "rolled back")
        return 0


class Policy(Verb):
    """`fairmark policy`: was the policy loosened since it last held, and by whom is that approved."""

    name = "policy"
    help = "tell which way the policy moved, and whether that is approved"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "--base",
            metavar="REV",
            help="what it is compared with; by default $FAIRMARK_BASE, else the last release",
        )
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Tell every change of the policy; return 0 when it stands, 3 when it is loosened, 5 when untold."""
        from fairmark.governance.policy_base import named_base
        from fairmark.governance.policy_gate import compare

        found = compare(given.clone, given.base or named_base())
        code = 3 if found.loosened else 5 if found.undetermined else 0
        if given.json:
            say_json(
                {
                    "base": found.base,
                    "base_said": [found.why],
                    "untold": list(found.undetermined),
                    "changes": [vars(each) for each in found.changes],
                    "needed": found.request.needed,
                    "approved": [each.who for each in found.counted.approvals],
                    "stands": found.stands,
                    "policy_sha256": found.request.digest,
                }
            )
        else:
            say(*found.lines())
            states = {0: "stands", 3: "LOOSENED without the approvals that takes", 5: "can't be told"}
            say(f"policy: {states[code]}")
        return code


def show(done: "PromotionResult", how: str) -> None:
    """Say what a promotion or rollback did."""
    say(f"{done.stage} holds {done.version} now ({how}): tag {done.tag}")
    for each in done.approvals:
        say(f"approved by {each.who} until {each.expires}: {each.reason}")
    say(*done.notes)
    say(f"publish it: git push --atomic REMOTE refs/fairmark/trail 'refs/tags/{done.tag}'")


class Review(Verb):
    """`fairmark review BASE`: what this change does to verdict, limits, groups and policy, as Markdown.

    Both sides are judged from the measurements in git, each by its own policy. It decides nothing: `fairmark
    policy` and the release flow refuse.
    """

    name = "review"
    help = "show what a change does to verdict, fairness, measures and policy, as Markdown"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("base", metavar="BASE", help="the commit or branch that it is compared with")
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument(
            "--on", metavar="YYYY-MM-DD", help="the day by which waivers stand; by default today"
        )

    def run(self, given: argparse.Namespace) -> int:
        """Write the Markdown, and return 0."""
        import datetime as dt

        from fairmark.governance.review import review

        today = dt.datetime.now(tz=dt.UTC).date() if given.on is None else parse_day(given.on, "--on")
        for line in review(given.clone, given.base, today).lines():
            say(line)
        return 0
