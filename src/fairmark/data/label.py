"""The label, and the weight of a row."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.faults import Faults, shown
from fairmark.data.kinds import NUMBER, Typed
from fairmark.sections.table import Target

TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


def stripped(texts: "pd.Series[str]", strip: str) -> "pd.Series[str]":
    """Return label texts without the characters of `strip` at the end; what ends empty is missing."""
    if not strip:
        return texts
    bare = texts.str.rstrip(strip).str.strip()
    return bare.where(bare != "")


def said(value: bool | float | str) -> str:
    """Return a label value of params.yaml as a text to show."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, int | float) else value


def matches(text: str, value: bool | float | str) -> bool:
    """Return whether a label's text stands for a value of params.yaml.

    A boolean is met by its usual spellings, because YAML reads `yes` and `true` as the same value; a number
    by any spelling of that number; a text by itself alone.
    """
    if isinstance(value, bool):
        return text.lower() in (TRUE if value else FALSE)
    if isinstance(value, str):
        return text == value
    return bool(NUMBER.fullmatch(text)) and float(text) == value


def labels(
    texts: "pd.Series[str]",
    target: Target,
    other: str | None,
    numbers: npt.NDArray[np.int64],
    faults: Faults,
) -> tuple[npt.NDArray[np.int8], tuple[str, str]]:
    """Return [n] labels (1 = positive, 0 = negative), and the texts of the positive and the negative value.

    Parameters
    ----------
    texts
        [n] label texts, `stripped`.
    other
        The negative text found in the main file, where `target.negative` is null and this is another file.
    """
    where = f"column {target.column}:"
    faults.rows(numbers[texts.isna()], f"{where} the label must be given, got nothing")
    different = [str(text) for text in texts.dropna().unique()]
    positive = {text for text in different if matches(text, _bare(target.positive, target.strip))}
    negative, words = _negative(different, positive, target, other, faults)
    known = f"{where} the label must be {said(target.positive)} or {words}"
    strange = texts.notna() & ~texts.isin([*positive, *negative])
    if words:
        faults.rows(numbers[strange], known, texts[strange])
    label = texts.isin(list(positive)).to_numpy(bool)
    if different and not (positive and negative):
        faults.add(f"{where} the label must hold both classes, got only {shown(different)}")
    shown_positive = positive.pop() if len(positive) == 1 else said(target.positive)
    return label.astype(np.int8), (shown_positive, words)


def _bare(value: bool | float | str, strip: str) -> bool | float | str:
    return value.rstrip(strip).strip() if isinstance(value, str) and strip else value


def _negative(
    different: list[str], positive: set[str], target: Target, other: str | None, faults: Faults
) -> tuple[set[str], str]:
    """Return the texts that stand for the negative label, and how to name them."""
    if target.negative is not None:
        wanted = _bare(target.negative, target.strip)
        return {text for text in different if matches(text, wanted)}, said(target.negative)
    if other is not None:
        return {text for text in different if text == other}, other
    rest = sorted(set(different) - positive)
    if len(rest) > 1:
        faults.add(
            f"column {target.column}: the label must hold one value beside {said(target.positive)} "
            f"when target.negative is null, got {shown(rest)}"
        )
        return set(rest), ""
    return set(rest), "".join(rest)


def note_weights(name: str, typed: Typed, faults: Faults) -> None:
    """Note weights that are all zero; the schema sees to each of them being given and not negative."""
    weights = typed.cells.to_numpy(np.float64)
    if len(weights) and (weights == 0).all():
        faults.add(f"column {name}: the weights must have a sum above 0, got 0")
