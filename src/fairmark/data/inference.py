"""Tell a column's kind: what params.yaml says of it, or what every one of its texts reads as.

Nothing is guessed in silence. A column is a number or a date when all its texts are; one that mostly reads as
numbers or dates is refused, with the texts that do not and the lines of params.yaml that would settle it.
"""

import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.cells import ISO_DAY, Kind, Numerals, without_unit
from fairmark.data.kinds import written
from fairmark.errors import shown
from fairmark.params.prepare import (
    Boolean,
    Categorical,
    Column,
    Csv,
    Date,
    Inferred,
    Numeric,
    Ordinal,
    Parquet,
)
from fairmark.stats.arrays import Mask

YES_NO = (("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"))
ZERO_LED = re.compile(r"[+-]?0\d+", re.ASCII)
"""A code such as `01234`: as a number it would be another code's."""

EXACT = 2**53
"""Whole numbers up to which float64 holds each (IEEE 754-2019, binary64: 53 digits of significand)."""

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)

MOSTLY = 0.5
"""A column must say its kind if this share of its cells reads as numbers or dates, and not all do."""

RANKS = 20
"""Different texts up to which ranks are proposed, as of `0`, `1`, `2`, `3+`."""

UNITS = ("$", "\u20ac", "\u00a3", "\u00a5", "\u20b9", "%", "USD", "EUR", "GBP", "CHF")
"""Units that are looked for where params.yaml names none."""

DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y",
    "%m/%d/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%b-%Y", "%b %Y",
    "%B %Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M:%S",
)  # fmt: skip
"""Dates that are looked for where params.yaml names no format."""

DAY_LIKE = re.compile(r"[\w ,./:-]*\d[\w ,./:-]*")

Form = Csv | Parquet


@dataclass(frozen=True)
class _Texts:
    """The different texts of a column, and how many cells hold each."""

    different: list[str]
    counts: npt.NDArray[np.int64]

    def share(self, fits: Mask) -> float:
        return float(self.counts[fits].sum() / self.counts.sum())


@dataclass(frozen=True)
class _Reading:
    """What most of a column's texts could be read as: what, which of them, and lines that together say so."""

    what: str
    fits: Mask
    lines: tuple[str, ...]


def kind_of(name: str, column: Column, texts: "pd.Series[str]", own: str | None, form: Form) -> Kind:
    """Return the kind of a column, from what params.yaml says or else from its texts in the main file.

    Parameters
    ----------
    own
        The type that the file itself gives the column: `boolean`, `date` or None.

    Raises
    ------
    ValueError
        When the texts do not tell a kind; its text goes into a fault.
    """
    match column:
        case Numeric():
            counted = _texts(texts)
            return Kind("numeric", numerals=written(form, counted.different, counted.counts))
        case Ordinal():
            return Kind("ordinal", tuple(dict.fromkeys(column.order)), declared=True)
        case Boolean():
            pair = ("true", "false") if own == "boolean" else (column.true, column.false)
            return Kind("boolean", pair=pair)
        case Date():
            return Kind("date", form=None if own == "date" else column.format)
        case Categorical(values=None):
            return Kind("categorical", tuple(sorted(_texts(texts).different)))
        case Categorical(values=listed):
            return Kind("categorical", tuple(sorted(set(listed or ()))), declared=True)
        case Inferred():
            return _inferred(name, texts, own, form)


def _texts(texts: "pd.Series[str]") -> _Texts:
    counts = texts.dropna().value_counts()
    return _Texts([str(text) for text in counts.index.tolist()], counts.to_numpy().astype(np.int64))


def _inferred(name: str, texts: "pd.Series[str]", own: str | None, form: Form) -> Kind:
    counted = _texts(texts)
    if not counted.different:
        raise ValueError("must hold a value to show its kind, got none: drop it, or say its kind")
    if own == "date":
        return Kind("date")
    pair = _pair(counted.different)
    if pair is not None:
        return Kind("boolean", pair=pair)
    plain = Kind("categorical", tuple(sorted(counted.different)))
    if any(ZERO_LED.fullmatch(text) for text in counted.different):
        return plain
    numerals = written(form, counted.different, counted.counts)
    numbers = numerals.read(counted.different)
    known = ~np.isnan(numbers)
    if known.all():
        _refuse_inexact(name, counted, numbers)
        return Kind("numeric", numerals=numerals)
    days = _iso(counted.different)
    if days.all():
        return Kind("date")
    best = max(_readings(name, counted, form, known, days), key=lambda one: counted.share(one.fits))
    if counted.share(best.fits) >= MOSTLY:
        raise ValueError(_unsettled(name, best, counted))
    return plain


def _refuse_inexact(name: str, texts: _Texts, numbers: npt.NDArray[np.float64]) -> None:
    """Refuse whole numbers that float64 does not hold exactly: they are ids, and two would become one."""
    large = np.abs(numbers) >= EXACT  # 2^53 + 1 reads as 2^53
    if not large.any():
        return
    whole = [text for text, one in zip(texts.different, large, strict=True) if one and _WHOLE.fullmatch(text)]
    if found := [text for text in whole if abs(int(text)) > EXACT]:
        where = f"prepare.columns.{_key(name)}"
        raise ValueError(
            "must say its kind, because it holds whole numbers above 2^53, which no number here holds "
            f"exactly ({shown(found)}), as ids are; params.yaml settles it by {where}: "
            "{kind: categorical, values: null, missing: 1}, by prepare.row_id, or by prepare.drop"
        )


def _pair(different: Sequence[str]) -> tuple[str, str] | None:
    """Return the texts of true and false, spelled as most cells spell them."""
    for true, false in YES_NO:
        # The spellings of two words are few: more than eight different texts are no boolean, and need no look
        # at each.
        if {text.lower() for text in different[:8]} == {true, false} and len(different) <= 8:
            first = {text.lower(): text for text in reversed(different)}
            return first[true], first[false]
    return None


def _iso(texts: Sequence[str]) -> Mask:
    return np.array([bool(ISO_DAY.fullmatch(text)) for text in texts])


def numeric_share(texts: "pd.Series[str]", form: Form) -> float:
    """Return the share of given cells that read as numbers, 0 where none is given."""
    counted = _texts(texts)
    if not counted.different:
        return 0.0
    numerals = written(form, counted.different, counted.counts)
    return counted.share(~np.isnan(numerals.read(counted.different)))


def _readings(name: str, texts: _Texts, form: Form, known: Mask, days: Mask) -> Iterator[_Reading]:
    """Yield what the texts could be read as, the plainest first."""
    where = f"prepare.columns.{_key(name)}"
    yield _Reading("numbers", known, ())
    yield _Reading("dates", days, ())
    yield from _numbers(texts, form)
    yield from _dates(texts, where, days)


def _numbers(texts: _Texts, form: Form) -> Iterator[_Reading]:
    """Yield numbers with units and marks between thousands that params.yaml does not name."""
    bare, units = zip(*map(unit_parted, texts.different), strict=True)
    named = set(form.units)
    decimal = form.decimal if isinstance(form, Csv) else "."
    # The reading without marks first: `max` takes the first of equals, and the plainest is the best advice.
    for numerals in (Numerals(decimal), *(_MARKED if isinstance(form, Csv) else _MARKED[:3])):
        fits = ~np.isnan(numerals.read(bare))
        if not fits.any():
            continue
        lacking = sorted({unit for unit, fit in zip(units, fits, strict=True) if fit and unit} - named)
        # Beside those that are named: another column, told in the same breath or mended before, has its own.
        more = ", ".join(json.dumps(unit, ensure_ascii=False) for unit in lacking)
        lines = [f"prepare.format.units: [..., {more}]"] if lacking else []
        if numerals.thousands and numerals.thousands != form.thousands:
            lines.append(f"prepare.format.thousands: {json.dumps(numerals.thousands)}")
        if numerals.decimal != decimal:
            lines.append(f"prepare.format.decimal: {json.dumps(numerals.decimal)}")
        what = "numbers" if not lacking else f"numbers with {' or '.join(lacking)}"
        yield _Reading(what, fits, tuple(lines))


_MARKED = (
    Numerals(".", ","),
    Numerals(".", " "),
    Numerals(".", "'"),
    Numerals(",", "."),
    Numerals(",", " "),
    Numerals(",", "'"),
)


def unit_parted(text: str) -> tuple[str, str]:
    """Return a text without the first known unit that it carries, and that unit."""
    for unit in UNITS:
        bare = without_unit(text, unit)
        if bare is not None:
            return bare, unit
    return text, ""


MIXED = "days written in several ways"


def _dates(column: _Texts, where: str, iso: Mask) -> Iterator[_Reading]:
    """Yield days in the forms that read most of them, and days in several forms, which no one form reads."""
    # Texts that could be days at all, for each is tried in all forms of DAYS.
    likely = np.array([bool(DAY_LIKE.fullmatch(text)) and len(text) <= 30 for text in column.different])
    if column.share(likely) < MOSTLY:
        return
    texts = pd.Series([text if one else None for text, one in zip(column.different, likely, strict=True)])
    read = {form: _as_days(texts, form) for form in DAYS}
    most = max(column.share(fits) for fits in read.values())
    equal = [form for form, fits in read.items() if column.share(fits) == most]
    if most > 0:
        lines = [
            f"{where}: {{kind: date, format: {json.dumps(form)}, earliest: null, latest: null, missing: 1}}"
            for form in equal
        ]
        yield _Reading("dates", read[equal[0]], (" or ".join(lines),))
        # Last: `max` takes the first of equals, so that one form which reads as many goes before several.
        yield _Reading(MIXED, np.any([iso, *read.values()], axis=0), ())


def _as_days(texts: "pd.Series[str]", form: str) -> Mask:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        days = pd.to_datetime(texts, format=form, errors="coerce")
    return days.notna().to_numpy(bool)


def _unsettled(name: str, best: _Reading, texts: _Texts) -> str:
    """Return why a column is refused, and the lines of params.yaml of which each would settle it."""
    others = [text for text, fit in zip(texts.different, best.fits, strict=True) if not fit]
    rest = f", but {_percent(1 - texts.share(best.fits))} do not ({shown(others)})" if others else ""
    fitting = np.flatnonzero(best.fits)
    example = texts.different[int(fitting[0])]
    quoted = repr(example)
    if best.what == MIXED:
        other_way = next(text for k in fitting if _shape(text := texts.different[int(k)]) != _shape(example))
        quoted = f"{example!r} and {other_way!r}"
    marks = ", ".join(json.dumps(text, ensure_ascii=False) for text in others[:5])
    unknown = [f"prepare.format.missing: [..., {marks}] (they mean: not known)"] if others else []
    one_way = ["nothing but days written in one way"] if best.what == MIXED else []
    settle = " and ".join([*unknown, *best.lines, *one_way])
    where = f"prepare.columns.{_key(name)}"
    other = f"{where}: {{kind: categorical, values: null, missing: 1}}"
    if others and len(texts.different) <= RANKS:
        other = f"{where}: {{kind: ordinal, order: [lowest first], missing: 1}}, or {other}"
    return (
        f"must say its kind, because {_percent(texts.share(best.fits))} of its cells read as {best.what} "
        f"({quoted}){rest}; params.yaml settles it by {settle}; or by {other}"
    )


def _shape(text: str) -> str:
    """Return how a text is written: each digit as 0, each letter as a."""
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "0", text))


def _percent(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.3g}%"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w.-]*", name) else json.dumps(name, ensure_ascii=False)
