"""The sections of the data: `prepare` (files and columns), `audit`, `split` (rows by part) and `privacy`.

`prepare` says what the raw files hold and what each column is, `audit` when a column stands out, `split`
which rows are for what, and `privacy` which columns are personal and what of single people may be shown.
"""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.files import SIGNIFICANT_DIGITS
from fairmark.params.base import Count, OpenShare, Section, Seed, Share, Text


class _Format(Section):
    missing: list[str]
    """Texts that mean "not known", beside the empty one."""
    thousands: Literal[",", ".", " ", "'"] | None
    """The mark between groups of three digits, or null."""
    units: list[Text]
    """Signs that may stand before or after the numbers of a column, and are no part of them: `$`, `%`."""


class Csv(_Format):
    """Separated text. `header` lists the column names, or is null when the first line names them."""

    type: Literal["csv"]
    separator: Annotated[str, Field(min_length=1, max_length=1)]
    decimal: Literal[".", ","]
    header: Annotated[list[Text], Field(min_length=2)] | None
    encoding: Text

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"must have thousands other than decimal, got {self.decimal!r} for both")
        return self


class Parquet(_Format):
    """Apache Parquet; nulls and NaN are missing values. Its texts have decimal points."""

    type: Literal["parquet"]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.thousands == ".":
            raise ValueError("must have thousands other than the decimal point, got '.'")
        return self


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


Value = bool | int | float | str
"""A value as params.yaml writes it, met by each of its spellings in the data (`label.matches`)."""


class Above(Section):
    """All numbers above this one, itself not among them."""

    above: float


class Below(Section):
    """All numbers below this one, itself not among them."""

    below: float


class Target(Section):
    """The label column, its positive and negative values, and characters to strip from the end of its texts.

    `positive` is one value, a list of values, or `{above: NUMBER}`. `negative` is one, a list, or null: the
    one other value that the column holds, or with `above` all other numbers.
    """

    column: Text
    positive: Value | Annotated[list[Value], Field(min_length=1)] | Above
    negative: Value | Annotated[list[Value], Field(min_length=1)] | None
    strip: str

    @model_validator(mode="after")
    def _rest_of_the_numbers(self) -> Self:
        if isinstance(self.positive, Above) and self.negative is not None:
            raise ValueError(f"must have negative null where positive is above a number, got {self.negative}")
        return self


class DropRows(Section):
    """Rows that are left out before anything else: those whose cell in `column` is as `when` says."""

    column: Text
    when: Literal["missing"] | Annotated[list[Value], Field(min_length=1)] | Above | Below
    reason: Text


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

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.true.strip().lower() == self.false.strip().lower():
            raise ValueError(f"must tell true from false, case apart, got {self.true!r} and {self.false!r}")
        return self


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
    """A protected attribute cut from a numeric column: n edges make n + 1 groups, each [low, high).

    An edge has no more digits than a written document keeps, so that whoever reads it there cuts at the same.
    """

    by: Literal["edges"]
    column: Text
    edges: Annotated[list[float], Field(min_length=1)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"must be rising edges, got {self.edges}")
        long = [edge for edge in self.edges if float(f"{edge:.{SIGNIFICANT_DIGITS}g}") != edge]
        if long:
            raise ValueError(f"must be edges of at most {SIGNIFICANT_DIGITS} digits, got {long}")
        return self


class ByCross(Section):
    """The intersection of other protected attributes."""

    by: Literal["cross"]
    of: Annotated[list[Text], Field(min_length=2)]


class ByProbabilities(Section):
    """A protected attribute that no row states: a proxy, such as BISG, says how likely each group is.

    Nobody is put into a group. It is judged of scores made elsewhere, and never where a model is made.
    """

    by: Literal["probabilities"]
    columns: Annotated[dict[Text, Text], Field(min_length=2)]
    """Group -> the column of its probability; those of a row add up to 1."""
    proxy: Text
    """What gives the probabilities, such as `BISG`."""
    version: Text
    """Which version of it, on which tables."""
    error: Annotated[float, Field(ge=0, lt=1)]
    """How far the mean probability of a bin is from the true share of the group at most, 0..1."""
    bins: Annotated[int, Field(ge=1, le=100)]
    """Bins of equal width over 0..1, in each of which the proxy is taken to be right, or off by `error`."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({*self.columns.values()}) < len(self.columns):
            raise ValueError(f"must name a column of its own for each group, got {self.columns}")
        return self


Protected = Annotated[ByColumn | ByEdges | ByCross | ByProbabilities, Field(discriminator="by")]


class Prepare(Section):
    """What the raw files hold and what a row must be."""

    files: Files
    format: Annotated[Csv | Parquet, Field(discriminator="type")]
    target: Target
    row_id: Text | None
    person: Text | None
    """The column that says whose a row is, where a person may have several rows; null when each has one."""
    time: Text | None
    weight: Text | None
    spellings: dict[Text, dict[Text, Text]]
    """Of a column, texts that stand for another one: `{sex: {female: Female}}`."""
    drop_rows: list[DropRows]
    drop: list[Text]
    columns: dict[Text, Column]
    unlisted: Literal["refuse", "infer"]
    protected: Annotated[dict[Text, Protected], Field(min_length=1)]
    forbidden: list[Text]

    @property
    def singles(self) -> tuple[str, ...]:
        """The attributes whose groups rows state, and that are no crossing of others, in order."""
        return tuple(name for name, each in self.protected.items() if isinstance(each, ByColumn | ByEdges))

    @property
    def grouped(self) -> dict[str, "ByColumn | ByEdges | ByCross"]:
        """The attributes whose groups rows state."""
        return {name: it for name, it in self.protected.items() if not isinstance(it, ByProbabilities)}

    @property
    def by_probability(self) -> dict[str, ByProbabilities]:
        """The attributes whose groups are known by probability alone."""
        return {name: it for name, it in self.protected.items() if isinstance(it, ByProbabilities)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> "list[str]":
        faults = []
        roles = [("target", self.target.column), ("row_id", self.row_id), ("person", self.person)]
        taken: dict[str, str] = {}
        for role, column in [*roles, ("weight", self.weight), ("time", self.time)]:
            if column is not None and column in taken:
                faults.append(f"{role} must not be the {taken[column]} column too, got {column!r}")
            elif column is not None:
                taken[column] = role
        faults += [f"drop must not name the {taken[c]} column, got {c!r}" for c in self.drop if c in taken]
        faults += [
            f"spellings.{column} must lead to texts that stay as they are, got {text!r}"
            for column, texts in self.spellings.items()
            for text in texts.values()
            if text in texts
        ]
        for name, attribute in self.protected.items():
            if isinstance(attribute, ByCross):
                faults += [
                    f"protected.{name} must cross attributes by column or by edges, got {part!r}"
                    for part in attribute.of
                    if part not in self.singles
                ]
            elif isinstance(attribute, ByProbabilities):
                wrong = sorted({*attribute.columns.values()} & {*self.drop, *taken})
                if wrong:
                    faults.append(f"protected.{name} must have columns of its own, got {', '.join(wrong)}")
            elif attribute.column in self.drop:
                faults.append(f"protected.{name} must not stand in drop, got column {attribute.column!r}")
            elif attribute.column == self.target.column:
                faults.append(f"protected.{name} must not be the target, got {attribute.column!r}")
        return faults


class Audit(Section):
    """When a column stands out."""

    seed: Seed
    proxy_auc: Annotated[float, Field(ge=0.5, le=1)]
    leakage_auc: Annotated[float, Field(ge=0.5, le=1)]
    folds: Annotated[int, Field(ge=2)]
    min_group_rows: Count
    personal_share: OpenShare


class ByGroup(Section):
    """Which share of a group's rows is the test part: more of a small group, so that more can be shown of it.

    Rows then weigh in each part so that groups have their shares of the table again.
    """

    attribute: Text
    groups: Annotated[dict[Text, OpenShare], Field(min_length=1)]
    others: OpenShare
    """Of every other group."""


class Split(Section):
    """How rows are parted; `test_share` is null when a published test file is the test set.

    Rows alike in every feature are spread over the parts as any rows are, or kept together: then no pattern
    is both learnt from and measured on, and each part has its label rate and its groups by chance.
    """

    seed: Seed
    order: Literal["hash", "time"]
    alike: Literal["spread", "together"]
    gap_days: Annotated[float, Field(gt=0)] | None
    """Days before each later part whose rows are in no part; null for none, and where the order is hash."""
    test_share: OpenShare | ByGroup | None
    valid_share: OpenShare
    tolerance: Share
    shift: OpenShare
    """Share of rows that would have to be others for a part to be like the train part, told from here on."""

    @property
    def weighed_by(self) -> str | None:
        """The attribute whose groups have shares of their own in the test part, for which all rows weigh."""
        return self.test_share.attribute if isinstance(self.test_share, ByGroup) else None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.order == "hash" and self.gap_days is not None:
            raise ValueError(f"gap_days must be null unless order is time, got {self.gap_days:g}")
        if self.order == "time" and isinstance(self.test_share, ByGroup):
            raise ValueError("test_share must be one for all groups where order is time, got shares by group")
        if self.order == "time" and self.alike == "together":
            raise ValueError("alike must be spread where order is time, got together")
        return self


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
