"""The sections `tune` and `train`, and what the search hands to training."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from fairmark.params.base import Count, OpenShare, Section, Seed, Share, Text, one_of
from fairmark.stats.measures import GOALS, RARER

FamilyName = Literal["logistic", "boosted", "additive"]
"""A logistic regression as a scorecard, boosted trees, or an additive model of one or two features each."""


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


Rising = Literal[
    "demographic_parity", "true_positive_rate_parity", "false_positive_rate_parity", "equalized_odds"
]
"""Parity of rates that only rise as a threshold falls, by the names of Fairlearn's moments."""
Parity = Rising | Literal["error_rate_parity"]
"""What groups are made to be alike in, likewise; the error rate is 1 - accuracy."""

Strength = Annotated[
    Annotated[Dimension, Tag("range")] | Annotated[Literal["auto"], Tag("auto")],
    Discriminator(lambda value: "auto" if isinstance(value, str) else "range"),
]


class Mitigation(Section):
    """How strongly labels are relabelled and reweighed for one protected attribute."""

    attribute: Text
    constraint: Parity
    strength: Strength
    """A range, or `auto`: bracketed by trials, from none to where the limits on the attribute are met."""


class Assurance(Section):
    """The margin of limits on groups, from the rows that there are: see `learn.assurance`."""

    chance: Annotated[float, Field(ge=0.5, lt=1)]
    """The chance with which the gate's bound shall clear the limit on as many test rows as there are."""
    room: OpenShare
    """The margin is at most this share of the way to parity, where rows are too few for more."""


Margin = Annotated[
    Annotated[Annotated[float, Field(ge=0)], Tag("number")] | Annotated[Assurance, Tag("assurance")],
    Discriminator(lambda value: "assurance" if isinstance(value, dict | Assurance) else "number"),
]


class Useful(Section):
    """What a trial must show on held-out rows to be chosen at all."""

    margin: Annotated[float, Field(ge=0, lt=1)]
    """How much better than yes, and than no, to everybody, in the quality; of a profit, as a share of what
    lies between all decisions wrong and all right. It must also be more than chance shows: 1.645 standard
    errors."""
    selected: tuple[Share, Share]
    """The least and the largest share of rows that may be selected."""
    plain: Annotated[float, Field(ge=0, lt=1)] | None = None
    """How much better, in quality or in AUC, than a plain model with one threshold for all that is held to
    the same limits: less, or no more than a standard error, and the plain model is taken. A share like
    `margin`; null: that is not asked."""

    @model_validator(mode="after")
    def _in_order(self) -> "Useful":
        if self.selected[0] >= self.selected[1]:
            raise ValueError(f"selected must be two shares, the lower first, got {[*self.selected]}")
        return self


class Crossfit(Section):
    """When every trial is cross-fitted: where validation rows alone say too little."""

    folds: Annotated[int, Field(ge=2)]
    """Validation rows and parts of the train rows are held out in turn, this many in all."""
    below: Count
    """The number of validation rows of the rarer label below which trials are cross-fitted."""


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


class Rivals(Section):
    """Fairlearn's mitigators on the rows of the search, for the report; none of them is ever chosen."""

    methods: Annotated[
        list[Literal["exponentiated_gradient", "grid_search", "threshold_optimizer"]], Field(min_length=1)
    ]
    bound: Annotated[float, Field(gt=0, lt=1)]
    """How much rates of a group may differ from those of all rows, for ExponentiatedGradient."""
    iterations: Count
    """Models that ExponentiatedGradient may learn."""
    grid: Count
    """Models that GridSearch learns."""


Blind = Literal["training", "choice"]
"""Where protected attributes are not read: in training (`training`), or in choosing as well (`choice`)."""


class Tune(Section):
    """The search: its budget, its sampler, and what it searches over."""

    seed: Seed
    blind: Blind | None
    """`training`: no cost, weight or sample of rows, and no threshold of a group's own, follows from a
    protected attribute. `choice`: nor does any choice among trials and thresholds, for which the policy's
    limits on groups are measured and never aimed for. null: they may be used."""
    sampler: Literal["tpe", "random", "grid"]
    trials: Count
    batch: Count
    sample: Count | None
    """Rows of the train and of the validation part beyond which trials see a stratified sample of so many;
    None for all rows. What is chosen is then learnt from all rows, by `train`."""
    margin: Margin
    """How far inside limits on groups held-out rows must stay: by their number, or a constant."""
    useful: Useful | None
    price: Annotated[float, Field(ge=0)]
    """What being one unit nearer to a limit may cost in quality, as a share of its span, where no threshold
    or no trial keeps every limit; a large one takes the nearest, whatever it costs."""
    tie: Annotated[float, Field(ge=0)]
    """Trials within so many standard errors of the best quality count as equal; the best AUC is chosen."""
    crossfit: Crossfit | None
    families: dict[FamilyName, dict[Text, Dimension]]
    balance: list[Literal["none", "weights", "down", "up"]]
    reweighing: list[bool]
    mitigation: list[Mitigation]
    pruning: Pruning | None
    finalists: Finalists | None
    rivals: Rivals | None
    """What the report lays beside the trials, for the attribute and constraint of the first mitigation."""

    @model_validator(mode="after")
    def _blind(self) -> "Tune":
        if self.blind is not None and (self.mitigation or True in self.reweighing):
            raise ValueError(
                f"mitigation must be [] and reweighing [false] where blind is {self.blind}, because both "
                f"read protected attributes in training, got {[each.attribute for each in self.mitigation]} "
                f"and {self.reweighing}"
            )
        return self


class ByGroup(Section):
    """Thresholds of an attribute's groups, drawn together on what the constraint speaks of."""

    attribute: Text
    constraint: Rising


Named = Annotated[str, one_of([*GOALS, "youden"])]
"""A measure of decisions. Youden's index is 2 x balanced accuracy - 1: the same threshold is best in both."""


class ByBaseRate(Section):
    """One measure where both labels are common, another where one is rare."""

    common: Named
    rare: Named
    below: Annotated[float, Field(gt=0, le=0.5)]
    """The share of the rarer label of the train rows under which it is rare."""


class Profit(Section):
    """What each decision brings, in money or any other unit; the mean a row is the quality."""

    tp: float
    fp: float
    tn: float
    fn: float

    @model_validator(mode="after")
    def _right_pays(self) -> "Profit":
        if not (self.tp > self.fn and self.tn > self.fp):
            raise ValueError(
                "a right decision must bring more than a wrong one of the same label (tp > fn and tn > fp), "
                f"got {self.model_dump()}"
            )
        return self


class Capacity(Section):
    """At most this share of rows is selected, those with the highest scores."""

    select: OpenShare


class Fixed(Section):
    """The threshold itself."""

    at: OpenShare


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "name"
    fields = type(value).model_fields if isinstance(value, Section) else ()
    keys = set(value if isinstance(value, dict) else fields)
    by_key = {"select": "capacity", "at": "fixed", "below": "by_base_rate", "common": "by_base_rate"}
    return next((kind for key, kind in by_key.items() if key in keys), "profit")


Maximise = Annotated[
    Annotated[Named, Tag("name")]
    | Annotated[ByBaseRate, Tag("by_base_rate")]
    | Annotated[Profit, Tag("profit")]
    | Annotated[Capacity, Tag("capacity")]
    | Annotated[Fixed, Tag("fixed")],
    Discriminator(_kind),
]
"""What a threshold is for."""


class Threshold(Section):
    """How the decision threshold is chosen on validation rows."""

    maximise: Maximise
    by: ByGroup | None
    """Thresholds of each group's own; only for an attribute that the policy lets the decision read."""
    insist: bool = False
    """True keeps accuracy where one label is rare."""

    @model_validator(mode="after")
    def _of_groups(self) -> "Threshold":
        if self.by is not None and isinstance(self.maximise, Capacity | Fixed):
            raise ValueError(
                "by must be null where the threshold follows from a capacity or is given, "
                f"got {self.by.attribute!r}"
            )
        return self

    def resolved(self, positives: float) -> "Threshold":
        """Return the same with the choice by base rate made.

        Parameters
        ----------
        positives
            The share of positive labels of the train rows, by weight, 0..1.
        """
        chosen = self.maximise
        if not isinstance(chosen, ByBaseRate):
            return self
        rare = min(positives, 1 - positives) < chosen.below
        return self.model_copy(update={"maximise": chosen.rare if rare else chosen.common})

    def refused(self, positives: float) -> str | None:
        """Return why accuracy says nothing at this share of positive labels, or None."""
        rarer = min(positives, 1 - positives)
        if self.maximise != "accuracy" or rarer >= RARER or self.insist:
            return None
        answer = "no" if positives < 0.5 else "yes"
        return (
            f"params.yaml: train.threshold.maximise: must be another measure than accuracy where {rarer:.3g} "
            f'of the train rows have the rarer label (less than {RARER:g}), because "{answer}" to everybody '
            f"is right for {1 - rarer:.3g} of them, got accuracy: say balanced_accuracy, f1, a profit "
            "({tp, fp, tn, fn}), a capacity ({select: 0.1}) or {common: accuracy, rare: "
            f"balanced_accuracy, below: {RARER:g}}}; insist: true keeps accuracy"
        )


Direction = Literal["increasing", "decreasing"]
"""Which way the score may go as a feature grows: never down, or never up."""


class Train(Section):
    """What every fit shares, whatever the search chooses."""

    seed: Seed
    max_categories: Annotated[int, Field(ge=2)]
    max_rounds: Count
    patience: Count
    smallest_leaf: Count
    """Train rows that each leaf of a boosted tree stands for, at least."""
    monotone: dict[Text, Direction]
    """Features that the score follows one way; `{}` for none. A feature without an order can't be one."""
    threshold: Threshold


class Step(Section):
    """One chosen mitigation."""

    attribute: Text
    constraint: Parity
    strength: Annotated[float, Field(ge=0)]


class Chosen(Section):
    """What the search chose: the section of the params file that `tune` writes for `train`.

    `settings` are the family's hyperparameters; `mitigation` has one entry for each step of
    `tune.mitigation` whose chosen strength is above zero.
    """

    in_params: ClassVar[bool] = False

    family: FamilyName
    settings: dict[Text, float | int | str | bool]
    balance: Literal["none", "weights", "down", "up"]
    reweighing: bool
    mitigation: list[Step]
    margin: Margin | None
    """How far inside the limits on groups the threshold keeps held-out rows; null: quality alone."""
    folds: Annotated[int, Field(ge=2)] | None
    """How many folds of train and validation rows the threshold comes from; null: validation rows alone."""
    maximise: Maximise | None = None
    """What the threshold is for, the choice by base rate made; null: what `train.threshold` says."""
    selected: tuple[Share, Share] | None = None
    """The least and the largest share of held-out rows that the threshold may select; null: any."""
    price: Annotated[float, Field(ge=0)] | None = None
    """What a unit nearer to a limit may cost, as `tune.price`, where no threshold keeps every limit; null: no
    limit moves the threshold there."""
    blind: Blind | None = None
    """Where protected attributes were not read, as `tune.blind`; null, and left out, where they may be."""

    @model_validator(mode="after")
    def _reads_none(self) -> "Chosen":
        if self.blind is not None and (self.mitigation or self.reweighing):
            raise ValueError(
                f"must have no mitigation and no reweighing where blind is {self.blind}, got some"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_null_blind(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Left out where nobody asked for it, so that models made before have the bytes that they had.
        values: dict[str, Any] = plain(self)
        if self.blind is None:
            values.pop("blind", None)
        return values


def measure_of(maximise: Maximise) -> str:
    """Return the measure that the quality of a resolved goal is, or `profit`; see `learn.threshold`."""
    if isinstance(maximise, str):
        return "balanced_accuracy" if maximise == "youden" else maximise
    return "profit" if isinstance(maximise, Profit) else "balanced_accuracy"


def stated_goal(chosen: Chosen) -> dict[str, Any]:
    """Return the entry `goal` of measurements of a model with these choices, where it has a goal."""
    aim = chosen.maximise
    if aim is None:
        return {}
    profit = {"profit": aim.model_dump()} if isinstance(aim, Profit) else {}
    return {"goal": {"measure": measure_of(aim), **profit}}
