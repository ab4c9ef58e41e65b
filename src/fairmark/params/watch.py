"""The section `watch`: what is compared with the reference, how rarely it may alarm, and what follows."""

from typing import Literal

from fairmark.params.base import Count, OpenShare, Section, Share, Text

Action = Literal["notify", "fallback", "retrain"]


class Alarms(Section):
    """What an alarm does, by what it is of."""

    inputs: list[Action]
    """The distribution of a feature moved."""
    scores: list[Action]
    """The scores or the decisions moved."""
    fairness: list[Action]
    """A limit on groups is missed by what was decided."""
    quality: list[Action]
    """A limit on quality is missed by what came out."""
    operation: list[Action]
    """Latency, fallbacks, overrides."""


class LabelSample(Section):
    """Rows whose outcome is known whatever was decided: the way out of selective labels."""

    share: OpenShare
    """Of the decisions, drawn by a keyed hash of the decision's id."""
    how: Text


class Watch(Section):
    """How a release is watched while it decides."""

    window_days: Count
    """Days of one look."""
    run_length: Count
    """Looks between two false alarms, on average at least, over all columns, scores and groups together."""
    least_rows: Count
    """Decisions of a window below which it waits for the next."""
    harm: Share
    """The move that the printed delay is of: so much of one column's mass, or of a group's selection rate."""
    outcome_days: Count
    """After which an outcome that has not come counts as missing."""
    labels: Literal["all", "selected"]
    """Whose outcomes come: everybody's, or those of the selected alone (selective labels)."""
    label_sample: LabelSample | None
    alarms: Alarms
    cool_down_days: Count
    """After an alarm, until the next of its kind does anything but be recorded."""
    open_candidates: Count
    """Candidates that a retrain may leave unanswered before no other is begun."""
