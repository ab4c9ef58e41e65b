"""The verbs that read what is on record: the index of releases, promotions by stage, the audit trail."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import Verb, add_trust_options, parse_day, release_name, trusted_keys
from fairmark.terminal import plain, say, say_exact, say_json

if TYPE_CHECKING:
    from fairmark.governance.history import EvaluationTag, HistoryEntry
    from fairmark.governance.trail import Entry
    from fairmark.governance.verify_trail import Chained
    from fairmark.signing.keys import PublicKey


class Index(Verb):
    """`fairmark index`: every release with verdict, measures, stages, approvals, waivers and findings.

    Signatures of statements, tags and findings are checked, and the files that are shown. Exit codes: 0 all
    of it holds and no finding is overdue, 1 one is, 4 something is not as it was signed.
    """

    name = "index"
    help = "tell every release, what is in production, and what is found"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--page", type=Path, metavar="FILE", help="write the page, one HTML file")
        add_trust_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Tell the index, write the page, and return 0, 1 or 4."""
        import datetime as dt

        from fairmark.files import write_text
        from fairmark.governance.release_index import release_index

        now = dt.datetime.now(tz=dt.UTC)
        found = release_index(given.clone, now, trusted_keys(given))
        if given.page is not None:
            from fairmark.governance.pages import index_page

            write_text(given.page, index_page(found, now.date(), given.page.resolve().parent))
        say(*found.lines(now.date()))
        return 4 if found.wrong else 1 if found.overdue(now.date()) else 0


class History(Verb):
    """`fairmark history`: what was in which stage when, by whose word; and whether that holds."""

    name = "history"
    help = "tell what was in which stage when, by whose word"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--stage", metavar="STAGE", help="this stage alone")
        parser.add_argument("--on", metavar="YYYY-MM-DD", help="what was there on a day (UTC)")
        parser.add_argument(
            "--check", action="store_true", help="check signatures, chain, approvals and aliases"
        )
        parser.add_argument(
            "--align", action="store_true", help="let trail and registry follow the tags first"
        )
        parser.add_argument("--name", help="of the releases; by default that of params.yaml")
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")
        add_trust_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Tell the history; return 0, 1 (trail or registry could not be aligned), or with --check 4 or 5."""
        import datetime as dt

        from fairmark.governance.approvers import FILE, read_approvers
        from fairmark.governance.findings import read_register
        from fairmark.governance.history import check, evaluations, history, on_day
        from fairmark.governance.projections import Followed, follow
        from fairmark.governance.promotions import allowed, promoters
        from fairmark.verify.verify import exit_code

        approvers, name = read_approvers(given.clone / FILE), release_name(given)
        keys = trusted_keys(given)
        signers = allowed(approvers, keys)
        _refuse_unknown(given.clone, given.name)
        past = history(given.clone, name, approvers, promoters(approvers, keys))
        followed = follow(given.clone, name, past.found.promotions) if given.align else Followed()
        notes, behind = followed.lines(), 1 if followed.behind else 0
        judged = evaluations(given.clone, name, signers)
        register = read_register(given.clone, approvers, keys) if given.check else None
        facts = check(given.clone, past, signers, judged, register) if given.check else []
        judged = judged if given.stage is None else []
        chosen = [each for each in past.entries if given.stage in (None, each.promotion.stage)]
        if given.on is not None:
            day = parse_day(given.on, "--on")
            chosen = on_day(chosen, day, dt.datetime.now(tz=dt.UTC).date())
            judged = [each for each in judged if each.when.date() <= day]
        if given.json:
            shown = {"name": name, "history": [each.to_json() for each in chosen], "notes": notes}
            shown["evaluations"] = [each.to_json() for each in judged]
            say_json(shown | ({"facts": [vars(fact) for fact in facts]} if given.check else {}))
        else:
            say(
                *(
                    [line for each in chosen for line in _lines(each)]
                    + [line for each in judged for line in _evaluation(each)]
                    or [f"{name}: nothing is told of a stage"]
                )
            )
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


def _lines(entry: "HistoryEntry") -> list[str]:
    from fairmark.governance.history import shown
    from fairmark.governance.promotion_tags import ROLLBACK

    of, stamp = entry.promotion, "%Y-%m-%d %H:%M:%S"
    until = f"until {entry.until:{stamp}}" if entry.until else "until now"
    how = "rolled back" if of.action == ROLLBACK else "promoted"
    by = f"by {entry.signer}" if entry.signer else "by NOBODY THAT IS KNOWN"
    return [
        shown(f"{entry.since:{stamp}} {until}  {of.stage}  {of.version}  {how} {by} ({of.tag}): {of.reason}"),
        *(f"    {shown(f'approved by {who} until {day}: {why}')}" for who, why, day in entry.approved),
        *(f"    {shown(f'WRONG {fault}')}" for fault in entry.faults),
    ]


def _evaluation(each: "EvaluationTag") -> list[str]:
    from fairmark.governance.history import shown

    by = f"signed by {each.signer}" if each.signer else "signed by NOBODY THAT IS KNOWN"
    return [
        shown(f"{each.when:%Y-%m-%d %H:%M:%S}  evaluation of {each.of}, {by} ({each.tag}): {each.said}"),
        *(f"    {shown(f'WRONG {fault}')}" for fault in each.faults),
    ]


class Trail(Verb):
    """`fairmark trail`: who ran what, when, and how it ended; shown, exported, checked."""

    name = "trail"
    help = "show, export or check the audit trail of runs"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--export", type=Path, metavar="FILE", help="write the entries as JSON lines")
        what.add_argument(
            "--check",
            nargs="?",
            const=True,
            metavar="FILE",
            help="check chain and signatures of the trail, or of an exported file",
        )
        what.add_argument(
            "--cut", type=int, metavar="N", help="take away entries 1 to N, and say so in a new one"
        )
        parser.add_argument("--reason", metavar="TEXT", help="why they are cut (with --cut)")
        parser.add_argument("--remote", metavar="NAME", help="check that all of a remote's trail is here too")
        parser.add_argument(
            "--key", type=Path, action="append", default=[], help="a public key to know signatures by"
        )
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Show, export, check or cut the trail; return 0, 4 (it does not hold) or 5 (it can't be told)."""
        from fairmark.errors import UsageError
        from fairmark.governance import trail

        if (given.cut is None) != (given.reason is None):
            given_one = "--reason" if given.cut is None else "--cut"
            raise UsageError(f"--cut and --reason: must be given together, got {given_one} alone")
        if given.remote and given.check is None:
            raise UsageError("--remote: must go with --check, got it alone")
        if given.check is not None:
            return _check(given)
        if given.cut is not None:
            from fairmark.privacy.retention import cut

            left = cut(given.clone, given.cut, given.reason)
            say(f"entries 1 to {given.cut} are cut away; {left} are left, one of which says so")
            return 0
        kept = trail.entries(given.clone)
        if given.export is not None:
            _export(kept, given.export)
        elif given.json:
            say_json([entry.to_json() for entry in kept])
        else:
            _show(kept)
        return 0


def _export(kept: Sequence["Entry"], path: Path) -> None:
    from fairmark.files import write_text

    text = "".join(entry.text.decode() + "\n" for entry in kept)
    if str(path) == "-":
        say_exact(text)
    else:
        write_text(path, text)
        say(f"{len(kept)} entries, one a line: {path}")


def _show(kept: Sequence["Entry"]) -> None:
    from fairmark.governance.flow_runs import unended

    for entry in kept:
        say(line(entry))
    for entry in unended(kept):
        say(f"entry {entry.number} has no end: the run was killed, or it goes on")
    if not kept:
        say("nothing has been written yet")


def line(entry: "Entry") -> str:
    """Return an entry in one line: number, time, what, how it ended, by whom."""
    event = entry.event
    named = [
        each for each in (event.flow, event.promotion, event.release, event.verdict, event.finding) if each
    ]
    fault = (event.fault or event.reason or "").split("\n")[0]
    words = [str(entry.number), entry.when, event.action or "-", *named]
    words += [f"{entry.outcome}{': ' + fault if fault else ''}", f"({entry.who.name or 'nobody named'})"]
    return plain("  ".join(words))[:300]


def _check(given: argparse.Namespace) -> int:
    from fairmark.governance import trail, verify_trail
    from fairmark.repo.git import git

    keys, remarks = known_keys(given.clone, given.key), []
    if given.check is True:
        found = verify_trail.check(given.clone, keys)
    else:
        seen = verify_trail.read_export(Path(given.check))
        found = verify_trail.checked(seen, keys)
        if git(given.clone, "rev-parse", "--verify", "--quiet", trail.REF).returncode == 0:
            verify_trail.compare(trail.entries(given.clone), seen, given.check)
            remarks.append("every entry of the file is in the trail of this repository")
    if given.remote:
        remarks.append(verify_trail.check_remote(given.clone, given.remote))
    code = 5 if keys and found.vouched < found.last else 0
    if given.json:
        say_json(vars(found) | {"exit_code": code, "said": remarks})
    else:
        say(*_chain_lines(found, bool(keys)), *remarks)
    return code


def _chain_lines(found: "Chained", keys: bool) -> list[str]:
    if not found.last:
        return ["nothing has been written yet"]
    lines = [f"entries {found.first} to {found.last} are one chain, its head {found.head}"]
    lines += [f"{count} signed by key {keyid[:16]}" for keyid, count in found.signers.items()]
    lines += [
        f"{count} signed by key {keyid[:16]}, not known here" for keyid, count in found.strangers.items()
    ]
    if not keys:
        lines.append("no key is known here (give --key): the chain holds, and nobody vouches for it")
    elif found.vouched < found.last:
        lines.append(f"a known key vouches for entry {found.vouched} and all before it, for none after it")
    else:
        lines.append("a known key vouches for all of it")
    return lines


def known_keys(root: Path, given: Sequence[Path]) -> list["PublicKey"]:
    """Return the keys given, the user's own one and those in the repository's `approvers` file."""
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    keys = [read_public(path) for path in given]
    own = own_public()
    keys += [own] if own is not None else []
    if (root / "approvers").is_file():
        from fairmark.governance.approvers import read_approvers

        keys += [each.key for each in read_approvers(root / "approvers")]
    return keys
