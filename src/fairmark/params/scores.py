"""The section `scores`, of a file of its own: whose scores are judged, where no model is made here."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from fairmark.params.base import Section, Text
from fairmark.record import Record

UNKNOWN = (
    "Whether these rows took part in making the model: if so, each number here is better than the truth.",
    "Why it decides as it does: there are no explanations, and no reasons for a person who was refused.",
    "Whether it reads a protected attribute, or a column that stands for one.",
    "How it behaves on changed rows: no stress, no perturbation, no rows with gaps were tried.",
    "Whether a column that is known only after the outcome went into it: leakage was not looked for.",
    "Whether it can be made again, or what it was made from: there is no bill of materials and no rebuild.",
    "Whether the scores in the table are those that the model gives in use.",
)
"""What stays open where the scores are known and the model is not."""

UNSCORED = 0.5
"""The threshold that stands for given decisions, which are scores of 0 and 1 then."""


class Scores(Section):
    """Scores, decisions or both, in columns of the table; decisions follow a threshold or are given."""

    in_params: ClassVar[bool] = False

    score: Text | None
    """Column of scores in 0..1; null where there are decisions alone."""
    threshold: Annotated[float, Field(ge=0, le=1)] | None
    """Decide positive from this score on; null where decisions are given."""
    decision: Text | None
    """Column of decisions; null where they follow the threshold."""
    selected: Text | None
    """The value of `decision` that is the positive one."""
    made_by: Text
    """Who made the model, and by what."""
    version: Text
    """Which version of it."""

    @property
    def measured_threshold(self) -> float:
        """The threshold that measurements are written with."""
        return UNSCORED if self.threshold is None else self.threshold

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.decision is None) == (self.threshold is None):
            raise ValueError("must have threshold or decision, and null for the other")
        if (self.decision is None) != (self.selected is None):
            raise ValueError("must have selected beside decision, and null without it")
        if self.score is None and self.threshold is not None:
            raise ValueError("must have score where threshold is given, got null")
        return self


class ScoresFile(Record):
    """The file scores.yaml of a project that judges scores made elsewhere."""

    scores: Scores
