"""Small SVG pictures as text: elements, scales and ticks, plot areas, and strips one line high for tables.

Colours come from the classes of the page's style sheet, so that one picture serves light, dark and paper;
coordinates are written to a tenth of a pixel, so that the same measurements give the same bytes.

Strips stand in the rows of a table and stretch with it. Their places are shares of the width, so text around
them keeps its size on a phone. They repeat the numbers that stand beside them, and are therefore hidden from
screen readers.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]
LETTER_WIDTH = 6.7
"""Width of a letter of a name, on the generous side."""
STRIP_HEIGHT = 20
STRIP_MIDDLE = STRIP_HEIGHT / 2
MOST_TICKS = 3


def tag(name: str, *content: str, **attributes: str | float) -> Markup:
    """Return an element; content and attributes are escaped unless they are Markup.

    A trailing underscore in an attribute's name is dropped (`class_`), an inner one becomes a hyphen
    (`stroke_width`).
    """
    inner = Markup().join(content)
    named = [(key.removesuffix("_").replace("_", "-"), _text(value)) for key, value in attributes.items()]
    head = Markup().join(Markup(' {}="{}"').format(key, value) for key, value in named)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), head, inner)  # noqa: S704 - element names are our own


def joined(parts: Iterable[Markup]) -> Markup:
    """Return the parts one after the other."""
    return Markup().join(parts)


def spot(value: float) -> str:
    """Return a coordinate, to a tenth."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def percent(share: float) -> str:
    """Return a share of the width as a percentage, for pictures that stretch."""
    return f"{spot(100 * share)}%"


def line(points: Sequence[Point]) -> str:
    """Return the path data through the points."""
    return "M" + "L".join(f"{spot(x)} {spot(y)}" for x, y in points)


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else spot(value)


@dataclass(frozen=True)
class Scale:
    """A straight map from `low..high` to `start..end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value stands; values outside stand at the nearest end."""
        span = self.high - self.low
        share = 0.5 if span == 0 else (min(max(value, self.low), self.high) - self.low) / span
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` round numbers in `low..high`, 1, 2, 2.5 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    power = 10 ** math.floor(math.log10((high - low) / max(most, 1)))
    for step in (power * factor for factor in (1, 2, 2.5, 5, 10, 20)):
        # What stands at an end but for rounding is a tick.
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [low, high]


def around(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """Return a round range that holds all values with some air, kept within `least..most`."""
    low, high = min(values), max(values)
    # Where all values are one there is a range around it all the same.
    air = 0.25 * (high - low) or 0.05 * abs(high) or 0.5
    step = 10 ** math.floor(math.log10(high - low + 2 * air))
    step = step / 2 if (high - low + 2 * air) / step < 4 else step
    below = math.floor((low - air) / step) * step
    above = math.ceil((high + air) / step) * step
    return max(float(f"{below:.12g}"), least), min(float(f"{above:.12g}"), most)


def brief(value: float) -> str:
    """Return a tick's label: four significant digits, thousands as k, a real minus sign."""
    text = f"{value / 1000:.4g}k" if abs(value) >= 10_000 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Frame:
    """A plot area between two axes, its margins in the picture's own units."""

    width: float
    height: float
    across: tuple[float, float]
    """Lowest and highest value of the horizontal axis."""
    upward: tuple[float, float]
    left: float = 40
    right: float = 16
    top: float = 26
    bottom: float = 40

    @property
    def x(self) -> Scale:
        """The horizontal scale."""
        return Scale(*self.across, self.left, self.width - self.right)

    @property
    def y(self) -> Scale:
        """The vertical scale."""
        return Scale(*self.upward, self.height - self.bottom, self.top)

    def at(self, point: Point) -> Point:
        """Return where a point of the data stands in the picture."""
        return self.x(point[0]), self.y(point[1])

    def path(self, points: Sequence[Point], style: str) -> Markup:
        """Return a line through the data's points."""
        return tag("path", d=line([self.at(p) for p in points]), class_=style) if points else Markup()

    def dot(self, point: Point, style: str, radius: float = 3.5) -> Markup:
        """Return a dot on one of the data's points."""
        x, y = self.at(point)
        return tag("circle", cx=x, cy=y, r=radius, class_=style)

    def axes(self, across: str, upward: str, labels: Mapping[float, str] | None = None) -> Markup:
        """Return grid lines, ticks, and the names of both axes; `labels` replace the horizontal ticks."""
        floor = self.height - self.bottom
        if labels is None:
            labels = {value: brief(value) for value in ticks(*self.across, int(self.width // 70))}
        parts = [tag("line", x1=self.left, x2=self.width - self.right, y1=floor, y2=floor, class_="axis")]
        for value in ticks(*self.upward, 5):
            y = self.y(value)
            parts.append(tag("line", x1=self.left, x2=self.width - self.right, y1=y, y2=y, class_="grid"))
            parts.append(label(brief(value), self.left - 6, y + 4, "end"))
        for value, text in labels.items():
            x = self.x(value)
            parts.append(tag("line", x1=x, x2=x, y1=floor, y2=floor + 4, class_="axis"))
            parts.append(label(text, x, floor + 16, "middle"))
        room = self.width - self.right
        parts.append(label(fitted(upward, room), 2, 13, "start", "name"))
        parts.append(label(fitted(across, room), room, self.height - 5, "end", "name"))
        return joined(parts)

    def picture(self, words: str, *content: Markup, style: str = "plot") -> Markup:
        """Return the whole picture, with words for those who don't see it."""
        box = f"0 0 {spot(self.width)} {spot(self.height)}"
        return tag("svg", *content, class_=style, viewBox=box, role="img", aria_label=words)


def label(text: str, x: float, y: float, anchor: str, style: str = "tick", **more: str) -> Markup:
    """Return a text at a place of the picture."""
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=style, **more)


def fitted(text: str, room: float) -> str:
    """Return a name as it is, or its beginning when it is longer than the room in the picture's own units."""
    most = int(room / LETTER_WIDTH)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


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
        parts.append(tag("circle", cx=percent(scale(value)), cy=STRIP_MIDDLE, r=4.5, class_="dot"))
    return _strip(parts)


def gate(
    scale: Scale, value: float | None, bound: float | None, opposite: float | None, limit: float, at: str
) -> Markup:
    """Return a dot with both bounds, the limit, and the side that the limit forbids shaded."""
    edge = scale(limit)
    start, width = (0.0, edge) if at == "at_least" else (edge, 1 - edge)
    whole = tag("rect", x=0, width="100%", y=0, height=STRIP_HEIGHT, class_="room")
    parts = [
        whole,
        tag("rect", x=percent(start), width=percent(width), y=0, height=STRIP_HEIGHT, class_="forbidden"),
    ]
    parts.append(_upright(scale, limit, "limit"))
    if bound is not None and opposite is not None:
        parts.append(_level(scale, bound, opposite, "whisker"))
    if bound is not None:
        parts.append(_upright(scale, bound, "bound"))
    if value is not None:
        parts.append(tag("circle", cx=percent(scale(value)), cy=STRIP_MIDDLE, r=4.5, class_="dot"))
    return _strip(parts)


def bar(scale: Scale, start: float, end: float, style: str, *, ruled: bool = True) -> Markup:
    """Return a bar between two values, on the lines of the scale unless it has no foot to be read by."""
    left, right = sorted((scale(start), scale(end)))
    shape = tag(
        "rect",
        x=percent(left),
        width=percent(right - left),
        y=4,
        height=STRIP_HEIGHT - 8,
        rx=2,
        class_=f"bar {style}",
    )
    return _strip([*(_grid(scale) if ruled else []), shape])


def step(scale: Scale, start: float, end: float, style: str) -> Markup:
    """Return a bar of a waterfall: it begins where the one above it ended."""
    left, right = sorted((scale(start), scale(end)))
    bridge = tag(
        "line",
        x1=percent(scale(end)),
        x2=percent(scale(end)),
        y1=STRIP_MIDDLE,
        y2=STRIP_HEIGHT,
        class_="mark",
    )
    shape = tag(
        "rect",
        x=percent(left),
        width=percent(max(right - left, 0.004)),
        y=3,
        height=STRIP_HEIGHT - 6,
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
    return tag("line", x1=place, x2=place, y1=0, y2=STRIP_HEIGHT, class_=style)


def _level(scale: Scale, low: float, high: float, style: str) -> Markup:
    return tag(
        "line",
        x1=percent(scale(low)),
        x2=percent(scale(high)),
        y1=STRIP_MIDDLE,
        y2=STRIP_MIDDLE,
        class_=style,
    )


def _strip(parts: Sequence[Markup]) -> Markup:
    return tag("svg", joined(parts), class_="strip", width="100%", height=STRIP_HEIGHT, aria_hidden="true")
