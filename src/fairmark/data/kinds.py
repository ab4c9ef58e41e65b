"""The kind of a column, and the values that its texts stand for: number, category, rank, yes or no, day.

How a file writes its numbers (decimal mark, mark between thousands, units beside them) is a part of the kind.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.schema import KindName
from fairmark.params.prepare import Csv, Parquet

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
ENDLESS = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
SAME_MARKS = {" ": " \u00a0\u202f", "'": "'\u2019"}
"""Marks between thousands that are written in more than one way; within a number they are all alike."""


@dataclass(frozen=True)
class Numerals:
    """How the numbers of a file, or of one of its columns, are written.

    Parameters
    ----------
    decimal
        The decimal mark, a point or a comma.
    thousands
        The mark between groups of three digits; None where there is none.
    unit
        What stands before or after every number, such as `$`; empty where nothing does.
    """

    decimal: str = "."
    thousands: str | None = None
    unit: str = ""

    def read(self, texts: Iterable[str]) -> npt.NDArray[np.float64]:
        """Return the number each text stands for: NaN for none, infinity for `nan`, `inf` and overflow."""
        return np.array([self._number(text) for text in texts], dtype=np.float64)

    def _number(self, text: str) -> float:
        bare = without_unit(text, self.unit) if self.unit else text
        if bare is None:
            return np.nan
        if self.thousands and _grouped(self.thousands, self.decimal).fullmatch(bare):
            bare = re.sub(f"[{SAME_MARKS.get(self.thousands, self.thousands)}]", "", bare)
        if self.decimal == ",":
            bare = bare.replace(",", ".") if "." not in bare else "x"
        if NUMBER.fullmatch(bare):
            return float(bare)
        return np.inf if ENDLESS.fullmatch(bare) else np.nan


@cache
def _grouped(thousands: str, decimal: str) -> re.Pattern[str]:
    mark = SAME_MARKS.get(thousands, thousands)
    return re.compile(rf"[+-]?\d{{1,3}}([{mark}])\d{{3}}(\1\d{{3}})*([{decimal}]\d*)?", re.ASCII)


def without_unit(text: str, unit: str) -> str | None:
    """Return a text without the unit before or after its number, sign kept; None where it has none."""
    sign, rest = (text[0], text[1:].lstrip()) if text[:1] in {"+", "-"} else ("", text)
    if rest.startswith(unit):
        return sign + rest[len(unit) :].lstrip()
    return sign + rest[: -len(unit)].rstrip() if rest.endswith(unit) else None


def written(form: Csv | Parquet, texts: Sequence[str], counts: npt.NDArray[np.int64]) -> Numerals:
    """Return how the numbers of a column are written: with the unit that most cells carry, or none.

    A column has one unit: `$5` beside `5 EUR`, or beside `5`, are no numbers of the same scale.

    Parameters
    ----------
    texts, counts
        The different texts of the column, and how many cells hold each.
    """
    decimal = form.decimal if isinstance(form, Csv) else "."
    each = [Numerals(decimal, form.thousands, unit) for unit in ("", *form.units)]
    if len(each) == 1:
        return each[0]
    return max(each, key=lambda one: int(counts[~np.isnan(one.read(texts))].sum()))


ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """How the texts of one column are read.

    Parameters
    ----------
    categories
        Sorted values of a categorical, ranked values of an ordinal; None for the other kinds.
    declared
        Whether params.yaml lists the categories; if not, they are those found in the main file.
    pair
        The texts of a boolean's true and false; case does not matter in the data.
    form
        A date's strptime format; None for ISO 8601.
    numerals
        How a numeric's numbers are written.
    """

    name: KindName
    categories: tuple[str, ...] | None = None
    declared: bool = False
    pair: tuple[str, str] | None = None
    form: str | None = None
    numerals: Numerals = field(default_factory=Numerals)

    @property
    def must(self) -> str:
        """What a text of this kind must be, in words."""
        match self.name:
            case "numeric":
                unit = self.numerals.unit
                return f"must be a finite number with {unit}" if unit else "must be a finite number"
            case "date":
                return f"must be a date like {self.form or '2026-01-31 (ISO 8601)'}"
            case "boolean" if self.pair:
                return f"must be {self.pair[0]} or {self.pair[1]}"
        return "must be text"


@dataclass(frozen=True)
class Typed:
    """One column, read: [n] texts, [n] cells (missing without a readable text), [n] unreadable texts."""

    texts: "pd.Series[str]"
    cells: "pd.Series[Any]"
    unreadable: npt.NDArray[np.bool_]


def typed(texts: "pd.Series[str]", kind: Kind) -> Typed:
    """Return the values that the texts of one column stand for.

    Numeric columns become float64, dates datetime64[us] (times with a zone in UTC), booleans pandas' boolean.
    Categorical and ordinal columns stay texts; whether a text is a known one is the schema's to say.
    """
    if kind.name in {"categorical", "ordinal"}:
        return Typed(texts, texts, np.zeros(len(texts), bool))
    codes, different = pd.factorize(texts)
    spots = np.where(codes < 0, len(different), codes)
    match kind.name:
        case "numeric":
            known = kind.numerals.read(different.tolist())
            known = np.where(np.isinf(known), np.nan, known) + 0.0  # a zero below zero is zero
            cells = pd.Series(np.append(known, np.nan)[spots])
        case "date":
            moments = _moments(different, kind.form)
            cells = pd.Series(moments.append(pd.DatetimeIndex([pd.NaT]).as_unit("us"))[spots])
        case _:
            cells = pd.Series(_booleans(different, kind.pair or ("true", "false")).take(spots))
    return Typed(texts, cells, (cells.isna() & texts.notna()).to_numpy(bool))


def _moments(texts: "pd.Index[str]", form: str | None) -> pd.DatetimeIndex:
    # Words such as "now" and "today" would be read as the moment of the run.
    clean = [text if form or text[:4].isdigit() else None for text in texts.tolist()]
    moments = pd.to_datetime(pd.Index(clean), format=form or "ISO8601", errors="coerce", utc=True)
    return pd.DatetimeIndex(moments).tz_localize(None).as_unit("us")


def _booleans(texts: "pd.Index[str]", pair: tuple[str, str]) -> Any:
    meaning: Mapping[str, bool] = {pair[0].lower(): True, pair[1].lower(): False}
    return pd.array([*(meaning.get(text.lower()) for text in texts.tolist()), None], dtype="boolean")
