"""The budget of a test set: how many other verdicts the audit trail knows to have been given on it before.

A test set is told by its name in `policy.budget`, or by its rows: more rows under the same name are a look
again, also of the same model, and the same rows under another name are the same rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairmark.governance.trail import Entry


@dataclass(frozen=True)
class Judged:
    """Which model is judged on which test rows: SHA-256 of both, and the name of the test set or None."""

    model: str
    test_rows: str
    test_set: str | None

    def shares(self, test_rows: str | None, test_set: str | None) -> bool:
        """Return whether it is of the test set that other rows, or another name, are of."""
        return test_rows == self.test_rows or (self.test_set is not None and test_set == self.test_set)

    def noted(self, earlier: int) -> dict[str, object]:
        """Return what the trail keeps of it."""
        named = {} if self.test_set is None else {"test_set": self.test_set}
        return {"model": self.model, "test_rows": self.test_rows, "earlier": earlier, **named}


def earlier_verdicts(kept: Sequence[Entry], judged: Judged) -> int:
    """Return how many other verdicts were given on the test set before this one was for the first time.

    The same model judged again on the same rows shows nothing new, and counts once, in its first place. On
    other rows of the test set it is another look, with another chance to pass by luck.
    """
    before: list[tuple[str, str | None]] = []
    for entry in kept:
        event = entry.event
        if event.model is None or not judged.shares(event.test_rows, event.test_set):
            continue
        look = (event.model, event.test_rows)
        if look == (judged.model, judged.test_rows):
            break
        if look not in before:
            before.append(look)
    return len(before)


def faults(kept: Sequence[Entry]) -> Iterator[str]:
    """Yield each entry whose number of earlier verdicts is not what the entries before it say.

    Of a trail whose beginning was cut away nothing can be said.
    """
    if kept and kept[0].number > 1:
        return
    for place, entry in enumerate(kept):
        event = entry.event
        if event.model is None or event.test_rows is None or event.earlier is None:
            continue
        found = earlier_verdicts(kept[:place], Judged(event.model, event.test_rows, event.test_set))
        if found != event.earlier:
            yield f"entry {entry.number}: earlier must be {found} by those before it, got {event.earlier}"
