"""The released model behind the reader of raw rows: one way to score, in the manner of scikit-learn.

MLflow, `fairmark.api` and whoever serves the model score through it: a row means the same at every door.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.reader import Reader
from fairmark.data.schema import Schema
from fairmark.errors import InputError
from fairmark.model.model import Model
from fairmark.params.parse import read_yaml, typed
from fairmark.params.prepare import Prepare
from fairmark.stats.arrays import Floats


@dataclass(frozen=True)
class Estimator:
    """A model that takes raw rows, and refuses what `prepare` would refuse."""

    model: Model
    reader: Reader

    @classmethod
    def load(cls, model: Path, schema: Path, params: Path) -> Self:
        """Return the model of a folder behind the reader that `schema` and `params` describe.

        Raises
        ------
        InputError
            When a file is not what `train`, `prepare` or a person wrote, or they don't fit together.
        """
        whole = read_yaml(params)
        section = typed(Prepare, whole.get("prepare") if isinstance(whole, dict) else None, params.name)
        made = cls(Model.load(model), Reader.of(section, Schema.read(schema)))
        unknown = [name for name in made.columns if name not in made.reader.kinds]
        if unknown:
            raise InputError(
                f"{schema.name}: must describe every column that the model reads, got none of {unknown}"
            )
        return made

    @property
    def columns(self) -> list[str]:
        """The raw columns that the model reads: its features, and what tells groups with own thresholds."""
        own = [] if self.model.own is None else self.model.own.columns
        return list(dict.fromkeys([*self.model.features, *own]))

    @property
    def classes_(self) -> npt.NDArray[np.int8]:
        """The labels in the order of `predict_proba`'s columns: 0 and 1, 1 being the positive one."""
        return np.array([0, 1], dtype=np.int8)

    def read(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the typed columns of raw rows.

        Raises
        ------
        InputError
            With every fault of every row: what `prepare` would refuse, or leave out.
        """
        return self.reader.read(rows, self.columns)

    def faults(self, rows: pd.DataFrame) -> list[str]:
        """Return why `predict` would refuse these rows, one line for each kind of fault."""
        return self.reader.faults(rows, self.columns)

    def predict_proba(self, rows: pd.DataFrame) -> Floats:
        """Return the probabilities of the labels 0 and 1, [n, 2].

        Raises
        ------
        InputError
            As `read`.
        """
        score = self.model.score(self.read(rows))
        return np.column_stack([1 - score, score])

    def scored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns `score` (0..1) and `decision` (0 or 1), one row for each row given.

        Raises
        ------
        InputError
            As `read`.
        """
        known = self.read(rows)
        score, decision = self.model.score(known), self.model.decide(known).astype("int64")
        return pd.DataFrame({"score": score, "decision": decision}, index=rows.index)

    def predict(self, rows: pd.DataFrame) -> npt.NDArray[np.int8]:
        """Return the decisions, [n]: 1 where the score is at least the threshold, else 0.

        Raises
        ------
        InputError
            As `read`.
        """
        return self.model.decide(self.read(rows))
