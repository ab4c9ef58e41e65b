"""The plot area of a picture with two axes: scales, grid lines, ticks and names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairmark.report.svg import Point, Scale, brief, joined, line, spot, tag, ticks

WIDTH = 6.7
"""Width of a letter of a name, on the generous side."""


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
    most = int(room / WIDTH)
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
