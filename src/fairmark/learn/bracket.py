"""Bracket strengths of mitigation from data: how strong it must be for limits to be kept at the best quality.

Trials at the plain settings of each family climb from no mitigation at all, doubling the strength until the
limits on the attribute are kept; then the steps around the best one are halved. A threshold alone may keep
limits at any strength, by selecting nearly everybody or nearly nobody: as long as the limits cost quality at
the threshold, more strength may win some of it back, and the climb goes on. Where they cost nothing there,
more strength only loses quality, and the least that keeps the limits is looked for. Each is a trial like any
other, so that what the bracket finds may be chosen. It ends at the neighbours of its best strength.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairmark.learn.space import Point, Space
from fairmark.learn.trial import Outcome
from fairmark.params.policy import Policy

FIRST = 1.0
"""The strength of the first rung: a row of the group that is worst off counts one mistake less or more."""
MOST = 16.0
CLOSE = 1.15
"""A step is narrow enough when its ends are nearer than by this factor."""
TRIED = 7
"""Strengths of one family that are tried at most."""
ABOVE = 1.1
"""The bracket ends at this times the strength that keeps the limits, where they cost nothing there."""


def _close(strength: float) -> float:
    """Return the width of a step that is not halved any more."""
    # The floor keeps steps near 0 from being halved for ever: a factor between strengths says nothing there.
    return max(strength * (1 - 1 / CLOSE), FIRST / 8)


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
        # A quarter is left to the sampler, which alone looks at the other dimensions.
        families, left = self.space.families, max(0, self.budget * 3 // 4)
        # Where no gated limit speaks of the attribute no strength is better than 0, and no trial is spent on
        # it.
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
            # Nothing kept the limits: the sampler may find it with other settings, so it gets room above the
            # nearest.
            near = max(known, key=lambda strength: (self._least(known[strength]), -strength))
            return 0.0, min(MOST, 2 * near) or FIRST
        best = self._best(known, kept)
        below = max((strength for strength in known if strength < best), default=0.0)
        above = min((strength for strength in known if strength > best), default=2 * best)
        # Where limits cost nothing at the threshold more strength only loses quality: the bracket ends a
        # little above.
        top = above if self._costly(known[best]) else ABOVE * best
        # With several mitigations one may do the work of another, so that each may be as weak as 0.
        return (below if alone else 0.0), top or FIRST / 2

    def _next(self, family: str) -> list[float]:
        """Return the strengths of a family to be tried next; none when its bracket stands."""
        known = self.tried.get(family, {})
        if not known:
            return [0.0, FIRST]
        high = max(known)
        if kept := [strength for strength, trial in known.items() if self._all_kept(trial)]:
            near = self._best(known, kept)
            costly = self._costly(known[near])
            if near == high and costly and high < MOST:
                return [2 * high]
            # Above the best only where the limits cost quality at its threshold: else more strength only
            # loses some.
            sides = [self._neighbour(known, near, -1), *([self._neighbour(known, near, 1)] if costly else [])]
        else:
            near = max(known, key=lambda strength: (self._least(known[strength]), -strength))
            # A trial of no use says nothing of how near the limits are: a weak one may "keep" them by
            # selecting nearly everybody, and only a stronger one does so with decisions worth anything.
            if (near == high or known[high].outcome.useless) and high < MOST:
                return [2 * high]
            sides = [self._neighbour(known, near, way) for way in (-1, 1)]
        halves = [(near + side) / 2 for side in sides if side is not None and abs(near - side) > _close(near)]
        return [round(each, 6) for each in halves][: max(0, TRIED - len(known))]

    @staticmethod
    def _neighbour(known: Mapping[float, Tried], strength: float, way: int) -> float | None:
        """Return the next strength that was tried, above or below."""
        beyond = [each for each in known if way * (each - strength) > 0]
        return min(beyond, key=lambda each: abs(each - strength), default=None)

    def _best(self, known: Mapping[float, Tried], kept: Sequence[float]) -> float:
        """Return the strength of best quality of those that keep the limits; of as good ones the least.

        As good is what is within `tune.tie` standard errors of the best.
        """
        top = max((known[strength].outcome for strength in kept), key=lambda found: found.quality)
        # The least strength of those that can't be told apart in quality: mitigation moves people's
        # decisions, and no more is done than is of use.
        least = top.quality - self.space.tune.tie * top.error
        return min(strength for strength in kept if known[strength].outcome.quality >= least)

    def _costly(self, trial: Tried) -> bool:
        """Return whether limits cost quality at the threshold, by more than counts as equal."""
        return trial.outcome.spent > self.space.tune.tie * trial.outcome.error

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
        # Below any slack that a limit can have (`policy_limits.WORST` is -1): such a trial is never the
        # nearest.
        if found.failure is not None or found.pruned or found.useless:
            return -2.0
        names = {name for n in self.space.bracketed for name in self._names(n)}
        return min((slack for name, slack in found.slacks.items() if name in names), default=0.0)
