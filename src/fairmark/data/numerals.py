"""How numbers are written: decimal mark, mark between thousands, and the unit beside them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

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
