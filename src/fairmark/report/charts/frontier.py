"""The frontier of the search: every trial by fairness and quality, and what no other trial beats."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from fairmark.report.charts.svg import Frame, Point, around, label, tag

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


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
    told = "; ".join(
        f"{' and '.join(mark.names)}: {across} {mark.across:.3f}, {upward} {mark.upward:.3f}"
        for mark in marks
        if mark.names
    )
    words = f"{len(marks)} trials by {across} and {upward}. {told}"
    return frame.picture(
        words,
        _allowed(frame, limits),
        frame.axes(across, upward),
        frame.path(_stairs(best), "curve"),
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
    said = (
        label("meets the limits", right - 6, ceiling + 15, "end", "name") if right - left > 110 else Markup()
    )
    return area + edge + said


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
    return tag("circle", note, cx=x, cy=y, r=radius, class_=style)


def _names(frame: Frame, marks: Sequence[Mark]) -> list[Markup]:
    """Return the names of the named trials, each where it hides the fewest trials and no other name."""
    points = [frame.at((mark.across, mark.upward)) for mark in marks]
    taken: list[Box] = []
    found = []
    for mark, (x, y) in zip(marks, points, strict=True):
        if mark.names:
            text = " = ".join(mark.names)
            best = min(_places(x, y, text), key=lambda place: _cost(place[3], points, taken, frame))
            taken.append(best[3])
            found.append(label(text, best[0], best[1], best[2], "say", paint_order="stroke"))
    return found


def _places(x: float, y: float, text: str) -> list[tuple[float, float, str, Box]]:
    """Return where a name may stand by its trial, the best first: x, y, anchor, and the box that it fills."""
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
