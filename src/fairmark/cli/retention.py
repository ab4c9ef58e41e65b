"""`fairmark retention`: what is kept for longer than the params allow, and the command that takes it away."""

import argparse
from pathlib import Path

from fairmark.terminal import say, say_json

HELP = "list what is kept for longer than the params allow"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("--clone", type=Path, default=Path(), help="the repository; by default this folder")
    parser.add_argument("--json", action="store_true", help="write what is overdue as JSON")


def run(given: argparse.Namespace) -> int:
    """List what is overdue today; delete nothing; return 0 when nothing is, else 1."""
    import datetime as dt

    from fairmark.params.read import read_params
    from fairmark.privacy.retention import overdue

    params = read_params(given.clone / "params.yaml")
    found = overdue(given.clone.resolve(), params, dt.datetime.now(tz=dt.UTC).date())
    if given.json:
        say_json([vars(each) | {"since": str(each.since)} for each in found])
    else:
        for each in found:
            say(f"{each.kind} {each.name}: of {each.since}, {each.days} days too long")
            say(f"  {each.command}")
        say(f"{len(found)} overdue" if found else "nothing is overdue")
    return 1 if found else 0
