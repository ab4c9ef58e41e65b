"""A verb of the command, and the options that several verbs take alike (a key, a day, a name).

A module of this folder holds the verbs of one subject. All of them are imported at every start of `fairmark`,
so they import what they need when they run.
"""

import argparse
import datetime as dt
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey, SigningKey


RELEASE = "a release folder, an archive of one (.tar.gz, .tar, .zip), or a tag NAME@vX.Y.Z of the clone"


class Verb(ABC):
    """A word after `fairmark`. The class's docstring is the description of its help.

    Attributes
    ----------
    name
        The word.
    help
        What it does, in the list of verbs.
    """

    name: ClassVar[str]
    help: ClassVar[str]

    @abstractmethod
    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""

    @abstractmethod
    def run(self, given: argparse.Namespace) -> int:
        """Do it, say what was done, and return the exit code."""


def add_signing_options(parser: argparse.ArgumentParser) -> None:
    """Add to `parser` what every verb takes that signs."""
    parser.add_argument("--key", type=Path, metavar="PEM", help="the key to sign with; by default your own")
    add_trust_options(parser)


def add_trust_options(parser: argparse.ArgumentParser) -> None:
    """Add to `parser` what every verb takes that checks signatures."""
    parser.add_argument(
        "--trust", type=Path, action="append", default=[], metavar="PUB",
        help="a public key that may have signed, beside those of `approvers` and your own",
    )  # fmt: skip
    parser.add_argument("--clone", type=Path, default=Path(), help="the repository; by default this folder")


def signing_key(given: argparse.Namespace) -> "SigningKey":
    """Return the key that a verb is to sign with."""
    from fairmark.signing.key_store import key_in, own_key

    return own_key(make=False) if given.key is None else key_in(given.key)


def trusted_keys(given: argparse.Namespace) -> "list[PublicKey]":
    """Return the public keys that a verb was given, and the user's own where there is one."""
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    own = own_public()
    return [*(read_public(path) for path in given.trust), *([own] if own else [])]


def parse_day(text: str, where: str) -> dt.date:
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


def release_name(given: argparse.Namespace) -> str:
    """Return the name of the releases of the repository."""
    from fairmark.params.read import read_params

    return str(given.name or read_params(given.clone / "params.yaml").project.name)
