"""The sections `tune` and `train`, and what the search hands to training."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from fairmark.params.base import Count, Section, Seed, Text, one_of
from fairmark.stats.measures import GOALS


class FloatRange(Section):
    """A real number to be searched."""

    type: Literal["float"]
    low: float
    high: float
    log: bool
    grid: Count


class IntRange(Section):
    """A whole number to be searched."""

    type: Literal["int"]
    low: int
    high: int
    log: bool
    grid: Count


class Choice(Section):
    """One of a few values."""

    type: Literal["choice"]
    values: Annotated[list[float | int | str | bool], Field(min_length=1)]


Dimension = Annotated[FloatRange | IntRange | Choice, Field(discriminator="type")]


class Mitigation(Section):
    """How strongly labels are relabelled and reweighed for one protected attribute."""

    attribute: Text
    constraint: Literal["demographic_parity", "true_positive_rate_parity", "equalized_odds"]
    strength: Dimension


class Pruning(Section):
    """When a trial is pruned: at a rung, where a trial of an earlier batch did better and is as fair."""

    rungs: Annotated[list[Count], Field(min_length=1)]
    """Numbers of boosting rounds after which trials are compared on validation rows."""
    quality: Annotated[float, Field(ge=0)]
    """How much better the other one must be in what the threshold maximises."""
    fairness: Annotated[float, Field(ge=0)]
    """How much less fair it may be, among trials outside the limits on groups, in the limits' own unit."""


class Finalists(Section):
    """The best trials, cross-fitted before one of them is chosen."""

    trials: Count
    folds: Annotated[int, Field(ge=2)]
    """Validation rows and parts of the train rows are held out in turn, this many in all."""
    near: list[Annotated[float, Field(gt=0)]]
    """Then the best of them again, with its strengths times each of these."""


class Tune(Section):
    """The search: its budget, its sampler, and what it searches over."""

    seed: Seed
    sampler: Literal["tpe", "random", "grid"]
    trials: Count
    batch: Count
    margin: Annotated[float, Field(ge=0)]
    families: dict[Literal["logistic", "boosted"], dict[Text, Dimension]]
    balance: list[Literal["none", "weights", "down", "up"]]
    reweighing: list[bool]
    mitigation: list[Mitigation]
    pruning: Pruning | None
    finalists: Finalists | None


class ByGroup(Section):
    """Thresholds of an attribute's groups, drawn together on what the constraint speaks of."""

    attribute: Text
    constraint: Literal["demographic_parity", "true_positive_rate_parity", "equalized_odds"]


class Threshold(Section):
    """How the decision threshold is chosen on validation rows."""

    maximise: Annotated[str, one_of(GOALS)]
    by: ByGroup | None
    """Thresholds of each group's own; only for an attribute that the policy lets the decision read."""


Direction = Literal["increasing", "decreasing"]
"""Which way the score may go as a feature grows: never down, or never up."""


class Train(Section):
    """What every fit shares, whatever the search chooses."""

    seed: Seed
    max_categories: Annotated[int, Field(ge=2)]
    max_rounds: Count
    patience: Count
    monotone: dict[Text, Direction]
    """Features that the score follows one way; `{}` for none. A feature without an order can't be one."""
    threshold: Threshold


class Step(Section):
    """One chosen mitigation."""

    attribute: Text
    constraint: Literal["demographic_parity", "true_positive_rate_parity", "equalized_odds"]
    strength: Annotated[float, Field(ge=0)]


class Chosen(Section):
    """What the search chose: the section of the params file that `tune` writes for `train`.

    `settings` are the family's hyperparameters; `mitigation` has one entry for each step of
    `tune.mitigation` whose chosen strength is above zero.
    """

    in_params: ClassVar[bool] = False

    family: Literal["logistic", "boosted"]
    settings: dict[Text, float | int | str | bool]
    balance: Literal["none", "weights", "down", "up"]
    reweighing: bool
    mitigation: list[Step]
    margin: Annotated[float, Field(ge=0)] | None
    """How far inside the limits on groups the threshold keeps validation rows; null: quality alone."""
    folds: Annotated[int, Field(ge=2)] | None
    """How many folds of train and validation rows the threshold comes from; null: validation rows alone."""
