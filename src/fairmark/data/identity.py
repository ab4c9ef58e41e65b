"""Who a row is: its id from a column or from its content, and which rows are exact duplicates."""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.faults import Faults

SEPARATOR = "\x1f"
"""Unit separator of ASCII, which no text of a table holds."""

DIGITS = 16


def contents(texts: pd.DataFrame) -> list[str]:
    """Return [n] the first `DIGITS` hex digits of the SHA-256 of each row's texts, in column order."""
    cells = [texts[name].fillna("").tolist() for name in texts]
    return [
        hashlib.sha256(SEPARATOR.join(row).encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
        for row in zip(*cells, strict=True)
    ]


def repeats(content: list[str]) -> npt.NDArray[np.int64]:
    """Return [n] how many earlier rows have the same content: 0 for the first, 1 for the next, and so on."""
    return np.asarray(
        pd.Series(content, dtype="str")
        .groupby(pd.factorize(np.array(content, dtype=object))[0], sort=False)
        .cumcount(),
        dtype=np.int64,
    )


def ids(content: list[str], mark: str) -> list[str]:
    """Return the row ids `content-mark k`, k counting the rows of the same content in this file."""
    return [f"{text}-{mark}{k}" for text, k in zip(content, repeats(content), strict=True)]


def note_ids(
    name: str,
    texts: "pd.Series[str]",
    numbers: npt.NDArray[np.int64],
    taken: "pd.Series[str] | None",
    faults: Faults,
) -> None:
    """Note row ids that are missing, stand twice, or stand in the main file (`taken`) as well."""
    absent = texts.isna().to_numpy(bool)
    faults.rows(numbers[absent], f"column {name}: the row id must be given, got nothing")
    twice = texts.duplicated(keep=False).to_numpy(bool) & ~absent
    faults.rows(numbers[twice], f"column {name}: the row id must stand once", texts[twice])
    if taken is not None:
        both = texts.isin(taken.dropna()).to_numpy(bool) & ~absent
        faults.rows(
            numbers[both], f"column {name}: the row id must not stand in the main file too", texts[both]
        )
