"""Who a row is: its id, exact duplicates of it, and signs that several rows are of one person.

An id made from content decides a row's part, so the label has no place in it: rows alike in all but the
label are the same base and numbered. Which of them gets which number can't hang on the order of the file, and
nothing but the label tells them apart; so they draw lots (`content_ids`).

Where a person has several rows, the columns that belong to the person (age, income, region) repeat together
while others vary: there is a set of columns whose patterns are many and small, and nearly every row shares
its pattern with others (`clusters`). The same columns, each shuffled by itself, would hardly ever repeat. A
table of few codes repeats when shuffled too, and says nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.summaries import Clusters
from fairmark.errors import Faults

SEPARATOR = "\x1f"
"""Unit separator of ASCII, which no text of a table holds."""
DIGITS = 16
SEED_COLUMNS = 6
"""Columns with most values, alone and in pairs, from which a pattern is grown."""
REPEATED_SHARE = 0.9
"""Share of rows that share their pattern with another, from which a pattern may be a person."""
STABLE_GROWTH = 1.05
"""A column is stable within a pattern when it makes at most so many times as many patterns."""
MOST_ROWS_EACH = 100.0
"""Rows of a pattern, in the mean, above which it is a kind of people and no person."""
LEAST_PATTERNS = 20
"""Patterns below which nothing is asked."""
LEAST_COLUMNS = 3
"""Columns that a pattern must have."""
BLOCK_ROWS = 100_000
"""Rows held as Python texts at a time."""
Codes = npt.NDArray[np.integer]
"""[n] a number from 0 for each row, in as few bytes as hold the largest."""


def contents(texts: pd.DataFrame) -> "pd.Series[str]":
    """Return [n] the first `DIGITS` hex digits of the SHA-256 of each row's texts, in column order."""
    starts = range(0, len(texts) if len(texts.columns) else 0, BLOCK_ROWS)
    blocks = [pd.Series(_contents(texts.iloc[start : start + BLOCK_ROWS]), dtype="str") for start in starts]
    return pd.concat(blocks, ignore_index=True) if blocks else pd.Series(dtype="str")


def _contents(block: pd.DataFrame) -> list[str]:
    cells = [block[name].astype("str").fillna("").tolist() for name in block]
    return [
        hashlib.sha256(SEPARATOR.join(row).encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]
        for row in zip(*cells, strict=True)
    ]


def digests(texts: pd.DataFrame, label: str) -> "tuple[pd.Series[str], pd.Series[str]]":
    """Return [n] the digest of each row's texts, and [n] that of all its texts but the label."""
    return contents(texts), contents(texts[[name for name in texts if name != label]])


def repeats(content: "pd.Series[str]") -> npt.NDArray[np.int64]:
    """Return [n] how many earlier rows have the same content: 0 for the first, 1 for the next, and so on."""
    codes, _ = pd.factorize(content)
    return np.asarray(pd.Series(codes).groupby(codes, sort=False).cumcount(), dtype=np.int64)


def content_ids(
    alike: "Sequence[str] | pd.Series[str]", content: "Sequence[str] | pd.Series[str]", mark: str
) -> "pd.Series[str]":
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
    bases, whole = pd.Series(alike, dtype="str"), pd.Series(content, dtype="str")
    codes, _ = pd.factorize(bases)
    # Only rows that share a base draw lots: the rest, nearly all, are their base and need no second hash.
    shared = np.flatnonzero(np.bincount(codes)[codes] > 1) if len(codes) else np.empty(0, np.intp)
    place = np.zeros(len(codes), dtype=np.int64)
    several = whole.iloc[shared]
    lots = np.fromiter(
        (_lot(text, k) for text, k in zip(several, repeats(several), strict=True)), "S16", len(several)
    )
    # By base, and within a base by lot.
    order = shared[np.lexsort((lots, codes[shared]))]
    place[order] = pd.Series(codes[order]).groupby(codes[order], sort=False).cumcount()
    ends = pd.Series([f"-{mark}{k}" for k in range(place.max(initial=0) + 1)], dtype="str")
    return bases + ends.take(place).set_axis(bases.index)


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


def smallest(codes: npt.NDArray[np.intp]) -> Codes:
    """Return [n] the same numbers, none below 0, in the smallest type that holds them."""
    return codes.astype(np.min_scalar_type(int(codes.max(initial=0))))


def joined(codes: Sequence[Codes]) -> npt.NDArray[np.int64]:
    """Return [n] a number from 0 for each row, which rows alike in every one of the codes share."""
    pattern = np.zeros(len(codes[0]), dtype=np.int64)
    for code in codes:
        # Numbered anew at each step, so that the number stays below rows x values and can't overflow.
        pattern = pd.factorize(pattern * (int(code.max(initial=0)) + 1) + code)[0].astype(np.int64)
    return pattern


def clusters(columns: Mapping[str, Codes], label: Codes, seed: int) -> Clusters | None:
    """Return the columns whose patterns repeat as the rows of a person would, or None where none do.

    Parameters
    ----------
    columns
        The level of each row in each column, [n], every value a level of its own.
    label
        0 or 1, [n].

    """
    # A person's pattern has many values: it is grown from the columns that tell most rows apart.
    most = sorted(columns, key=lambda name: (-int(columns[name].max(initial=0)), name))
    starts = [(name,) for name in most[:SEED_COLUMNS]] + list(combinations(most[:SEED_COLUMNS], 2))
    grown = [one for start in starts if (one := _grown(start, columns)) is not None]
    if not grown:
        return None
    # The fewest patterns: a column that varies within a person splits persons into more.
    names, pattern = min(grown, key=lambda one: (int(one[1].max()), -len(one[0]), one[0]))
    by_chance = _repeated(_shuffled([columns[name] for name in names], seed))
    # Columns of few codes repeat even when each is shuffled by itself: then repeating says nothing of
    # persons.
    if by_chance > REPEATED_SHARE / 2:
        return None
    patterns = int(pattern.max()) + 1
    labels = pd.Series(label).groupby(pattern).nunique()
    return Clusters(
        columns=tuple(sorted(names)),
        patterns=patterns,
        rows_each=len(pattern) / patterns,
        repeated=_repeated(pattern),
        by_chance=by_chance,
        label_constant=float((labels == 1).mean()),
    )


def question(clusters: Clusters | None) -> list[str]:
    """Return in words what the audit asks of clusters that it found."""
    if clusters is None:
        return []
    named = ", ".join(clusters.columns[:5])
    more = f" and {len(clusters.columns) - 5} more" if len(clusters.columns) > 5 else ""
    constant = clusters.label_constant > REPEATED_SHARE
    own = " The label goes with them: a model can learn who somebody is." if constant else ""
    text = (
        f"Do several rows belong to one person? {clusters.repeated:.0%} of the rows share their values of "
        f"{named}{more} with others ({clusters.patterns:,} patterns of {clusters.rows_each:.3g} rows each, "
        f"where chance would let {clusters.by_chance:.0%} share them).{own} Name the column that says whose "
        "a row is in prepare.person."
    )
    return [text]


def _grown(start: tuple[str, ...], columns: Mapping[str, Codes]) -> tuple[list[str], Codes] | None:
    """Return a pattern grown from some columns by every column that is stable within it."""
    pattern = joined([columns[name] for name in start])
    if not _like_persons(pattern):
        return None
    names = list(start)
    for name in columns:
        if name not in start:
            finer = joined([pattern, columns[name]])
            # A column of the person splits no pattern; one that changes from row to row splits nearly all.
            if finer.max() + 1 <= STABLE_GROWTH * (pattern.max() + 1) and _like_persons(finer):
                names, pattern = [*names, name], finer
    return (names, pattern) if len(names) >= LEAST_COLUMNS else None


def _like_persons(pattern: Codes) -> bool:
    patterns = int(pattern.max(initial=-1)) + 1
    return (
        patterns >= LEAST_PATTERNS
        and len(pattern) <= MOST_ROWS_EACH * patterns
        and _repeated(pattern) >= REPEATED_SHARE
    )


def _repeated(pattern: Codes) -> float:
    """Return the share of rows that share their pattern with another row."""
    return float((np.bincount(pattern)[pattern] > 1).mean())


def _shuffled(codes: Sequence[Codes], seed: int) -> Codes:
    draw = np.random.default_rng([seed, 3])
    return joined([draw.permutation(code) for code in codes])
