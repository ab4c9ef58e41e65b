"""The sections `evaluate`, `explain` and `document`: what is measured, explained and shown."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from fairmark.params.base import Count, OpenShare, Section, Seed, Text

SomeShare = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[list[SomeShare], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class Checks(Section):
    """What is refitted, stressed, sliced and handed over, as evidence beside the measurements."""

    seed: Seed
    most_rows: Count | None
    """Rows of a part beyond which experiments that learn again or disturb rows take a stratified sample of so
    many; None for all rows, however many there are."""
    sizes: Shares
    """Shares of the train rows that the learning curve is learnt from."""
    history: Shares
    """Shares of the train rows, the latest ones, where a time column exists."""
    plain: dict[Literal["logistic", "boosted"], dict[Text, float | int | str | bool]]
    """Settings of the families that were not chosen."""
    leading: Count
    """How many features, those that move the score most on validation rows, are stressed and crossed."""
    repeats: Annotated[int, Field(ge=2)]
    """How often each feature is shuffled."""
    bins: Annotated[int, Field(ge=2)]
    """How many bins of about equal size a number is cut into."""
    min_slice_rows: Count
    worst: Count
    """How many slices are shown."""
    missing_shares: Shares
    shift: Positive
    """How far numbers are shifted, in standard deviations of the train rows."""
    nudges: Annotated[list[Positive], Field(min_length=1)]
    """Changes of one number that are tried for the smallest one that turns a decision, in the same unit."""
    bands: Shares
    """Shares of rows that the model decides itself."""
    sample: Count
    """How many test rows are nudged, and how many validation rows say which features lead."""


class References(Section):
    """What groups are compared with, beside the comparisons that the policy gates."""

    groups: dict[Text, Text]
    """The reference group of an attribute; that with most test rows where none is named."""
    strata: list[Text]
    """Features within whose values, or bins, groups are compared too."""


class ByCluster(Section):
    """Rows of one value of a column hang together: a branch, a school, a clerk."""

    column: Text


class ByDays(Section):
    """Rows of so many days in a row hang together; `prepare.time` says when a row is from."""

    days: Positive


Cluster = ByCluster | ByDays


class RivalModels(Section):
    """How less discriminatory alternatives are measured: how many rivals, and how steady their gain is."""

    seed: Seed
    rivals: Count
    """Trials of the search's frontier that are learnt again and measured, at most: those less disparate than
    the chosen one first. Each costs a fit (with `folds` so many), and one more a refit."""
    refits: Count
    """How often the chosen model and its rivals are learnt again from train rows drawn with replacement."""
    resamples: Annotated[int, Field(ge=20)]
    """Resamples of the test rows, for ranges."""
    bands: Annotated[int, Field(ge=1, le=20)]
    """Bands of the score, of equal width, by which those are counted who are decided otherwise."""


class Evaluate(Section):
    """How test rows are measured."""

    seed: Seed
    confidence: OpenShare
    replicates: Annotated[int, Field(ge=100)]
    calibration_bins: Annotated[int, Field(ge=2)]
    curve_points: Annotated[int, Field(ge=10)]
    reference_bins: Annotated[int, Field(ge=2, le=100)]
    """Bins of a number, a date and the score in the release's reference, by quantiles of train rows (of test
    rows for the score)."""
    checks: Checks
    cluster: Cluster | None
    """Which rows hang together, beside those of one person (`prepare.person`): bounds are then for clusters.
    null: rows of different persons are independent."""
    references: References | None
    alternatives: RivalModels | None
    """null measures no rivals of the chosen model."""


class ReasonText(Section):
    """What a person is told where a feature is a principal reason, by the way in which it moved the score."""

    raises: Text
    lowers: Text


class ReasonTexts(Section):
    """The reasons library: a text for every feature and direction, and who reviewed them when."""

    reviewed_by: Text
    reviewed: dt.date
    features: dict[Text, ReasonText]
    """Every feature of the model."""


class ExplainedRefits(Section):
    """How often the model is learnt again to see whether its explanations hold."""

    seed: Seed
    refits: Count
    rows: Count
    """Test rows that are explained by each, at most."""
    most_rows: Count | None
    """Rows of a part beyond which refits learn from a stratified sample of so many; None for all rows."""


class Explain(Section):
    """How much is explained."""

    seed: Seed
    sample: Count
    background: Count
    top: Count
    decisions: Count
    grid: Annotated[int, Field(ge=2)]
    mutable: dict[Text, Literal["either", "increasing", "decreasing"]] | None
    """Features that a person can change, and which way; counterfactuals change no other. Null shows none."""
    texts: ReasonTexts | None
    """Reasons in reviewed words; null names features and values alone."""
    stability: ExplainedRefits | None
    """null learns nothing again."""


class Document(Section):
    """What the cards and the report show."""

    top: Count
    decimals: Annotated[int, Field(ge=1, le=8)]
