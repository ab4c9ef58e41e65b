"""The measurements document, and whether it agrees with itself: anything that does not never passes.

Its shape is that of the classes here. Beyond it, a document is refused for a value that its own confusion
matrix contradicts; for groups that don't add up to all rows (a group left out); and for speaking of another
model, other thresholds or other groups than the ones expected.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, JsonValue, model_validator

from fairmark.errors import InputError
from fairmark.files import canonical_floats
from fairmark.judge.alternatives import RivalGain
from fairmark.judge.by_probability import AttributeByProbability
from fairmark.judge.constant_answer import gain
from fairmark.judge.findings import Strongest
from fairmark.judge.findings import faults as finding_faults
from fairmark.judge.measured import CLOSE, Measured, UnitCounts
from fairmark.params.learn import Profit
from fairmark.record import Digest, Record, Whole
from fairmark.stats.arrays import Floats, Ints
from fairmark.stats.bounded_means import Units
from fairmark.stats.confusion import ConfusionMatrix, kish
from fairmark.stats.measures import (
    COMPARED,
    COUNTED,
    EQUALIZED_ODDS,
    GAINS,
    MEASURES,
    ODDS,
    PLACE,
    SCORED,
    Share,
    share,
    summed,
)
from fairmark.stats.measures import Count as CountName
from fairmark.stats.rates import rate_of, value_of

Sum = Annotated[float, Field(ge=0, lt=2**53)]


class Sums(Record):
    """Sums of weights, or of their squares, of each part of a confusion matrix."""

    tn: Sum
    fp: Sum
    fn: Sum
    tp: Sum


class ConfusionCounts(Record):
    """The confusion matrix of one group or of all rows, with sums of weights where rows weigh."""

    tn: Whole
    fp: Whole
    fn: Whole
    tp: Whole
    weighted: Sums | None = None
    squared: Sums | None = None
    effective_rows: float | None = None
    units: dict[str, UnitCounts] | None = None
    """Of each rate its independent units, where rows weigh or people have several."""

    @classmethod
    def of(cls, matrix: ConfusionMatrix, index: int = 0, units: dict[str, UnitCounts] | None = None) -> Self:
        """Return the counts of one group of a confusion matrix, and the units of its rates."""
        (tn, fp), (fn, tp) = matrix.count[index].tolist()
        known: dict[str, Any] = {} if units is None else {"units": units}
        if not matrix.weighted:
            return cls(tn=tn, fp=fp, fn=fn, tp=tp, **known)
        weight, square = (
            Sums(**{name: float(part[index][at]) for name, at in PLACE.items()})
            for part in (matrix.weight, matrix.square)
        )
        rows = float(kish(matrix.weight[index], matrix.square[index]))
        return cls(tn=tn, fp=fp, fn=fn, tp=tp, weighted=weight, squared=square, effective_rows=rows, **known)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.weighted is None) != (self.squared is None):
            raise ValueError("must have weighted and squared, or neither, got one of them")
        weight, square, count = self.matrix.weight, self.matrix.square, self.matrix.count
        if (weight * weight > square * count * (1 + 1e-6)).any():  # Cauchy and Schwarz
            raise ValueError("squared must be sums of the squares of the weights, got sums too small")
        return self

    @property
    def matrix(self) -> ConfusionMatrix:
        """The confusion matrix, shape `[1, 2, 2]`."""
        count = _table(self)
        weight, square = (count if part is None else _table(part) for part in (self.weighted, self.squared))
        return ConfusionMatrix(count.astype(np.int64), weight, square)

    @property
    def rows(self) -> int:
        """How many rows it counts."""
        return self.tn + self.fp + self.fn + self.tp

    @property
    def positives(self) -> int:
        """How many of them have the positive label."""
        return self.fn + self.tp

    def each(self) -> Iterator[tuple[CountName, int]]:
        """Yield each count with its name."""
        yield from (("tn", self.tn), ("fp", self.fp), ("fn", self.fn), ("tp", self.tp))

    def units_of(self, rate: str) -> Units | None:
        """Return the independent units of a rate; None where its rows are that, or none are known."""
        if self.units is None:
            return None
        return self.units[MEASURES[rate].same_as or rate].units


def _table(part: ConfusionCounts | Sums) -> Floats:
    return np.array([[[part.tn, part.fp], [part.fn, part.tp]]], dtype=np.float64)


class Disparity(Measured):
    """A ratio or difference over groups; `se` is its bootstrap standard error."""

    lowest: str | None = None
    highest: str | None = None


class GroupMeasures(Record):
    """One group: its test rows, and every measure of them."""

    rows: Whole
    positives: Whole
    cells: ConfusionCounts
    measures: dict[str, Measured]
    persons: Whole | None = None
    """How many persons the rows are of, where that is known and fewer."""

    @property
    def unweighted(self) -> Self:
        """The same with counts in the place of weights, where all rows of the group weigh alike."""
        cells = self.cells.model_copy(update={"weighted": None, "squared": None, "units": None})
        return self.model_copy(update={"cells": cells})

    @property
    def evidence(self) -> int:
        """How many independent pieces of evidence it has: persons, or else rows."""
        return self.rows if self.persons is None else self.persons


class Thresholds(Record):
    """Thresholds of an attribute's groups, as model.json states them."""

    attribute: str
    constraint: str
    groups: Annotated[dict[str, float], Field(min_length=2)]
    origins: tuple[dict[str, JsonValue], ...]


class MeasuredGoal(Record):
    """What the model's threshold is for."""

    measure: str
    """The measure that the quality is, or `profit`."""
    profit: Profit | None = None
    """What each decision brings, where the quality is a profit."""


class MeasuredModel(Record):
    """Which model was measured, and at which threshold."""

    sha256: Digest
    threshold: float
    thresholds: Thresholds | None = None
    goal: MeasuredGoal | None = None
    """Given since thresholds have goals."""


class MeasuredRows(Record):
    """Which rows were measured on."""

    part: str
    rows: Whole
    positives: Whole
    weighted: bool
    rows_sha256: Digest
    persons: Whole | None = None
    """Persons whom the rows are of, or clusters of another kind; None where each row is its own."""
    units: str | None = None
    """What these are, such as `clusters by branch`; persons where nothing is said."""
    sampled_by: str | None = None
    """The attribute by whose groups rows were drawn with different shares: all that weighs differently."""


Groups = dict[str, dict[str, GroupMeasures]]


class RowMeasures(Record):
    """What was measured of rows: over all, by group, and between the groups of each attribute."""

    overall: dict[str, Measured]
    cells: ConfusionCounts
    groups: Groups
    disparities: dict[str, dict[str, Disparity]]


@dataclass(frozen=True)
class About:
    """What measurements say beside what was measured: model, rows, confidence and signs."""

    model: MeasuredModel
    data: MeasuredRows
    confidence: float
    findings: Mapping[str, Strongest]
    alternatives: tuple[RivalGain, ...] | None = None
    """Rivals on the frontier; None where nobody measured any."""
    by_probability: Mapping[str, AttributeByProbability] = field(default_factory=dict)


class Measurements(RowMeasures):
    """The document that `evaluate` writes: what was measured of which model on which test rows."""

    model: MeasuredModel
    data: MeasuredRows
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """That of every interval in it, two-sided and one by one."""
    findings: dict[str, Strongest]
    alternatives: tuple[RivalGain, ...] | None = None
    """What rivals on the search's frontier would gain and cost (alternatives.json); given where they were
    measured."""
    by_probability: dict[str, AttributeByProbability] | None = None
    """Attributes that no row states, where there are any."""

    @classmethod
    def of(cls, measured: RowMeasures, about: About) -> Self:
        """Return the document of what was measured of these rows."""
        rivals: dict[str, Any] = {} if about.alternatives is None else {"alternatives": about.alternatives}
        probable: dict[str, Any] = (
            {"by_probability": dict(about.by_probability)} if about.by_probability else {}
        )
        return cls(
            **rivals,
            **probable,
            overall=measured.overall,
            cells=measured.cells,
            groups=measured.groups,
            disparities=measured.disparities,
            model=about.model,
            data=about.data,
            confidence=about.confidence,
            findings=dict(about.findings),
        )

    @property
    def evidence(self) -> "Evidence":
        """What the limits of a policy are judged by."""
        groups = dict(self.groups)
        if self.data.sampled_by in groups:
            # Rows of one group weigh alike, so that counts say all of what is compared between groups.
            of = groups[self.data.sampled_by]
            groups[self.data.sampled_by] = {name: entry.unweighted for name, entry in of.items()}
        return Evidence(
            self.overall,
            self.cells,
            groups,
            self.findings,
            self.model.goal,
            alternatives=self.alternatives,
            by_probability=self.by_probability or {},
        )

    def in_order(self, order: Mapping[str, Sequence[str]]) -> Self:
        """Return the same with `groups` in the order of schema.json, not as texts."""
        groups = {
            name: {group: entries[group] for group in order.get(name, sorted(entries)) if group in entries}
            for name, entries in self.groups.items()
        }
        return self.model_copy(update={"groups": groups})


@dataclass(frozen=True)
class Evidence:
    """As much of measurements as comparisons with limits read."""

    overall: Mapping[str, Measured]
    cells: ConfusionCounts
    groups: Mapping[str, Mapping[str, GroupMeasures]]
    findings: Mapping[str, Strongest]
    goal: MeasuredGoal | None = None
    earlier: int | None = None
    """Other models that were judged on the test set before; None where nobody counted."""
    alternatives: tuple[RivalGain, ...] | None = None
    """Rivals on the search's frontier; None where nobody measured any."""
    by_probability: Mapping[str, AttributeByProbability] = field(default_factory=dict)


def read_measurements(value: object) -> Measurements:
    """Return parsed JSON as measurements.

    Raises
    ------
    InputError
        With one line, `measurements.place: what must hold, got what`, for everything that has another shape.
    """
    try:
        return Measurements.from_json(value, "measurements")
    except InputError as error:
        # The place within the document follows its name: measurements.cells.tn, not measurements: cells.tn.
        lines = (re.sub(r"^measurements: (?=[\w.]+: )", "measurements.", line) for line in error.faults)
        raise InputError(*lines) from error


@dataclass(frozen=True)
class Expected:
    """What a document must speak of; None leaves it open."""

    model: str | None = None
    threshold: float | None = None
    groups: Mapping[str, Sequence[str]] | None = None
    thresholds: Mapping[str, JsonValue] | None = None
    """Those of groups' own, as model.json states them; None beside a threshold says that there are none."""


def faults(document: Measurements, expected: Expected) -> list[str]:
    """Return everything that is at odds in measurements, as `where: what must hold, got what`."""
    return [
        *_origin(document, expected),
        *_whole(document),
        *_parts(document, expected),
        *_probable(document),
        *finding_faults(document.findings),
    ]


def _probable(document: Measurements) -> Iterator[str]:
    cells: dict[str, int] = {name: count for name, count in document.cells.each()}  # noqa: C416 - plain keys
    found = document.by_probability or {}
    for name, attribute in found.items():
        where = f"measurements.by_probability.{name}"
        if name in document.groups:
            yield f"{where}: must be an attribute that no row states, got one of measurements.groups"
        elif document.cells.units is not None or document.cells.weighted is not None:
            yield f"{where}: must be of rows of one weight, each of another person, got others"
        else:
            yield from attribute.faults(cells, where)


def _origin(document: Measurements, expected: Expected) -> Iterator[str]:
    model = document.model
    if expected.threshold is not None and abs(model.threshold - expected.threshold) > 1e-9:
        yield (
            f"measurements.model.threshold: must be {expected.threshold} of the model, got {model.threshold}"
        )
    yield from _thresholds(document, expected)
    if expected.model is not None and model.sha256 != expected.model:
        yield f"measurements.model.sha256: must be {expected.model} of the model, got {model.sha256}"
    if document.data.part != "test":
        yield f"measurements.data.part: must be test, got {document.data.part!r}"


def _thresholds(document: Measurements, expected: Expected) -> Iterator[str]:
    """Find what is wrong with thresholds of groups' own."""
    where, stated = "measurements.model.thresholds", document.model.thresholds
    if stated is not None:
        names = set(document.groups.get(stated.attribute, {}))
        if not set(stated.groups) <= names:
            yield (
                f"{where}: must be numbers for groups of {stated.attribute}, {sorted(names)}, "
                f"got {stated.groups}"
            )
    known = expected.threshold is not None or expected.thresholds is not None
    stated_thresholds = None if stated is None else stated.to_json()
    wanted = (
        None
        if expected.thresholds is None
        else {name: canonical_floats(item) for name, item in expected.thresholds.items()}
    )
    if known and stated_thresholds != wanted:
        yield f"{where}: must be {_as_text(wanted)} of the model, got {_as_text(stated_thresholds)}"


def _as_text(thresholds: Mapping[str, object] | None) -> str:
    return "none" if thresholds is None else f"{thresholds['groups']} by {thresholds['attribute']}"


def _whole(document: Measurements) -> Iterator[str]:
    matrix, data = document.cells.matrix, document.data
    yield from _totals(document.cells, data, "measurements.data")
    if matrix.weighted != data.weighted:
        yield f"measurements.data.weighted: must agree with the cells, got {data.weighted!r}"
    overall = document.overall
    yield from (wrong := [*_measures(document.cells, overall, overall, "measurements.overall")])
    for name in GAINS if not wrong else ():
        value = gain(name, overall, document.cells)[0].value
        yield from _entry(overall.get(name), value, f"measurements.overall.{name}")


def _totals(cells: ConfusionCounts, stated: MeasuredRows | GroupMeasures, where: str) -> Iterator[str]:
    for name, total, computed in (
        ("rows", cells.rows, stated.rows),
        ("positives", cells.positives, stated.positives),
    ):
        if computed != total:
            yield f"{where}.{name}: must be the sum of its cells {total}, got {computed!r}"


def _parts(document: Measurements, expected: Expected) -> Iterator[str]:
    groups, disparities = document.groups, document.disparities
    if set(groups) != set(disparities):
        yield f"measurements.disparities: must speak of {sorted(groups)}, got {sorted(disparities)}"
    if expected.groups is not None:
        yield from _known(groups, expected.groups)
    yield from _alike(document)
    whole = document.cells.matrix
    for attribute, entries in groups.items():
        where = f"measurements.groups.{attribute}"
        if not entries:
            yield f"{where}: must hold a group, got an attribute without groups"
            continue
        matrix = by_group(entries)
        if not _close(matrix.total(), whole):
            stated, total = _differing(whole, matrix.total())
            yield f"{where}: must add up to the cells of all rows, {stated}, got {total}"
        for group, entry in entries.items():
            yield from _totals(entry.cells, entry, f"{where}.{group}")
            yield from _measures(entry.cells, entry.measures, document.overall, f"{where}.{group}")
        spot = f"measurements.disparities.{attribute}"
        gaps = disparities.get(attribute, {})
        yield from _disparities(matrix, list(entries), gaps, document.overall, spot)


def _alike(document: Measurements) -> Iterator[str]:
    """Find groups whose rows weigh differently where the document says that they do not."""
    by = document.data.sampled_by
    if by is None:
        return
    where = "measurements.data.sampled_by"
    if by not in document.groups or document.data.persons is not None:
        yield f"{where}: must be an attribute that was measured, of rows that are units, got {by!r}"
        return
    for group, entry in document.groups[by].items():
        matrix = entry.cells.matrix
        weight, square, count = (float(part.sum()) for part in (matrix.weight, matrix.square, matrix.count))
        # Equality of Cauchy and Schwarz: all weights are the same.
        if not math.isclose(weight * weight, square * count, rel_tol=CLOSE):
            yield f"{where}: must leave all rows of {by} {group} with one weight, got several"


def by_group(entries: Mapping[str, GroupMeasures]) -> ConfusionMatrix:
    """Return the confusion matrices of the groups of one attribute, in the document's order."""
    each = [entry.cells.matrix for entry in entries.values()]
    count = np.concatenate([matrix.count for matrix in each])
    weight, square = (
        np.concatenate(parts)
        for parts in ([matrix.weight for matrix in each], [matrix.square for matrix in each])
    )
    return ConfusionMatrix(count, weight, square)


def _known(groups: Groups, expected: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for attribute, names in expected.items():
        measured = sorted(groups.get(attribute, {}))
        if measured != sorted(names):
            yield f"measurements.groups.{attribute}: must be the groups {sorted(names)}, got {measured}"


def _present(names: Iterable[str], overall: Mapping[str, Measured]) -> Iterator[str]:
    """Yield the measures that must be there: those that joined later only where all rows have them."""
    for name in names:
        if MEASURES[name].required or name in overall:
            yield name


def _measures(
    cells: ConfusionCounts, entries: Mapping[str, Measured], overall: Mapping[str, Measured], where: str
) -> Iterator[str]:
    matrix = cells.matrix
    yield from _units(cells, matrix, where)
    for name in _present(COUNTED, overall):
        computed = float(value_of(matrix, name)[0])
        yield from _entry(entries.get(name), None if math.isnan(computed) else computed, f"{where}.{name}")
    both = 0 < cells.positives < cells.rows
    for name in SCORED:
        there = both if name in ("roc_auc", "pr_auc") else cells.rows > 0
        yield from _scored(entries.get(name), name, there, f"{where}.{name}")


def _units(cells: ConfusionCounts, matrix: ConfusionMatrix, where: str) -> Iterator[str]:
    """Find units of rates that are missing, or do not come to the cells beside them."""
    if cells.units is None:
        if matrix.weighted:
            yield f"{where}.units: must be given where rows weigh or people have several, got nothing"
        return
    rates = {name for name, row in MEASURES.items() if isinstance(row.formula, Share) and not row.same_as}
    if set(cells.units) != rates:
        yield f"{where}.units: must be of {sorted(rates)}, got {sorted(cells.units)}"
        return
    for name, each in cells.units.items():
        rows, hits = each.units.total
        formula = share(name)
        wanted = summed(matrix.weight, formula.rows)[0], summed(matrix.weight, formula.hits)[0]
        if not np.allclose((rows, hits), wanted, rtol=CLOSE, atol=CLOSE):
            yield (
                f"{where}.units.{name}: must come to {wanted[1]:.10g} of {wanted[0]:.10g}, "
                f"got {hits:.10g} of {rows:.10g}"
            )


def _entry(
    entry: Measured | None, computed: float | None, where: str, *, exactly: bool = True
) -> Iterator[str]:
    """Find what is wrong with a value in its interval; `computed` None wants no value, and why."""
    if entry is None:
        yield f"{where}: must be measured, got None"
        return
    value, low, high = entry.value, entry.low, entry.high
    if computed is None:
        if value is not None or not entry.why:
            yield f"{where}: must be null and say why, as its cells hold no rows for it, got {value!r}"
    elif value is None or low is None or high is None:
        yield f"{where}: must be numbers, as its cells hold rows for it, got {value!r} in {low!r} to {high!r}"
    elif exactly and abs(value - computed) > CLOSE:
        yield f"{where}: must be {computed:.6g} by its cells, got {value}"
    elif not low - CLOSE <= value <= high + CLOSE:
        yield f"{where}: must lie within its interval {low} to {high}, got {value}"


def _scored(entry: Measured | None, name: str, there: bool, where: str) -> Iterator[str]:
    wrong = [*_entry(entry, 0.0 if there else None, where, exactly=False)]
    yield from wrong
    if wrong or entry is None or entry.value is None:
        return
    most = MEASURES[name].most
    if not 0 <= entry.value <= most:
        yield f"{where}: must be in 0..{most:.4g}, got {entry.value}"
    if (missing := entry.lacks(name)) is not None:
        yield f"{where}.{missing}: must be given, got nothing"
    elif (odd := entry.foreign_range(most)) is not None:
        yield f"{where}: must have units in the range of their measure, got {odd[0]:g} to {odd[1]:g}"
    elif entry.contradicts():
        yield f"{where}: must be what its units come to, got {entry.value}"


def _disparities(
    matrix: ConfusionMatrix,
    names: Sequence[str],
    entries: Mapping[str, Disparity],
    overall: Mapping[str, Measured],
    where: str,
) -> Iterator[str]:
    gaps: dict[str, float | None] = {}
    for name in COMPARED:
        value, _, rows = rate_of(matrix, name)
        rates = value[rows > 0]
        least, most = (rates.min(), rates.max()) if len(rates) > 1 else (math.nan, math.nan)
        gaps[name] = None if math.isnan(least) else float(most - least)
        quotient = None if math.isnan(least) or most == 0 else float(least / most)
        if not (MEASURES[name].required or name in overall):
            continue
        for kind, computed in (("ratio", quotient), ("difference", gaps[name])):
            entry, spot = entries.get(f"{name}_{kind}"), f"{where}.{name}_{kind}"
            yield from _entry(entry, computed, spot)
            yield from _ends(entry, names, spot)
    odds = [gap for name in ODDS if (gap := gaps[name]) is not None]
    worse = max(odds) if len(odds) == len(ODDS) else None
    yield from _entry(entries.get(EQUALIZED_ODDS), worse, f"{where}.{EQUALIZED_ODDS}")


def _ends(entry: Disparity | None, names: Sequence[str], where: str) -> Iterator[str]:
    if entry is not None and entry.value is not None:
        strangers = {entry.lowest, entry.highest} - set(names)
        if strangers:
            yield f"{where}: must name groups of the attribute, got {sorted(map(str, strangers))}"


def _differing(one: ConfusionMatrix, two: ConfusionMatrix) -> tuple[str, str]:
    """Return the cells of two matrices of all rows: counts, or else weights, or else their squares."""
    parts = (("", one.count, two.count), ("weights ", one.weight, two.weight))
    differing = ((name, a, b) for name, a, b in parts if not np.allclose(a, b, rtol=CLOSE, atol=CLOSE))
    name, stated, total = next(differing, ("squared weights ", one.square, two.square))

    def cells(values: Floats | Ints) -> str:
        return name + ", ".join(f"{cell} {values[0][place]:.10g}" for cell, place in PLACE.items())

    return cells(stated), cells(total)


def _close(one: ConfusionMatrix, two: ConfusionMatrix) -> bool:
    same = np.array_equal(one.count, two.count)
    pairs = ((one.weight, two.weight), (one.square, two.square))
    # Counts to the last row; sums of weights as far as ten written digits tell.
    return same and all(np.allclose(a, b, rtol=CLOSE, atol=CLOSE) for a, b in pairs)
