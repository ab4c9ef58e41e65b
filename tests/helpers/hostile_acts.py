"""Hostile acts that got through once, by kind: each is shown to the door that let it in, and must end there.

`release_attacks.py` holds the attacks on a release folder, each with the check of `verify` that catches it.
This is the place of all others: archives, texts, tags, approvals, policies, clones, locks. To add one, write
a function in a module `hostile_*.py` beside this one (named in `MODULES`), which is given a working folder of
its own with one release of it, signed with `sealing.MINE` and tagged, and goes through the door::

    @hostile("a tag that is none", "a folder called like the tag", ends=StateError, match="must hold the tag")
    def folder_as_tag(root: Path) -> None:
        (root / "loans@v0.2.0").mkdir()
        policy_base(root, ...)

It is caught when the door raises that error, with those words. `tests/test_attack_hostile.py` runs each that
takes no second; all are in `make prove` for ever.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fairmark.errors import FairmarkError

MODULES = ("hostile_archives", "hostile_decisions", "hostile_texts")

Act = Callable[[Path], object]


@dataclass(frozen=True)
class Hostile:
    """Something that a stranger does.

    Parameters
    ----------
    kind
        The sort of fault that let it through: one line of the table in docs/attacks.md.
    ends
        How the door must end.
    match
        A pattern in what it says then.
    slow
        Whether it takes more than a second.
    """

    kind: str
    name: str
    act: Act
    ends: type[FairmarkError] | tuple[type[FairmarkError], ...]
    match: str
    slow: bool = False

    def outcome(self, root: Path) -> str | None:
        """Return None when the act in `root` is caught, or else what came of it."""
        try:
            found = self.act(root)
        except self.ends as error:
            return None if re.search(self.match, str(error)) else f"other words: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not how the door must end
            return f"{type(error).__name__}: {error}"
        if isinstance(found, AbstractContextManager):
            return "a block that was never entered"
        return f"got through: {str(found)[:80]}"


_ALL: list[Hostile] = []


def hostile(
    kind: str,
    name: str,
    *,
    ends: type[FairmarkError] | tuple[type[FairmarkError], ...],
    match: str,
    slow: bool = False,
) -> Callable[[Act], Act]:
    """Add the function to the acts of the suite."""

    def added(act: Act) -> Act:
        _ALL.append(Hostile(kind, name, act, ends, match, slow))
        return act

    return added


def every() -> list[Hostile]:
    """Return every hostile act, in the order in which they were written."""
    for module in MODULES:
        import_module(module)
    return list(_ALL)
