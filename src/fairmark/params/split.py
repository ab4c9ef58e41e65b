"""The sections `audit` and `split`: who is in the data, and which rows are for what."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.params.base import Count, OpenShare, Section, Seed, Share


class Audit(Section):
    """When a column stands out."""

    seed: Seed
    proxy_auc: Annotated[float, Field(ge=0.5, le=1)]
    leakage_auc: Annotated[float, Field(ge=0.5, le=1)]
    folds: Annotated[int, Field(ge=2)]
    min_group_rows: Count
    personal_share: OpenShare


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
    test_share: OpenShare | None
    valid_share: OpenShare
    tolerance: Share
    shift: OpenShare
    """Share of rows that would have to be others for a part to be like the train part, told from here on."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.order == "hash" and self.gap_days is not None:
            raise ValueError(f"gap_days must be null unless order is time, got {self.gap_days:g}")
        if self.order == "time" and self.alike == "together":
            raise ValueError("alike must be spread where order is time, got together")
        return self
