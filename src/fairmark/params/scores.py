"""The section `scores`, of a file of its own: whose scores are judged, where no model is made here."""

from typing import ClassVar, Self

from pydantic import model_validator

from fairmark.params.base import Section, Text


class Scores(Section):
    """Scores, decisions or both, in columns of the table; decisions follow a threshold or are given."""

    in_params: ClassVar[bool] = False

    score: Text | None
    """Column of scores in 0..1; null where there are decisions alone."""
    threshold: float | None
    """Decide positive from this score on; null where decisions are given."""
    decision: Text | None
    """Column of decisions; null where they follow the threshold."""
    selected: Text | None
    """The value of `decision` that is the positive one."""
    made_by: Text
    """Who made the model, and by what."""
    version: Text
    """Which version of it."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.decision is None) == (self.threshold is None):
            raise ValueError("must have threshold or decision, and null for the other")
        if (self.decision is None) != (self.selected is None):
            raise ValueError("must have selected beside decision, and null without it")
        if self.score is None and self.threshold is not None:
            raise ValueError("must have score where threshold is given, got null")
        return self
