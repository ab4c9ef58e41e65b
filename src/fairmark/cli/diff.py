"""`fairmark diff A B`: two releases side by side, part by part.

Ends as diff(1) does: 0 when nothing differs but name, version and commit, 1 when something does, and more
than 1 in trouble (2 used wrongly, 4 one of them is not what it says, 5 it can't be told).
"""

import argparse
from pathlib import Path

from fairmark.cli.options import RELEASE
from fairmark.terminal import say, say_json, stopped

HELP = "show what differs between two releases"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("a", metavar="A", help=RELEASE)
    parser.add_argument("b", metavar="B", help="the other one")
    parser.add_argument("--clone", type=Path, help="a clone whose DVC cache or remote holds the rows of both")
    parser.add_argument("--json", action="store_true", help="write the parts as JSON")


def run(given: argparse.Namespace) -> int:
    """Compare, say what differs, and return 0 (nothing) or 1."""
    from fairmark.errors import FairmarkError

    try:
        return _compared(given)
    except FairmarkError as error:
        if error.exit_code != 1:
            raise
        stopped("fairmark diff", error.faults)  # 1 means here that they differ
        return 5


def _compared(given: argparse.Namespace) -> int:
    from fairmark.errors import VerificationError
    from fairmark.release.folder import ReleaseFolder
    from fairmark.release.locate import found
    from fairmark.verify.release_diff import compare, named

    with found(given.a, given.clone) as a, found(given.b, given.clone) as b:
        one, two = ReleaseFolder(a.folder), ReleaseFolder(b.folder)
        try:
            parts = compare(one, two, given.clone or a.clone or b.clone or _near(given.a))
            names = named(one), named(two)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise VerificationError(f"both must have the shape of a release, got {error!r:.200}") from error
    code = int(any(part.lines for part in parts))
    if given.json:
        told = {part.name: part.value for part in parts}
        say_json({"a": names[0], "b": names[1], "parts": told, "exit_code": code})
        return code
    say(f"{names[0]} beside {names[1]}")
    for part in parts:
        say(f"{part.name}: {'the same' if not part.lines else ''}".rstrip())
        for line in part.lines:
            say(f"  {line}")
    return code


def _near(asked: str) -> Path | None:
    from fairmark.errors import UsageError
    from fairmark.release.locate import repository

    try:
        return repository(asked)
    except UsageError:
        return None
