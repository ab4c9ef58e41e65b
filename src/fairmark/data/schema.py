"""The schema of the prepared table, schema.json: its columns, label and groups, as `prepare` writes them.

Every later stage, the model's reader of raw rows and whoever checks a release read it as a `Schema`.
"""

from collections.abc import Collection
from typing import Literal, Self

from fairmark.errors import InputError
from fairmark.params.base import Share
from fairmark.record import Record
from fairmark.stats import group_names

KindName = Literal["numeric", "categorical", "ordinal", "boolean", "date"]

MISSING, AND = group_names.MISSING, group_names.AND
is_unknown = group_names.is_unknown


class Label(Record):
    """The target column, and its positive and negative class as the main file spells them."""

    column: str
    positive: str
    negative: str


class ColumnSchema(Record):
    """One column of the raw files: its kind, and how its texts are read."""

    name: str
    kind: KindName
    categories: tuple[str, ...] | None
    """The sorted values of a categorical or the ranked ones of an ordinal, the lowest first."""
    missing: Share
    """Share of rows of the main file without a value: 0 = each row has one, 1 = none has."""
    pair: tuple[str, str] | None
    """The texts of a boolean's true and false."""
    format: str | None
    """A date's strptime format; null for ISO 8601."""
    unit: str
    """What stands before or after every number, such as `$`."""


class WithheldColumn(ColumnSchema):
    """A column that the model never sees, and why; its values stand in the evidence."""

    why: Literal["protected", "forbidden"]


class AttributePart(Record):
    """One raw column that a protected attribute is made from: cut by `edges`, or named as it is."""

    column: str
    edges: tuple[float, ...] | None
    pair: tuple[str, str] | None
    """The group names of a boolean's true and false."""


class AttributeSchema(Record):
    """A protected attribute: the raw columns that it is made from, and its groups in order."""

    by: Literal["column", "edges", "cross"]
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    parts: tuple[AttributePart, ...] | None = None
    """How the columns are turned into groups, where naming the columns does not say it."""


class ProbableAttribute(Record):
    """A protected attribute that is known by probability: the column of each group, and whose they are."""

    columns: dict[str, str]
    proxy: str
    version: str
    error: float
    bins: int


class Schema(Record):
    """The columns, the label and the groups of the prepared table."""

    attributes: dict[str, AttributeSchema]
    features: tuple[ColumnSchema, ...]
    """What a model may see, in the order of the file."""
    withheld: tuple[WithheldColumn, ...]
    label: Label
    row_id: str | None
    """The column that names each row; null where an id is made from the row's content."""
    person: str | None
    """The column that says whose a row is."""
    timed: bool
    weighted: bool
    test_file: bool
    """Whether the test rows are those of a published file."""
    by_probability: dict[str, ProbableAttribute] | None = None
    """Attributes whose groups no row states, where there are any."""

    def refuse_probabilities(self) -> None:
        """Do nothing where rows state every group: no model is made by groups that are known by probability.

        Raises
        ------
        InputError
            Naming the attributes.
        """
        if self.by_probability:
            names = ", ".join(sorted(self.by_probability))
            raise InputError(
                f"prepare.protected: must have groups that rows state where a model is made, got {names} by "
                "probabilities, which are judged of scores alone (fairmark init --scores, fairmark.api.judge)"
            )

    @property
    def columns(self) -> tuple[ColumnSchema, ...]:
        """Features and withheld columns."""
        return (*self.features, *self.withheld)

    @property
    def feature_names(self) -> list[str]:
        """The names of the features."""
        return [feature.name for feature in self.features]

    @property
    def groups(self) -> dict[str, list[str]]:
        """The groups of each attribute, in order."""
        return {name: list(attribute.groups) for name, attribute in self.attributes.items()}

    @property
    def singles(self) -> list[str]:
        """The protected attributes that are no intersection of others."""
        return [name for name, attribute in self.attributes.items() if attribute.by != "cross"]

    def with_features(self, *columns: ColumnSchema) -> Self:
        """Return the schema of a table that has these columns among its features."""
        return self.model_copy(update={"features": (*self.features, *columns)})

    def without_features(self, names: Collection[str]) -> Self:
        """Return the schema of a table that lacks these features."""
        left = tuple(feature for feature in self.features if feature.name not in names)
        return self.model_copy(update={"features": left})
