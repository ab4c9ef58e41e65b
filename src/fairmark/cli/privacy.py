"""The verbs of data subjects: take their rows out, and list what is kept for too long."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import Verb
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.params.read import Params
    from fairmark.privacy.decided import ForgottenDecisions

OLDER = (
    "older versions still hold the rows, in DVC's cache and remotes and in git's history, and so do",
    "backups and other clones. What purges them, and with them what older releases are rebuilt from:",
)
"""What is left to do once the newest version is without the rows."""


class Forget(Verb):
    """`fairmark forget --id ID --reason TEXT`: take a person's rows out of the data, as a new version."""

    name = "forget"
    help = "take a person's rows out of the data, and list the releases that learnt from them"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "--id",
            action="append",
            required=True,
            dest="ids",
            metavar="ID",
            help="the row's id: its value in prepare.row_id, or its _row_id in artifacts/prepare",
        )
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--reason", metavar="TEXT", help="why; it is kept, and must name no one")
        what.add_argument(
            "--list", action="store_true", help="only list the releases that learnt from the rows"
        )
        parser.add_argument(
            "--journal", nargs="?", const="", metavar="ADDRESS",
            help="erase the person from the journal of decisions too (and an id may be a decision's or a "
            "pseudonym); by default $FAIRMARK_JOURNAL, else .fairmark/journal.db",
        )  # fmt: skip
        parser.add_argument(
            "--memberships", metavar="ADDRESS", help="with --journal: where protected attributes are kept"
        )
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what was done as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """Take the rows out, say what is left to do, and return 0."""
        import datetime as dt

        from fairmark.errors import UsageError
        from fairmark.params.read import read_params
        from fairmark.privacy.erase import RECORD, forget, learnt, purge

        root = given.clone.resolve()
        params = read_params(root / "params.yaml")
        if given.memberships and given.journal is None:
            raise UsageError("--memberships: must go with --journal, got it alone")
        decided, ids = _from_journal(given, root, params) if given.journal is not None else (None, given.ids)
        done = None
        if ids and not given.list:
            done = forget(root, ids, given.reason, params, dt.datetime.now(tz=dt.UTC).date())
        releases = learnt(root, params.project.name, given.ids)
        commands = [] if done is None else purge(root, done.before, done.after)
        if given.json:
            say_json(
                {
                    "forgotten": None if done is None else vars(done),
                    "releases": [vars(each) for each in releases],
                    "purge": commands,
                    **({} if decided is None else {"journal": vars(decided)}),
                }
            )
            return 0
        if decided is not None:
            words = "hold something personal" if given.list else "are without what was personal now"
            say(f"journal: {decided.entries} entries {words}; {decided.memberships} memberships")
        if done is not None:
            for name, count in done.files.items():
                say(f"{name}: {count} {'row' if count == 1 else 'rows'} taken out")
            say(f"data: {done.before} before, {done.after} now")
            say(*(f"note: {line}" for line in done.too_few))
            for name in done.elsewhere:
                say(f"note: data/{name} holds the id as a text and was not touched")
        say("releases:" if releases else "releases: none")
        for each in releases:
            say(f"  {each.release}: {each.words}")
        if done is not None:
            say(
                "now, by your own hand:",
                "  dvc push data.dvc",
                f"  git add {RECORD} data.dvc dvcstore; git commit   # as far as you have a dvcstore",
                "  dvc repro   # then a new release; take the ones above out of use",
                *OLDER,
                *(f"  {line}" for line in commands),
            )
        return 0


def _from_journal(
    given: argparse.Namespace, root: Path, params: "Params"
) -> "tuple[ForgottenDecisions, list[str]]":
    """Erase from the journal; return how much that was, and the ids that stand in the data."""
    from fairmark.privacy.decided import forget_decided
    from fairmark.privacy.raw_rows import find

    # Data that can't be read stops it before anything is erased. A service's clone may hold none.
    here = (root / "data").is_dir()
    unknown = find(root / "data", params.prepare, given.ids)[1] if here else {*given.ids}
    found = forget_decided(
        root, given.ids, given.reason, given.journal or None, given.memberships, only_list=given.list
    )
    if not found.entries:
        return found, given.ids
    # Who was only ever decided on is in no version of the data.
    return found, [each for each in given.ids if each not in unknown]


class Retention(Verb):
    """`fairmark retention`: what is kept for longer than the params allow, and what takes it away."""

    name = "retention"
    help = "list what is kept for longer than the params allow"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument(
            "--journal", metavar="ADDRESS",
            help="the journal; by default $FAIRMARK_JOURNAL, else .fairmark/journal.db where it is there",
        )  # fmt: skip
        parser.add_argument(
            "--clone", type=Path, default=Path(), help="the repository; by default this folder"
        )
        parser.add_argument("--json", action="store_true", help="write what is overdue as JSON")

    def run(self, given: argparse.Namespace) -> int:
        """List what is overdue today; delete nothing; return 0 when nothing is, else 1."""
        import datetime as dt

        from fairmark.params.read import read_params
        from fairmark.privacy.decided import overdue_decided
        from fairmark.privacy.retention import overdue

        params, now = read_params(given.clone / "params.yaml"), dt.datetime.now(tz=dt.UTC)
        found = overdue(given.clone.resolve(), params, now.date())
        found += overdue_decided(given.clone.resolve(), params, now, given.journal)
        if given.json:
            say_json([vars(each) | {"since": str(each.since)} for each in found])
        else:
            for each in found:
                say(f"{each.kind} {each.name}: of {each.since}, {each.days} days too long")
                say(f"  {each.command}")
            say(f"{len(found)} overdue" if found else "nothing is overdue")
        return 1 if found else 0
