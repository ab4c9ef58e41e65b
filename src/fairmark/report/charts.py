"""Charts: ROC, precision-recall and calibration curves, partial dependence, and the frontier of the search.

ROC and precision-recall stand against guessing, calibration against the diagonal; the dependence on a number
or a date is the mean score, with single rows behind it and the density of the data below.
The frontier shows every trial of the search by fairness and quality, and what no other trial beats.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from fairmark.explain.documents import Dependence
from fairmark.report.svg import Frame, Point, around, brief, fitted, joined, label, tag, ticks

EPOCH = dt.date(1970, 1, 1)
CROWDED = 0.75
"""Share of the values in one bin of the histogram from which on the axis has a step for each grid value."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


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
        # A bar of very few rows is seen all the same.
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
    marks = [low + (high - low) * share for share in (0.08, 0.5, 0.92)]
    return {value: (EPOCH + dt.timedelta(days=round(value))).isoformat() for value in marks}


@dataclass(frozen=True)
class Mark:
    """One trial of the search."""

    number: int
    across: float
    upward: float
    family: str
    names: tuple[str, ...]
    """What is said beside it: `chosen`, `baseline`, `unmitigated`; nothing for most."""
    best: bool
    """No other trial is as good in both directions and better in one."""


def frontier(
    marks: Sequence[Mark], across: str, upward: str, limits: tuple[float | None, float | None], wide: bool
) -> Markup:
    """Return every trial by fairness and quality, the frontier, and the corner that meets both limits.

    Parameters
    ----------
    marks
        The trials that were measured; more is better on both axes.
    across, upward
        Names of the axes.
    limits
        The least fairness and the least quality that the policy asks for, where it does.
    wide
        Whether it is drawn for a wide page or for a phone.
    """
    least = 0 if min(mark.across for mark in marks) >= 0 else -1
    size = (720, 380) if wide else (350, 330)
    known = [limit for limit in limits[:1] if limit is not None]
    sideways = around([mark.across for mark in marks] + known, least, 1)
    height = around([mark.upward for mark in marks], 0, 1)
    frame = Frame(*size, sideways, height, left=46)
    best = sorted((mark.across, mark.upward) for mark in marks if mark.best)
    named = "; ".join(
        f"{' and '.join(mark.names)}: {across} {mark.across:.3f}, {upward} {mark.upward:.3f}"
        for mark in marks
        if mark.names
    )
    words = f"{len(marks)} trials by {across} and {upward}. {named}"
    return frame.picture(
        words,
        _allowed(frame, limits),
        frame.axes(across, upward),
        frame.path(_stairs(best), "curve"),
        # The named ones last, on top of all others.
        *(_trial(frame, mark) for mark in sorted(marks, key=lambda mark: (len(mark.names), mark.number))),
        *_names(frame, marks),
        style="plot only-wide" if wide else "plot only-narrow",
    )


def _allowed(frame: Frame, limits: tuple[float | None, float | None]) -> Markup:
    across, upward = limits
    if across is None:
        return Markup()
    left, right, ceiling = frame.x(across), frame.width - frame.right, frame.top
    floor = frame.y(upward) if upward is not None else frame.height - frame.bottom
    area = tag(
        "rect", x=left, y=ceiling, width=right - left, height=max(floor - ceiling, 0), class_="allowed"
    )
    edge = tag("line", x1=left, x2=left, y1=ceiling, y2=frame.height - frame.bottom, class_="limit")
    note = (
        label("meets the limits", right - 6, ceiling + 15, "end", "name") if right - left > 110 else Markup()
    )
    return area + edge + note


def _stairs(points: Sequence[Point]) -> list[Point]:
    """Return the border of what was reached: at each fairness, the best quality with at least as much."""
    border: list[Point] = []
    for (before, high), (x, low) in pairwise(points):
        border += [(before, high), (before, low), (x, low)]
    return border or list(points)


def _trial(frame: Frame, mark: Mark) -> Markup:
    x, y = frame.at((mark.across, mark.upward))
    style = "trial chosen" if "chosen" in mark.names else "trial named" if mark.names else "trial"
    radius = 6.5 if "chosen" in mark.names else 4
    note = tag("title", f"trial {mark.number}, {mark.family}: {mark.across:.3f}, {mark.upward:.3f}")
    if mark.family == "logistic":
        side = 2 * radius - 1
        return tag("rect", note, x=x - side / 2, y=y - side / 2, width=side, height=side, class_=style)
    if mark.family == "additive":
        far = radius * 1.2
        corners = ((0, -far), (far, 0), (0, far), (-far, 0))
        return tag(
            "polygon", note, points=" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners), class_=style
        )
    return tag("circle", note, cx=x, cy=y, r=radius, class_=style)


def _names(frame: Frame, marks: Sequence[Mark]) -> list[Markup]:
    """Return the names of the named trials, each where it hides the fewest trials and no other name."""
    points = [frame.at((mark.across, mark.upward)) for mark in marks]
    taken: list[Box] = []
    labels = []
    for mark, (x, y) in zip(marks, points, strict=True):
        if mark.names:
            text = " = ".join(mark.names)
            best = min(_places(x, y, text), key=lambda place: _cost(place[3], points, taken, frame))
            taken.append(best[3])
            labels.append(label(text, best[0], best[1], best[2], "say", paint_order="stroke"))
    return labels


def _places(x: float, y: float, text: str) -> list[tuple[float, float, str, Box]]:
    """Return where a name may stand by its trial, the best first: x, y, anchor, and the box that it fills."""
    # 8.2 is about the width of a letter in these labels.
    wide = 8.2 * len(text)
    right = [
        (x + 11, y + shift, "start", (x + 11, y + shift - 11, x + 11 + wide, y + shift + 4))
        for shift in (4, -10, 20)
    ]
    left = [
        (x - 11, y + shift, "end", (x - 11 - wide, y + shift - 11, x - 11, y + shift + 4))
        for shift in (4, -10, 20)
    ]
    middle = [
        (x, y + shift, "middle", (x - wide / 2, y + shift - 11, x + wide / 2, y + shift + 4))
        for shift in (-14, 24)
    ]
    return [right[0], left[0], *middle, *right[1:], *left[1:]]


def _cost(box: Box, points: Sequence[Point], taken: Sequence[Box], frame: Frame) -> int:
    """Return how much a name in this box would hide; leaving the plot costs most."""
    left, top, right, bottom = box
    hidden = sum(left - 4 < x < right + 4 and top - 4 < y < bottom + 4 for x, y in points)
    struck = sum(
        left < other[2] and other[0] < right and top < other[3] and other[1] < bottom for other in taken
    )
    inside = (
        left >= frame.left and right <= frame.width and top >= 0 and bottom <= frame.height - frame.bottom
    )
    return hidden + 10 * struck + (0 if inside else 100)
