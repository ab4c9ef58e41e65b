"""The documents of stage `evaluate` beside the measurements: metrics.json, checks.json, rows of plots.

Classes alone, so that a page or a stranger who reads what was found imports nothing that fits a model. The
experiments that fill them stand beside this module. Shares and rates run 0..1; a value is None where it is
not defined, such as the ROC AUC of rows of one label. Keys of JSON that no longer speak the field's words
keep their spelling as aliases.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from fairmark.data.summaries import SampledPart
from fairmark.judge.measurements import ConfusionCounts, Measurements
from fairmark.judge.verdict import Outcome
from fairmark.record import Record


class HeadlineMetrics(Record):
    """metrics.json, for `dvc metrics`: values without intervals, and one key for each measure of all rows."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]

    threshold: float
    fairness: Mapping[str, Mapping[str, float | None]]
    """The disparities of each attribute."""
    thresholds: Mapping[str, float] | None = None
    """Those of groups that have one of their own."""

    @property
    def overall(self) -> Mapping[str, float | None]:
        """The measures of all test rows, by name."""
        return self.__pydantic_extra__


class RocPoint(Record):
    """One line of plots/roc.csv, a point of the ROC curve; the first one, (0, 0), has no threshold."""

    false_positive_rate: float
    true_positive_rate: float
    threshold: float | None = None


class PrecisionRecallPoint(Record):
    """One line of plots/precision_recall.csv: what deciding 1 from `threshold` on comes to."""

    recall: float
    precision: float
    threshold: float


class CalibrationBin(Record):
    """One line of plots/calibration.csv, a bin of scores: of all rows where no group is named."""

    attribute: str = ""
    group: str = ""
    bin_low: float
    bin_high: float
    rows: int
    mean_score: float
    positive_share: float
    low: float
    high: float


class GroupMeasure(Record):
    """One line of plots/groups.csv, a measure with its interval: of all rows where no group is named."""

    attribute: str = ""
    group: str = ""
    measure: str
    value: float | None = None
    low: float | None = None
    high: float | None = None


class ScoringMetrics(Record):
    """Ranking, selection and its evenness: what every scoring of rows is looked at by."""

    rows: int
    roc_auc: float | None
    selection_rate: float | None
    selection_rate_ratio: Mapping[str, float | None]
    """Lowest over highest rate among the groups of each attribute; 1 = parity."""


class SummaryMetrics(ScoringMetrics):
    """Quality and disparity of one scoring of one part: values without intervals."""

    accuracy: float | None


class AucChange(Record):
    """A difference of two AUCs on the same rows, -1..1; 0 = no change. Without enough rows no bounds."""

    value: float
    low: float | None
    high: float | None


class LearningPoint(SummaryMetrics):
    """One point of a learning curve: a model learnt from some of the train rows, on validation rows."""

    share: float
    """Of the train rows, 1 = all."""
    train_rows: int


class FailedPoint(Record):
    """A point of a learning curve where no model could be learnt, and why."""

    share: float
    train_rows: int
    why: str


class FamilyCurve(Record):
    """The learning curve of one family of models."""

    plain: bool
    """Whether it has plain settings: those of the chosen model belong to its own family alone."""
    points: Sequence[LearningPoint | FailedPoint]


class LearningCurves(Record):
    """Quality and disparity against the number of rows learnt from, and against the length of history."""

    part: Literal["valid"]
    families: Mapping[str, FamilyCurve]
    history: Sequence[LearningPoint | FailedPoint] | None
    """Of the latest rows; None where rows have no time, which `why` says."""
    why: str | None


class ProbeDrops(Record):
    """What shuffling a column of pure chance costs, one fall of the ROC AUC for each repeat."""

    drops: Sequence[float]


class ProbedFeature(Record):
    """What shuffling one feature costs; 0 = the feature does nothing, below 0 = it misleads."""

    feature: str
    drop: float
    """Mean fall of the ROC AUC."""
    drops: Sequence[float]
    excess: AucChange
    """How much further the AUC falls than without the random column."""
    useful: bool
    """Whether the excess is shown to be above 0."""


class DroppedFeatures(Record):
    """The model learnt again without the features that do no more than chance, beside the model as it is."""

    before: SummaryMetrics
    after: SummaryMetrics
    roc_auc_change: AucChange


class Probe(Record):
    """Permutation importance of each feature beside that of a random column, on validation rows."""

    part: Literal["valid"]
    rows: int
    repeats: int
    level: float
    tail: float
    """Of each one-sided bound: the level over the number of features."""
    roc_auc: float
    """Of the model with the random column among its features."""
    probe: ProbeDrops
    features: Sequence[ProbedFeature]
    """By falling drop."""
    indistinct: Sequence[str]
    """Features that are not shown to do more than the random column."""
    dropped: DroppedFeatures | None
    why: str | None
    """Why nothing was dropped."""


class ReIncludedFeatures(SummaryMetrics):
    """The chosen settings learnt again with forbidden columns among the features."""

    columns: Sequence[str]


class FailedReInclusion(Record):
    """Forbidden columns with which no model could be learnt, and why."""

    columns: Sequence[str]
    why: str


class ExcludedFeatures(Record):
    """What excluding the forbidden columns does, on validation rows; no such model is kept."""

    model_config = ConfigDict(validate_by_name=True)

    part: Literal["valid"]
    without: SummaryMetrics
    """The model as it is."""
    re_included: Sequence[ReIncludedFeatures | FailedReInclusion] = Field(
        validation_alias="given_back", serialization_alias="given_back"
    )
    """Each column alone, and where there are several all together at the end."""
    not_looked_at: Sequence[str]


class SliceCondition(Record):
    """One condition of a slice: that a feature, or a protected attribute, has a value."""

    name: str
    kind: Literal["feature", "attribute"]
    value: str


class SliceErrors(Record):
    """One slice of test rows with its error rate, 0 = none, 1 = all; `low` is its exact lower bound."""

    where: Sequence[SliceCondition]
    rows: int
    error: float
    low: float
    above_overall: bool
    """Whether it is shown to err more than all rows do."""
    cells: ConfusionCounts


class Slices(Record):
    """The slices of test rows where the model errs most, by falling lower bound."""

    looked_at: int
    min_rows: int
    level: float
    tail: float
    """Of each bound: the level over the number of slices looked at, so that all hold at once."""
    error: float
    """Of all test rows."""
    worst: Sequence[SliceErrors]


class LimitOutcome(Record):
    """How one gated limit would be judged; the value is that nearest to breaking it."""

    outcome: Outcome
    value: float | None


class QuickVerdict(Record):
    """How scores would be judged by the gated limits alone, on no day."""

    outcome: Outcome
    limits: Mapping[str, LimitOutcome]


class StressScenario(SummaryMetrics):
    """What one change of the test rows does to decisions, quality and verdict."""

    kind: str
    """`missing`, `shift`, `unseen` (categories) or `nudge` (the worst shift of each row)."""
    feature: str | None
    """None: all features at once."""
    amount: float
    """Share of values set missing or unseen; standard deviations of the train rows for shifts and nudges."""
    changed: float
    """Share of rows, by weight, that are decided otherwise."""
    measurements: Measurements | None
    """What `judge` reads, where all features changed."""
    verdict: QuickVerdict | None
    """Where one feature changed."""


class TurnedShare(Record):
    """Which share of decisions the change of one number by `size` standard deviations turns."""

    size: float
    share: float


class NudgedFeature(Record):
    """How little of one number turns decisions."""

    spread: float
    """Its standard deviation over the train rows, the unit of the sizes."""
    turned: Sequence[TurnedShare]
    median: float | None
    """Smallest size that turns half of the rows; None where none does."""


class Nudges(Record):
    """The smallest change of one number that turns each of the decisions nearest to the threshold."""

    rows: int
    farthest: float
    """Largest distance of their scores from the threshold."""
    turned: Sequence[TurnedShare]
    """By any number."""
    features: Mapping[str, NudgedFeature]


class ShiftedDecisions(Record):
    """The share of all decisions that a shift of one number by `amount` turns; None without numbers."""

    amount: float
    share: float | None


class SwappedDecisions(Record):
    """The share of test rows, by weight, that would be decided otherwise as one of the next group."""

    attribute: str
    moved: float


class SwappedEvidence(Record):
    """Whether scores stay the same to the last bit when protected and withheld columns are swapped."""

    columns: Sequence[str]
    same: bool
    """False: the score reads what it must not."""
    decisions: SwappedDecisions | None = None
    """Where groups have thresholds of their own."""


class Stress(Record):
    """Test rows as they are, and changed in every scenario."""

    base: SummaryMetrics
    scenarios: Sequence[StressScenario]
    turned: ShiftedDecisions
    nudges: Nudges
    swapped: SwappedEvidence


class KeptMetrics(ScoringMetrics):
    """The rows that the model decides itself: the error rate stands in the place of accuracy."""

    error: float | None


class DeferredGroup(Record):
    """The share of one group that is deferred to a human: 0 = nobody, 1 = all, with exact bounds."""

    rows: int
    share: float | None
    low: float
    high: float


class DeferralGap(Record):
    """The largest difference of deferred shares between two groups; 0 = parity."""

    value: float
    low: float
    high: float
    lowest: str
    highest: str


class AbstentionBand(Record):
    """One band around the threshold: the rows within it are deferred to a human, the others kept."""

    model_config = ConfigDict(validate_by_name=True)

    coverage: float
    """The share of rows that the model was to decide itself."""
    width: float
    """Half of the band, in scores, chosen on validation rows."""
    decided: float | None
    """The share of test rows that it does decide itself."""
    kept: KeptMetrics
    deferred: Mapping[str, Mapping[str, DeferredGroup]] = Field(
        validation_alias="sent", serialization_alias="sent"
    )
    """By attribute and group."""
    deferral_gap: Mapping[str, DeferralGap | None] = Field(
        validation_alias="sent_difference", serialization_alias="sent_difference"
    )
    """By attribute; None where fewer than two groups have rows."""


class Abstention(Record):
    """What deferring decisions near the threshold does, the widest band last."""

    level: float
    bands: Sequence[AbstentionBand]


class PairAuc(Record):
    """The ROC AUC of two features together for the label."""

    columns: Sequence[str]
    auc: float | None


class Concentration(Record):
    """The feature with the largest share of all that moves scores; 1 = it decides alone."""

    rows: int
    feature: str | None
    share: float | None


class LookAheadDate(Record):
    """The share of rows where a date feature lies after the row's own time; None without rows of both."""

    rows: int
    share: float | None


class LookAheadFeatures(Record):
    """Features that are dated after the row's own time."""

    dates: Mapping[str, LookAheadDate] | None
    why: str | None = None
    """Why there are none, where no row has a time."""


class DuplicateShares(Record):
    """Shares of the rows of a part that equal a row of another in features and evidence; in label too."""

    share: float
    same_label: float


class Duplicates(Record):
    """Duplicates across splits: test rows that equal a row that was learnt from."""

    train: DuplicateShares
    valid: DuplicateShares
    valid_in_train: DuplicateShares
    """Validation rows that equal a train row: what to expect in this table."""
    without: SummaryMetrics
    """The test rows that equal none."""


class Leakage(Record):
    """Signs that the model knows what it could not know when it decides, on test rows."""

    model_config = ConfigDict(validate_by_name=True)

    alone: Mapping[str, float | None]
    """The ROC AUC of each feature by itself; 0.5 = it says nothing, 1 = it gives the label away."""
    pairs: Sequence[PairAuc] = Field(validation_alias="together", serialization_alias="together")
    """Of the leading features, the highest first."""
    concentration: Concentration
    look_ahead: LookAheadFeatures = Field(validation_alias="later", serialization_alias="later")
    duplicates: Duplicates = Field(validation_alias="twins", serialization_alias="twins")
    shared_persons: float | None
    """Share of test rows of a person who has rows to learn from; None without a column of persons."""


class MonotoneFeature(Record):
    """A monotone constraint held against the model: by its cuts or its coefficient, and by nudging rows."""

    feature: str
    direction: Literal["increasing", "decreasing"]
    proved: bool
    """Whether the model's own numbers allow no other way, for any row there could be."""
    rows: int
    """Test rows that were nudged."""
    values: int
    """Values that each of them was given."""
    violations: int
    """Rows whose score went the other way between two neighbouring values; 0 = the constraint holds."""
    largest: float
    """The furthest that a score went the other way, in log-odds."""


class Stratified(Record):
    """A group against the reference group: of all their rows as one stratum, or within strata.

    An odds ratio of 1, a difference of 0 = alike; above them the group is selected more often. The odds
    ratio is None where nobody of one side is selected, or everybody.
    """

    strata: int
    """In which both groups have rows."""
    rows: int | None
    """Of both groups in these strata; None where rows weigh, or persons have several."""
    odds_ratio: float | None
    odds_low: float | None
    odds_high: float | None
    difference: float | None
    """Of selection rates, -1..1."""
    difference_low: float | None
    difference_high: float | None
    p: float | None
    """Of the Cochran-Mantel-Haenszel test that groups are selected alike within strata."""


class Standardised(Record):
    """Selection rates of two groups were they spread over strata as both together are, 0..1."""

    reference: float
    group: float


class MeanDifference(Record):
    """Standardised mean difference of scores: 0 = the same mean, 1 = one standard deviation higher."""

    value: float
    low: float | None
    high: float | None


class RatioAtShare(Record):
    """The adverse impact ratio, 1 = parity, were this share of the best-scored rows of both selected."""

    share: float
    ratio: float | None


class GroupComparison(Record):
    """How one group compares with the reference group."""

    rows: int
    overall: Stratified
    within: Stratified | None
    """None without strata."""
    standardised: Standardised | None
    scores: MeanDifference | None
    """None where scores have no spread."""
    ratios: Sequence[RatioAtShare]


class ConditionalDisparity(Record):
    """The groups of one attribute against its reference group."""

    reference: str
    groups: Mapping[str, GroupComparison]


class GroupComparisons(Record):
    """Each attribute's groups against a reference group, on test rows; each interval holds for itself."""

    level: float
    strata: Sequence[str]
    """Features within whose values rows were compared."""
    why: str | None
    """Why there are neither bounds nor tests."""
    attributes: Mapping[str, ConditionalDisparity | None]
    """None where one group alone has rows."""


class CheckResults(Record):
    """checks.json: the experiments beside the measurements, none of which chose anything; it holds no row."""

    model_config = ConfigDict(validate_by_name=True)

    learning: LearningCurves
    probe: Probe
    excluded: ExcludedFeatures = Field(validation_alias="withheld", serialization_alias="withheld")
    slices: Slices
    stress: Stress
    abstention: Abstention = Field(validation_alias="abstain", serialization_alias="abstain")
    leakage: Leakage
    sample: Mapping[str, SampledPart] | None = None
    """Written only where learning curves, probe, re-inclusion and stress looked at a sample of some part."""
    monotone: Sequence[MonotoneFeature] | None = None
    """Written only where params have monotone constraints."""
    comparisons: GroupComparisons | None = None
    """None in releases made before there were any."""
