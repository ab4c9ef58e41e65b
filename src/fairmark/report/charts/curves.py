"""Curves: ROC, precision-recall and calibration in the unit square, and the partial dependence on a feature.

ROC and precision-recall stand against guessing, calibration against the diagonal; the dependence on a number
or a date is the mean score, with single rows behind it and the density of the data below.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairmark.explain.documents import Dependence
from fairmark.report.charts.svg import Frame, Point, brief, fitted, joined, label, tag, ticks

EPOCH = dt.date(1970, 1, 1)

CROWDED = 0.75
"""Share of the values in one bin of the histogram from which on the axis has a step for each grid value."""


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


def dependence_picture(entry: Dependence, name: str, top: float, words: str) -> Markup:
    """Return the mean score along a number or a date, single rows behind it, and where the data is below it.

    Parameters
    ----------
    entry
        The dependence of the score on the feature.
    name
        The feature.
    top
        End of the vertical axis, shared by all features so that they can be compared.
    words
        The picture in words.
    """
    dated = entry.kind == "date"
    grid = [_day(value) if isinstance(value, str) else float(value) for value in entry.grid]
    if crowded(entry):
        places = [float(place) for place in range(len(grid))]
        edges, shares = [place - 0.5 for place in range(len(grid) + 1)], entry.near
        shown = range(0, len(grid), 1 + len(grid) // 6)
        labels = {places[k]: str(entry.grid[k]) if dated else brief(grid[k]) for k in shown}
    else:
        places, edges, shares = grid, list(entry.edges or ()), entry.density
        across = (edges[0], edges[-1])
        labels = _days(across) if dated else {value: brief(value) for value in ticks(*across, 5)}
    frame = Frame(340, 250, (edges[0], edges[-1]), (0, top), bottom=78)
    mean = list(zip(places, entry.mean, strict=True))
    return frame.picture(
        words,
        _density(edges, shares, frame),
        frame.axes("", "score", {}),
        _feet(frame, name, labels),
        *(frame.path(list(zip(places, ice, strict=True)), "behind") for ice in entry.ice),
        frame.path(mean, "curve"),
        *(frame.dot(point, "dot", 2) for point in mean),
    )


def crowded(entry: Dependence) -> bool:
    """Return whether most of the data stands in so small a part of the range that a scale would hide it."""
    return max(entry.density) > CROWDED


def _density(edges: Sequence[float], shares: Sequence[float], frame: Frame) -> Markup:
    """Return a histogram between the plot and its ticks."""
    floor, tall = frame.height - 38, 34
    highest = max(shares)
    bars = []
    for low, high, share in zip(edges, edges[1:], shares, strict=False):
        left, right, up = frame.x(low), frame.x(high), max(tall * share / highest, 1)
        if share > 0:
            wide = max(right - left - 1, 0.5)
            bars.append(tag("rect", x=left + 0.5, y=floor - up, width=wide, height=up, class_="density"))
    return joined(bars)


def _feet(frame: Frame, name: str, labels: Mapping[float, str]) -> Markup:
    floor = frame.height - 38
    return joined(
        [
            tag("line", x1=frame.left, x2=frame.width - frame.right, y1=floor, y2=floor, class_="axis"),
            *(label(text, frame.x(value), floor + 15, "middle") for value, text in labels.items()),
            label(
                fitted(name, frame.width - frame.right),
                frame.width - frame.right,
                frame.height - 5,
                "end",
                "name",
            ),
        ]
    )


def _day(text: str) -> float:
    moment = dt.datetime.fromisoformat(text)
    return (moment - dt.datetime(1970, 1, 1)) / dt.timedelta(days=1)  # noqa: DTZ001 - the table holds no zones


def _days(across: tuple[float, float]) -> dict[float, str]:
    low, high = across
    found = [low + (high - low) * share for share in (0.08, 0.5, 0.92)]
    return {value: (EPOCH + dt.timedelta(days=round(value))).isoformat() for value in found}
