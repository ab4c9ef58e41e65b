"""`fairmark verify RELEASE`: is this what was released? One line for each claim."""

import argparse
from pathlib import Path

from fairmark.cli.options import RELEASE
from fairmark.terminal import say, say_json

HELP = "check a release offline, one line for each claim"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", metavar="RELEASE", help=RELEASE)
    parser.add_argument("--key", type=Path, help="the public key that it must be signed by (PEM or SSH)")
    parser.add_argument("--clone", type=Path, help="a clone of the repository: check commit and tag too")
    parser.add_argument("--json", action="store_true", help="write the facts as JSON")


def run(given: argparse.Namespace) -> int:
    """Check the release, say of each claim whether it holds, and return 0, 4 (wrong) or 5 (can't be told)."""
    from fairmark.release.locate import found
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public
    from fairmark.verify.verify import exit_code, verify

    key = own_public() if given.key is None else read_public(given.key)
    with found(given.release, given.clone) as target:
        facts = verify(target.folder, target.clone, key, yours=given.key is None)
    code = exit_code(facts)
    if given.json:
        say_json(
            {"release": Path(given.release).name, "exit_code": code, "facts": [vars(fact) for fact in facts]}
        )
    else:
        for fact in facts:
            say(fact.line())
        say({0: "verified", 4: "NOT what was released", 5: "can't be told"}[code] + f": {given.release}")
    return code
