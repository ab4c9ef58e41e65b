"""Pictures one line high that stand in the rows of a table and stretch with it.

Their places are shares of the width, so text around them keeps its size on a phone. They repeat the numbers
that stand beside them, and are therefore hidden from screen readers.
"""

from collections.abc import Sequence

from markupsafe import Markup

from fairmark.report.charts.svg import Scale, brief, joined, percent, tag, ticks

HEIGHT = 20
MIDDLE = HEIGHT / 2
MOST_TICKS = 3


def unit(low: float, high: float) -> Scale:
    """Return the scale of a strip, from `low..high` to shares of its width, with air at both ends."""
    return Scale(low, high, 0.03, 0.97)


def whisker(
    scale: Scale, value: float | None, low: float | None, high: float | None, mark: float | None
) -> Markup:
    """Return a dot with its interval, and a thin mark to compare it with."""
    parts = [*_grid(scale), _upright(scale, mark, "mark")]
    if low is not None and high is not None:
        parts.append(_level(scale, low, high, "whisker"))
    if value is not None:
        parts.append(tag("circle", cx=percent(scale(value)), cy=MIDDLE, r=4.5, class_="dot"))
    return _strip(parts)


def gate(
    scale: Scale, value: float | None, bound: float | None, opposite: float | None, limit: float, at: str
) -> Markup:
    """Return a dot with both bounds, the limit, and the side that the limit forbids shaded."""
    edge = scale(limit)
    start, width = (0.0, edge) if at == "at_least" else (edge, 1 - edge)
    whole = tag("rect", x=0, width="100%", y=0, height=HEIGHT, class_="room")
    parts = [
        whole,
        tag("rect", x=percent(start), width=percent(width), y=0, height=HEIGHT, class_="forbidden"),
    ]
    parts.append(_upright(scale, limit, "limit"))
    if bound is not None and opposite is not None:
        parts.append(_level(scale, bound, opposite, "whisker"))
    if bound is not None:
        parts.append(_upright(scale, bound, "bound"))
    if value is not None:
        parts.append(tag("circle", cx=percent(scale(value)), cy=MIDDLE, r=4.5, class_="dot"))
    return _strip(parts)


def bar(scale: Scale, start: float, end: float, style: str, *, ruled: bool = True) -> Markup:
    """Return a bar between two values, on the lines of the scale unless it has no foot to be read by."""
    left, right = sorted((scale(start), scale(end)))
    shape = tag(
        "rect",
        x=percent(left),
        width=percent(right - left),
        y=4,
        height=HEIGHT - 8,
        rx=2,
        class_=f"bar {style}",
    )
    return _strip([*(_grid(scale) if ruled else []), shape])


def step(scale: Scale, start: float, end: float, style: str) -> Markup:
    """Return a bar of a waterfall: it begins where the one above it ended."""
    left, right = sorted((scale(start), scale(end)))
    bridge = tag("line", x1=percent(scale(end)), x2=percent(scale(end)), y1=MIDDLE, y2=HEIGHT, class_="mark")
    shape = tag(
        "rect",
        x=percent(left),
        width=percent(max(right - left, 0.004)),
        y=3,
        height=HEIGHT - 6,
        class_=f"bar {style}",
    )
    return _strip([*_grid(scale), bridge, shape])


def axis(scale: Scale) -> Markup:
    """Return the scale itself, as the foot of a column of strips."""
    labels = [
        tag("text", brief(value), x=percent(scale(value)), y=12, class_="tick", text_anchor="middle")
        for value in ticks(scale.low, scale.high, MOST_TICKS)
    ]
    return _strip(labels)


def _grid(scale: Scale) -> list[Markup]:
    return [_upright(scale, value, "grid") for value in ticks(scale.low, scale.high, MOST_TICKS)]


def _upright(scale: Scale, value: float | None, style: str) -> Markup:
    if value is None:
        return Markup()
    place = percent(scale(value))
    return tag("line", x1=place, x2=place, y1=0, y2=HEIGHT, class_=style)


def _level(scale: Scale, low: float, high: float, style: str) -> Markup:
    return tag("line", x1=percent(scale(low)), x2=percent(scale(high)), y1=MIDDLE, y2=MIDDLE, class_=style)


def _strip(parts: Sequence[Markup]) -> Markup:
    return tag("svg", joined(parts), class_="strip", width="100%", height=HEIGHT, aria_hidden="true")
