"""The families of models, and what each of them must offer; a new one takes a seat in `FAMILIES`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairmark.model import boosted_trees, scorecard
from fairmark.model.encoder import Column
from fairmark.stats.arrays import Floats


class Scorer(Protocol):
    """A fitted model of some family, from the encoded matrix to raw log-odds."""

    @property
    def rounds(self) -> int | None:
        """How many rounds were kept, or None for a family without rounds."""

    def raw(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""

    def contributions(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1]; the last column is the base value."""

    def dumps(self) -> str:
        """Return the model as text that cannot run code; law: the family's `load` of it scores the same.

        So what is measured of a fitted scorer is true of what is written, to the last bit.
        """


class Load(Protocol):
    """Read a scorer from the text of its file, or raise InputError."""

    def __call__(self, text: str, columns: Sequence[Column]) -> Scorer:
        """Return the scorer of `text`."""


@dataclass(frozen=True)
class Family:
    """Which file holds a model of one family, and how that file is read; `learn.fit` learns it."""

    file: str
    load: Load


FAMILIES: Mapping[str, Family] = {
    "boosted": Family("booster.txt", boosted_trees.load),
    "logistic": Family("logistic.json", scorecard.load),
}
