"""`fairmark promote RELEASE --to STAGE`: say by a signed tag that a stage holds a release from now on."""

import argparse

from fairmark.verbs import said

HELP = "promote an approved release to a stage"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", metavar="RELEASE", help="a release folder, or its name")
    parser.add_argument("--to", required=True, metavar="STAGE", help="such as staging or production")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why")
    said.signing(parser)


def run(given: argparse.Namespace) -> int:
    """Promote the release, say what was done, and return 0."""
    from fairmark.release.decisions.asked import find
    from fairmark.release.decisions.promotions import promote

    folder, key = find(given.clone, given.release), said.key_of(given)
    done = promote(given.clone, folder, given.to, given.reason, key, said.trusted(given))
    said.show(done, "promoted")
    return 0
