"""The section `policy`: what a model must meet to be released, and why."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.sections.section import Count, Section, Text


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
