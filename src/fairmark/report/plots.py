"""Curves in the unit square: ROC and precision-recall against guessing, calibration against the diagonal."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairmark.report.frame import Frame
from fairmark.report.svg import Point


def curve(
    points: Sequence[Point], across: str, upward: str, reference: Sequence[Point], words: str
) -> Markup:
    """Return one curve in the unit square, beside the line that it is compared with."""
    frame = Frame(340, 300, (0, 1), (0, 1))
    return frame.picture(
        words, frame.axes(across, upward), frame.path(reference, "reference"), frame.path(points, "curve")
    )


@dataclass(frozen=True)
class Bin:
    """One bin of a calibration: its mean score, and the share of its rows that are positive, with bounds."""

    score: float
    share: float
    low: float
    high: float


def calibration(bins: Sequence[Bin], behind: Sequence[Bin], words: str) -> Markup:
    """Return observed shares against scores; what stands on the diagonal means what it says.

    With bins to stand `behind` it, the picture is small: one of many.
    """
    size = (200, 184) if behind else (340, 300)
    frame = Frame(*size, (0, 1), (0, 1), left=34 if behind else 40)
    return frame.picture(
        words,
        frame.axes("mean score", "observed share", {0: "0", 0.5: "0.5", 1: "1"} if behind else None),
        frame.path([(0, 0), (1, 1)], "reference"),
        frame.path([(each.score, each.share) for each in behind], "behind"),
        *(frame.path([(each.score, each.low), (each.score, each.high)], "reach") for each in bins),
        frame.path([(each.score, each.share) for each in bins], "curve"),
        *(frame.dot((each.score, each.share), "dot", 2.5 if behind else 3.5) for each in bins),
    )
