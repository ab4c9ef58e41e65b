"""`fairmark history`: what was in which stage when, by whose word; and whether that holds."""

import argparse
from typing import TYPE_CHECKING

from fairmark.cli import options
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from fairmark.governance.history import HistoryEntry

HELP = "tell what was in which stage when, by whose word"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the verb takes to `parser`."""
    parser.add_argument("--stage", metavar="STAGE", help="this stage alone")
    parser.add_argument("--on", metavar="YYYY-MM-DD", help="what was there on a day (UTC)")
    parser.add_argument("--check", action="store_true", help="check signatures, chain, approvals and aliases")
    parser.add_argument("--align", action="store_true", help="let trail and registry follow the tags first")
    parser.add_argument("--name", help="of the releases; by default that of params.yaml")
    parser.add_argument("--json", action="store_true", help="write what is told as JSON")
    options.trusting(parser)


def run(given: argparse.Namespace) -> int:
    """Tell the history; return 0, 1 when trail or registry could not be aligned, or with --check 4 or 5."""
    import datetime as dt

    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.history import history, on_day
    from fairmark.governance.history_check import check
    from fairmark.governance.projections import Followed, follow
    from fairmark.governance.promotions import allowed, promoters
    from fairmark.verify.verify import exit_code

    approvers, name = read_approvers(given.clone / FILE), options.name_of(given)
    keys = options.trusted(given)
    signers = allowed(approvers, keys)
    _refuse_unknown(given.clone, given.name)
    past = history(given.clone, name, approvers, promoters(approvers, keys))
    followed = follow(given.clone, name, past.found.promotions) if given.align else Followed()
    notes, behind = followed.lines(), 1 if followed.behind else 0
    facts = check(given.clone, past, signers) if given.check else []
    told = [each for each in past.entries if given.stage in (None, each.promotion.stage)]
    if given.on is not None:
        told = on_day(told, options.day(given.on, "--on"), dt.datetime.now(tz=dt.UTC).date())
    if given.json:
        shown = {"name": name, "history": [each.to_json() for each in told], "notes": notes}
        say_json(shown | ({"facts": [vars(fact) for fact in facts]} if given.check else {}))
    else:
        say(*([line for each in told for line in _lines(each)] or [f"{name}: nothing is told of a stage"]))
        say(*notes, *(fact.line() for fact in facts))
    if not given.check:
        return behind
    code = exit_code(facts)
    if not given.json:
        say({0: "holds", 4: "does NOT hold", 5: "can't be told"}[code] + f": the history of {name}")
    return code or behind


def _refuse_unknown(root: "Path", name: str | None) -> None:
    """Refuse a name that no tag bears: nothing is told of it, so everything would hold."""
    from fairmark.errors import UsageError
    from fairmark.files import lines_of
    from fairmark.repo.git import need

    tags = lines_of(need(root, "list its tags", "tag", "--list"))
    known = sorted({tag.partition("@")[0] for tag in tags if "@v" in tag})
    if name is not None and not any(tag.startswith((f"{name}@", f"{name}#")) for tag in tags):
        raise UsageError(
            f"--name: must be that of a release here ({', '.join(known) or 'none'}), got {name!a}"
        )


def _lines(told: "HistoryEntry") -> list[str]:
    from fairmark.governance.history import shown
    from fairmark.governance.promotion_tags import ROLLBACK

    of, stamp = told.promotion, "%Y-%m-%d %H:%M:%S"
    until = f"until {told.until:{stamp}}" if told.until else "until now"
    how = "rolled back" if of.action == ROLLBACK else "promoted"
    by = f"by {told.signer}" if told.signer else "by NOBODY THAT IS KNOWN"
    return [
        shown(f"{told.since:{stamp}} {until}  {of.stage}  {of.version}  {how} {by} ({of.tag}): {of.reason}"),
        *(f"    {shown(f'approved by {who} until {day}: {why}')}" for who, why, day in told.approved),
        *(f"    {shown(f'WRONG {fault}')}" for fault in told.faults),
    ]
