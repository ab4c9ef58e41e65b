"""When a trial is given up: at a rung, where an earlier one did better and was no less fair.

A mitigated trial is weak in quality by design, so trials are compared with trials of like fairness alone. A
trial inside the limits on groups is beaten only by one inside them; a trial outside, by one that is about as
far outside or nearer. Both are measured on validation rows after the same number of rounds. Only trials of
earlier batches are compared with, so the number of workers changes nothing.
"""

from collections.abc import Iterable, Sequence

from fairmark.sections.learning import Pruning
from fairmark.sections.section import Section


class Mark(Section):
    """How far a trial was at a rung: after so many rounds, with a threshold of its own."""

    rounds: int
    quality: float
    """What the threshold maximises, 0..1."""
    fairness: float
    """The least slack of the gated limits on groups, the margin taken off; >= 0 keeps them."""

    @property
    def reach(self) -> float:
        """The fairness, as far as it matters: room inside the limits is no merit here, as in the choice."""
        return min(self.fairness, 0.0)


class BeatenError(Exception):
    """Ends a fit that is not worth its remaining rounds; `marks` are its own, the last one beaten."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        super().__init__(f"beaten after {marks[-1].rounds} rounds")
        self.marks = list(marks)


def is_beaten(mark: Mark, bars: Iterable[Mark], pruning: Pruning) -> bool:
    """Return whether an earlier trial did better at the same rung by `pruning.quality`, and is as fair."""
    least = 0.0 if mark.fairness >= 0 else mark.fairness - pruning.fairness
    return any(
        bar.rounds == mark.rounds and bar.reach >= least and bar.quality >= mark.quality + pruning.quality
        for bar in bars
    )


def bars(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks that no other one beats at its rung: all that `is_beaten` needs of them, in order."""
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.rounds, -mark.quality, -mark.reach)):
        if not found or found[-1].rounds < mark.rounds or found[-1].reach < mark.reach:
            found.append(mark)
    return found
