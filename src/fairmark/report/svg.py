"""Small SVG pictures as text: elements, scales and ticks.

Colours come from the classes of the page's style sheet, so that one picture serves light, dark and paper;
coordinates are written to a tenth of a pixel, so that the same measurements give the same bytes.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

Point = tuple[float, float]


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
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [low, high]


def around(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """Return a round range that holds all values with some air, kept within `least..most`."""
    low, high = min(values), max(values)
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
