"""Whether a release discloses no more of single people than its own params allow."""

from fairmark.errors import VerificationError
from fairmark.release.disclosure import BOOSTER, REPORT, shown
from fairmark.release.folder import ReleaseFolder


def personal(release: ReleaseFolder) -> str:
    """Check that the release shows no more of single people than its own params allow."""
    booster = release.text(BOOSTER) if BOOSTER in release.files else None
    found = shown(release.text(REPORT), booster, release.measurements)
    allowed = release.params.privacy
    if faults := found.faults(allowed):
        raise VerificationError(*faults)
    most = allowed.decisions_shown
    words = [f"{found.decisions} decisions and {found.lines} lines of single rows (at most {most})"]
    if found.leaf is not None:
        words.append(f"leaves of {found.leaf} rows or more ({allowed.smallest_leaf})")
    if found.cell is not None:
        words.append(f"counts of {found.cell[0]} or more ({allowed.smallest_cell})")
    return ", ".join(words)
