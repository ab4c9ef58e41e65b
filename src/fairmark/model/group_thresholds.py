"""Thresholds of groups' own: what model.json says of them, and which one each row is decided by.

Only the decision reads the attribute, never the score. A model has such thresholds only where the policy
names the attribute in `protected_at_prediction`. NumPy and pandas are imported where rows are decided:
whoever only reads what a release says of its thresholds needs neither.
"""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from fairmark.data.schema import AttributePart, KindName, Schema, is_unknown
from fairmark.errors import InputError
from fairmark.params.base import Section, Text
from fairmark.params.learn import ByGroup

if TYPE_CHECKING:
    import pandas as pd

    from fairmark.stats.arrays import Floats


class Origin(Section):
    """A raw column that tells the group.

    `edges` cut a number into groups; `pair` are the group names of a boolean's true and false.
    """

    column: Text
    kind: KindName
    edges: Annotated[list[float], Field(min_length=1)] | None
    pair: Annotated[list[Text], Field(min_length=2, max_length=2)] | None

    def groups(self, values: "pd.Series") -> "pd.Series":
        """Return the group name of each value, [n], as `prepare` names it.

        Raises
        ------
        InputError
            When the values are of another kind.
        """
        from fairmark.data.cells import Kind
        from fairmark.data.groups import cut, names

        try:
            known = _typed(values, self.kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"table: {self.column}: must hold values of kind {self.kind}, got {error}"
            ) from error
        if self.edges is not None:
            return cut(known, self.edges)
        first, second = self.pair or ("true", "false")
        return names(known, Kind(self.kind, pair=(first, second)))


class GroupThresholds(ByGroup):
    """Which attribute the decision reads, from which raw columns, and the threshold of each of its groups.

    A group that is not listed (too few validation rows, never seen, or not known) has the common threshold.
    """

    origins: Annotated[list[Origin], Field(min_length=1)]
    groups: Annotated[dict[Text, float], Field(min_length=2)]

    @model_validator(mode="after")
    def _never_for_the_unknown(self) -> Self:
        unknown = sorted(filter(is_unknown, self.groups))
        if unknown:
            raise ValueError(f"must have no threshold for values that are not known, got {unknown}")
        return self

    @property
    def columns(self) -> list[str]:
        """The raw columns that a row must have to be decided."""
        return [origin.column for origin in self.origins]

    def of(self, group: "pd.Series", common: float) -> "Floats":
        """Return the threshold of each row by its group's name, [n]; `common` where the group has none."""
        import numpy as np

        own = group.astype(object).map(self.groups)
        return np.asarray(own.fillna(common).to_numpy(dtype=np.float64))

    def groups_of(self, frame: "pd.DataFrame") -> "pd.Series":
        """Return the group name of each row from its raw columns, [n]; law: those of `prepare`'s evidence.

        Raises
        ------
        InputError
            When a raw column is missing or holds values of another kind.
        """
        from fairmark.data.groups import crossed

        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise InputError(
                f"table: must hold {', '.join(self.columns)}, because this model decides by a threshold for "
                f"each group of {self.attribute}, got none of {absent}"
            )
        return crossed([origin.groups(frame[origin.column]) for origin in self.origins])


def origins(schema: Schema, attribute: str) -> list[Origin]:
    """Return the raw columns that an attribute of schema.json is made from, and how.

    Raises
    ------
    InputError
        When schema.json does not say it.
    """
    made = schema.attributes.get(attribute)
    if made is None:
        known = sorted(schema.attributes)
        raise InputError(f"schema.json: must hold the attribute {attribute}, got {known}")
    plain = tuple(AttributePart(column=column, edges=None, pair=None) for column in made.columns)
    kinds = {column.name: column.kind for column in schema.withheld}
    parts = plain if made.parts is None else made.parts
    if any(part.column not in kinds for part in parts) or (made.by == "edges" and made.parts is None):
        got = made.to_json()
        raise InputError(f"schema.json: attributes.{attribute}: must say what it is made from, got {got}")
    return [
        Origin(
            column=part.column,
            kind=kinds[part.column],
            edges=None if part.edges is None else list(part.edges),
            pair=None if part.pair is None else list(part.pair),
        )
        for part in parts
    ]


def _typed(values: "pd.Series", kind: str) -> "pd.Series":
    import numpy as np
    import pandas as pd

    match kind:
        case "numeric":
            # pandas would turn truth values and dates into numbers without a word.
            if values.dtype.kind in "bM":
                raise TypeError(f"{values.dtype}")
            numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isinf(numbers).any():
                raise ValueError("a number without end")
            return pd.Series(numbers, index=values.index)
        case "boolean":
            return values.astype("boolean")
        case "date":
            return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return values.astype(object)
