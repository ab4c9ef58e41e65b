"""Less discriminatory alternatives: what rivals of the chosen model come to, and whether one had to be taken.

A rival is a trial of the search's frontier, learnt again as it was tried. Beside the chosen model it is less
disparate by some gain, in the unit of each limit on groups, and costs some quality, in the unit of what the
threshold is for. Both are measured on the same test rows, over refits of both models from rows drawn anew.

The gate (`policy.alternatives`) is a sign, as findings are: the mean gain and the mean loss are point values
and keep no level, and a rival may be left for a good reason. So it never fails a release; it leaves
insufficient evidence until a waiver that names the rival says why it was not taken. Whether a less
discriminatory alternative has to be taken is a question of law: in US credit and employment law it is the
third step of disparate impact (42 U.S.C. 2000e-2(k)(1)(A)(ii)).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fairmark.files import canonical_floats
from fairmark.judge.findings import Sign
from fairmark.params.policy import RIVAL, Limit, Policy, RivalRule
from fairmark.record import Digest, Record, Whole

Share = Annotated[float, Field(ge=0, le=1)]


class Reached(Record):
    """What a model comes to on some rows at its own threshold."""

    quality: float
    """What the threshold is for: 0..1, or a profit."""
    limits: dict[str, float | None]
    """The measure of each limit on groups, gated or not; None where it is not defined."""


class Beside(Record):
    """A rival beside the chosen model on the same rows."""

    lost: float
    """Quality of the chosen model less that of the rival; below 0 the rival is better."""
    gained: dict[str, float | None]
    """By limit on groups, how much nearer to parity the rival is, in the limit's unit; below 0: farther."""


class Range(Record):
    """The middle part of resampled values."""

    low: float
    high: float


class Resampled(Record):
    """The same over resamples of the test rows, with the two models as they are (percentile bootstrap)."""

    lost: Range
    gained: dict[str, Range | None]
    fairer: dict[str, Share]
    """By limit, the share of resamples in which the rival is nearer to parity."""


class GroupCalibration(Record):
    """How well scores say how often the label is positive, within one group of the test rows."""

    mean_score: Share
    positive_share: Share
    error: Share
    """Mean distance of mean score and positive share over bins of equal width, by weight; 0 is calibrated."""


class SwapBand(Record):
    """People of one group in one band of the chosen model's score whom the rival decides otherwise."""

    low: Share
    high: Share
    into: Whole
    """Decided no by the chosen model and yes by the rival."""
    out: Whole
    """Decided yes by the chosen model and no by the rival."""


class SwappedGroup(Record):
    """The bands of one group, joined where a count would be of fewer rows than privacy allows."""

    bands: tuple[SwapBand, ...] | None
    """None where the group is withheld: its counts, or those that follow from them, are too small."""


class Rival(Record):
    """One rival of the chosen model, and why it was not taken."""

    name: str
    """`trial-N`."""
    what: str
    """Its family and what was done for fairness."""
    why: str
    """Why the search did not take it."""
    valid: Reached
    """On validation rows, which chose its threshold."""
    test: Reached
    beside: Beside
    """On test rows, each model as it was made."""
    refits: tuple[Beside, ...]
    """On test rows, both learnt again from train rows drawn anew, one entry a refit."""
    mean: Beside
    """The mean of `beside` and `refits`: what the policy's rule is held against."""
    steady: dict[str, int]
    """By limit, in how many of these (the models as made, and the refits) it is nearer to parity."""
    resampled: Resampled
    calibration: dict[str, dict[str, GroupCalibration]]
    swaps: dict[str, dict[str, SwappedGroup]]
    """By attribute and group, whom the rival would decide otherwise."""


class Unmeasured(Record):
    """A rival that was not measured on test rows: what the search has of it, and why it is no more."""

    name: str
    quality: float
    """On the search's held-out rows."""
    limits: dict[str, float | None]
    why: str
    beside: Beside | None = None
    """Beside the chosen model on the same held-out rows; None for a lottery, which can't be taken."""


class Alternatives(Record):
    """alternatives.json: the chosen model beside its rivals on the search's frontier."""

    model_sha256: Digest
    goal: str
    """The measure that quality is, or `profit`."""
    confidence: Share
    """Of the ranges over resamples."""
    refits: Whole
    resamples: Whole
    smallest_cell: Annotated[int, Field(ge=1)]
    rows: Whole
    """Test rows that both models decided."""
    sampled: bool
    """Whether models were learnt again and compared on a sample of the rows, the chosen one too."""
    valid: Reached | None
    """The chosen model on validation rows."""
    test: Reached | None
    calibration: dict[str, dict[str, GroupCalibration]]
    rivals: tuple[Rival, ...]
    """Less disparate ones first, the nearest in quality before the others."""
    unmeasured: tuple[Unmeasured, ...]
    why: str
    """Why there are no rivals, where there are none."""

    def counted(self) -> Iterator[tuple[int, str]]:
        """Yield each count of people that is not zero, and where it stands."""
        for rival in self.rivals:
            for attribute, groups in rival.swaps.items():
                for group, found in groups.items():
                    for band in found.bands or ():
                        for count in filter(None, (band.into, band.out)):
                            yield count, f"swaps of {rival.name} by {attribute}: {group}"

    @property
    def judged(self) -> "tuple[RivalGain, ...]":
        """What the gate reads of it: rivals that nobody learnt again by what the search has of them."""
        # Asking for fewer refits must hide no rival: the others are judged by what the search has of them.
        measured = [
            RivalGain(name=each.name, lost=each.mean.lost, gained=dict(each.mean.gained))
            for each in self.rivals
        ]
        others = [
            RivalGain(name=each.name, lost=each.beside.lost, gained=dict(each.beside.gained), held_out=True)
            for each in self.unmeasured
            if each.beside is not None
        ]
        return (*measured, *others)


class RivalGain(Record):
    """A rival as measurements state it: mean loss of quality and mean gains, by limit on groups."""

    name: str
    lost: float
    gained: dict[str, float | None]
    held_out: bool = False
    """True of one that was not learnt again: both are then of the search's held-out rows."""


@dataclass(frozen=True)
class RivalSign(Sign):
    """A rival that the policy's rule asks about: `value` is its gain; None where that is not known."""

    rule: RivalRule
    lost: float = 0.0
    known: bool = True
    held_out: bool = False

    @property
    def shown(self) -> bool:
        """Whether the rule holds of it, so that it must be answered; what is not known must be, too."""
        return bool(self.of) or not self.known

    @property
    def _of(self) -> str:
        if self.held_out:
            return "both on the search's held-out rows, because it was not learnt again"
        return "each the mean over refits on test rows"

    def text(self) -> str:
        """Return which rival is less disparate by how much, at which loss, and what to do."""
        rule = self.rule
        asked = f"at least {rule.gain:g} less disparate by {rule.limit} at a loss of at most {rule.loss:g}"
        if not self.known:
            return (
                f"Whether a rival is {asked} can't be told: {self.why}. Measure rivals "
                f"(evaluate.alternatives), or answer it in policy.waivers (limit {RIVAL})."
            )
        if not self.of:
            return f"No rival on the frontier is {asked}."
        name = self.of[0]
        answer = f"take it, or say in policy.waivers (limit {RIVAL}, groups [{name}]) why it was not taken"
        if self.value is None:
            return (
                f"The gain of {name} by {rule.limit} is not defined on these rows, at a loss of "
                f"{self.lost:.5g}: {answer}."
            )
        return (
            f"{name} is less disparate by {rule.limit}, by {self.value:.5g} (asked about from {rule.gain:g} "
            f"on), at a loss of {self.lost:.5g} (at most {rule.loss:g}), {self._of}: {answer}."
        )


def rival_signs(limit: Limit, policy: Policy, rivals: Sequence[RivalGain] | None) -> list[Sign]:
    """Return a sign for each rival that the rule holds of, the largest gain first; else one that says so."""
    rule = policy.alternatives
    if rule is None:
        return []
    if rivals is None:
        return [RivalSign(limit, (), None, "rivals were not measured", rule, known=False)]
    found = [
        RivalSign(limit, (each.name,), gain, "", rule, each.lost, held_out=each.held_out)
        for each in rivals
        # A gain that is not defined may be any: it has to be answered as one that is large enough.
        if each.lost <= rule.loss and ((gain := each.gained.get(rule.limit)) is None or gain >= rule.gain)
    ]
    found.sort(key=lambda each: (-(float("inf") if each.value is None else each.value), each.of))
    return [*found] or [RivalSign(limit, (), None, "", rule)]


def gains(policy: Policy, chosen: Reached, rival: Reached) -> Beside:
    """Return how a rival stands beside the chosen model, both measured on the same rows."""
    at_least = {limit.name: limit.at_least is not None for limit in policy.limits}
    # Rounded as it is written, so that whoever works it out again from the file finds the same.
    return Beside(
        lost=canonical_floats(chosen.quality - rival.quality),
        gained={
            name: _nearer(chosen.limits.get(name), value, rises=at_least[name])
            for name, value in rival.limits.items()
        },
    )


def _nearer(chosen: float | None, rival: float | None, *, rises: bool) -> float | None:
    if chosen is None or rival is None:
        return None
    return float(canonical_floats(rival - chosen if rises else chosen - rival))


def mean_of(each: Sequence[Beside]) -> Beside:
    """Return the mean over refits; of a gain that one of them does not define, None."""
    names: Mapping[str, float | None] = each[0].gained
    gained: dict[str, float | None] = {}
    for name in names:
        values = [one.gained.get(name) for one in each]
        known = [value for value in values if value is not None]
        # The mean of those that are known would leave out the fits that had too few of a group.
        gained[name] = sum(known) / len(known) if len(known) == len(values) else None
    return Beside(lost=sum(one.lost for one in each) / len(each), gained=gained)
