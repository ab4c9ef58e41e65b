"""The verbs of the journal: seal it, check it, expire it, and score one of its decisions again."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import Verb
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.params.serve import Kept

WHERE = "a file or postgresql://…; by default $FAIRMARK_JOURNAL, else .fairmark/journal.db of the clone"


class Journal(Verb):
    """`fairmark journal`: what was decided, sealed into the audit trail, checked against it, and expired.

    Exit codes of --check: 0 every entry is there and unchanged up to a signed head, 4 it is not what was
    written, 5 no signed head of a known key vouches for it.
    """

    name = "journal"
    help = "seal, check or expire the journal of decisions"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--seal", action="store_true", help="sign the heads since the last time into the audit trail"
        )
        what.add_argument(
            "--check", action="store_true", help="check every entry against the chain and the sealed heads"
        )
        what.add_argument(
            "--expire", action="store_true", help="erase the inputs that are older than serve.journal.days"
        )
        parser.add_argument(
            "--from-head", action="store_true", help="with --check: begin at the newest sealed head"
        )
        parser.add_argument("--reason", metavar="TEXT", help="with --expire: why; it is kept")
        add_journal_option(parser)
        parser.add_argument(
            "--memberships", metavar="ADDRESS", help="those of protected attributes, likewise"
        )
        parser.add_argument(
            "--key", type=Path, action="append", default=[], metavar="PEM",
            help="with --seal the key to sign with, by default your own; with --check a public key to know",
        )  # fmt: skip
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Seal, check or expire, or tell where the journal ends; return 0, 4 or 5."""
        import asyncio

        from fairmark.errors import UsageError

        if given.from_head and not given.check:
            raise UsageError("--from-head: must go with --check, got it alone")
        if given.expire != (given.reason is not None):
            raise UsageError("--expire and --reason: must be given together, got one of them")
        if given.seal:
            return asyncio.run(_seal(given))
        if given.check:
            return asyncio.run(_check(given))
        return asyncio.run(_expire(given) if given.expire else _tell(given))


def add_journal_option(parser: argparse.ArgumentParser) -> None:
    """Add to `parser` what every verb takes that reads the journal."""
    parser.add_argument("--journal", metavar="ADDRESS", help=WHERE)


async def _seal(given: argparse.Namespace) -> int:
    from fairmark.cli.verb import signing_key
    from fairmark.errors import UsageError
    from fairmark.journal.audit import seal
    from fairmark.journal.place import existing_journal

    if len(given.key) > 1:
        raise UsageError(f"--key: must be given once with --seal, got {len(given.key)} keys")
    given.key = given.key[0] if given.key else None
    kept = _kept(given)
    journal = await existing_journal(given.clone, given.journal)
    try:
        made = await seal(journal, given.clone, kept.segment, signing_key(given))
    finally:
        await journal.close()
    if given.json:
        say_json({"sealed": [[number, chain.hex()] for number, chain in made]})
    elif made:
        say(f"{len(made)} heads sealed, the newest of entry {made[-1][0]}: {made[-1][1].hex()}")
        say("publish it: git push REMOTE refs/fairmark/trail")
    else:
        say("nothing is new since the newest sealed head")
    return 0


async def _check(given: argparse.Namespace) -> int:
    from fairmark.cli.history import known_keys
    from fairmark.journal.audit import audit
    from fairmark.journal.place import existing_journal

    journal = await existing_journal(given.clone, given.journal)
    try:
        keys = known_keys(given.clone, given.key)
        found = await audit(journal, given.clone, keys, from_newest=given.from_head)
        pages = await journal.check_pages()
    finally:
        await journal.close()
    code = 4 if pages else found.exit_code
    if given.json:
        say_json(vars(found) | {"pages": pages, "exit_code": code})
    else:
        say(*(f"the file's own structure: {line}" for line in pages), *found.lines())
    return code


async def _expire(given: argparse.Namespace) -> int:
    from fairmark.journal.entry import now_us
    from fairmark.journal.memberships import cutoff_us, erase
    from fairmark.journal.place import existing_journal, existing_memberships

    kept = _kept(given)
    journal = await existing_journal(given.clone, given.journal)
    memberships = await existing_memberships(given.clone, given.memberships)
    try:
        now = now_us()
        before = cutoff_us(now, kept.days)
        erased, rows = await erase(journal, memberships, before_us=before, reason=given.reason, at_us=now)
    finally:
        await journal.close()
        if memberships is not None:
            await memberships.close()
    if given.json:
        say_json({"erased": erased, "memberships": rows})
    else:
        say(f"{erased} entries are without their personal part now, and {rows} memberships are gone")
    return 0


async def _tell(given: argparse.Namespace) -> int:
    from fairmark.journal.place import existing_journal

    journal = await existing_journal(given.clone, given.journal)
    try:
        head = await journal.head()
    finally:
        await journal.close()
    if given.json:
        say_json({"journal": head.journal, "number": head.number, "chain": head.chain.hex()})
    else:
        say(f"journal {head.journal}: {head.number} entries, the newest's chain {head.chain.hex()}")
    return 0


def _kept(given: argparse.Namespace) -> "Kept":
    """Return the section serve.journal of the clone's params.yaml."""
    from fairmark.errors import ParamsError
    from fairmark.params.read import read_params

    served = read_params(given.clone / "params.yaml").serve
    if served is None:
        raise ParamsError("params.yaml: must have the section serve to keep a journal by, got null")
    return served.journal


class Replay(Verb):
    """`fairmark replay DECISION`: whether its verified release says the same of its row, to the last bit."""

    name = "replay"
    help = "score a journalled decision again by its verified release"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("decision", metavar="DECISION", help="the id of a decision, 32 hex digits")
        add_journal_option(parser)
        parser.add_argument(
            "--release", metavar="RELEASE", help="the release; by default that of its digest in the clone"
        )
        parser.add_argument("--key", type=Path, help="the public key that it must be signed by (PEM or SSH)")
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Score it again; return 0 (the same 64 bits), 4 (others, or not what was released) or 5 (untold)."""
        import asyncio

        return asyncio.run(_replay(given))


async def _replay(given: argparse.Namespace) -> int:
    from fairmark.journal.place import existing_journal
    from fairmark.journal.replay import replay
    from fairmark.signing.key_store import own_public
    from fairmark.signing.keys import read_public

    key = own_public() if given.key is None else read_public(given.key)
    journal = await existing_journal(given.clone, given.journal)
    try:
        found = await replay(journal, given.decision, key, given.clone, given.release)
    finally:
        await journal.close()
    if given.json:
        say_json(vars(found) | {"same": found.same})
    else:
        say(*found.lines())
    return 0 if found.same else 4


class Collect(Verb):
    """`fairmark collect --into FILE`: the journal's labelled rows as a raw file, for a retrain on newer data.

    FILE is written in the form of params.prepare, and what it holds into FILE.json: rows, the labels' delay,
    and whether outcomes came for some kind of decision alone.
    """

    name = "collect"
    help = "write the journal's labelled rows as a raw file"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--into", type=Path, required=True, metavar="FILE", help="a new file")
        parser.add_argument("--since", metavar="YYYY-MM-DD", help="the first day of decisions, in UTC")
        parser.add_argument("--before", metavar="YYYY-MM-DD", help="the day after the last one")
        parser.add_argument(
            "--beside", type=Path, metavar="CSV",
            help="columns that the service is not told: a line of names, `decision` (its id) among them",
        )  # fmt: skip
        add_journal_option(parser)
        parser.add_argument("--memberships", metavar="ADDRESS", help="that of protected attributes, likewise")
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what was collected as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Write the rows, say what they are, and return 0."""
        import asyncio

        from fairmark.errors import UsageError

        if given.into.exists():
            raise UsageError(f"--into: must be a new file, got {given.into}, which is there")
        return asyncio.run(_collect(given))


async def _collect(given: argparse.Namespace) -> int:
    from fairmark.data.schema import Schema
    from fairmark.journal.collect import Form, collect, read_beside
    from fairmark.journal.place import existing_journal, existing_memberships
    from fairmark.params.read import read_params

    params = read_params(given.clone / "params.yaml")
    form = Form(params.prepare, Schema.read(given.clone / "artifacts/prepare/schema.json"))
    beside = None if given.beside is None else read_beside(given.beside)
    span = {
        name: _midnight_us(text, f"--{option}")
        for name, option, text in (
            ("since_us", "since", given.since),
            ("before_us", "before", given.before),
        )
        if text is not None
    }
    journal = await existing_journal(given.clone, given.journal)
    memberships = await existing_memberships(given.clone, given.memberships)
    try:
        found = await collect(journal, memberships, form, given.into, beside=beside, **span)
    finally:
        await journal.close()
        if memberships is not None:
            await memberships.close()
    found.write(given.into.with_name(f"{given.into.name}.json"))
    if given.json:
        say_json(found.to_json())
    else:
        say(*found.lines(), f"written: {given.into}, and what it holds: {given.into}.json")
    return 0


def _midnight_us(text: str, where: str) -> int:
    import datetime as dt

    from fairmark.cli.verb import parse_day

    day = parse_day(text, where)
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) * 1_000_000
