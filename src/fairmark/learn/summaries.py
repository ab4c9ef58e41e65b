"""What `tune` and `train` write for readers: a row for each trial, the search results, the trained model.

Nothing here fits, so that a page reads these documents without a learner.
"""

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, model_validator

from fairmark.data.summaries import SampledPart
from fairmark.errors import InputError
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.params.learn import Assurance, Chosen, FamilyName, Maximise, Useful
from fairmark.record import Record

Cell = bool | int | float | str | None
"""One value of a trial's row; None where it was not measured or does not apply."""
Family = FamilyName
Role = Literal["baseline", "unmitigated", "searched", "finalist"]

_BEHIND = {
    re.compile(r"(logistic|boosted|additive)\.\w+|strength\..+\.\w+"): "reweighing",
    re.compile(r"limit\..+"): "selection_rate",
    re.compile(r"rung_\d+_(quality|fairness)"): "size_bytes",
}
"""The columns whose names hang on params.yaml, and the column that each kind of them stands behind."""


class TrialRow(Record):
    """One trial of a search: its hyperparameters, its measures on held-out rows, and what became of it.

    Beside the keys below it holds `FAMILY.SETTING`, `strength.ATTRIBUTE.CONSTRAINT`, `limit.NAME` (the
    measure of that limit of the policy) and `rung_ROUNDS_quality` and `_fairness` (intermediate values).
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Cell]

    number: int
    role: Role
    family: Family
    balance: Literal["none", "weights", "down", "up"]
    reweighing: bool
    folds: int | None = None
    """Given where there are finalists, which alone are cross-fitted."""
    state: Literal["complete", "pruned", "failed"]
    failure: str | None
    quality: float | None
    """What the threshold is for: 0..1, or a profit."""
    fairness: float | None
    """The least slack of the gated limits on groups, the margin taken off; 0 where there is none."""
    violation: float | None
    """The sum of what is missing to each gated limit; 0 keeps them all."""
    feasible: bool
    useful: bool | None = None
    """Given where trials must be of use (`tune.useful`)."""
    gain: float | None = None
    """The quality beyond the better of yes and no to everybody; given likewise."""
    roc_auc: float | None
    accuracy: float | None
    selection_rate: float | None
    threshold: float | None
    rounds: int | None
    """Boosting rounds; None for a scorecard."""
    size_bytes: int | None
    frontier: bool
    """True when no other trial dominates it in quality and fairness."""
    chosen: bool

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = [name for name in self.model_extra or {} if _behind(name) is None]
        if unknown:
            raise ValueError(f"must hold settings, strengths, limits and rungs besides, got {unknown}")
        return self

    def cells(self) -> dict[str, Cell]:
        """Return every value by its column, in the order of trials.csv."""
        cells: dict[str, Cell] = {}
        extra = self.model_extra or {}
        for name in type(self).model_fields:
            if name in self.model_fields_set:
                cells[name] = getattr(self, name)
            cells |= {column: value for column, value in extra.items() if _behind(column) == name}
        return cells

    def get(self, column: str) -> Cell:
        """Return the value of a column, None where the row has no such column."""
        if column in type(self).model_fields:
            value: Cell = getattr(self, column)
            return value
        return (self.model_extra or {}).get(column)

    def number_in(self, column: str) -> float | None:
        """Return the number in a column, None where there is none."""
        value = self.get(column)
        return float(value) if isinstance(value, int | float) else None

    def limit(self, name: str) -> float | None:
        """Return the measure of the limit of this name, None where the rows were too few for it."""
        return self.number_in(f"limit.{name}")

    @property
    def choices(self) -> Chosen:
        """What was chosen in a trial without mitigation and without a margin, such as the baseline."""
        start = f"{self.family}."
        extra = self.model_extra or {}
        settings = {
            k.removeprefix(start): v for k, v in extra.items() if k.startswith(start) and v is not None
        }
        return Chosen(
            family=self.family,
            settings=settings,
            balance=self.balance,
            reweighing=self.reweighing,
            mitigation=[],
            margin=None,
            folds=None,
        )

    @classmethod
    def from_texts(cls, texts: Mapping[str, str], where: str) -> Self:
        """Return the row of trials.csv whose cells are `texts`.

        Raises
        ------
        InputError
            With one line for every cell that is not what its column holds.
        """
        return cls.from_json({name: _value(text) for name, text in texts.items()}, where)


def read_trials(path: Path) -> list[TrialRow]:
    """Return the rows of trials.csv.

    Raises
    ------
    InputError
        When the file is missing, is not CSV, or holds anything but trials.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True, restkey="", restval=""))
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: must be CSV in UTF-8, got {error}") from error
    return [TrialRow.from_texts(row, f"{path}: trial {place}") for place, row in enumerate(rows)]


class OverTime(Record):
    """A limit on groups in stretches of time, each scored by a model of earlier rows alone."""

    stretches: list[float | None]
    """The measure in each stretch, the earliest first and validation rows last; None for no value."""
    missed: int
    """In how many stretches the rows show that the limit is missed, each at a level of 0.05."""


class RivalRow(Record):
    """One of Fairlearn's mitigators on the same validation rows as the trials; a lottery by expectation."""

    method: str
    setting: str
    randomised: bool
    """Whether decisions are drawn by lot."""
    reads_group: bool
    """Whether it must be told the group of everybody it decides on."""
    models: int
    """How many models it decides with."""
    quality: float
    selection_rate: float
    limits: dict[str, float | None]
    """The measure of each limit on groups that is known here, by the limit's name."""
    keeps: bool
    """Whether it keeps each gated limit on groups, margin aside; one that has no value here is not kept."""
    why: str
    """Why it is not taken, whatever it reaches."""


class Alternative(Record):
    """A trial of the frontier that was not chosen, with all that it takes to learn it again."""

    number: int
    chosen: Chosen
    quality: float
    """On the search's held-out rows."""
    limits: dict[str, float | None]
    """The measure of each limit on groups, on the same rows."""
    why: str
    """Why it was not taken."""


class BracketRow(Record):
    """The range in which a strength was searched, found by trials."""

    family: Family
    attribute: str
    constraint: str
    low: float
    high: float


class SearchSummary(Record):
    """tune/summary.json: how a search went, which trial was chosen and why, and the Pareto front."""

    trials: int
    failed: int
    pruned: int = 0
    """Given where trials may be pruned."""
    feasible: int
    goal: str
    """The measure that the quality is, or `profit`."""
    maximise: Maximise | None = None
    """What the threshold is for, the choice by base rate made."""
    margin: float | None
    """The margin of limits on groups; null where it follows from the rows (`assurance`)."""
    assurance: Assurance | None = None
    expected: dict[str, float] | None = None
    """The bounds that the gate would have on as many test rows, if these had the held-out rows' rates."""
    over_time: dict[str, OverTime] | None = None
    """Gated limits on groups in stretches of time; given where validation rows follow train rows in time."""
    margins: dict[str, float] | None = None
    """How far inside each gated limit on groups the rows had to be, at the chosen trial's rates."""
    brackets: list[BracketRow] | None = None
    """Given where strengths are bracketed by trials."""
    useful: int | None = None
    """How many trials are of use, where params ask for it."""
    of_use: Useful | None = None
    """What params ask of a trial to be of use."""
    over_plain: float | None = None
    """How much better, in gain or AUC, the best trial is than a plain model held to the same limits; null
    where none was run, is of use or keeps them as well. Below `of_use.plain`, or within a standard error, the
    plain one is chosen."""
    chosen: int
    """The number of the chosen trial."""
    best: TrialRow
    nearest: TrialRow | None
    """The chosen trial where none keeps every gated limit, else null."""
    baseline: TrialRow | None
    unmitigated: TrialRow | None
    frontier: list[TrialRow]
    """The trials that none dominates in quality and fairness, worst quality first."""
    not_searched: list[str]
    """Names of limits that validation rows can't be measured for."""
    not_measured: list[str]
    """Names of gated limits on groups for which the held-out rows were too few."""
    note: str
    alternatives: list[Alternative] | None = None
    """The frontier without the chosen trial, the less disparate ones first; None in those made before."""
    rivals: list[RivalRow] | None = None
    """Given where params ask for them."""
    sample: Mapping[str, SampledPart] | None = None
    """Written only where trials saw a sample of the rows."""


class PartRows(Record):
    """How many rows a model was fitted on, and how many its threshold and rounds come from."""

    train: int
    valid: int


class ValidMetrics(Record):
    """Quality on validation rows, each 0..1."""

    roc_auc: float | None
    """None where the rows have one class."""
    accuracy: float
    selection_rate: float


class TrainSummary(Record):
    """train/summary.json: what the model is, and its quality on validation rows."""

    family: Family
    rows: PartRows
    rounds: int | None
    threshold: float
    thresholds: GroupThresholds | None = None
    """Given where params ask for thresholds of groups' own: these, or null with the reason in `why`."""
    why: str = ""
    valid: ValidMetrics
    size_bytes: int


def _behind(column: str) -> str | None:
    return next((name for pattern, name in _BEHIND.items() if pattern.fullmatch(column)), None)


def _value(text: str) -> Cell:
    if text in {"", "True", "False"}:
        return text == "True" if text else None
    # 18 digits, which an int64 holds.
    if re.fullmatch(r"-?\d{1,18}", text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text
