"""`fairmark policy`: was the policy loosened since it last held, and by whom is that approved."""

import argparse
from pathlib import Path

from fairmark.terminal import say, say_json

HELP = "tell which way the policy moved, and whether that is approved"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument(
        "--base",
        metavar="REV",
        help="what it is compared with; by default $FAIRMARK_BASE, else the last release",
    )
    parser.add_argument("--clone", type=Path, default=Path(), help="the repository; by default this folder")
    parser.add_argument("--json", action="store_true", help="write what is told as JSON")


def run(given: argparse.Namespace) -> int:
    """Tell every change of the policy; return 0 when none loosens it or that is approved, else 3."""
    from fairmark.release.decisions.loosening import HOW, compare
    from fairmark.release.decisions.policy_base import vouched

    found = compare(given.clone, given.base)
    told = vouched(given.clone, found.base, found.approvers)
    if given.json:
        say_json(
            {
                "base": found.base,
                "base_said": told,
                "changes": [vars(each) for each in found.changes],
                "needed": found.asked.needed,
                "approved": [each.who for each in found.counted.approvals],
                "stands": found.stands,
                "policy_sha256": found.asked.digest,
            }
        )
    else:
        say(*found.lines(), *told, *([] if found.stands else [HOW]))
        say("policy: " + ("stands" if found.stands else "LOOSENED without the approvals that takes"))
    return 0 if found.stands else 3
