"""The documents of stage `explain`: explanations.json, and the rows of importance.csv.

Nothing but classes, so that whoever reads an explanation imports nothing that computes one. Moves are Shapley
values in log-odds, scores run 0..1; no row id is written, and rows are numbered from 1 within the sample.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from fairmark.record import Record

Value = float | bool | str | None
"""One cell of the table: a number, a truth value, a text (days as ISO 8601), or None where it is missing."""

MISSING = "missing"


def value_text(value: Value) -> str:
    """Return a value in words: six significant digits, `yes` or `no`, or the name itself."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(int(value)) if value == int(value) else f"{value:.6g}"
    return value


class FeatureImportance(Record):
    """One line of importance.csv: the mean absolute Shapley value of a feature; 0 = it moves no score."""

    feature: str
    mean_abs_shap: float


class GroupImportance(Record):
    """What moves the score within one group, by feature; None for a group without explained rows."""

    rows: int
    mean_abs_shap: Mapping[str, float] | None
    mean_shap: Mapping[str, float] | None
    """With their signs: the mean margins of two groups differ by the sum of the differences of these."""


class MissingDependence(Record):
    """The share of rows whose value is missing, and the mean score with it missing in every row."""

    share: float
    mean: float


class Dependence(Record):
    """How the score changes with one feature (partial dependence), and where the data is."""

    kind: Literal["numeric", "boolean", "categorical", "ordinal", "date"]
    grid: Sequence[float | bool | str]
    """The values that the feature is set to."""
    mean: Sequence[float]
    """The mean score at each value of the grid."""
    ice: Sequence[Sequence[float]]
    """Lines of single rows of the background, each [grid]."""
    edges: Sequence[float] | None
    """Of the bins of numbers and of days since 1970-01-01; None for names, whose grid is their bins."""
    density: Sequence[float]
    """Shares of the known values, by bin."""
    near: Sequence[float]
    """Shares of the known values nearest to each value of the grid."""
    missing: MissingDependence | None
    """None where no value is missing."""
    unshown: int
    """How many names did not fit the grid."""


class Contribution(Record):
    """One feature of one decision: its value, and how far it moved the log-odds from the base."""

    feature: str
    value: Value
    shap: float


class Reason(Record):
    """A principal reason of a decision in words, to be read as "feature is value: effect"."""

    feature: str
    value: str
    effect: str
    text: str | None = None
    """What the reviewed reasons library says of it; None without one."""


class ReasonCoverage(Record):
    """Whether the principal reasons leave out what moved decisions: of the explained rows of each decision.

    Shares of all that moved scores towards the decision; 1 = the named reasons are the whole of it.
    """

    rows: int
    covered: float | None
    """The mean share that the named reasons make; None without rows."""
    least: float | None
    """The share that all but the worst twentieth of the rows reach."""
    left_out: float | None
    """The share of rows where a reason left out moved the score at least half as far as the first."""


class AppliedThreshold(Record):
    """The threshold that a decision was made by, where groups have thresholds of their own."""

    attribute: str
    group: str
    threshold: float
    own: bool
    """False: the group has none of its own, and the common one applied."""
    otherwise: Sequence[str]
    """Groups as one of which the row would be decided otherwise."""


class LimeOpinion(Record):
    """A linear model fitted around a row (LIME), beside the row's Shapley values."""

    fidelity: float | None
    """Weighted R^2 of the linear model, up to 1; None where the model scores all rows nearby the same."""
    effects: Mapping[str, float]
    """What having the row's own value adds against any other, log-odds, by feature."""
    moves: Mapping[str, float]
    """The linear model's own Shapley values of the row, log-odds, by feature."""
    agreement: float | None
    """Spearman's rank correlation with the row's Shapley values, -1..1; None where either is constant."""
    against: Sequence[str]
    """Leading features of either whose signs are opposite."""
    only_shap: Sequence[str]
    only_lime: Sequence[str]
    """Features that only one of the two has among its first three."""


class Decision(Record):
    """One decision with everything that moved it and the principal reasons in words."""

    model_config = ConfigDict(validate_by_name=True)

    row: int
    why: str
    """Why this row was picked."""
    score: float
    margin: float
    """Log-odds of the score: `base` and all contributions add up to it."""
    decision: Literal[0, 1]
    base: float
    contributions: Sequence[Contribution]
    """By falling size."""
    reasons: Sequence[Reason]
    """The strongest first, at most four."""
    applied_threshold: AppliedThreshold | None = Field(
        default=None, validation_alias="cutoff", serialization_alias="cutoff"
    )


class ExplainedDecision(Decision):
    """A decision with a second opinion on it."""

    lime: LimeOpinion


class FeatureRanks(Record):
    """The rank of a feature by importance: of the model, and of each refit; 1 moves scores most."""

    feature: str
    rank: int
    again: Sequence[int]


class ReasonAgreement(Record):
    """How far refits give the model's own principal reasons, of rows of one decision that both decide so.

    Means over rows and refits, 0..1; 1 = the same reasons. None without such rows.
    """

    rows: int
    """Pairs of a row and a refit."""
    kept: float | None
    """The mean share of the model's reasons that a refit names too."""
    first: float | None
    """The share in which the first reason is the same."""
    every: float | None
    """The share in which all reasons are the same, whatever their order."""


class Stability(Record):
    """How explanations hold when the model is learnt again from train rows drawn anew, with other seeds."""

    refits: int
    """How many; 0 where there are none, and `why` says why."""
    rows: int
    """Test rows that each of them explained."""
    features: Sequence[FeatureRanks] = ()
    """The model's first features, the most important first."""
    correlation: Sequence[float | None] = ()
    """Spearman's rank correlation of all features' importance with the model's own, -1..1, one a refit."""
    reasons: Mapping[Literal["no", "yes"], ReasonAgreement] | None = None
    otherwise: float | None = None
    """The mean share of rows that a refit decides otherwise, each at its own common threshold."""
    why: str = ""


class Explanations(Record):
    """explanations.json: what moves the score for everybody, for each group, and in a few decisions."""

    rows: int
    """Test rows that were explained."""
    background: int
    """Of them, those that the dependence is averaged over."""
    base: float
    """The base value, log-odds: what the score is without any feature's move."""
    additivity: float
    """The largest gap between a margin and the sum of its contributions; 0 is exact."""
    importance: Sequence[FeatureImportance]
    """Over all explained rows, by falling size."""
    by_group: Mapping[str, Mapping[str, GroupImportance]]
    """By attribute and group."""
    dependence: Mapping[str, Dependence]
    """Of the most important features, by name."""
    decisions: Sequence[ExplainedDecision]
    reasons: Mapping[Literal["no", "yes"], ReasonCoverage] | None = None
    """By decision; None in releases made before it was measured."""
    stability: Stability | None = None
    """None in releases made before it was measured."""
