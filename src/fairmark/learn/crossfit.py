"""Cross-fitting: scores of all train and validation rows, each by a model that has not learnt from the row.

How alike groups are decided is known from a few hundred positive decisions of the smaller group, so one set
of validation rows knows a ratio poorly. The folds take turns in being held out: the validation rows first,
then the train rows, cut by a hash of their ids. What is true of rows held out in turn is true of the one
model that is kept, as far as models of as many rows are alike (Stone 1974; Chernozhukov et al. 2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.split import position
from fairmark.errors import InputError
from fairmark.learn.encode import Floats
from fairmark.learn.limits import Rows
from fairmark.learn.ready import Ready
from fairmark.learn.sample import Sample


@dataclass(frozen=True)
class Held:
    """Rows that the models which scored them were not learnt from."""

    raw: Floats
    """Raw log-odds, [n]."""
    rows: Rows

    def joined(self, *others: Self) -> Self:
        """Return these rows and the others, one after another."""
        parts = [self, *others]
        rows = [part.rows for part in parts]
        whole = Rows(
            np.concatenate([each.label for each in rows]),
            np.concatenate([each.weight for each in rows]),
            pd.concat([each.groups for each in rows], ignore_index=True),
        )
        return type(self)(np.concatenate([part.raw for part in parts]), whole)


def rotated(rows: Ready, folds: int, seed: int) -> Iterator[Ready]:
    """Yield the rows with each of the other folds in the place of the validation rows.

    Each of these folds is a part of the train rows; the validation rows are learnt from in its place. So all
    folds are alike when the validation rows are 1 / `folds` of both.

    Raises
    ------
    InputError
        When a fold holds one label only.
    """
    sample = _joined(rows.train, rows.valid)
    groups = pd.concat([rows.train_groups, rows.valid_groups], ignore_index=True)
    number = np.full(len(sample.label), -1)
    number[: len(rows.keys)] = _fold(rows.keys, folds - 1, seed)
    for fold in range(folds - 1):
        inside, outside = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
        if len(np.unique(sample.label[outside])) < 2:
            raise InputError(f"chosen.folds: must leave both labels in each fold, got {folds} folds")
        yield replace(
            rows,
            train=sample.take(inside),
            valid=sample.take(outside),
            train_groups=groups.iloc[inside].reset_index(drop=True),
            valid_groups=groups.iloc[outside].reset_index(drop=True),
        )


def _fold(keys: "pd.Series[str]", folds: int, seed: int) -> npt.NDArray[np.intp]:
    # Rows that share a key share a fold.
    return np.minimum((position(keys, seed) * folds).astype(np.intp), folds - 1)


def _joined(one: Sample, other: Sample) -> Sample:
    return Sample.plain(
        np.concatenate([one.matrix, other.matrix]),
        np.concatenate([one.label, other.label]),
        np.concatenate([one.weight, other.weight]),
    )
