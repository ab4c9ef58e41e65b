"""`fairmark predicates RELEASE --into FOLDER`: its three statements in the pieces that other signers take.

GitHub's `actions/attest` signs a predicate of a named type about subjects that a checksum file lists.
"""

import argparse
from pathlib import Path

from fairmark.terminal import say

HELP = "take a release's statements apart, for a signer such as GitHub's attestations"

_PIECES = {"statement": "statement.json", "verdict": "verdict.intoto.json", "sbom": "sbom.intoto.json"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("release", type=Path, metavar="RELEASE", help="a release folder")
    parser.add_argument("--into", type=Path, required=True, help="the folder to write to")


def run(given: argparse.Namespace) -> int:
    """Write NAME.json (the predicate) and NAME.checksums (the subjects) for each statement, and return 0.

    Raises
    ------
    VerificationError
        When a statement has no subjects or no predicate.
    """
    from fairmark.errors import VerificationError
    from fairmark.files import write_text
    from fairmark.signing.dsse import Envelope

    for name, file in _PIECES.items():
        statement = Envelope.read(given.release / file).statement
        try:
            lines = [f"{each['digest']['sha256']}  {each['name']}\n" for each in statement["subject"]]
            predicate, kind = statement["predicate"], statement["predicateType"]
        except (LookupError, TypeError, AttributeError) as error:
            raise VerificationError(f"{file}: must have the shape of a statement, got {error!r}") from error
        # Written as it stands in the statement: no digit of it is rounded.
        write_text(given.into / f"{name}.json", _json(predicate))
        write_text(given.into / f"{name}.checksums", "".join(lines))
        say(f"{name}: {kind}, {len(lines)} subjects")
    return 0


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
