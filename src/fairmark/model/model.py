"""The model that is released: how it scores, how it decides, and the folder of plain files that holds it.

Each family of models offers a `Scorer` and the reader of its file; a new one takes a seat in `FAMILIES`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.errors import InputError
from fairmark.files import read_json, sha256, write_json, write_text
from fairmark.model import boosted_trees, scorecard
from fairmark.model.encoder import Encoder
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model_file import ENCODER_JSON, FILES, FORMAT, MODEL_JSON, Calibration, Column, ModelFile
from fairmark.params.learn import Chosen, stated_goal
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
    "additive": Family(FILES["additive"], boosted_trees.load),
    "boosted": Family(FILES["boosted"], boosted_trees.load),
    "logistic": Family(FILES["logistic"], scorecard.load),
}


@dataclass(frozen=True)
class Model:
    """A scorer with its encoder, its calibration and its decision threshold."""

    encoder: Encoder
    scorer: Scorer
    calibration: Calibration
    threshold: float
    """Decide 1 from this score on; may stand above 1 or below 0, where everybody is decided alike."""
    seed: int
    chosen: Chosen
    own: GroupThresholds | None = None
    """Thresholds of groups' own; then `threshold` is that of groups without one."""

    @property
    def features(self) -> list[str]:
        """The columns that the model reads, in its own order."""
        return self.encoder.names

    @property
    def family(self) -> str:
        """The family's name."""
        return self.chosen.family

    def margin(self, frame: pd.DataFrame) -> Floats:
        """Return the calibrated log-odds of the positive label, [n]."""
        return self.margin_of(self.encoder.transform(frame))

    def margin_of(self, matrix: Floats) -> Floats:
        """Return the calibrated log-odds of encoded rows [n, p], [n]."""
        return self.calibration.a * self.scorer.raw(matrix) + self.calibration.b

    def score(self, frame: pd.DataFrame) -> Floats:
        """Return the probability of the positive label, [n], 0..1."""
        return probability(self.margin(frame))

    def decide(self, frame: pd.DataFrame, groups: pd.DataFrame | None = None) -> npt.NDArray[np.int8]:
        """Return the decisions, [n]: 1 where the score is at least the threshold, else 0.

        Parameters
        ----------
        groups
            Group names of the same rows, a column for each attribute, as the evidence has them. Without
            them, groups that have thresholds of their own are told from the raw columns in `frame`.

        Raises
        ------
        InputError
            When groups have thresholds of their own and nothing tells the group of a row.
        """
        score = self.score(frame)
        if self.own is not None and groups is None:
            groups = pd.DataFrame({self.own.attribute: self.own.groups_of(frame)})
        return (score >= self.cut(groups)).astype(np.int8)

    def cut(self, groups: pd.DataFrame | None) -> float | Floats:
        """Return the threshold, or that of each row, [n], where groups have thresholds of their own.

        Parameters
        ----------
        groups
            Group names, a column for each attribute, as the evidence has them.

        Raises
        ------
        InputError
            When groups have thresholds of their own and their attribute is not among the columns.
        """
        if self.own is None:
            return self.threshold
        if groups is None or self.own.attribute not in groups:
            raise InputError(
                f"evidence: must tell the {self.own.attribute} of each row, because this model decides by a "
                "threshold for each of its groups, got no such column"
            )
        return self.own.of(groups[self.own.attribute], self.threshold)

    @property
    def stated(self) -> dict[str, Any]:
        """The threshold, those of groups' own if there are any, and its goal, as measurements state them."""
        own = {} if self.own is None else {"thresholds": self.own.model_dump()}
        return {"threshold": self.threshold, **own, **stated_goal(self.chosen)}

    def contributions(self, frame: pd.DataFrame) -> Floats:
        """Return exact Shapley values of the calibrated log-odds, [n, p + 1].

        The last column is the base value; each row sums to its `margin`.
        """
        values = self.scorer.contributions(self.encoder.transform(frame)) * self.calibration.a
        values[:, -1] += self.calibration.b
        return values

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, which then holds its three files and nothing else."""
        family = FAMILIES[self.family]
        for name in _names(folder) - {MODEL_JSON, ENCODER_JSON, family.file}:
            (folder / name).unlink()
        write_json(folder / ENCODER_JSON, self.encoder.to_json())
        write_text(folder / family.file, self.scorer.dumps())
        file = ModelFile(
            format=FORMAT,
            family=self.family,
            features=self.features,
            threshold=self.threshold,
            calibration=self.calibration,
            seed=self.seed,
            chosen=self.chosen,
            files={name: sha256(folder / name) for name in (ENCODER_JSON, family.file)},
            **({} if self.own is None else {"thresholds": self.own}),
        )
        file.write(folder / MODEL_JSON)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the model that `save` wrote.

        Raises
        ------
        InputError
            When a file is missing, is one too many, or holds anything but a model of this format.
        """
        file = ModelFile.of(folder)
        family = FAMILIES.get(file.family)
        if family is None or file.chosen.family != file.family:
            raise InputError(f"model.json: family must be one of {sorted(FAMILIES)}, got {file.family!r}")
        # A file too many would travel with the model unhashed.
        if _names(folder) != {MODEL_JSON, ENCODER_JSON, family.file}:
            raise InputError(f"{folder}: must hold the three files of a model, got {sorted(_names(folder))}")
        for name in (ENCODER_JSON, family.file):
            if (found := sha256(folder / name)) != file.files.get(name):
                raise InputError(
                    f"{folder / name}: must be the file that model.json names, got the SHA-256 {found[:12]}…"
                )
        encoder = Encoder.from_json(read_json(folder / ENCODER_JSON))
        if encoder.names != file.features:
            raise InputError(f"encoder.json: must speak of the features of model.json, got {encoder.names}")
        own = file.thresholds
        # Thresholds may read the group; the score may not, and would by a feature that tells it.
        if own is not None and set(own.columns) & set(file.features):
            raise InputError(f"model.json: thresholds must not be told by a feature, got {own.columns}")
        scorer = family.load(_text(folder / family.file), encoder.columns)
        return cls(encoder, scorer, file.calibration, file.threshold, file.seed, file.chosen, own)


def probability(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)), [n], without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * margin))


def digest(folder: Path) -> str:
    """Return the SHA-256 over the sorted lines `sha256  name` of a model's files, 64 hex digits."""
    lines = sorted(f"{sha256(folder / name)}  {name}\n" for name in _names(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: must be text in UTF-8, got {error}") from error
