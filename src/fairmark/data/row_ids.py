"""Who a row is: its id from a column or from its content, and which rows are exact duplicates.

An id made from content decides a row's part, so the label has no place in it: rows alike in all but the
label are the same base and numbered. Which of them gets which number can't hang on the order of the file, and
nothing but the label tells them apart; so they draw lots (`content_ids`).
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.errors import Faults

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


def digests(texts: pd.DataFrame, label: str) -> tuple[list[str], list[str]]:
    """Return [n] the digest of each row's texts, and [n] that of all its texts but the label."""
    return contents(texts), contents(texts[[name for name in texts if name != label]])


def repeats(content: list[str]) -> npt.NDArray[np.int64]:
    """Return [n] how many earlier rows have the same content: 0 for the first, 1 for the next, and so on."""
    return np.asarray(
        pd.Series(content, dtype="str")
        .groupby(pd.factorize(np.array(content, dtype=object))[0], sort=False)
        .cumcount(),
        dtype=np.int64,
    )


def content_ids(alike: list[str], content: list[str], mark: str) -> list[str]:
    """Return the row ids `alike-mark k`, k numbering the rows that are alike in all but the label.

    Law: the set of ids is the same whatever the labels are, and whatever the order of the rows. The numbers
    go by lots, each the SHA-256 of a row's whole content and how often that came before: rows of the same
    content are interchangeable, and among the others every order is as likely as another, because a lot
    is uniform whatever it is drawn for.

    Parameters
    ----------
    alike
        [n] digest of each row without its label.
    content
        [n] digest of each row.
    """
    codes, _ = pd.factorize(np.array(alike, dtype=object))
    shared = np.flatnonzero(np.bincount(codes)[codes] > 1) if len(codes) else np.empty(0, np.intp)
    place = np.zeros(len(codes), dtype=np.int64)
    times = repeats([content[row] for row in shared])
    lots = np.array(
        [_lot(content[row], k) for row, k in zip(shared, times.tolist(), strict=True)], dtype="S16"
    )
    order = shared[np.lexsort((lots, codes[shared]))]
    place[order] = pd.Series(codes[order]).groupby(codes[order], sort=False).cumcount()
    return [f"{text}-{mark}{k}" for text, k in zip(alike, place.tolist(), strict=True)]


def _lot(content: str, times: int) -> bytes:
    return hashlib.sha256(f"lot:{content}:{times}".encode()).hexdigest()[:DIGITS].encode()


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
