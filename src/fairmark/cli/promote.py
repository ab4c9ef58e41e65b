"""`fairmark promote RELEASE --to STAGE`: say by a signed tag that a stage holds a release from now on."""

import argparse

from fairmark.cli import options

HELP = "promote an approved release to a stage"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", metavar="RELEASE", help="a release folder, or its name")
    parser.add_argument("--to", required=True, metavar="STAGE", help="such as staging or production")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
    options.signing(parser)


def run(given: argparse.Namespace) -> int:
    """Promote the release, say what was done, and return 0."""
    from fairmark.governance.promotions import promote
    from fairmark.governance.request import find_release

    folder, key = find_release(given.clone, given.release), options.key_of(given)
    done = promote(given.clone, folder, given.to, given.reason, key, options.trusted(given))
    options.show(done, "promoted")
    return 0
