"""Options that several verbs take alike (a key, a day, a name), and how a promotion is shown."""

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.terminal import say

if TYPE_CHECKING:
    from fairmark.governance.promotions import PromotionResult
    from fairmark.signing.keys import PublicKey, SigningKey


def signing(parser: argparse.ArgumentParser) -> None:
    """Add to `parser` what every verb takes that signs."""
    parser.add_argument("--key", type=Path, metavar="PEM", help="the key to sign with; by default your own")
    trusting(parser)


def trusting(parser: argparse.ArgumentParser) -> None:
    """Add to `parser` what every verb takes that checks signatures."""
    parser.add_argument(
        "--trust", type=Path, action="append", default=[], metavar="PUB",
        help="a public key that may have signed, beside those of `approvers` and your own",
    )  # fmt: skip
    parser.add_argument("--clone", type=Path, default=Path(), help="the repository; by default this folder")


def key_of(given: argparse.Namespace) -> "SigningKey":
    """Return the key that a verb is to sign with."""
    from fairmark.signing.key_store import key_in, own_key

    return own_key(make=False) if given.key is None else key_in(given.key)


def trusted(given: argparse.Namespace) -> "list[PublicKey]":
    """Return the public keys that a verb was given, and the user's own where there is one."""
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    own = own_public()
    return [*(read_public(path) for path in given.trust), *([own] if own else [])]


def day(text: str, where: str) -> dt.date:
    """Return the day that `text` gives.

    Raises
    ------
    UsageError
        When it is not one.
    """
    from fairmark.errors import UsageError

    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{where}: must be a day such as 2026-11-23, got {text[:40]!a}") from error


def name_of(given: argparse.Namespace) -> str:
    """Return the name of the releases of the repository."""
    from fairmark.params.read import read_params

    return str(given.name or read_params(given.clone / "params.yaml").project.name)


def show(done: "PromotionResult", how: str) -> None:
    """Say what a promotion or rollback did."""
    say(f"{done.stage} holds {done.version} now ({how}): tag {done.tag}")
    for each in done.approvals:
        say(f"approved by {each.who} until {each.expires}: {each.reason}")
    say(*done.notes)
    say(f"publish it: git push --atomic REMOTE refs/fairmark/trail 'refs/tags/{done.tag}'")


RELEASE = "a release folder, an archive of one (.tar.gz, .tar, .zip), or a tag NAME@vX.Y.Z of the clone"
