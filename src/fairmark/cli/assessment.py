"""The verb of the self-assessment: what is open or stale, its page, and a blank one to begin with."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.cli.verb import Verb, add_trust_options, trusted_keys
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.release.folder import ReleaseFolder


class Assess(Verb):
    """`fairmark assess [--release RELEASE]`: how the self-assessment by ALTAI's seven requirements stands.

    What a release answers is read from it once it was verified; the rest stands in assessment.yaml of the
    project. Exit codes: 0 no required question is open or stale, 1 one is.
    """

    name = "assess"
    help = "say what is open or stale in the self-assessment"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("--release", metavar="RELEASE", help="a release folder, or its name")
        parser.add_argument("--page", type=Path, metavar="FILE", help="write the page, one HTML file")
        parser.add_argument("--begin", action="store_true", help="write assessment.yaml with open answers")
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")
        add_trust_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Tell how it stands, write the page, and return 0 or 1."""
        import datetime as dt

        from fairmark.files import write_text
        from fairmark.governance.assessment import FILE, assess, blank, counted, read_assessment
        from fairmark.params.read import read_params

        params, today = read_params(given.clone / "params.yaml"), dt.datetime.now(tz=dt.UTC).date()
        project = params.project.name
        if given.begin:
            _refuse_there(given.clone / FILE)
            write_text(given.clone / FILE, blank(project))
            say(f"wrote {given.clone / FILE}: answer it, and commit it")
            return 0
        found = read_assessment(given.clone)
        _refuse_other(found.project if found else project, project)
        name, release = _verified(given)
        items = assess(found, release, today)
        if given.page is not None:
            from fairmark.governance.pages import assessment_page

            write_text(given.page, assessment_page(project, name, items, today))
        left = [item for item in items if item.standing in ("open", "stale")]
        refusing = sum(item.refuses for item in items)
        if given.json:
            kept = ("id", "requirement", "required", "standing", "why")
            say_json(
                {"refuses": refusing, "items": [{key: getattr(item, key) for key in kept} for item in items]}
            )
        else:
            say(*(item.line() for item in left))
            say(*(f"note: {text}" for text in params.policy.stale_citations(today)))
            told = ", ".join(f"{count} {kind}" for kind, count in counted(items).items())
            say(f"{project}: {told}; {refusing} required open or stale")
            say(_signed(given.clone))
        return 1 if refusing else 0


def _signed(root: Path) -> str:
    """Return whose signature on the file at HEAD counts today."""
    import datetime as dt

    from fairmark.errors import FairmarkError
    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.assessment_approval import assessment_signers

    try:
        found = assessment_signers(root, read_approvers(root / FILE), dt.datetime.now(tz=dt.UTC)).approvals
    except FairmarkError:
        return "signed by nobody: it is not committed"
    who = ", ".join(f"{each.who} until {each.expires}" for each in found)
    return f"signed as HEAD holds it by {who or 'nobody (fairmark approve --assessment)'}"


def _refuse_there(path: Path) -> None:
    from fairmark.errors import StateError

    if path.exists():
        raise StateError(f"{path}: must not be there to be begun, got a file (edit it)")


def _refuse_other(found: str, project: str) -> None:
    from fairmark.errors import StateError
    from fairmark.governance.assessment import FILE

    if found != project:
        raise StateError(f"{FILE}: must be of the project {project}, got one of {found[:80]!a}")


def _verified(given: argparse.Namespace) -> "tuple[str, ReleaseFolder] | tuple[None, None]":
    """Return the name of the release that was asked for and the release, verified; None twice without one."""
    from fairmark.governance.approvers import FILE, read_approvers
    from fairmark.governance.request import candidate, find_release
    from fairmark.release.folder import ReleaseFolder

    if given.release is None:
        return None, None
    folder = find_release(given.clone, given.release)
    found = candidate(folder, given.clone, read_approvers(given.clone / FILE), trusted_keys(given))
    return found.request.name, ReleaseFolder(folder)
