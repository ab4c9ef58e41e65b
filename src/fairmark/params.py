"""params.yaml as frozen, typed sections without defaults: the only reader of that file.

Each stage owns the section of its own name. Nothing here has a default: a number that can change a
result is written down where a reviewer sees it, or the file is refused.
"""

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fairmark.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: strict types, no unknown keys, frozen once read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Project(Section):
    """What the release is called and meant for; shown on the cards."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")]
    title: Text
    summary: Text
    intended_use: Text
    out_of_scope: Text
    owner: Text
    data_origin: Text
    data_licence: Text


# ------------------------------------------------------------------ prepare


class Csv(Section):
    """Separated text. `header` lists the column names, or is null when the first line names them."""

    type: Literal["csv"]
    separator: Annotated[str, Field(min_length=1, max_length=1)]
    decimal: Literal[".", ","]
    header: Annotated[list[Text], Field(min_length=2)] | None
    missing: list[str]
    encoding: Text


class Parquet(Section):
    """Apache Parquet; nulls and NaN are missing values, and so is any text in `missing`."""

    type: Literal["parquet"]
    missing: list[str]


class Rows(Section):
    """How many rows a file may have."""

    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"must have min <= max, got {self.min} > {self.max}")
        return self


class Source(Section):
    """One raw file inside the data folder."""

    name: Annotated[str, Field(pattern=r"^[^/\\.][^\\]*$")]
    skip_rows: Annotated[int, Field(ge=0)]
    rows: Rows


class Files(Section):
    """The raw files: the main one, and a published test file or null."""

    main: Source
    test: Source | None


class Target(Section):
    """The label column, its positive value, its negative one, and characters to strip from the end of both.

    `negative` null stands for the one other value that the column holds.
    """

    column: Text
    positive: bool | int | float | str
    negative: bool | int | float | str | None
    strip: str


class _Column(Section):
    missing: Share
    """Largest allowed share of missing values."""


class Numeric(_Column):
    """A number; null bounds are no bounds."""

    kind: Literal["numeric"]
    min: float | None
    max: float | None


class Categorical(_Column):
    """One of `values`, in no order; null allows any value found in the main file."""

    kind: Literal["categorical"]
    values: Annotated[list[Text], Field(min_length=1)] | None


class Ordinal(_Column):
    """One of `order`, lowest first."""

    kind: Literal["ordinal"]
    order: Annotated[list[Text], Field(min_length=2)]


class Boolean(_Column):
    """One of two texts (case does not matter)."""

    kind: Literal["boolean"]
    true: Text
    false: Text


class Date(_Column):
    """A day or a time; `format` as in strptime, or null for ISO 8601."""

    kind: Literal["date"]
    format: Text | None
    earliest: dt.date | None
    latest: dt.date | None


class Inferred(_Column):
    """A column whose kind is read off the main file."""

    kind: Literal["infer"]


Column = Annotated[Numeric | Categorical | Ordinal | Boolean | Date | Inferred, Field(discriminator="kind")]


class ByColumn(Section):
    """A protected attribute that stands in a column."""

    by: Literal["column"]
    column: Text


class ByEdges(Section):
    """A protected attribute cut from a numeric column: n edges make n + 1 groups, each [low, high)."""

    by: Literal["edges"]
    column: Text
    edges: Annotated[list[float], Field(min_length=1)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"must be rising edges, got {self.edges}")
        return self


class ByCross(Section):
    """The intersection of other protected attributes."""

    by: Literal["cross"]
    of: Annotated[list[Text], Field(min_length=2)]


Protected = Annotated[ByColumn | ByEdges | ByCross, Field(discriminator="by")]


class Prepare(Section):
    """What the raw files hold and what a row must be."""

    files: Files
    format: Annotated[Csv | Parquet, Field(discriminator="type")]
    target: Target
    row_id: Text | None
    time: Text | None
    weight: Text | None
    drop: list[Text]
    columns: dict[Text, Column]
    unlisted: Literal["refuse", "infer"]
    protected: Annotated[dict[Text, Protected], Field(min_length=1)]
    forbidden: list[Text]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> "list[str]":
        faults = []
        roles = [("target", self.target.column), ("row_id", self.row_id), ("weight", self.weight)]
        taken: dict[str, str] = {}
        for role, column in [*roles, ("time", self.time)]:
            if column is not None and column in taken:
                faults.append(f"{role} must not be the {taken[column]} column too, got {column!r}")
            elif column is not None:
                taken[column] = role
        faults += [f"drop must not name the {taken[c]} column, got {c!r}" for c in self.drop if c in taken]
        for name, attribute in self.protected.items():
            if isinstance(attribute, ByCross):
                singles = {k for k, v in self.protected.items() if not isinstance(v, ByCross)}
                faults += [
                    f"protected.{name} must cross attributes by column or by edges, got {part!r}"
                    for part in attribute.of
                    if part not in singles
                ]
            elif attribute.column in self.drop:
                faults.append(f"protected.{name} must not stand in drop, got column {attribute.column!r}")
            elif attribute.column == self.target.column:
                faults.append(f"protected.{name} must not be the target, got {attribute.column!r}")
        return faults


# ------------------------------------------------------------------ audit, split


class Audit(Section):
    """When a column stands out."""

    seed: Seed
    proxy_auc: Annotated[float, Field(ge=0.5, le=1)]
    leakage_auc: Annotated[float, Field(ge=0.5, le=1)]
    folds: Annotated[int, Field(ge=2)]
    min_group_rows: Count
    personal_share: OpenShare


class Split(Section):
    """How rows are parted; `test_share` is null when a published test file is the test set."""

    seed: Seed
    order: Literal["hash", "time"]
    test_share: OpenShare | None
    valid_share: OpenShare
    tolerance: Share


# ------------------------------------------------------------------ tune, train


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
    """When a trial is given up: at a rung, where a trial of an earlier batch did better and is as fair."""

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

    maximise: Literal["accuracy", "balanced_accuracy", "f1"]
    by: ByGroup | None
    """Thresholds of each group's own; only for an attribute that the policy lets the decision read."""


class Train(Section):
    """What every fit shares, whatever the search chooses."""

    seed: Seed
    max_categories: Annotated[int, Field(ge=2)]
    max_rounds: Count
    patience: Count
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

    family: Literal["logistic", "boosted"]
    settings: dict[Text, float | int | str | bool]
    balance: Literal["none", "weights", "down", "up"]
    reweighing: bool
    mitigation: list[Step]
    margin: Annotated[float, Field(ge=0)] | None
    """How far inside the limits on groups the threshold keeps validation rows; null: quality alone."""
    folds: Annotated[int, Field(ge=2)] | None
    """How many folds of train and validation rows the threshold comes from; null: validation rows alone."""


# ------------------------------------------------------------------ evaluate, explain, document


SomeShare = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[list[SomeShare], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class Checks(Section):
    """What is refitted, stressed, sliced and handed over, as evidence beside the measurements."""

    seed: Seed
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


class Evaluate(Section):
    """How test rows are measured."""

    seed: Seed
    confidence: OpenShare
    replicates: Annotated[int, Field(ge=100)]
    calibration_bins: Annotated[int, Field(ge=2)]
    curve_points: Annotated[int, Field(ge=10)]
    checks: Checks


class Explain(Section):
    """How much is explained."""

    seed: Seed
    sample: Count
    background: Count
    top: Count
    decisions: Count
    grid: Annotated[int, Field(ge=2)]


class Document(Section):
    """What the cards and the report show."""

    top: Count
    decimals: Annotated[int, Field(ge=1, le=8)]


# ------------------------------------------------------------------ policy


class Limit(Section):
    """One limit on one measure: overall when `attribute` is null, else for every group of the attribute."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    measure: Text
    attribute: Text | None
    at_least: float | None
    at_most: float | None
    gate: bool
    """False reports the measure beside the gates and never stops a release."""
    reason: Text

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("must set one of at_least and at_most, and null for the other")
        return self


class Waiver(Section):
    """A named person's decision to go on without enough evidence on one limit, for a while."""

    limit: Text
    groups: Annotated[list[Text], Field(min_length=1)] | None
    decided_by: Text
    reason: Text
    decided: dt.date
    expires: dt.date


class Policy(Section):
    """What a model must meet to be released, and why."""

    goal: Text
    price: Text
    level: Annotated[float, Field(gt=0, lt=0.5)]
    correction: Literal["bonferroni", "intersection-union"]
    """How many comparisons share `level`; `judge.verdict` says what each of the two guarantees."""
    min_group_rows: Count
    protected_at_prediction: list[Text]
    """Attributes whose group the decision itself may be told; empty (the rule) keeps them evidence alone."""
    limits: Annotated[list[Limit], Field(min_length=1)]
    waivers: list[Waiver]
    """They let a comparison go on that is undecided; never one that fails."""
    overrides: list[Waiver]
    """They let a comparison go on that fails: shown as a failure wherever the verdict is shown."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [limit.name for limit in self.limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"must name each limit once, got {twice} twice")
        for kind, found in (("waivers", self.waivers), ("overrides", self.overrides)):
            strangers = sorted({each.limit for each in found} - set(names))
            if strangers:
                raise ValueError(f"{kind} must name a limit, got {strangers}")
        return self


# ------------------------------------------------------------------ release


class Approvals(Section):
    """How many people, none of them its maker, must have approved a release before it is promoted."""

    plain: Count
    """For a verdict that passes on its measurements."""
    waived: Count
    """For one that needs a waiver or an override, and for a policy that was loosened by one."""

    @model_validator(mode="after")
    def _second(self) -> Self:
        if self.waived <= self.plain:
            raise ValueError(f"waived must be more than plain ({self.plain}), got {self.waived}")
        return self


class LicenceException(Section):
    """A distribution that may be there whatever its licence says, and why."""

    name: Text
    reason: Text


class Licences(Section):
    """Which licences of installed distributions a release may carry."""

    forbidden: list[Text]
    """SPDX identifiers."""
    unknown: Literal["allow", "refuse"]
    exceptions: list[LicenceException]


class Governance(Section):
    """Who answers for the data (the roles of CycloneDX 1.6, `data.governance`)."""

    owner: Text
    steward: Text
    custodian: Text


class EnvironmentalCost(Section):
    """What training cost, as measured once and written down: a measurement in a release would change it."""

    training_kwh: Annotated[float, Field(ge=0)]
    training_co2_g: Annotated[float, Field(ge=0)]
    how: Text


class Release(Section):
    """What holds for a release beside its measurements: approvals, licences, who answers for the data."""

    approvals: Approvals
    licences: Licences
    governance: Governance
    environmental_cost: EnvironmentalCost | None


class Retention(Section):
    """How many days things may be kept."""

    data_days: Count
    releases_days: Count
    trail_days: Count


class Privacy(Section):
    """Which columns are personal data, and what of single people a release may show."""

    personal: list[Text]
    """Raw columns; protected ones count as personal without being named."""
    decisions_shown: Annotated[int, Field(ge=0)]
    """Single people whose decision may be explained in a release."""
    smallest_leaf: Count
    """Fewest training rows that a leaf of a released tree may stand for."""
    smallest_cell: Count
    """Fewest rows that a count or a rate in a released table may stand for."""
    retention: Retention


class Params(Section):
    """The whole of params.yaml."""

    project: Project
    prepare: Prepare
    audit: Audit
    split: Split
    tune: Tune
    train: Train
    evaluate: Evaluate
    explain: Explain
    document: Document
    policy: Policy
    release: Release
    privacy: Privacy

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if (self.prepare.files.test is None) != (self.split.test_share is not None):
            faults.append(
                "split.test_share must be null with a test file and a share without one, "
                f"got {self.split.test_share}"
            )
        if self.split.order == "time" and self.prepare.time is None:
            faults.append("split.order must be hash when prepare.time is null, got time")
        known = set(self.prepare.protected)
        faults += [
            f"policy.limits.{limit.name}.attribute must be one of {sorted(known)}, got {limit.attribute!r}"
            for limit in self.policy.limits
            if limit.attribute is not None and limit.attribute not in known
        ]
        faults += [
            f"tune.mitigation.attribute must be one of {sorted(known)}, got {step.attribute!r}"
            for step in self.tune.mitigation
            if step.attribute not in known
        ]
        faults += [
            f"policy.protected_at_prediction must be of {sorted(known)}, got {name!r}"
            for name in self.policy.protected_at_prediction
            if name not in known
        ]
        by, allowed = self.train.threshold.by, self.policy.protected_at_prediction
        if by is not None and by.attribute not in allowed:
            faults.append(
                "train.threshold.by.attribute must be named in policy.protected_at_prediction, because every "
                f"decision would read it, got {by.attribute!r} and {allowed}"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


# ------------------------------------------------------------------ reading


class _OnceLoader(yaml.SafeLoader):
    """A safe YAML loader that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises
    ------
    ParamsError
        When the file is missing, is not YAML, or gives a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_OnceLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError as error:
        raise ParamsError(f"{path.name}: must exist, got no file {path}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ParamsError(f"{path.name}: must be YAML, got {error}") from error


SectionT = TypeVar("SectionT", bound=Section)


def typed(kind: type[SectionT], value: Any, where: str) -> SectionT:
    """Return `value` as a `kind`.

    Raises
    ------
    ParamsError
        With one line for every fault of the value.
    """
    try:
        # Through JSON, because strict JSON mode reads lists, dates and numbers as a person writes them.
        return kind.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise ParamsError(*(_line(where, fault) for fault in error.errors())) from error
    except ValueError as error:
        raise ParamsError(f"{where}: must be a mapping of plain values, got {error}") from error


def read_params(path: Path) -> Params:
    """Return the whole of a params.yaml.

    Raises
    ------
    ParamsError
        With one line for every fault: wrong type, unknown key, value out of range, key missing.
    """
    return typed(Params, read_yaml(path), path.name)


def _line(where: str, fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    spot = f"{where}: {place}" if place else where
    match fault["type"]:
        case "missing":
            return f"{spot}: must be given, got nothing"
        case "extra_forbidden":
            return f"{spot}: must be a known key, got an unknown one"
    text = fault["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be ", "must be ", 1)
    if fault["type"] == "value_error":
        return f"{spot}: {text}"
    if not text.startswith("must"):
        text = "must hold: " + text[:1].lower() + text[1:]
    return f"{spot}: {text}, got {json.dumps(fault['input'], default=str)[:80]}"
