"""The sections `audit` and `split`: who is in the data, and which rows are for what."""

from typing import Annotated, Literal

from pydantic import Field

from fairmark.sections.section import Count, OpenShare, Section, Seed, Share


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
    test_share: OpenShare | None
    valid_share: OpenShare
    tolerance: Share
