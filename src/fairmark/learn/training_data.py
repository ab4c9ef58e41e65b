"""Training data: train and validation rows encoded once, folds for cross-fitting, and class balancing.

A disparity is estimated from a few hundred positive decisions of the smaller group, so that one set of
validation rows knows a ratio poorly. Cross-fitting scores all train and validation rows, each by a model that
has not learnt from it: the validation rows are held out first, then each fold of the train rows, cut by a
hash of their ids. What holds of rows held out in turn holds of the one model that is kept, as far as models
of as many rows are alike (Stone 1974; Chernozhukov et al. 2018). Where the parts follow each other in time,
folds do so too, and each is scored by a model of earlier rows alone (a rolling origin, Tashman 2000): of rows
drawn at random a model would know what came after those it is asked about. Classes are balanced in train rows
alone; validation rows keep theirs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.roles import LABEL, PERSON, TIME, WEIGHT
from fairmark.data.split import Parts, position, sampled
from fairmark.errors import InputError
from fairmark.learn.policy_limits import Rows
from fairmark.model.encoder import Encoder
from fairmark.model.group_thresholds import Origin, origins
from fairmark.params.learn import Train
from fairmark.stats.arrays import Floats, Labels
from fairmark.stats.confusion import kish, of_people


@dataclass(frozen=True)
class Sample:
    """n encoded rows of p features, ready to be learnt from, with what fairness makes of deciding 1."""

    matrix: Floats
    """[n, p], NaN where a value is missing."""
    label: Labels
    """[n], 1 = positive."""
    weight: Floats
    """[n], >= 0."""
    cost: Floats
    """[n], what deciding 1 gains beside being right, in mistakes; 0 without mitigation."""

    @classmethod
    def plain(cls, matrix: Floats, label: Labels, weight: Floats) -> Self:
        """Return rows without any mitigation."""
        return cls(matrix, label, weight, np.zeros(len(label)))

    @property
    def mitigated(self) -> bool:
        """True when some row's decision costs more or less than its being right."""
        return bool(self.cost.any())

    def take(self, rows: npt.NDArray[np.intp]) -> Self:
        """Return the rows at these places, in this order; a place may come twice."""
        return type(self)(self.matrix[rows], self.label[rows], self.weight[rows], self.cost[rows])


@dataclass(frozen=True)
class Moments:
    """When train rows are from, in microseconds."""

    train: Floats
    """[n]."""
    gap: float
    """How much later the first validation row is than the last train row, above 0."""

    @classmethod
    def of(cls, parts: Parts) -> Self | None:
        """Return those of parts in which every validation row is later than all train rows, or None."""
        if TIME not in parts.table:
            return None
        each = parts.table[TIME].to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
        train, valid = (each[(parts.belongs == name).to_numpy()] for name in ("train", "valid"))
        gap = float(valid.min() - train.max())
        # Parts that overlap in time are no forecast, and folds drawn at random are no worse for them.
        return cls(train, gap) if gap > 0 else None


@dataclass(frozen=True)
class Ready:
    """Train and validation rows, encoded once for any number of fits."""

    encoder: Encoder
    train: Sample
    valid: Sample
    train_groups: pd.DataFrame
    valid_groups: pd.DataFrame
    single: list[str]
    """The protected attributes that are not crossings of others."""
    keys: "pd.Series[str]"
    """What tells train rows apart when they are cut into folds, [n]."""
    origins: list[Origin] | None = None
    """What tells the groups of the attribute that has thresholds of its own, where one has."""
    tests: Mapping[str, Mapping[str, float]] | None = None
    """Effective number of test rows of each group of each attribute."""
    moments: Moments | None = None
    """When train rows are from, where every validation row is later than all of them."""

    @cached_property
    def rows(self) -> Rows:
        """The validation rows, for the policy's limits."""
        return Rows(self.valid.label, self.valid.weight, self.valid_groups, self.tests)

    @property
    def positives(self) -> float:
        """The share of positive labels of the train rows, by weight, 0..1."""
        return float(np.average(self.train.label, weights=self.train.weight))


def ready(parts: Parts, base: Train) -> Ready:
    """Return the rows of `parts`, encoded by what train rows hold.

    Raises
    ------
    InputError
        When train or validation rows hold one label only.
    """
    (train, train_groups), (valid, valid_groups) = parts.part("train"), parts.part("valid")
    for name, frame in (("train", train), ("valid", valid)):
        if frame[LABEL].nunique() < 2:
            raise InputError(f"rows.parquet: part {name} must hold both labels, got one")
    encoder = Encoder.fit(train, parts.schema.features, base.max_categories)
    by = base.threshold.by
    return Ready(
        encoder,
        _sample(encoder, train),
        _sample(encoder, valid),
        train_groups[parts.attributes].astype("str"),
        valid_groups[parts.attributes].astype("str"),
        sorted(parts.schema.singles),
        parts.keys[(parts.belongs == "train").to_numpy()],
        None if by is None else origins(parts.schema, by.attribute),
        _test_rows(parts),
        Moments.of(parts),
    )


def searched(parts: Parts, sample: int | None, seed: int, groups: bool = True) -> Parts:
    """Return the parts that trials see: of train and of validation rows a stratified sample of so many.

    By label and groups, or without `groups` by label alone, as where training must not read them.
    Test rows stay as many as they are: their number sets the margin, and nothing else of them is read.
    """
    return sampled(parts, sample, seed, ("train", "valid"), groups=groups)


def _test_rows(parts: Parts) -> Mapping[str, Mapping[str, float]] | None:
    """Return the effective number of test rows of each group, which the gate will have; no label is read."""
    if not (parts.belongs == "test").any():
        return None
    test, groups = parts.part("test")
    weight = test[WEIGHT].to_numpy(dtype=np.float64)
    # The sum of w times the person's whole weight is the sum over persons of their squared weight: Kish's
    # number of persons, not of rows.
    second = of_people(weight, test[PERSON].to_numpy()) if PERSON in test else weight
    return {
        name: {
            str(group): kish(weight[place], (weight * second)[place])
            for group, place in groups.groupby(groups[name].astype(str)).indices.items()
        }
        for name in parts.attributes
    }


def _sample(encoder: Encoder, frame: pd.DataFrame) -> Sample:
    label = frame[LABEL].to_numpy(dtype=np.int8)
    return Sample.plain(encoder.transform(frame), label, frame[WEIGHT].to_numpy(dtype=np.float64))


@dataclass(frozen=True)
class HeldOut:
    """Rows that the models which scored them were not learnt from."""

    raw: Floats
    """Raw log-odds, [n]."""
    rows: Rows

    def joined(self, *others: Self, in_time: bool = False) -> Self:
        """Return these rows and the others, one after another.

        Parameters
        ----------
        in_time
            Whether the others follow each other in time, the earliest first, and these rows follow them.
        """
        parts = [self, *others]
        rows = [part.rows for part in parts]
        places = [len(others), *range(len(others))]
        number = np.repeat(places, [len(each.label) for each in rows]) if in_time else None
        whole = Rows(
            np.concatenate([each.label for each in rows]),
            np.concatenate([each.weight for each in rows]),
            pd.concat([each.groups for each in rows], ignore_index=True),
            self.rows.tests,
            number,
        )
        return type(self)(np.concatenate([part.raw for part in parts]), whole)


def rotated(rows: Ready, folds: int, seed: int) -> Iterator[Ready]:
    """Yield the rows with each of the other folds in the place of the validation rows.

    Each of these folds is a part of the train rows; the validation rows are learnt from in its place. So all
    folds are alike when the validation rows are 1 / `folds` of both. Where the parts follow each other in
    time, the folds are stretches of the later half of the train rows, each learnt from the rows before it
    alone: those as long before it as train rows are before validation rows, and of no person of its own. A
    stretch without both labels goes with the next one; where that leaves none, folds are drawn all the same.

    Raises
    ------
    InputError
        When a fold holds one label only.
    """
    if follow := stretches(rows, folds):
        yield from follow
        return
    sample = _joined(rows.train, rows.valid)
    groups = pd.concat([rows.train_groups, rows.valid_groups], ignore_index=True)
    # Validation rows stay at -1, and are learnt from in every fold here: they are the one that was scored
    # already.
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


def drawn(rows: Ready, seed: int, number: int) -> Ready:
    """Return the same rows with train rows drawn with replacement, those of a person together, in order."""
    _, unit = np.unique(rows.keys.to_numpy(), return_inverse=True)
    size = int(unit.max()) + 1
    draw = np.random.default_rng([seed, 4, number])
    times = np.bincount(draw.integers(0, size, size), minlength=size)[unit]
    kept = np.repeat(np.arange(len(unit)), times)
    return replace(
        rows,
        train=rows.train.take(kept),
        train_groups=rows.train_groups.iloc[kept].reset_index(drop=True),
        keys=rows.keys.iloc[kept].reset_index(drop=True),
        # When they are from is asked by cross-fitting alone, which refits do without.
        moments=None,
    )


def stretches(rows: Ready, folds: int) -> list[Ready]:
    """Return the folds of `rotated` where these follow each other in time, the earliest first; else none."""
    return [] if rows.moments is None else [*_forward(rows, rows.moments, folds)]


def _forward(rows: Ready, moments: Moments, folds: int) -> Iterator[Ready]:
    when = moments.train
    # "inverted_cdf" gives moments that rows have: a stretch begins with a row, never between two.
    starts = np.unique(np.quantile(when, np.linspace(0.5, 1, folds)[:-1], method="inverted_cdf"))
    start = starts[0]
    for stop in [*starts[1:], np.inf]:
        outside = (when >= start) & (when < stop)
        own = rows.keys[outside]
        # As long a gap as the real one: rows just before a stretch know it better than train rows know what
        # follows them.
        inside = (when <= start - moments.gap) & ~rows.keys.isin(own).to_numpy()
        if any(len(np.unique(rows.train.label[each])) < 2 for each in (inside, outside)):
            continue  # together with the next stretch
        yield _parted(rows, *map(np.flatnonzero, (inside, outside)))
        start = stop


def _parted(rows: Ready, inside: npt.NDArray[np.intp], outside: npt.NDArray[np.intp]) -> Ready:
    """Return the rows with some train rows to learn from, and others in the place of the validation rows."""
    return replace(
        rows,
        train=rows.train.take(inside),
        valid=rows.train.take(outside),
        train_groups=rows.train_groups.iloc[inside].reset_index(drop=True),
        valid_groups=rows.train_groups.iloc[outside].reset_index(drop=True),
    )


def _fold(keys: "pd.Series[str]", folds: int, seed: int) -> npt.NDArray[np.intp]:
    # By the rank of places and not by the places: where `split` has the same seed, train rows are those of a
    # part of them, and some folds would be empty. Rows that share a key share a place, and so a fold.
    _, rank = np.unique(position(keys, seed), return_inverse=True)
    return np.asarray(rank * folds // (int(rank.max()) + 1), dtype=np.intp)


def _joined(one: Sample, other: Sample) -> Sample:
    return Sample.plain(
        np.concatenate([one.matrix, other.matrix]),
        np.concatenate([one.label, other.label]),
        np.concatenate([one.weight, other.weight]),
    )


def balanced(train: Sample, how: Literal["none", "weights", "down", "up"], seed: int) -> Sample:
    """Return train rows whose two classes weigh the same ("weights"), or are as many ("down", "up").

    "down" leaves out rows of the larger class, drawn without replacement; "up" repeats rows of the smaller
    one, drawn with replacement. "none", or rows of one class, are given back as they are.
    """
    positive = train.label == 1
    if how == "none" or positive.all() or not positive.any():
        return train
    if how == "weights":
        heavy = np.where(positive, train.weight[positive].sum(), train.weight[~positive].sum())
        # Each class ends at half of the total weight, which stays: C and the least sum in a leaf mean the
        # same.
        return replace(train, weight=train.weight * train.weight.sum() / (2 * heavy))
    small, large = sorted((np.flatnonzero(positive), np.flatnonzero(~positive)), key=len)
    draw = np.random.default_rng([seed, 1])
    if how == "down":
        # In the order of the table: the last bits of LightGBM's sums hang on the order of rows.
        return train.take(np.sort(np.r_[small, draw.choice(large, len(small), replace=False)]))
    more = draw.choice(small, len(large) - len(small), replace=True)
    return train.take(np.sort(np.r_[small, more, large]))
