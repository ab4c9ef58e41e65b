"""The verb of the findings register: open a finding, close it, and list what is open or overdue."""

import argparse
from pathlib import Path

from fairmark.cli.verb import Verb, add_signing_options, parse_day, signing_key, trusted_keys
from fairmark.terminal import say, say_json


class Finding(Verb):
    """`fairmark finding`: the register of what validators found, as signed records in `findings/`.

    `open` writes one, `close NUMBER` says what repaired it, by an approver other than its owner; `list` tells
    all of them, each checked. An open finding of high severity keeps releases from production. Exit codes of
    `list`: 0 nothing of high severity is open and nothing overdue, 1 something is, 4 a record is not as it
    was signed.
    """

    name = "finding"
    help = "open, close or list findings of validators"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("what", choices=("open", "close", "list"), help="see above")
        parser.add_argument("number", nargs="?", metavar="NUMBER", help="with close: such as 0001")
        parser.add_argument("--text", metavar="TEXT", help="what was found, or what repaired it")
        parser.add_argument("--severity", choices=("low", "medium", "high"), help="with open")
        parser.add_argument("--owner", metavar="WHO", help="with open: who is to repair it")
        parser.add_argument("--due", metavar="YYYY-MM-DD", help="with open: by which day")
        parser.add_argument(
            "--release", metavar="NAME@vX.Y.Z", help="with open: the release that it is about"
        )
        parser.add_argument("--limit", metavar="NAME", help="with open: the limit of the policy")
        parser.add_argument("--section", metavar="TEXT", help="with open: the part of a document")
        parser.add_argument(
            "--evidence", type=Path, action="append", default=[], metavar="FILE",
            help="a file, which the record names by its SHA-256; more than once for several",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="with list: write it as JSON")
        add_signing_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Open, close or list; return 0, or with list 1 or 4."""
        _refuse_odd(given)
        return {"open": _open, "close": _close, "list": _list}[given.what](given)


def _refuse_odd(given: argparse.Namespace) -> None:
    from fairmark.errors import UsageError

    wanted = {
        "open": ("text", "severity", "owner", "due"),
        "close": ("number", "text"),
        "list": (),
    }[given.what]
    allowed = {
        "open": (*wanted, "release", "limit", "section", "evidence"),
        "close": (*wanted, "evidence"),
        "list": ("json",),
    }[given.what]
    every = ("number", "text", "severity", "owner", "due", "release", "limit", "section", "evidence", "json")
    faults = [
        f"{_shown(name)}: must be given with {given.what}" for name in wanted if not getattr(given, name)
    ]
    faults += [
        f"{_shown(name)}: must not be given with {given.what}"
        for name in every
        if getattr(given, name) and name not in allowed
    ]
    if faults:
        raise UsageError(*faults)


def _shown(name: str) -> str:
    return "NUMBER" if name == "number" else f"--{name}"


def _open(given: argparse.Namespace) -> int:
    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.findings import NewFinding, open_finding

    key, approvers = signing_key(given), read_approvers(given.clone / FILE)
    new = NewFinding(
        severity=given.severity,
        owner=given.owner,
        due=parse_day(given.due, "--due"),
        text=given.text,
        release=given.release,
        limit=given.limit,
        section=given.section,
        evidence=given.evidence,
    )
    number, path = open_finding(given.clone, new, key, approvers, [key.public, *trusted_keys(given)])
    say(f"finding {number} is open, {given.severity}, for {given.owner} by {given.due}")
    say(f"written: {path} (commit it)")
    return 0


def _close(given: argparse.Namespace) -> int:
    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.findings import close_finding

    key, approvers = signing_key(given), read_approvers(given.clone / FILE)
    trusted = [key.public, *trusted_keys(given)]
    path = close_finding(given.clone, given.number, given.text, key, approvers, trusted, given.evidence)
    say(f"finding {given.number} is closed")
    say(f"written: {path} (commit it)")
    return 0


def _list(given: argparse.Namespace) -> int:
    import datetime as dt

    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.findings import HIGH, read_register

    today = dt.datetime.now(tz=dt.UTC).date()
    found = read_register(given.clone, read_approvers(given.clone / FILE), trusted_keys(given))
    overdue = [each for each in found.open if each.overdue(today)]
    high = [each for each in found.open if each.opened.severity == HIGH]
    if given.json:
        told = [each.to_json() | {"standing": each.standing(today)} for each in found.findings]
        say_json({"findings": told, "faults": list(found.faults)})
    else:
        say(*(each.line(today) for each in found.findings), *(f"WRONG {each}" for each in found.faults))
        counts = f"{len(found.open)} open, {len(overdue)} of them overdue, {len(high)} of high severity"
        say(f"{len(found.findings)} findings, {counts}")
    return 4 if found.faults else 1 if overdue or high else 0
