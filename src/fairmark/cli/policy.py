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
        said = {0: "stands", 3: "LOOSENED without the approvals that takes", 5: "can't be told"}
        say(f"policy: {said[code]}")
    return code
