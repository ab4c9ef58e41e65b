"""The budget of a test set: how many other models the audit trail knows to have been judged on it before.

A test set is told by its name in `policy.budget`, or by its rows: more rows under the same name are a look
again, and the same rows under another name are the same rows.
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

    def noted(self, earlier: int) -> dict[str, object]:
        """Return what the trail keeps of it."""
        named = {} if self.test_set is None else {"test_set": self.test_set}
        return {"model": self.model, "test_rows": self.test_rows, "earlier": earlier, **named}


def earlier_models(kept: Sequence[Entry], judged: Judged) -> int:
    """Return how many other models were judged on the test set before this one was for the first time.

    The same model judged again shows nothing new, and counts once, in its first place.
    """
    before: list[str] = []
    for entry in kept:
        event = entry.event
        same = event.test_rows == judged.test_rows or (
            judged.test_set is not None and event.test_set == judged.test_set
        )
        if event.model == judged.model and same:
            break
        if event.model is not None and same and event.model not in before:
            before.append(event.model)
    return len(before)


def faults(kept: Sequence[Entry]) -> Iterator[str]:
    """Yield each entry whose number of earlier models is not what the entries before it say.

    Of a trail whose beginning was cut away nothing can be said.
    """
    if kept and kept[0].number > 1:
        return
    for place, entry in enumerate(kept):
        event = entry.event
        if event.model is None or event.test_rows is None or event.earlier is None:
            continue
        found = earlier_models(kept[:place], Judged(event.model, event.test_rows, event.test_set))
        if found != event.earlier:
            yield f"entry {entry.number}: earlier must be {found} by those before it, got {event.earlier}"
