"""Statistical disclosure: what a release shows of single people and small groups, read from its own files.

Single people are shown where a decision is explained with its values, and where a line of a dependence
picture is the scores of one row (with the model at hand, the row's values can be worked out from it). Few
people stand behind a small leaf of a tree, and behind a small count in a table. What needs the data to be
seen (ids, whole rows, extremes) is looked for when a release is gathered: `fairmark.release.leak_scan`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairmark.errors import VerificationError
from fairmark.params.prepare import Privacy
from fairmark.release.layout import ALTERNATIVES, REFERENCE

if TYPE_CHECKING:
    from fairmark.data.reference import Reference
    from fairmark.judge.alternatives import Alternatives
    from fairmark.judge.measurements import Measurements

REPORT = "report.html"

BOOSTER = "model/booster.txt"

_REASONS = re.compile(r"<section[^<>]*\bid\s*=\s*[\"']?reasons\b", re.IGNORECASE)

_TAG = re.compile(r"<(?:(?P<closing>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)[^<>]*>)?")

_KNOWN = frozenset(
    {
        "section",
        "h2",
        "h3",
        "h4",
        "p",
        "div",
        "span",
        "b",
        "i",
        "em",
        "strong",
        "br",
        "ol",
        "ul",
        "li",
        "article",
    }
    | {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary"}
    | {"figure", "figcaption", "svg", "title", "desc", "g", "line", "rect", "circle", "text", "tspan", "path"}
)
"""What a report's explanations are built of; `script`, `canvas` or `polyline` could draw unseen."""

_LEAVES = re.compile(r"^num_leaves=(\d+)$|^leaf_count=([\d ]*)$", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """What a release shows of few people.

    Parameters
    ----------
    decisions
        Decisions explained one by one.
    lines
        Lines of one row each, in the picture that has most of them; every picture draws the same rows.
    leaf
        Fewest training rows of a leaf; None for a model without trees.
    cell
        Smallest count of the measurements that is not zero, and where it stands.
    reference
        Smallest count of the reference that is not zero, and where it stands; None where there is none.
    alternatives
        The same of those whom rivals would decide otherwise.
    """

    decisions: int
    lines: int
    leaf: int | None
    cell: tuple[int, str] | None
    reference: tuple[int, str] | None = None
    alternatives: tuple[int, str] | None = None

    def faults(self, allowed: Privacy) -> list[str]:
        """Return what goes beyond the section `privacy` of params.yaml, one line each."""
        faults = []
        if self.decisions + self.lines > allowed.decisions_shown:
            faults.append(
                f"{REPORT}: must show at most {allowed.decisions_shown} single people "
                f"(privacy.decisions_shown), got {self.decisions} decisions and {self.lines} lines"
            )
        if self.leaf is not None and self.leaf < allowed.smallest_leaf:
            faults.append(
                f"{BOOSTER}: every leaf must stand for {allowed.smallest_leaf} rows "
                f"(privacy.smallest_leaf), got one of {self.leaf}"
            )
        for where, cell in (
            ("measurements.json", self.cell),
            (REFERENCE, self.reference),
            (ALTERNATIVES, self.alternatives),
        ):
            if cell is not None and cell[0] < allowed.smallest_cell:
                faults.append(
                    f"{where}: every count must be of {allowed.smallest_cell} rows "
                    f"(privacy.smallest_cell), got {cell[0]} at {cell[1]}"
                )
        return faults


def shown(
    report: str,
    booster: str | None,
    measurements: "Measurements",
    reference: "Reference | None" = None,
    alternatives: "Alternatives | None" = None,
) -> Shown:
    """Return what a release shows of few people.

    Parameters
    ----------
    report
        The text of report.html.
    booster
        The text of the model's trees; None for a model without any.
    measurements
        What measurements.json says.
    reference
        What reference.json says; None for a release without one.
    alternatives
        What alternatives.json says; None for a release without one.

    Raises
    ------
    VerificationError
        When the report is not built as it is known here, so that nothing can be counted in it, and when a
        tree doesn't tell how many rows its leaves hold.
    """
    decisions, lines = explained(report)
    leaf = None if booster is None else smallest_leaf(booster)
    cells = sorted(counted(measurements))
    binned = () if reference is None else reference.counted()
    swapped = () if alternatives is None else alternatives.counted()
    least = (min(binned, default=None), min(swapped, default=None))
    return Shown(decisions, lines, leaf, cells[0] if cells else None, *least)


def shown_of_evaluation(report: str, measurements: "Measurements") -> Shown:
    """Return what a release of an evaluation shows of few people: counts, for nothing of it is explained.

    Raises
    ------
    VerificationError
        When its report explains decisions all the same.
    """
    if _REASONS.search(report):
        raise VerificationError(f"{REPORT}: must explain no decision without a model, got explanations")
    cells = sorted(counted(measurements))
    return Shown(0, 0, None, cells[0] if cells else None)


def explained(text: str) -> tuple[int, int]:
    """Return how many decisions a report explains one by one, and the most single rows that a picture draws.

    Counted by structure, not by style: whatever class it bears, an article or a heading of the fourth order
    is a decision, and a path of a picture is a row, but for the one that is the mean.
    """
    decisions, most, sections = 0, 0, 0
    for tags in _sections(text):
        sections += 1
        odd = sorted({name for name, closing in tags if not closing} - _KNOWN)
        if odd:
            raise VerificationError(
                f"{REPORT}: explanations must be built of parts that are known here, got <{odd[0][:40]}>"
            )
        opening = [name for name, closing in tags if not closing]
        decisions += max(opening.count("article"), opening.count("h4"))
        paths = 0
        for name in opening:
            paths = 0 if name == "svg" else paths + (name == "path")
            most = max(most, paths - 1)
    if not sections:
        raise VerificationError(f"{REPORT}: must have its section of explanations, got none")
    return decisions, most


def _sections(text: str) -> Iterator[list[tuple[str, bool]]]:
    """Yield the tags, each with whether it closes, of each section of explanations.

    Raises
    ------
    VerificationError
        When there is a `<` that no tag begins with, or a section is not closed.
    """
    # Not html.parser, whose time grows with the square of a hostile page: 26 s for 48 kB of `<a ` without an
    # end (CPython 3.11). Each sign is looked at once here; what a browser would read otherwise (a comment, a
    # `<` in a quoted attribute) is refused, or counted as if it were shown.
    at = 0
    while found := _REASONS.search(text, at):
        tags, depth, at = [], 0, found.start()
        for match in _TAG.finditer(text, at):
            if match["name"] is None:
                raise VerificationError(
                    f"{REPORT}: explanations must be HTML, got a sign < that begins no tag"
                )
            closing = bool(match["closing"])
            tags.append((match["name"].lower(), closing))
            depth += (tags[-1] == ("section", False)) - (tags[-1] == ("section", True))
            at = match.end()
            if depth == 0:
                break
        if depth:
            raise VerificationError(f"{REPORT}: explanations must end, got a section that does not")
        yield tags


def smallest_leaf(text: str) -> int | None:
    """Return the fewest training rows of a leaf in a model that LightGBM wrote; None with no split in it.

    Raises
    ------
    VerificationError
        When a tree doesn't tell how many rows its leaves hold.
    """
    smallest: int | None = None
    leaves = 0
    # In the order of the text: the number of leaves of a tree, then their counts. A tree of one leaf tells
    # nobody apart, and need not say.
    for number, counts in _LEAVES.findall(text):
        if number:
            if leaves > 1:
                break
            leaves = int(number)
            continue
        held = [int(count) for count in counts.split()]
        if leaves > 1 and len(held) != leaves:
            break
        if leaves > 1:
            smallest = min([*held, *([] if smallest is None else [smallest])])
        leaves = 0
    if leaves > 1:
        raise VerificationError(
            f"{BOOSTER}: each tree must tell the rows of its leaves, got one that does not"
        )
    return smallest


def counted(measurements: "Measurements") -> Iterator[tuple[int, str]]:
    """Yield each count of people in measurements that is not zero, and where it stands."""
    everybody = [("all", measurements.cells)]
    groups = [
        (f"{attribute} {group}", entry.cells)
        for attribute, entries in measurements.groups.items()
        for group, entry in entries.items()
    ]
    for where, cells in everybody + groups:
        for name, count in cells.each():
            # A count of 0 shows nobody.
            if count:
                yield count, f"{name} of {where}"
