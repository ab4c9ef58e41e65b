"""Bracket strengths of mitigation from data: how strong it must be for limits to be kept with a margin.

Trials at the plain settings of each family climb from no mitigation at all, doubling the strength until the
limits on the attribute are kept, then halve the step below. Each is a trial like any other, so that what the
bracket finds may be chosen. Beyond the strength that keeps the limits there is only loss of quality, so the
bracket ends a little above it; where no strength keeps them, at twice the one that comes nearest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairmark.learn.space import Point, Space
from fairmark.learn.trial import Outcome
from fairmark.params.policy import Policy

FIRST = 1.0
"""The strength of the first rung: a row of the group that is worst off counts one mistake less or more."""
MOST = 16.0
CLOSE = 1.15
"""A bracket is narrow enough when the strength that keeps limits is at most this times one that misses."""
TRIED = 6
"""Strengths of one family that are tried at most."""
ABOVE = 1.1
"""The bracket ends at this times the strength that keeps the limits."""


class Tried(Protocol):
    """As much of a trial as a bracket looks at."""

    @property
    def outcome(self) -> Outcome:
        """Return its results."""


@dataclass
class Bracket:
    """The strengths tried so far of each family, and what came of them.

    Parameters
    ----------
    budget
        Trials that are left to the whole search; the bracket takes at most three quarters of them.
    """

    space: Space
    policy: Policy
    budget: int
    tried: dict[str, dict[float, Tried]] = field(default_factory=dict)

    def batches(self) -> Iterator[list[Point]]:
        """Yield points to be tried; `tell` their outcomes before the next ones are asked for."""
        families, left = self.space.families, max(0, self.budget * 3 // 4)
        if not any(self._own(n) for n in self.space.bracketed):
            return
        while left > 0:
            asked = [(family, strength) for family in families for strength in self._next(family)]
            if not asked:
                return
            asked = asked[:left]
            left -= len(asked)
            yield [self.space.rung(family, strength) for family, strength in asked]

    def tell(self, points: Sequence[Point], trials: Sequence[Tried]) -> None:
        """Note how the trials of these points ended."""
        first = self.space.bracketed[0]
        for point, trial in zip(points, trials, strict=True):
            known = self.tried.setdefault(str(point["family"]), {})
            known[float(point[f"strength.{first}"])] = trial

    def found(self) -> dict[tuple[str, int], tuple[float, float]]:
        """Return the bracket of each family and each mitigation whose strength is `auto`."""
        alone = len(self.space.bracketed) == 1
        return {
            (family, n): self._range(family, n, alone=alone)
            for family in self.space.families
            for n in self.space.bracketed
        }

    def _range(self, family: str, n: int, *, alone: bool) -> tuple[float, float]:
        known = self.tried.get(family, {})
        if not self._own(n) or not known:
            return 0.0, 0.0
        kept = [strength for strength in known if self._keeps(known[strength], n)]
        if not kept:
            near = max(known, key=lambda strength: (self._least(known[strength]), -strength))
            return 0.0, min(MOST, 2 * near) or FIRST
        top = min(kept)
        below = max((strength for strength in known if strength < top), default=0.0)
        return (below if alone else 0.0), ABOVE * top or FIRST / 2

    def _next(self, family: str) -> list[float]:
        """Return the strengths of a family to be tried next; none when its bracket stands."""
        known = self.tried.get(family, {})
        if not known:
            return [0.0, FIRST]
        kept = sorted(strength for strength, trial in known.items() if self._all_kept(trial))
        if kept:
            top = kept[0]
            below = max((strength for strength in known if strength < top), default=None)
            if below is None or top <= CLOSE * below or len(known) >= TRIED:
                return []
            return [(top + below) / 2]
        high = max(known)
        near = max(known, key=lambda strength: (self._least(known[strength]), -strength))
        # A trial of no use says nothing of how near the limits are: a weak one may "keep" them by selecting
        # nearly everybody, and only a stronger one does so with decisions that are worth anything.
        if (near == high or known[high].outcome.useless) and high < MOST:
            return [2 * high]
        if len(known) >= TRIED:
            return []
        around = sorted(known)
        place = around.index(near)
        sides = [around[k] for k in (place - 1, place + 1) if 0 <= k < len(around)]
        return [round((near + side) / 2, 6) for side in sides if abs(near - side) > near / 8][:2]

    def _own(self, n: int) -> bool:
        """Return whether a gated limit speaks of the attribute of a mitigation."""
        attribute = self.space.tune.mitigation[n].attribute
        return any(limit.gate and limit.attribute == attribute for limit in self.policy.limits)

    def _names(self, n: int) -> set[str]:
        attribute = self.space.tune.mitigation[n].attribute
        return {limit.name for limit in self.policy.limits if limit.gate and limit.attribute == attribute}

    def _keeps(self, trial: Tried, n: int) -> bool:
        found = trial.outcome
        if found.failure is not None or found.pruned or found.useless:
            return False
        return all(slack >= 0 for name, slack in found.slacks.items() if name in self._names(n))

    def _kept_by(self, family: str) -> bool:
        return any(self._all_kept(trial) for trial in self.tried.get(family, {}).values())

    @property
    def families(self) -> list[str]:
        """The families of which a rung keeps the limits; all, where none does."""
        return [name for name in self.space.families if self._kept_by(name)] or self.space.families

    def _all_kept(self, trial: Tried) -> bool:
        return all(self._keeps(trial, n) for n in self.space.bracketed)

    def _least(self, trial: Tried) -> float:
        """Return the least slack of the limits that the mitigations are for; -2 where none is known."""
        found = trial.outcome
        if found.failure is not None or found.pruned or found.useless:
            return -2.0
        names = {name for n in self.space.bracketed for name in self._names(n)}
        return min((slack for name, slack in found.slacks.items() if name in names), default=0.0)
