"""Summary metrics: quality and disparity of one scoring of one part, as values without intervals.

What the experiments beside the measurements compare models and stressed rows by; the gate uses none of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.groups import places
from fairmark.data.roles import LABEL, PERSON, WEIGHT
from fairmark.data.split import Parts
from fairmark.evaluate.documents import SummaryMetrics
from fairmark.model.model import Model
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import ConfusionMatrix, confusion_matrix, of_people
from fairmark.stats.rates import value_of
from fairmark.stats.score_measures import roc_auc


@dataclass(frozen=True)
class Rows:
    """What the rows of one part are judged by, whatever their scores.

    Parameters
    ----------
    table
        The rows with their features, [n].
    label
        1 = positive, [n].
    weight
        Row weights >= 0, [n].
    groups
        The group of each row, one column for each protected attribute, [n].
    known
        Every group of each attribute, also those without rows here.
    """

    table: pd.DataFrame
    label: NDArray[np.int8]
    weight: Floats
    groups: pd.DataFrame
    known: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, parts: Parts, name: str) -> Self:
        """Return the rows of the part `name`."""
        table, evidence = parts.part(name)
        known = {attribute: parts.schema.groups[attribute] for attribute in parts.attributes}
        label, weight = table[LABEL].to_numpy(np.int8), table[WEIGHT].to_numpy(np.float64)
        return cls(table, label, weight, evidence[list(known)], known)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Rows":
        """Return the rows at these places, or where this mask is true."""
        return Rows(
            self.table.iloc[rows], self.label[rows], self.weight[rows], self.groups.iloc[rows], self.known
        )

    def confusion(self, decision: NDArray[np.integer], attribute: str | None = None) -> ConfusionMatrix:
        """Return the confusion matrix of each group of an attribute, [groups, 2, 2], or of all rows."""
        names = self.known[attribute] if attribute is not None else ["all"]
        code = self.codes(attribute) if attribute is not None else np.zeros(len(self.label), dtype=np.intp)
        weight = None if self._plain else self.weight
        return confusion_matrix(self.label, decision, code, len(names), weight, self.person_weight)

    @property
    def person(self) -> NDArray[np.generic] | None:
        """Whose each row is, [n], or None where each is somebody else's."""
        return self.table[PERSON].to_numpy() if PERSON in self.table else None

    @property
    def person_weight(self) -> Floats | None:
        """The weight of each row's person among these rows, [n], where people have several rows."""
        return None if self.person is None else of_people(self.weight, self.person)

    def codes(self, attribute: str) -> NDArray[np.intp]:
        """Return the place of each row's group among the known ones, [n]."""
        return self._codes[attribute]

    @cached_property
    def _codes(self) -> dict[str, NDArray[np.intp]]:
        # Once for all: experiments ask for them hundreds of times.
        return {name: places(self.groups[name], groups) for name, groups in self.known.items()}

    @cached_property
    def _plain(self) -> bool:
        return bool((self.weight == 1).all())


def summary_metrics(rows: Rows, score: Floats, threshold: float | Floats) -> SummaryMetrics:
    """Return the summary metrics of scores; None where a measure is not defined.

    Parameters
    ----------
    rows
        The rows that are measured, [n].
    score
        Their scores, [n].
    threshold
        Decide 1 from this score on: one for all rows, or that of each row, [n].
    """
    decision = (score >= threshold).astype(np.int8)
    auc = roc_auc(rows.label, score, rows.weight)
    total = rows.confusion(decision)
    return SummaryMetrics(
        rows=len(rows.label),
        roc_auc=None if auc is None else auc.value,
        accuracy=_defined(value_of(total, "accuracy")[0]),
        selection_rate=_defined(value_of(total, "selection_rate")[0]),
        selection_rate_ratio={
            attribute: rate_ratio(value_of(rows.confusion(decision, attribute), "selection_rate"))
            for attribute in rows.known
        },
    )


def model_metrics(rows: Rows, model: Model) -> SummaryMetrics:
    """Return the summary metrics of a model's scores and decisions on `rows`."""
    return summary_metrics(rows, model.score(rows.table), model.cut(rows.groups))


def threshold_at(threshold: float | Floats, rows: NDArray[np.bool_]) -> float | Floats:
    """Return the thresholds of some of the rows where each row has its own, else the one of all."""
    return threshold[rows] if isinstance(threshold, np.ndarray) else threshold


def rate_ratio(rates: Floats) -> float | None:
    """Return the lowest over the highest rate of groups, 0..1; 1 = parity.

    None when fewer than two groups have a rate (NaN stands for none), or when no group has one above 0.
    """
    known = rates[~np.isnan(rates)]
    return float(known.min() / known.max()) if len(known) > 1 and known.max() > 0 else None


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
