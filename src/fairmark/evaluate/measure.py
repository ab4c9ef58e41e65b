"""The measurements document: what was found on the test rows, with what `judge` needs to bound it by itself.

Bounds in it are two-sided at `confidence`, one by one, for the reader. The gate does not use them: it makes
its own, one-sided, exact and simultaneous, from the cells and standard errors beside them (`verdict`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.groups import places
from fairmark.errors import InputError
from fairmark.evaluate.documents import HeadlineMetrics
from fairmark.judge.constant_answer import gains
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import ConfusionCounts, GroupMeasures, RowMeasures
from fairmark.judge.measurements import Disparity as GroupDisparity
from fairmark.stats import intervals, score_measures
from fairmark.stats.arrays import Floats, Mask
from fairmark.stats.confusion import ConfusionMatrix, confusion_matrix, kish, of_people
from fairmark.stats.measures import (
    COMPARED,
    COUNTED,
    EQUALIZED_ODDS,
    HEADLINE,
    MEASURES,
    ODDS,
    SCORED,
    Composite,
    OfScores,
    share,
)
from fairmark.stats.rates import Disparity, disparity, equalized_odds, rate_of, value_of, values_of
from fairmark.stats.score_test import miettinen_nurminen


@dataclass(frozen=True)
class EvaluationRows:
    """Some test rows and how to measure them: bounds at `tail`, standard errors by `replicates`."""

    label: NDArray[np.int8]
    score: Floats
    weight: Floats
    bins: int
    tail: float
    replicates: int
    seed: int
    heft: Floats | None = None
    """The weight of each row's person (`confusion.of_people`), where people have several rows."""

    def only(self, kept: NDArray[np.bool_]) -> "EvaluationRows":
        """Return the rows where this is true."""
        parts = (self.label[kept], self.score[kept], self.weight[kept])
        heft = None if self.heft is None else self.heft[kept]
        return EvaluationRows(*parts, self.bins, self.tail, self.replicates, self.seed, heft)


def measure(  # noqa: PLR0913 - the rows' columns, and how to measure them by name
    label: NDArray[np.integer],
    score: Floats,
    decision: NDArray[np.integer],
    weight: Floats | None,
    groups: pd.DataFrame,
    known: Mapping[str, Sequence[str]],
    *,
    confidence: float,
    replicates: int,
    seed: int,
    bins: int,
    person: NDArray[np.generic] | None = None,
) -> RowMeasures:
    """Return what measurements say of these rows: over all, by group, and between groups.

    Parameters
    ----------
    label, score, decision
        0 or 1, 0..1, and 0 or 1, shape `[rows]`.
    weight
        Row weights > 0, shape `[rows]`, or None. With weights, rates are weighted and their bounds rest on
        effective sizes (`rates.rate_of`): close to their level, not exact.
    groups
        One text column for each protected attribute, rows as above.
    known
        Every group of every attribute; one without rows is measured as null, and says so.
    person
        Whose each row is, shape `[rows]`, or None when each is somebody else's. With several rows a person,
        every bound is that of rows which hang together as far as they can (`confusion.of_people`).
    replicates, seed
        For the bootstrap standard errors of the disparities, and for the calibration error.

    Raises
    ------
    InputError
        When the rows are not as above, or hold a group that is not known.
    """
    heavy = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(label, score, decision, heavy)
    heft = None if person is None else of_people(heavy, person)
    rows = EvaluationRows(
        label.astype(np.int8), score, heavy, bins, (1 - confidence) / 2, replicates, seed, heft
    )
    codes = {name: _codes(groups[name], names, name) for name, names in known.items()}
    plain = bool((heavy == 1).all())
    cells = {
        name: confusion_matrix(label, decision, code, len(known[name]), None if plain else heavy, heft)
        for name, code in codes.items()
    }
    whole = confusion_matrix(label, decision, np.zeros(len(label)), 1, None if plain else heavy, heft)
    overall = _measures(whole, rows)
    return RowMeasures(
        overall=overall | gains(overall, whole, rows.tail),
        cells=ConfusionCounts.of(whole),
        groups={
            name: {
                group: _group(cells[name].group(k), rows.only(codes[name] == k), person, codes[name] == k)
                for k, group in enumerate(names)
            }
            for name, names in known.items()
        },
        disparities={
            name: _disparities(cells[name], list(names), rows, k)
            for k, (name, names) in enumerate(known.items())
        },
    )


_LEAST_WEIGHT = 1e-100


def _check(label: NDArray[np.integer], score: Floats, decision: NDArray[np.integer], weight: Floats) -> None:
    faults = []
    shapes = {name: np.shape(v) for name, v in (("score", score), ("decision", decision), ("weight", weight))}
    faults += [
        f"{name}: must have the shape of the labels {np.shape(label)}, got {shape}"
        for name, shape in shapes.items()
        if shape != np.shape(label)
    ]
    if not np.size(label):
        faults.append("rows: must be at least one, got none")
    for name, values in (("label", label), ("decision", decision)):
        if not np.isin(values, (0, 1)).all():
            faults.append(f"{name}: must be 0 or 1, got {np.setdiff1d(values, (0, 1))[:3].tolist()}")
    outside = score[~((score >= 0) & (score <= 1))]
    if outside.size:
        more = f" and {outside.size - 3:,} more" if outside.size > 3 else ""
        faults.append(f"score: must be in 0..1, got {', '.join(map(str, outside[:3].tolist()))}{more}")
    # Their squares are summed, and neither may overflow nor vanish.
    odd = weight[~((weight > _LEAST_WEIGHT) & (weight < 1 / _LEAST_WEIGHT))]
    if odd.size:
        faults.append(f"weight: must be a number > 0 of a size that can be squared, got {odd[0]:g}")
    if faults:
        raise InputError(*faults)


def _codes(column: pd.Series, known: Sequence[str], name: str) -> NDArray[np.intp]:
    codes = places(column, known)
    if (codes < 0).any():
        strangers = sorted(set(column[codes < 0].astype(str)))
        raise InputError(f"evidence.{name}: must hold the groups {sorted(known)} alone, got {strangers[:5]}")
    return codes


def _group(
    matrix: ConfusionMatrix, rows: EvaluationRows, person: NDArray[np.generic] | None, kept: Mask
) -> GroupMeasures:
    counts = ConfusionCounts.of(matrix)
    measures = GroupMeasures(
        rows=counts.rows, positives=counts.positives, cells=counts, measures=_measures(matrix, rows)
    )
    persons = counts.rows if person is None else len(np.unique(person[kept]))
    # Said only where it is known and fewer than the rows.
    return measures.model_copy(update={"persons": persons}) if persons < counts.rows else measures


def _measures(matrix: ConfusionMatrix, rows: EvaluationRows) -> dict[str, Measured]:
    return {name: _counted(matrix, name, rows.tail) for name in COUNTED} | {
        name: scored(rows, name) for name in SCORED
    }


def _interval(value: float, low: float, high: float) -> Measured:
    return Measured(value=float(value), low=float(low), high=float(high))


def _nothing(why: str) -> Measured:
    return Measured(value=None, low=None, high=None, why=why)


def _counted(cells: ConfusionMatrix, name: str, tail: float) -> Measured:
    """Measure the decisions of one group: shares by Clopper-Pearson, the balance by score."""
    value, formula = float(value_of(cells, name)[0]), MEASURES[name].formula
    shares = formula.shares if isinstance(formula, Composite) else (name,)
    counts = [rate_of(cells, each)[1:] for each in shares]
    for each, (_, rows) in zip(shares, counts, strict=True):
        if not rows[0] > 0:
            return _nothing(share(each).empty)
    hits, rows = counts[0]
    # Balanced accuracy is (1 + TPR - FPR) / 2: its bounds are those of a difference of two independent
    # shares.
    if len(shares) > 1:
        low, high = miettinen_nurminen(hits[0], rows[0], counts[1][0][0], counts[1][1][0], tail)
        return _interval(value, float(1 + low) / 2, float(1 + high) / 2)
    ends = [float(end) for end in intervals.clopper_pearson(hits[0], rows[0], tail)]
    if isinstance(formula, Composite) and formula.read is not None:
        ends = [formula.read(end) for end in ends]
    return _interval(value, *ends)


def scored(rows: EvaluationRows, name: str) -> Measured:
    """Measure the scores of some rows."""
    if not len(rows.label):
        return _nothing("no rows")
    formula = MEASURES[name].formula
    if not isinstance(formula, OfScores):
        return _calibration(rows)
    estimate = formula.estimate(rows.label, rows.score, rows.weight, rows.heft)
    if estimate is None or (formula.both and rows.label.min() == rows.label.max()):
        return _nothing(f"no row has the {'negative' if rows.label[0] else 'positive'} label")
    negatives, positives = _classes(rows)
    whole = Measured(
        value=estimate.value,
        low=None,
        high=None,
        se=estimate.se,
        df=estimate.df,
        skew=estimate.skew,
        smaller=min(negatives, positives),
        without_self=estimate.without_self,
        positives=positives,
        negatives=negatives,
    )
    # Of what is known only what its bounds need is written down.
    stored = {"value", "low", "high", "se", "df", *formula.stored}
    kept = Measured(**whole.model_dump(include=stored))
    low, high = kept.bounds(name, rows.tail)
    return kept.model_copy(update={"low": float(low), "high": float(high)})


def _classes(rows: EvaluationRows) -> tuple[float, float]:
    """Return the effective rows of the negative and of the positive class."""
    second = rows.weight if rows.heft is None else rows.heft
    sides = [rows.label == k for k in (0, 1)]
    negative, positive = (kish(rows.weight[at], (rows.weight * second)[at]) for at in sides)
    return negative, positive


def _calibration(rows: EvaluationRows) -> Measured:
    sums = score_measures.bin_scores(rows.label, rows.score, rows.weight, rows.bins, rows.heft)
    gaps, spreads = sums.gaps(), sums.spreads()
    reach = score_measures.reach(spreads, rows.tail, rows.replicates, rows.seed)
    value = sums.error()
    return Measured(
        value=value,
        low=max(0.0, value - reach),
        high=min(1.0, value + reach),
        gaps=tuple(gaps.tolist()),
        spreads=tuple(spreads.tolist()),
    )


def _disparities(
    cells: ConfusionMatrix, names: list[str], rows: EvaluationRows, stream: int
) -> dict[str, GroupDisparity]:
    """Measure the disparities between the groups of one attribute; `se` is the bootstrap standard error."""
    # A stream for each attribute: another attribute in the policy changes no number of this one.
    drawn = intervals.draw(cells, rows.replicates, np.random.default_rng([rows.seed, stream]))
    resampled = {name: values_of(drawn, name) for name in COMPARED}
    measured: dict[str, GroupDisparity] = {}
    for name in COMPARED:
        both = disparity(cells, name, rows.tail)
        for k, kind in enumerate(("ratio", "difference")):
            one = both if isinstance(both, str) else both[k]
            measured[f"{name}_{kind}"] = _over_groups(one, names, getattr(intervals, kind)(resampled[name]))
    worse = equalized_odds([disparity(cells, name, rows.tail, claims=2) for name in ODDS])
    gaps = np.fmax(*(intervals.difference(resampled[name]) for name in ODDS))
    return measured | {EQUALIZED_ODDS: _over_groups(worse, names, gaps)}


def _over_groups(one: Disparity | str, names: list[str], resampled: Floats) -> GroupDisparity:
    if isinstance(one, str) or np.isnan(one.value):
        why = one if isinstance(one, str) else "the rate is 0 in every group"
        return GroupDisparity(value=None, low=None, high=None, why=why, lowest=None, highest=None)
    return GroupDisparity(
        value=float(one.value),
        low=float(one.low),
        high=float(one.high),
        se=intervals.spread(resampled),
        lowest=names[one.lowest],
        highest=names[one.highest],
    )


def headline(
    measured: RowMeasures, threshold: float, own: Mapping[str, float] | None = None
) -> HeadlineMetrics:
    """Return the values alone: measures of all rows, and disparities by attribute.

    `own` are the thresholds of groups that have one of their own.
    """
    overall = {name: measured.overall[name].value for name in HEADLINE}
    fairness = {
        attribute: {name: entry.value for name, entry in entries.items()}
        for attribute, entries in measured.disparities.items()
    }
    # A key of its own for each measure of all rows: names that no class lists beforehand.
    values: dict[str, object] = {"threshold": threshold, "fairness": fairness, **overall}
    return HeadlineMetrics.model_validate(values if own is None else values | {"thresholds": dict(own)})


def table(measured: RowMeasures) -> pd.DataFrame:
    """Return every measure of all rows (`attribute` and `group` empty) and of every group, a line each."""
    parts = [("", "", measured.overall)]
    parts += [
        (attribute, group, entry.measures)
        for attribute, groups in measured.groups.items()
        for group, entry in groups.items()
    ]
    lines = [
        (attribute, group, name, entry.value, entry.low, entry.high)
        for attribute, group, measures in parts
        for name, entry in measures.items()
    ]
    columns = ["attribute", "group", "measure", "value", "low", "high"]
    return pd.DataFrame(lines, columns=columns).astype(dict.fromkeys(columns[3:], np.float64))
