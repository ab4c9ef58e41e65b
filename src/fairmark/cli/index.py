"""The verb of the index of releases."""

import argparse
from pathlib import Path

from fairmark.cli.verb import Verb, add_trust_options, trusted_keys
from fairmark.terminal import say


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
            from fairmark.governance.index_page import index_page

            write_text(given.page, index_page(found, now.date(), given.page.resolve().parent))
        say(*found.lines(now.date()))
        return 4 if found.wrong else 1 if found.overdue(now.date()) else 0
