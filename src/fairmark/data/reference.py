"""The reference of a release, reference.json: histograms of its features, scores and decisions.

The service counts by it how many train rows a row has beside it, and the watch compares with it what came.
It holds counts and edges alone, so that whoever reads it imports no data frame; it is counted by
`fairmark.evaluate.reference`.

A value of a feature has a *place*: the bin of its number or date, or its category; after these come `other`
(categories that few train rows have), `missing` and `unseen` (a category that no train row has). Places with
fewer rows than `privacy.smallest_cell`, of train or of test rows, share a *cell* with others, so that no
count is of fewer people, nor the difference of two counts. Rows count once each, whatever they weigh.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from fairmark.data.schema import KindName
from fairmark.record import Digest, Record, Whole

Value = float | int | str | bool | None

BOOLEANS = ("false", "true")
EPOCH = dt.date(1970, 1, 1)
DAY_S = 86_400


class Moments(Record):
    """Mean and standard deviation of the known numbers of some rows; None without enough of them."""

    mean: float | None
    sd: float | None


class FeatureReference(Record):
    """Where the values of one feature fall, and how many train and test rows do."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    name: str
    kind: KindName
    edges: tuple[float, ...] | None
    """Inner edges of bins, of a date in days since 1970-01-01; a bin holds its upper edge."""
    low: float | None
    """Lowest number of train rows, each of `smallest_cell` rows or more being at or below it."""
    high: float | None
    """Highest, likewise."""
    categories: tuple[str, ...] | None
    """Values with a place of their own: of a boolean `false` and `true`."""
    others: tuple[str, ...] = ()
    """Categories of train rows that share the place `other`."""
    cells: tuple[Whole, ...]
    """The cell of each place: of the bins or categories, then of `other`, `missing` and `unseen`."""
    train: tuple[Whole, ...]
    """Train rows of each cell."""
    test: tuple[Whole, ...]
    """Test rows of each cell."""
    train_moments: Moments | None = None
    test_moments: Moments | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        numbers = self.kind in {"numeric", "date"}
        if (self.edges is None) == numbers or (self.categories is None) != numbers:
            raise ValueError(
                f"a {self.kind} must have {'edges' if numbers else 'categories'} alone, got others"
            )
        edges = self.edges or ()
        if any(one >= other for one, other in pairwise(edges)):
            raise ValueError(f"edges must grow, got {list(edges)[:8]}")
        if len(self.cells) != self.bins + 3:
            raise ValueError(f"cells must be {self.bins + 3}, one a place, got {len(self.cells)}")
        if set(self.cells) != set(range(len(self.train))) or len(self.train) != len(self.test):
            raise ValueError("cells must number the counts of train and test rows, got others")
        return self

    @property
    def bins(self) -> int:
        """How many bins or categories there are."""
        return (
            len(self.categories)
            if self.edges is None and self.categories is not None
            else len(self.edges or ()) + 1
        )

    @property
    def other(self) -> int:
        """The place of categories that few train rows have."""
        return self.bins

    @property
    def missing(self) -> int:
        """The place of rows without a value."""
        return self.bins + 1

    @property
    def unseen(self) -> int:
        """The place of categories that no train row has."""
        return self.bins + 2

    @cached_property
    def _codes(self) -> Mapping[str, int]:
        codes = dict.fromkeys(self.others, self.other)
        return codes | {name: place for place, name in enumerate(self.categories or ())}

    def place(self, value: Value) -> int:
        """Return the place of a value, 0..bins+2; a date is ISO 8601 or days since 1970-01-01.

        What is no number of this feature's kind is `unseen`.
        """
        if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return self.missing
        if self.edges is None:
            text = BOOLEANS[value] if isinstance(value, bool) else str(value)
            return self._codes.get(text, self.unseen)
        number = self.number(value)
        return self.unseen if number is None else bisect_left(self.edges, number)

    def cell(self, value: Value) -> int:
        """Return the cell of a value: where its train and test rows are counted."""
        return self.cells[self.place(value)]

    def train_rows(self, value: Value) -> int:
        """Return how many train rows fell where this value falls; 0 for what no train row had."""
        return self.train[self.cell(value)]

    def out_of_range(self, value: Value) -> bool:
        """Return whether a number or date lies outside those of train rows; False for any other value."""
        number = self.number(value)
        if number is None or self.low is None or self.high is None:
            return False
        return not self.low <= number <= self.high

    def labels(self) -> Iterator[tuple[int, str]]:
        """Yield each cell with its name for a person, such as `17 to 25` or `missing`."""
        names = [*(self._bin_names() if self.edges is not None else self.categories or ())]
        names += ["other", "missing", "unseen"]
        for cell in range(len(self.train)):
            inside = [name for name, at in zip(names, self.cells, strict=True) if at == cell]
            yield cell, " or ".join(inside[:4]) + (f" and {len(inside) - 4} more" if len(inside) > 4 else "")

    def _bin_names(self) -> list[str]:
        edges = [self._shown(edge) for edge in self.edges or ()]
        if not edges:
            return ["any"]
        inner = [f"{low} to {high}" for low, high in pairwise(edges)]
        return [f"up to {edges[0]}", *inner, f"above {edges[-1]}"]

    def _shown(self, number: float) -> str:
        # 700,000 days are 1,916 years: within what `dt.date` holds on either side of 1970.
        if self.kind == "date" and abs(number) < 700_000:
            return str(EPOCH + dt.timedelta(days=int(number)))
        return f"{number:.6g}"

    def number(self, value: Value) -> float | None:
        """Return the number that a value of a numeric feature or a date is; None for another."""
        if self.edges is None or value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return None
        try:
            if self.kind == "date" and isinstance(value, str):
                return days_of(value)
            return float(value)
        except ValueError:
            return None


def days_of(text: str) -> float:
    """Return an ISO 8601 date or time as days since 1970-01-01; a time without a zone is UTC.

    Raises
    ------
    ValueError
        When it is none.
    """
    moment = dt.datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    return moment.timestamp() / DAY_S


class ScoreReference(Record):
    """Test rows by score and label."""

    edges: tuple[float, ...]
    """Inner edges of the bins of scores, 0..1, by quantiles of test rows; a bin holds its upper edge."""
    negatives: tuple[Whole, ...]
    """Test rows of each bin with the negative label."""
    positives: tuple[Whole, ...]
    """With the positive one."""
    mean: float
    """Of the scores of test rows: by a calibrated score the share of positives."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not len(self.negatives) == len(self.positives) == len(self.edges) + 1:
            raise ValueError("negatives and positives must have a count for each bin, got others")
        return self

    @property
    def rows(self) -> tuple[int, ...]:
        """Test rows of each bin."""
        return tuple(sum(both) for both in zip(self.negatives, self.positives, strict=True))

    def place(self, score: float) -> int:
        """Return the bin of a score."""
        return bisect_left(self.edges, score)


class DecidedRows(Record):
    """How many test rows were decided each way, by their label."""

    tn: Whole
    fp: Whole
    fn: Whole
    tp: Whole

    @property
    def rows(self) -> int:
        """All of them."""
        return self.tn + self.fp + self.fn + self.tp

    @property
    def selected(self) -> int:
        """Those decided 1."""
        return self.fp + self.tp

    @property
    def positives(self) -> int:
        """Those of the positive label."""
        return self.fn + self.tp


class Reference(Record):
    """reference.json: what the release was like before it decided, for the service and the watch."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    model_sha256: Digest
    """Of the folder of the model whose scores are counted."""
    smallest_cell: Annotated[int, Field(ge=1)]
    """Fewest rows that a count stands for (`privacy.smallest_cell`); 0 rows may be shown."""
    train_rows: Whole
    test_rows: Whole
    features: tuple[FeatureReference, ...]
    """In the order of the model."""
    merged: Whole
    """Places that share a cell because few rows have them: 0 where every place has a cell of its own."""
    scores: ScoreReference
    decided: DecidedRows
    """All test rows."""
    groups: Mapping[str, Mapping[str, DecidedRows]]
    """By protected attribute and group."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        faults = []
        for feature in self.features:
            for part, wanted in (("train", self.train_rows), ("test", self.test_rows)):
                counts: tuple[int, ...] = getattr(feature, part)
                if sum(counts) != wanted:
                    faults.append(f"{feature.name}: {part} must add up to {wanted} rows, got {sum(counts)}")
        sums = {"scores": sum(self.scores.rows), "decided": self.decided.rows}
        sums |= {name: sum(each.rows for each in groups.values()) for name, groups in self.groups.items()}
        faults += [
            f"{name}: must add up to {self.test_rows} rows, got {got}"
            for name, got in sums.items()
            if got != self.test_rows
        ]
        if sum(self.scores.positives) != self.decided.positives:
            faults.append(
                f"scores: must have {self.decided.positives} positives, got {sum(self.scores.positives)}"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @cached_property
    def by_name(self) -> Mapping[str, FeatureReference]:
        """Each feature by its name."""
        return {feature.name: feature for feature in self.features}

    def fewest_train_rows(self, row: Mapping[str, Value]) -> int:
        """Return the fewest train rows beside any value of a row; a feature not there is missing."""
        return min((each.train_rows(row.get(each.name)) for each in self.features), default=self.train_rows)

    def counted(self) -> Iterator[tuple[int, str]]:
        """Yield each count of rows that is not zero and is not in measurements.json, and where it stands."""
        for feature in self.features:
            for part in ("train", "test"):
                counts: tuple[int, ...] = getattr(feature, part)
                yield from ((count, f"{part} rows of {feature.name}") for count in counts if count)
        for label in ("negatives", "positives"):
            by_bin: tuple[int, ...] = getattr(self.scores, label)
            yield from ((count, f"{label} by score") for count in by_bin if count)
