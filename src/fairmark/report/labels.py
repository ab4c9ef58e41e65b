"""Numbers and measurements as a reader sees them, and what a page is made of: tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who checks a release reads labels too, without what makes pages
    from markupsafe import Markup

    from fairmark.judge.measured import Measured
    from fairmark.judge.verdict import Verdict


MINUS = "\N{MINUS SIGN}"
NOT_MEASURED = "not measured"


def number(value: float | None, decimals: int) -> str:
    """Return a number with a fixed count of decimals and a real minus sign, or `not measured`."""
    if value is None:
        return NOT_MEASURED
    text = f"{value:.{decimals}f}"
    return text.replace("-", MINUS) if float(text) else text.removeprefix("-")


def count(value: float) -> str:
    """Return a count with its thousands set apart."""
    return f"{value:,.0f}"


def interval(low: float | None, high: float | None, decimals: int) -> str:
    """Return `low to high`, or nothing when there is no interval."""
    return "" if low is None or high is None else f"{number(low, decimals)} to {number(high, decimals)}"


def measured(entry: "Measured | None", decimals: int) -> str:
    """Return a measurement with its interval, or `not measured: why`."""
    if entry is None:
        return NOT_MEASURED
    if entry.value is None:
        return f"{NOT_MEASURED}: {entry.why or 'no reason was given'}"
    within = interval(entry.low, entry.high, decimals)
    return number(entry.value, decimals) + (f" ({within})" if within else "")


def listed(names: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def setting(value: float | str) -> str:
    """Return a chosen setting: numbers to four significant digits, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


SIGNS = {"at_least": "at least", "at_most": "at most"}


def sentence(verdict: "Verdict") -> str:
    """Return how many gates hold, and which do not."""
    gates = {finding.limit for finding in verdict.findings if finding.gate}
    outcomes = {name: outcome for name, outcome in verdict.limits.items() if name in gates}
    missed = [name for name, outcome in outcomes.items() if outcome == "fail"]
    unsure = [name for name, outcome in outcomes.items() if outcome == "insufficient evidence"]
    if not gates:
        return "The policy gates nothing, so nothing is shown."
    if not missed and not unsure:
        return "The one gated limit is met." if len(gates) == 1 else f"All {len(gates)} gated limits are met."
    sentences = [f"Missed: {listed(missed)}."] if missed else []
    through = list(dict.fromkeys(f.limit for f in verdict.findings if f.gate and f.overridden))
    sentences += [f"Let through by an override although missed: {listed(through)}."] if through else []
    sentences += [f"Neither met nor missed for certain: {listed(unsure)}."] if unsure else []
    met = len(outcomes) - len(missed) - len(unsure)
    return " ".join([*sentences, f"Met: {met} of {len(outcomes)} gated limits."])


NUMBER = "number"
STRIP = "strip"
WORDS = "words"


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, and whether it holds words, numbers or strips."""

    label: str
    kind: str = WORDS


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell of each row heads it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()
    """The last row, for the scale of a column of strips."""
    marked: frozenset[int] = field(default_factory=frozenset)
    """The rows that stand out."""


@dataclass(frozen=True)
class Picture:
    """A picture with a caption; it carries its own words for those who don't see it."""

    svg: "Markup"
    caption: str
