"""How the cells of a file are written: decimal mark, thousands, units, and texts that mean "not known".

One form is found for the whole file, as `prepare.format` has one: that by which most columns read as numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fairmark.data.cells import ISO_DAY, Numerals
from fairmark.data.inference import DAYS, ZERO_LED, unit_parted

SURE = (
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "NaT",
    "NULL",
    "null",
    "?",
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
)
"""Texts that mean "not known" wherever they stand."""

LIKELY = (
    "None", "none", "-", "--", "---", ".", "..", "*", "unknown", "Unknown", "UNKNOWN", "missing", "Missing",
    "n.a.", "N.A.", "k.A.", "keine Angabe", "not available", "not known", "unbekannt", "inconnu", "-NA-",
)  # fmt: skip
"""Texts that mean it where all others of their column are numbers or days."""

DIFFERENT = 300
"""Different texts of a column by which forms of numbers are told apart; whether all read is asked later."""

FORMS = (
    Numerals("."), Numerals(","), Numerals(".", ","), Numerals(",", "."), Numerals(".", " "),
    Numerals(",", " "), Numerals(".", "'"),
)  # fmt: skip


@dataclass(frozen=True)
class NumberFormat:
    """How numbers and gaps are written.

    Parameters
    ----------
    decimal, thousands, units, missing
        As in `prepare.format`.
    notes
        What a person should look at, a sentence each.
    """

    decimal: str
    thousands: str | None
    units: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def number_format(
    texts: pd.DataFrame, types: Mapping[str, str], separator: str | None, decimal: str | None = None
) -> NumberFormat:
    """Return how the cells of a file are written.

    Parameters
    ----------
    texts
        [n, columns] trimmed texts, null where nothing stands.
    types
        The file's own types; such columns say nothing of numbers.
    separator
        Of the file; None for Parquet, whose numbers have points.
    decimal
        The decimal mark that a person named.
    """
    different = {
        str(name): [str(text) for text in texts[name].dropna().unique()]
        for name in texts
        if name not in types
    }
    plain = {name: _without(found, {*SURE, *LIKELY}) for name, found in different.items()}
    loose = {
        name: [unit_parted(text) for text in sample]
        for name, found in plain.items()
        if _numeric_like(sample := _spread(found))
    }
    forms = _tried(separator, decimal)
    read = {form: {name for name, found in loose.items() if _all_read(found, form)} for form in forms}
    # The form that reads most columns whole; of equals the plainest, which stands first.
    best = max(forms, key=lambda form: (len(read[form]), -forms.index(form)))
    numbers = read[best]
    units = {unit for name in numbers for _, unit in loose[name] if unit}
    notes = _of_marks(forms, read, best, loose)
    missing = {text for found in different.values() for text in found if text in SURE}
    for name, found in different.items():
        # A dash among texts may be a value like any other; among numbers or days it is none.
        if name in numbers or (plain[name] and _all_days(_spread(plain[name]))):
            missing |= {text for text in found if text in LIKELY}
    return NumberFormat(
        best.decimal, best.thousands, tuple(sorted(units)), tuple(sorted(missing)), tuple(notes)
    )


def _tried(separator: str | None, decimal: str | None) -> list[Numerals]:
    forms = [form for form in FORMS if decimal in (None, form.decimal)]
    if separator is None:
        return [form for form in forms if form.decimal == "."]
    if separator == ",":
        # Between commas `1,234` stands in quotes, as numbers with thousands do.
        return sorted(forms, key=lambda form: form.decimal == ",")
    return forms


def _without(found: Sequence[str], marks: set[str]) -> list[str]:
    return [text for text in found if text not in marks]


def _spread(found: Sequence[str]) -> Sequence[str]:
    """Return so many texts as are looked at, from all over the column."""
    return found[:: max(1, len(found) // DIFFERENT)]


def _numeric_like(found: Sequence[str]) -> bool:
    digits = sum(any(char.isdigit() for char in text) for text in found)
    return bool(found) and digits == len(found) and not any(ZERO_LED.fullmatch(text) for text in found)


def _all_read(found: Sequence[tuple[str, str]], form: Numerals) -> bool:
    if len({unit for _, unit in found}) > 1:
        return False  # `$5` beside `5` are no numbers of one scale
    return bool(pd.notna(pd.Series(form.read(bare for bare, _ in found))).all())


def _of_marks(
    forms: Sequence[Numerals], read: Mapping[Numerals, set[str]], best: Numerals, loose: Mapping[str, Any]
) -> list[str]:
    """Return a note where another form reads the same columns as other numbers."""
    for other in forms:
        if other.decimal == best.decimal or not read[other] >= read[best] or not read[best]:
            continue
        for name in sorted(read[best]):
            bare = [text for text, _ in loose[name]]
            apart = next(
                (t for t, a, b in zip(bare, best.read(bare), other.read(bare), strict=True) if a != b), None
            )
            if apart is not None:
                mark = "comma" if best.decimal == "," else "point"
                return [
                    f"Column {name}: {apart!r} is read with a decimal {mark}; say --decimal if it is not."
                ]
    return []


def _all_days(found: Sequence[str]) -> bool:
    return all(ISO_DAY.fullmatch(text) for text in found) or day_format(found) is not None


def day_format(found: Sequence[str]) -> tuple[str, ...] | None:
    """Return the strptime formats of which each reads all texts as days; None where none does."""
    import warnings

    texts = pd.Series(_spread(found), dtype="str")
    if texts.empty or not texts.str.contains(r"\d").all() or (texts.str.len() > 30).any():
        return None
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits += [form for form in DAYS if pd.to_datetime(texts, format=form, errors="coerce").notna().all()]
    return tuple(fits) or None
