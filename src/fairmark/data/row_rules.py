"""Rules of params.yaml on the texts of a row: whether it is left out, and which label it has, 1 or 0."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.cells import Numerals, in_words, matches
from fairmark.data.kinds import written
from fairmark.data.raw import Raw
from fairmark.data.summaries import Exclusion
from fairmark.errors import Faults, shown
from fairmark.params.prepare import Above, Below, Csv, DropRows, Parquet, Prepare, Target, Value
from fairmark.stats.arrays import Mask


@dataclass(frozen=True)
class Meaning:
    """What the label means.

    Parameters
    ----------
    positive, negative
        As the main file spells them.
    rest
        The negative texts of the main file.
    numerals
        How its numbers are written.
    """

    positive: str
    negative: str
    rest: list[str]
    numerals: Numerals


def stripped(texts: "pd.Series[str]", strip: str) -> "pd.Series[str]":
    """Return label texts without the characters of `strip` at the end; what ends empty is missing."""
    if not strip:
        return texts
    bare = texts.str.rstrip(strip).str.strip()
    return bare.where(bare != "")


def value_text(value: Value | Sequence[Value]) -> str:
    """Return a label value of params.yaml, or several, as a text to show."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return f"{value:.15g}" if isinstance(value, int | float) else " or ".join(map(value_text, value))


def labels(
    texts: "pd.Series[str]",
    target: Target,
    main: Meaning | None,
    numbers: npt.NDArray[np.int64],
    form: Csv | Parquet,
    faults: Faults,
) -> tuple[npt.NDArray[np.int8], Meaning]:
    """Return [n] labels (1 = positive, 0 = negative), and what the positive and the negative label mean.

    Parameters
    ----------
    texts
        [n] label texts, `stripped`.
    main
        What they mean in the main file, where this is another one.
    """
    where = f"column {target.column}:"
    rule = (
        f"prepare.drop_rows: [{{column: {target.column}, when: missing, reason: ...}}] leaves such rows out"
    )
    faults.rows(numbers[texts.isna()], f"{where} the label must be given ({rule}), got nothing")
    counts = texts.dropna().value_counts()
    different = [str(text) for text in counts.index]
    numerals = main.numerals if main else written(form, different, counts.to_numpy().astype(np.int64))
    positive, negative, faulty = _parted(different, target, main, numerals)
    faults.lines += [f"{faults.where}: {where} {fault}" for fault in faulty]
    meaning = main or _meaning(positive, negative, target, numerals)
    strange = texts.notna() & ~texts.isin([*positive, *negative])
    if not faulty:
        faults.rows(numbers[strange], f"{where} the label must be {_must(target, meaning)}", texts[strange])
    if different and not (positive and negative):
        faults.add(f"{where} the label must hold both classes, got only {shown(different)}")
    return texts.isin(positive).to_numpy(bool).astype(np.int8), meaning


def _meaning(positive: list[str], negative: list[str], target: Target, numerals: Numerals) -> Meaning:
    if isinstance(target.positive, Above):
        edge = f"{target.positive.above:.15g}"
        return Meaning(f"above {edge}", f"at most {edge}", negative, numerals)
    return Meaning(_words(positive, target.positive), _words(negative, target.negative), negative, numerals)


def _words(texts: list[str], value: Value | Sequence[Value] | None) -> str:
    """Return a label as the data spell it, or as params.yaml does where the data have none."""
    return " or ".join(sorted(texts)) if texts or value is None else value_text(value)


def _must(target: Target, meaning: Meaning) -> str:
    if isinstance(target.positive, Above):
        return "a finite number"
    negative = meaning.negative if target.negative is None else value_text(target.negative)
    return f"{value_text(target.positive)} or {negative}"


def _parted(
    different: list[str], target: Target, main: Meaning | None, numerals: Numerals
) -> tuple[list[str], list[str], list[str]]:
    """Return the texts of the positive and of the negative label, and what is wrong with them."""
    if isinstance(target.positive, Above):
        known = numerals.read(different)
        above = dict(zip(different, known > target.positive.above, strict=True))
        finite = [text for text, one in zip(different, np.isfinite(known), strict=True) if one]
        return [text for text in finite if above[text]], [text for text in finite if not above[text]], []
    positive = _met(different, target.positive, target.strip, numerals)
    if target.negative is not None:
        negative = _met(different, target.negative, target.strip, numerals)
        both = sorted(set(positive) & set(negative))
        faults = [f"the label must be positive or negative, got both for {shown(both)}"] if both else []
        return positive, negative, faults
    # In another file a label means what it meant in the main one.
    if main is not None:
        return positive, [text for text in different if text in main.rest], []
    rest = sorted(set(different) - set(positive))
    must = f"the label must hold one value beside {value_text(target.positive)} when target.negative is null"
    return positive, rest, [f"{must}, got {shown(rest)}"] if len(rest) > 1 else []


def _met(different: list[str], values: Value | Sequence[Value], strip: str, numerals: Numerals) -> list[str]:
    each = [values] if isinstance(values, bool | int | float | str) else values
    bare = [_bare(value, strip) for value in each]
    return [text for text in different if any(matches(text, value, numerals) for value in bare)]


def _bare(value: Value, strip: str) -> Value:
    return value.rstrip(strip).strip() if isinstance(value, str) and strip else value


@dataclass(frozen=True)
class FilteredRows:
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


def filtered(raw: Raw, params: Prepare) -> FilteredRows:
    """Return a raw file without the rows that `prepare.drop_rows` leaves out."""
    stays = np.ones(len(raw.texts), bool)
    counts = []
    for rule in params.drop_rows:
        if len(raw.texts.columns) and rule.column not in raw.texts:
            where = f"column {rule.column}: must be in the file (prepare.drop_rows)"
            raw.faults.add(f"{where}, got no such column")
        # A row counts for the first rule that fits it, so that the counts add up.
        here = stays & _fits(raw, rule, params) if rule.column in raw.texts else np.zeros(len(stays), bool)
        counts.append(int(here.sum()))
        stays &= ~here
    if stays.all():
        return FilteredRows(raw, tuple(counts))
    texts = raw.texts[stays].reset_index(drop=True)
    # A category that no row has any more would be taken for a text of the file.
    coded = texts.select_dtypes("category").columns
    texts = texts.assign(**{name: texts[name].cat.remove_unused_categories() for name in coded})
    left = replace(raw, texts=texts, numbers=raw.numbers[stays])
    return FilteredRows(left, tuple(counts))


def _fits(raw: Raw, rule: DropRows, params: Prepare) -> Mask:
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
    # A missing cell, code -1, reads the last entry.
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
