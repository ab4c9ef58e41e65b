"""What the texts of a column are: a number, a category, a rank, a yes or no, a day."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.sections.table import Boolean, Categorical, Column, Date, Inferred, Numeric, Ordinal

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
ENDLESS = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?", re.ASCII)
YES_NO = (("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"))

NEARLY = 0.99
"""A column of which this share, but not all, reads as numbers or days holds a slip, not another kind."""


@dataclass(frozen=True)
class Kind:
    """How the texts of one column are read.

    Parameters
    ----------
    name
        `numeric`, `categorical`, `ordinal`, `boolean` or `date`.
    categories
        Sorted values of a categorical, ranked values of an ordinal; None for the other kinds.
    declared
        Whether params.yaml lists the categories; if not, they are those found in the main file.
    pair
        The texts of a boolean's true and false; case does not matter in the data.
    form
        A date's strptime format; None for ISO 8601.
    """

    name: str
    categories: tuple[str, ...] | None = None
    declared: bool = False
    pair: tuple[str, str] | None = None
    form: str | None = None

    @property
    def must(self) -> str:
        """What a text of this kind must be, in words."""
        match self.name:
            case "numeric":
                return "must be a finite number"
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


def kind_of(column: Column, texts: "pd.Series[str]", own: str | None, decimal: str) -> Kind:
    """Return the kind of a column, from what params.yaml says or else from its texts in the main file.

    Raises
    ------
    ValueError
        When the texts do not tell a kind; its text goes into a fault.
    """
    match column:
        case Numeric():
            return Kind("numeric")
        case Ordinal():
            return Kind("ordinal", tuple(dict.fromkeys(column.order)), declared=True)
        case Boolean():
            return Kind("boolean", pair=_pair(column, own))
        case Date():
            return Kind("date", form=None if own == "date" else column.format)
        case Categorical(values=None):
            return Kind("categorical", _found(texts))
        case Categorical(values=listed):
            return Kind("categorical", tuple(sorted(set(listed or ()))), declared=True)
        case Inferred():
            return _inferred(texts, own, decimal)


def _pair(column: Boolean, own: str | None) -> tuple[str, str]:
    return ("true", "false") if own == "boolean" else (column.true, column.false)


def _found(texts: "pd.Series[str]") -> tuple[str, ...]:
    return tuple(sorted(str(value) for value in texts.dropna().unique()))


def _inferred(texts: "pd.Series[str]", own: str | None, decimal: str) -> Kind:
    given = texts.dropna()
    if given.empty:
        raise ValueError("must hold a value to show its kind, got none: drop it, or say its kind")
    if own == "date":
        return Kind("date")
    counts = given.value_counts()
    different = [str(text) for text in counts.index.tolist()]
    for pair in YES_NO:
        if {text.lower() for text in different[:8]} == set(pair):
            return Kind("boolean", pair=pair)
    for name, known in (("numeric", numbers(different, decimal)), ("date", _days(different))):
        fits = ~np.isnan(known)
        share = counts.to_numpy()[fits].sum() / len(given)
        if share == 1:
            return Kind(name)
        if share >= NEARLY:
            slips = ", ".join(repr(text) for text in np.array(different, dtype=object)[~fits][:3])
            raise ValueError(
                f"must be all {name} or have its kind in prepare.columns, "
                f"got {share:.2%} {name} beside {slips}"
            )
    return Kind("categorical", _found(texts))


def _days(texts: list[str]) -> npt.NDArray[np.float64]:
    return np.array([1.0 if ISO_DAY.fullmatch(text) else np.nan for text in texts])


def numbers(texts: list[str], decimal: str) -> npt.NDArray[np.float64]:
    """Return the number each text stands for: NaN for no number, infinity for `nan`, `inf` and overflow."""
    return np.array([_number(text, decimal) for text in texts], dtype=np.float64)


def _number(text: str, decimal: str) -> float:
    if decimal == ",":
        text = text.replace(",", ".") if "." not in text else "x"
    if NUMBER.fullmatch(text):
        return float(text)
    return np.inf if ENDLESS.fullmatch(text) else np.nan


def typed(texts: "pd.Series[str]", kind: Kind, decimal: str) -> Typed:
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
            known = numbers(different.tolist(), decimal)
            known = np.where(np.isinf(known), np.nan, known)
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
