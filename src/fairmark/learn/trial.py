"""One trial of a search: fit the hyperparameters that were chosen, evaluate them on held-out rows, or prune.

A trial is pruned at a rung where an earlier one dominates it: did better and was no less fair. A mitigated
trial is weak in quality by design, so trials are compared with trials of like fairness alone. A trial inside
the limits on groups is dominated only by one inside them; a trial outside, by one that is about as far
outside or nearer. Both are measured on validation rows after the same number of rounds. Only trials of
earlier batches are compared with, so the number of workers changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field

from fairmark.data.split import read_parts
from fairmark.errors import InputError
from fairmark.learn.fit import Fitted, aimed, decide, fitted
from fairmark.learn.fit_boosted import Watching
from fairmark.learn.policy_limits import Limits
from fairmark.learn.summaries import OverTime
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import HeldOut, Ready, ready, searched
from fairmark.params.base import Section
from fairmark.params.learn import Assurance, Chosen, Pruning, Train, Useful
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import kish
from fairmark.stats.rates import values_of
from fairmark.stats.score_measures import roc_auc


class IntermediateValue(Section):
    """The intermediate value of a trial at a rung: after so many rounds, with a threshold of its own."""

    rounds: int
    quality: float
    """What the threshold maximises; a profit over its span, so that it has no unit."""
    fairness: float
    """The least slack of the gated limits on groups, the margin taken off; >= 0 keeps them."""

    @property
    def reach(self) -> float:
        """The fairness, as far as it matters: room inside the limits is no merit here, as in the choice."""
        return min(self.fairness, 0.0)


class PrunedError(Exception):
    """Ends a fit that is not worth its remaining rounds; `marks` are its intermediate values."""

    def __init__(self, marks: Sequence[IntermediateValue]) -> None:
        super().__init__(f"pruned after {marks[-1].rounds} rounds")
        self.marks = list(marks)


def is_dominated(mark: IntermediateValue, bars: Iterable[IntermediateValue], pruning: Pruning) -> bool:
    """Return whether an earlier trial dominates this one at its rung: better, and as fair."""
    # Inside the limits more room is no merit; outside, a trial `pruning.fairness` further out still counts as
    # about as far.
    least = 0.0 if mark.fairness >= 0 else mark.fairness - pruning.fairness
    return any(
        bar.rounds == mark.rounds and bar.reach >= least and bar.quality >= mark.quality + pruning.quality
        for bar in bars
    )


def bars(marks: Iterable[IntermediateValue]) -> list[IntermediateValue]:
    """Return the Pareto front of intermediate values at each rung: all that `is_dominated` needs of them."""
    found: list[IntermediateValue] = []
    # By falling quality at a rung: whoever reaches further than the last one kept is dominated by none.
    for mark in sorted(marks, key=lambda mark: (mark.rounds, -mark.quality, -mark.reach)):
        if not found or found[-1].rounds < mark.rounds or found[-1].reach < mark.reach:
            found.append(mark)
    return found


Files = tuple[Path, Path, Path, Path]
"""The table, its evidence, its schema, and its rows' parts."""


class TrialRequest(Section):
    """What a trial is asked for."""

    chosen: Chosen
    bars: list[IntermediateValue] | None
    """What earlier trials had reached at the rungs; null: nobody looks at this one before its end."""


class Outcome(Section):
    """The results of a trial, measured at the trial's own thresholds.

    On validation rows; with `chosen.folds` on train rows as well, scored by models that have not seen them.
    """

    failure: str | None
    """Why nothing could be fitted; the other entries then say nothing."""
    quality: float
    """What the threshold is for: 0..1, or a profit in its own unit."""
    slacks: dict[str, float]
    """How far inside each gated limit, the margin taken off; >= 0 keeps it."""
    measures: dict[str, float | None]
    """The measure of each limit, gated or not."""
    overall: dict[str, float]
    """ROC AUC, accuracy and selection rate."""
    threshold: float
    rounds: int | None
    size_bytes: int
    rungs: list[IntermediateValue] = Field(default_factory=list)
    """What it had reached at the rungs, where somebody looked."""
    error: float = 0.0
    """The standard error of the quality."""
    gain_error: float = 0.0
    """The standard error of the gain."""
    area_error: float = 0.0
    """The standard error of the ROC AUC (DeLong)."""
    gain: float | None = None
    """The quality beyond that of the better constant answer; of a profit, as a share of its span."""
    spent: float = 0.0
    """How much quality the limits cost at the threshold, beside one that looks at none."""
    useless: list[str] = Field(default_factory=list)
    """Why the decisions are of no use, where somebody asks; nothing else may make a trial chosen."""
    bounds: dict[str, float] = Field(default_factory=dict)
    """The bound that the gate would have of ratios and differences, at these rates."""
    over_time: dict[str, OverTime] = Field(default_factory=dict)
    """The gated limits on groups in stretches of time, where held-out rows follow each other in it."""
    pruned: bool = False
    """True when it was pruned at the last of `rungs`; the quality is then the one there."""

    @property
    def area(self) -> float:
        """The ROC AUC; -1 where there is none."""
        found = self.overall.get("roc_auc", float("nan"))
        return found if np.isfinite(found) else -1.0

    @property
    def violation(self) -> float:
        """The sum of what is missing to each gated limit; 0 keeps them all."""
        return float(sum(max(0.0, -slack) for slack in self.slacks.values()))

    def worth(self, price: float) -> float:
        """Return the gain less the price of the violation: what trials that keep no limits are ranked by."""
        return (self.quality if self.gain is None else self.gain) - price * self.violation

    @property
    def feasible(self) -> bool:
        """True when it ran to its end, is of use, and every gated limit is kept."""
        return self.failure is None and not self.pruned and not self.useless and self.violation == 0


@dataclass(frozen=True)
class Setup:
    """All that a process needs to run any trial of a search; small enough to travel with each of them."""

    paths: tuple[str, str, str, str]
    """table, evidence, schema and rows, where every worker can read them."""
    base: str
    policy: str
    margin: float | Assurance
    """The margin of every limit on groups, also one whose threshold did not look at it."""
    stamp: str
    """A hash of the files, so that a process which has read other files under these paths reads again."""
    pruning: str | None = None
    useful: str | None = None
    sample: tuple[int, int, bool] | None = None
    """Rows of a part beyond which trials see a sample of so many, the seed that draws it, and whether it is
    drawn by label and groups, or by label alone."""

    @classmethod
    def of(
        cls,
        paths: Files,
        base: Train,
        policy: Policy,
        margin: float | Assurance,
        stamp: str,
        pruning: Pruning | None = None,
        useful: Useful | None = None,
        sample: tuple[int, int, bool] | None = None,
    ) -> Self:
        """Return the setup of a search."""
        table, evidence, schema, rows = (str(path.resolve()) for path in paths)
        whole = (table, evidence, schema, rows)
        given_up, of_use = (None if each is None else each.model_dump_json() for each in (pruning, useful))
        texts = (base.model_dump_json(), policy.model_dump_json())
        return cls(whole, *texts, margin, stamp, given_up, of_use, sample)


def attempt(setup: Setup, asked: str) -> str:
    """Return the outcome of one trial as JSON; `asked` is an `TrialRequest` as JSON.

    Text in and text out, so that a process, a cluster and a file on disk all carry the same thing.
    """
    known, base, policy = _loaded(setup)
    ask = TrialRequest.model_validate_json(asked)
    base = aimed(known, ask.chosen, base)
    policy = policy.following(Goal.of(base.threshold.maximise).measure)
    policy = policy.blind if ask.chosen.blind == "choice" else policy
    seen: list[IntermediateValue] = []
    try:
        made = fitted(known, ask.chosen, base, policy, _watch(setup, ask, seen, (known, base, policy)))
    except InputError as error:
        return _nothing(failure=str(error)).model_dump_json()
    except PrunedError as beaten:
        last = beaten.marks[-1]
        cut_off = _nothing(quality=last.quality, rounds=last.rounds, pruned=True, rungs=beaten.marks)
        return cut_off.model_dump_json()
    useful = None if setup.useful is None else Useful.model_validate_json(setup.useful)
    found = assess(made, Limits(policy, made.held.rows, setup.margin), base, useful)
    return found.model_copy(update={"rungs": seen}).model_dump_json()


def assess(made: Fitted, limits: Limits, base: Train, useful: Useful | None = None) -> Outcome:
    """Return what a model comes to on the rows that it was held against; `base` is `aimed`."""
    rows, decision = made.held.rows, made.decision
    score, cut = decision.score(made.held.raw), decision.cut(rows.groups)
    slacks, measures, bounds, table = limits.held(score, cut)
    goal = Goal.of(base.threshold.maximise)
    accuracy, selected = (float(values_of(table, name)) for name in ("accuracy", "selection_rate"))
    quality, positives = float(goal.reached(table)), float(table[1].sum() / table.sum())
    # As a share of the span, so that the least gain means the same for a profit in euros and for an accuracy.
    gain = (quality - goal.constant(positives)) / goal.span(positives)
    auc = roc_auc(rows.label, score, rows.weight)
    area, area_error = (float("nan"), 0.0) if auc is None else (auc.value, auc.se)
    count, span = kish(rows.weight, rows.weight**2), goal.span(positives)
    error, beyond = goal.error(table, count), goal.lead_error(table, count) / span
    return Outcome(
        failure=None,
        quality=quality,
        slacks=slacks,
        measures=measures,
        overall={
            "roc_auc": area,
            "accuracy": accuracy,
            "selection_rate": selected,
        },
        threshold=made.model.threshold,
        rounds=made.model.scorer.rounds,
        size_bytes=len(made.model.scorer.dumps().encode()),
        error=error,
        gain_error=error / span,
        area_error=area_error,
        gain=gain,
        # What limits cost at the common threshold says nothing where groups have thresholds of their own.
        spent=decision.spent if decision.own is None else 0.0,
        useless=[] if useful is None else _useless(useful, gain, beyond, selected, goal),
        bounds=bounds,
        over_time=limits.over_time(score, cut),
    )


SHOWN = 1.645
"""Standard errors by which decisions must be better than one answer to all: by chance 1 in 20 would be."""


def _useless(useful: Useful, gain: float, error: float, selected: float, goal: Goal) -> list[str]:
    """Return why decisions are of no use: no better than one answer to all, too few or too many selected."""
    least, most = useful.selected
    found = []
    if gain < useful.margin:
        found.append(
            f"{goal.spoken} is {gain:+.3g} beyond the better of yes and no to everybody, "
            f"less than {useful.margin:g}"
        )
    elif gain < SHOWN * error:
        found.append(
            f"{goal.spoken} is {gain:+.3g} beyond the better of yes and no to everybody, which may be chance "
            f"of so few rows (a standard error of {error:.2g})"
        )
    if selected < least:
        found.append(f"{selected:.3g} of the rows are selected, fewer than {least:g}")
    if selected > most:
        found.append(f"{selected:.3g} of the rows are selected, more than {most:g}")
    return found


def fairness(policy: Policy, slacks: Mapping[str, float]) -> float:
    """Return the least slack of the gated limits on groups; 0 without such a limit."""
    names = [limit.name for limit in policy.limits if limit.attribute is not None and limit.gate]
    return min((slacks[name] for name in names if name in slacks), default=0.0)


def _watch(
    setup: Setup, ask: TrialRequest, seen: list[IntermediateValue], given: tuple[Ready, Train, Policy]
) -> Watching | None:
    """Return who looks at a trial at each rung, notes it in `seen`, and prunes it when it is dominated.

    Of what is given, the params are `aimed` and the policy follows their goal.
    """
    if setup.pruning is None or ask.bars is None:
        return None
    pruning, bars = Pruning.model_validate_json(setup.pruning), ask.bars
    known, base, policy = given
    goal = Goal.of(base.threshold.maximise)
    limits = Limits(policy, known.rows, setup.margin)

    def watch(rounds: int, raw: Callable[[], Floats]) -> None:
        if rounds not in pruning.rungs:
            return
        # Calibrated and cut as a finished trial would be: a mark by another threshold would be compared with
        # nothing alike.
        held = HeldOut(raw(), known.rows)
        decision = decide(held, known, ask.chosen, base, policy)
        score, cut = decision.score(held.raw), decision.cut(held.rows.groups)
        slacks, _, _, table = limits.held(score, cut)
        quality = float(goal.reached(table)) / goal.span(float(table[1].sum() / table.sum()))
        mark = IntermediateValue(rounds=rounds, quality=quality, fairness=fairness(policy, slacks))
        seen.append(mark)
        if is_dominated(mark, bars, pruning):
            raise PrunedError(seen)

    return watch


def _nothing(failure: str | None = None, quality: float = 0.0, **known: Any) -> Outcome:
    empty: dict[str, Any] = {"slacks": {}, "measures": {}, "overall": {}, "rounds": None, "size_bytes": 0}
    return Outcome(failure=failure, quality=quality, threshold=0.5, **(empty | known))


@lru_cache(maxsize=1)
def _loaded(setup: Setup) -> tuple[Ready, Train, Policy]:
    # Once a process, whatever kind of worker it is: reading costs as much as a small fit.
    base = Train.model_validate_json(setup.base)
    table, evidence, schema, rows = map(Path, setup.paths)
    parts = read_parts(table, evidence, schema, rows)
    known = ready(parts if setup.sample is None else searched(parts, *setup.sample), base)
    return known, base, Policy.model_validate_json(setup.policy)
