"""One thing that a release claims, and whether it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

HELD = 0
WRONG = 4
UNTOLD = 5


@dataclass(frozen=True)
class Fact:
    """One claim of a release, checked.

    Parameters
    ----------
    name
        A word or two.
    held
        True when it holds, False when it is wrong, None when it can't be told.
    text
        What was found, in one line.
    asked
        False for a fact that nobody asked for (no clone, no key was given): it is shown, and doesn't count.
    """

    name: str
    held: bool | None
    text: str
    asked: bool = True

    def line(self) -> str:
        """Return the fact as one line for a person."""
        mark = {True: "ok   ", False: "WRONG", None: "?    " if self.asked else "-    "}[self.held]
        return f"{mark} {self.name}: {self.text}"


def exit_code(facts: Sequence[Fact]) -> int:
    """Return 0 when every asked fact held, 4 when one is wrong, 5 when one can't be told."""
    held = [fact.held for fact in facts if fact.asked]
    if False in held:
        return WRONG
    return HELD if held and None not in held else UNTOLD
