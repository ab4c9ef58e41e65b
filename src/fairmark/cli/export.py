"""The verb that writes a release's papers for a committee."""

import argparse
from pathlib import Path

from fairmark.cli.verb import Verb, add_trust_options, parse_day, trusted_keys
from fairmark.terminal import say


class Export(Verb):
    """`fairmark export RELEASE --into FOLDER`: model card, report and self-assessment as Word and PDF files.

    The release is verified first, and every figure is one of its sealed files. README.md is the model card as
    Hugging Face reads it. The same release on the same day gives the same bytes.
    """

    name = "export"
    help = "write a release's papers: Word, PDF, a card for Hugging Face"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("release", metavar="RELEASE", help="a release folder, or its name")
        parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where the papers go")
        parser.add_argument(
            "--licence", default="other", metavar="NAME",
            help="under which the model is published, as Hugging Face names it; by default other",
        )  # fmt: skip
        parser.add_argument(
            "--on", metavar="YYYY-MM-DD", help="the day of the self-assessment; by default today"
        )
        add_trust_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Write the papers, name them, and return 0."""
        import datetime as dt

        from fairmark.export.hub_card import hub_card
        from fairmark.export.papers import assessment_paper, card_paper, report_paper
        from fairmark.export.pdf import write_pdf
        from fairmark.export.word import write_word
        from fairmark.files import write_text
        from fairmark.governance.approvers import FILE, read_approvers
        from fairmark.governance.assessment import assess, committed_assessment
        from fairmark.governance.request import candidate, find_release
        from fairmark.release.folder import ReleaseFolder

        today = dt.datetime.now(tz=dt.UTC).date() if given.on is None else parse_day(given.on, "--on")
        folder = find_release(given.clone, given.release)
        found = candidate(folder, given.clone, read_approvers(given.clone / FILE), trusted_keys(given))
        release = ReleaseFolder(folder)
        papers = {
            "card" if found.evaluation else "model-card": card_paper(release),
            "report": report_paper(release),
        }
        texts = {}
        if not found.evaluation:
            items = assess(committed_assessment(given.clone), release, today)
            papers["self-assessment"] = assessment_paper(found.name, found.request.name, items, today)
            texts["README.md"] = hub_card(release, given.licence)
        for name, paper in papers.items():
            write_word(paper, given.into / f"{name}.docx")
            write_pdf(paper, given.into / f"{name}.pdf")
        for name, text in texts.items():
            write_text(given.into / name, text)
        say(f"{found.request.name} is verified; written: {given.into}")
        say(*(f"  {path.name}" for path in sorted(given.into.iterdir()) if path.stem in {*papers, "README"}))
        return 0
