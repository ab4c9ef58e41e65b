"""Rows that params.yaml leaves out before anything else, and texts that it takes for others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.kinds import written
from fairmark.data.labels import matches, stripped
from fairmark.data.raw import Raw
from fairmark.data.summaries import Exclusion
from fairmark.errors import Faults
from fairmark.params.prepare import Above, Below, DropRows, Prepare

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kept:
    """A raw file without the rows that are left out, and what each rule touched.

    Parameters
    ----------
    raw
        The rows that stay.
    dropped
        Rows that each of `prepare.drop_rows` left out, in their order; a row counts for the first that fits.
    """

    raw: Raw
    dropped: tuple[int, ...]


def kept(raw: Raw, params: Prepare) -> Kept:
    """Return a raw file without the rows that `prepare.drop_rows` leaves out."""
    stays = np.ones(len(raw.texts), bool)
    counts = []
    for rule in params.drop_rows:
        if len(raw.texts.columns) and rule.column not in raw.texts:
            where = f"column {rule.column}: must be in the file (prepare.drop_rows)"
            raw.faults.add(f"{where}, got no such column")
        here = stays & _fits(raw, rule, params) if rule.column in raw.texts else np.zeros(len(stays), bool)
        counts.append(int(here.sum()))
        stays &= ~here
    if stays.all():
        return Kept(raw, tuple(counts))
    left = replace(raw, texts=raw.texts[stays].reset_index(drop=True), numbers=raw.numbers[stays])
    return Kept(left, tuple(counts))


def _fits(raw: Raw, rule: DropRows, params: Prepare) -> Bools:
    texts = raw.texts[rule.column]
    if rule.column == params.target.column:
        texts = stripped(texts, params.target.strip)
    if rule.when == "missing":
        return texts.isna().to_numpy(bool)
    codes, different = pd.factorize(texts)
    counts = np.bincount(codes[codes >= 0], minlength=len(different))
    numerals = written(params.format, different.tolist(), counts)
    if isinstance(rule.when, Above | Below):
        known = numerals.read(different.tolist())
        _note_texts(rule, different[np.isnan(known)], raw.faults)
        hit = known > rule.when.above if isinstance(rule.when, Above) else known < rule.when.below
    else:
        values = rule.when
        hit = np.array([any(matches(text, one, numerals) for one in values) for text in different], bool)
    return np.append(hit, False)[codes]


def _note_texts(rule: DropRows, texts: "pd.Index[str]", faults: Faults) -> None:
    if len(texts):
        few = ", ".join(map(repr, texts.tolist()[:3]))
        where = f"column {rule.column}: must hold numbers for prepare.drop_rows"
        faults.add(f"{where} to compare, got {few}")


def exclusions(params: Prepare, dropped: Sequence[Sequence[int]]) -> tuple[Exclusion, ...]:
    """Return each rule in words, with the rows that it left out of all files.

    Parameters
    ----------
    dropped
        Of each file, the rows that each rule left out.
    """
    return tuple(
        Exclusion(
            column=rule.column, when=in_words(rule), reason=rule.reason, rows=sum(each[k] for each in dropped)
        )
        for k, rule in enumerate(params.drop_rows)
    )


def in_words(rule: DropRows) -> str:
    """Return when a row is left out, as a clause: `is missing`, `is a or b`, `is above 9`."""
    match rule.when:
        case Above(above=number):
            return f"is above {number:.15g}"
        case Below(below=number):
            return f"is below {number:.15g}"
        case "missing":
            return "is missing"
    return f"is {' or '.join(map(str, rule.when))}"
