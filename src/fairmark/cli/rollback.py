"""`fairmark rollback --stage STAGE`: take a stage back to the version before, or to one that it had."""

import argparse

from fairmark.cli import options

HELP = "take a stage back to a version that it had"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("--stage", required=True, metavar="STAGE", help="such as production")
    parser.add_argument("--to", metavar="vX.Y.Z", help="the version; by default the one before the present")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
    parser.add_argument("--name", help="of the releases; by default that of params.yaml")
    options.signing(parser)


def run(given: argparse.Namespace) -> int:
    """Roll the stage back, say what was done, and return 0."""
    from fairmark.governance.promotions import rollback

    key, trusted = options.key_of(given), options.trusted(given)
    done = rollback(given.clone, options.name_of(given), given.stage, given.reason, key, given.to, trusted)
    options.show(done, "rolled back")
    return 0
