"""Fit one model from what was chosen: the one way to make a model, in the search and in training.

Train rows are relabelled, reweighed and balanced as chosen, a scorer is learnt from them, and held-out rows
give the calibration (Platt scaling) and the thresholds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from fairmark.data.split import Parts
from fairmark.errors import ParamsError
from fairmark.files import canonical_floats
from fairmark.learn import fit_additive, fit_boosted, fit_logistic
from fairmark.learn.fit_boosted import Watching
from fairmark.learn.group_threshold_search import together
from fairmark.learn.mitigation import costs, factors, joined, reweighing
from fairmark.learn.policy_limits import Limits
from fairmark.learn.threshold import Goal, choose
from fairmark.learn.training_data import HeldOut, Ready, Sample, balanced, ready, rotated, stretches
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model import Model, Scorer, probability
from fairmark.model.model_file import Calibration, Column
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats, Labels

Settings = Mapping[str, float | int | str | bool]


class Fit(Protocol):
    """Learn a scorer from train rows, stopping by validation rows where the family has rounds."""

    def __call__(
        self,
        train: Sample,
        valid: Sample,
        columns: Sequence[Column],
        settings: Settings,
        base: Train,
        watch: Watching | None = None,
    ) -> Scorer:
        """Return the fitted scorer; a family without rounds has nothing to watch."""


FITS: Mapping[str, Fit] = {
    "additive": fit_additive.fit,
    "boosted": fit_boosted.fit,
    "logistic": fit_logistic.fit,
}
"""How a model of each family of `model.families` is learnt."""

STEPS = 100


def platt(raw: Floats, label: Labels, weight: Floats) -> Calibration:
    """Return the a and b whose log-odds `a * raw + b` have the least weighted log loss.

    Targets are drawn in from 0 and 1 by one row each, so that labels which the raw log-odds part without a
    fault still have a finite best (Platt 1999, section 2.2). Where a would not be above 0, and so would turn
    the ranking round or lose it, a is 1 and b is 0.
    """
    target = np.where(label == 1, _drawn_in(label == 1), 1 - _drawn_in(label == 0))
    # Centred and scaled, so that the Hessian is well conditioned whatever the spread of raw log-odds; the
    # line is taken back to them below.
    centre, spread = float(np.average(raw, weights=weight)), float(raw.std()) or 1.0
    a, b = _newton((raw - centre) / spread, target, weight / weight.sum())
    if not a / spread > 0:
        return Calibration(a=1.0, b=0.0)
    return Calibration(a=canonical_floats(a / spread), b=canonical_floats(b - a * centre / spread))


def _drawn_in(chosen: np.typing.NDArray[np.bool_]) -> float:
    rows = int(chosen.sum())
    # Platt's targets: (n + 1) / (n + 2) for the n positive rows, and 1 - (n + 1) / (n + 2) = 1 / (n + 2) for
    # the negative ones.
    return (rows + 1) / (rows + 2)


def _newton(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Return the a and b of least log loss of `a * x + b`, by Newton's method with step halving.

    `x`, `target` and `weight` are [n]; the weights sum to 1. The loss is convex, so that its one minimum is
    found from anywhere.
    """
    design = np.column_stack([x, np.ones(len(x))])
    point = np.zeros(2)

    def loss(at: Floats) -> float:
        z = design @ at
        return float(weight @ (np.logaddexp(0, z) - target * z))

    for _ in range(STEPS):
        # Gradient X'w(p - t) and Hessian X'diag(w p (1 - p))X of the log loss; the ridge of 1e-12 keeps the
        # Hessian invertible where every p is 0 or 1.
        risk = probability(design @ point)
        slope = design.T @ (weight * (risk - target))
        curve = (design * (weight * risk * (1 - risk))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while loss(point - step) > loss(point) and np.abs(step).max() > 1e-14:
            step /= 2  # a full Newton step may overshoot far from the minimum
        point = point - step
        if np.abs(step).max() < 1e-12:
            break
    return float(point[0]), float(point[1])


def fit_model(parts: Parts, chosen: Chosen, base: Train, policy: Policy) -> Model:
    """Return the model of these choices; see `fit`."""
    return fit(ready(parts, base), chosen, base, policy)


def fit(rows: Ready, chosen: Chosen, base: Train, policy: Policy) -> Model:
    """Return the model of these choices; see `fitted`."""
    return fitted(rows, chosen, base, policy).model


@dataclass(frozen=True)
class Decision:
    """How raw log-odds are calibrated and decided."""

    calibration: Calibration
    threshold: float
    own: GroupThresholds | None
    spent: float = 0.0
    """How much quality the limits cost at the common threshold."""

    def score(self, raw: Floats) -> Floats:
        """Return the probabilities of raw log-odds, [n]."""
        return probability(self.calibration.a * raw + self.calibration.b)

    def cut(self, groups: pd.DataFrame) -> float | Floats:
        """Return the threshold, or that of each row, [n], where groups have thresholds of their own."""
        return self.threshold if self.own is None else self.own.of(groups[self.own.attribute], self.threshold)


@dataclass(frozen=True)
class Fitted:
    """A model, the rows that its calibration and its threshold come from, and these."""

    model: Model
    held: HeldOut
    decision: Decision


def fitted(rows: Ready, chosen: Chosen, base: Train, policy: Policy, watch: Watching | None = None) -> Fitted:
    """Return the model of these choices, and the held-out rows that it was evaluated on.

    It is learnt from train rows; its rounds come from validation rows. So do its calibration and its
    threshold, or with `chosen.folds` from train rows as well, scored by models that have not seen them.

    Raises
    ------
    InputError
        When the choices leave nothing to learn, as when a mitigation relabels every row alike.
    ParamsError
        When groups are to have thresholds of their own in a search that is blind to them.
    """
    base = aimed(rows, chosen, base)
    policy = policy.following(Goal.of(base.threshold.maximise).measure)
    if chosen.blind is not None:
        _require_blind(chosen.blind, base)
        policy = policy.blind if chosen.blind == "choice" else policy
    scorer = _learnt(rows, chosen, base, watch)
    held = _held(rows, scorer)
    # The validation rows of the model that is kept, then the other folds, each scored by a model without it.
    if chosen.folds is not None:
        follow = stretches(rows, chosen.folds)
        others = follow or rotated(rows, chosen.folds, base.seed)
        turns = (_held(other, _learnt(other, chosen, base)) for other in others)
        held = held.joined(*turns, in_time=bool(follow))
    found = decide(held, rows, chosen, base, policy)
    model = Model(rows.encoder, scorer, found.calibration, found.threshold, base.seed, chosen, found.own)
    return Fitted(model, held, found)


def _require_blind(blind: str, base: Train) -> None:
    if base.threshold.by is not None:
        raise ParamsError(
            f"params.yaml: train.threshold.by must be null where tune.blind is {blind}, got thresholds of "
            f"groups of {base.threshold.by.attribute}"
        )


def aimed(rows: Ready, chosen: Chosen, base: Train) -> Train:
    """Return params whose threshold is for what was chosen, or for what the base rate of train rows says."""
    threshold = base.threshold.resolved(rows.positives)
    if chosen.maximise is not None:
        threshold = threshold.model_copy(update={"maximise": chosen.maximise})
    return base.model_copy(update={"threshold": threshold})


def decide(held: HeldOut, rows: Ready, chosen: Chosen, base: Train, policy: Policy) -> Decision:
    """Return the calibration and the thresholds that held-out rows ask for; `base` is `aimed`."""
    # Calibrated before it is cut: a threshold is a probability, and limits are looked at on the scores that
    # will be given.
    calibration = platt(held.raw, held.rows.label, held.rows.weight)
    score = probability(calibration.a * held.raw + calibration.b)
    missing = None if chosen.margin is None else Limits(policy, held.rows, chosen.margin).violation(score)
    goal = Goal.of(base.threshold.maximise)
    known = held.rows.label, held.rows.weight
    found = choose(score, *known, goal, missing, chosen.selected, chosen.price)
    own = _own(held, rows, chosen, base, policy, score, found.cut)
    return Decision(calibration, found.cut, own, found.spent)


def _learnt(rows: Ready, chosen: Chosen, base: Train, watch: Watching | None = None) -> Scorer:
    train, valid = mitigated(rows, chosen)
    train = balanced(train, chosen.balance, base.seed)
    return FITS[chosen.family](train, valid, rows.encoder.columns, chosen.settings, base, watch)


def _held(rows: Ready, scorer: Scorer) -> HeldOut:
    return HeldOut(scorer.raw(rows.valid.matrix), rows.rows)


def _own(
    held: HeldOut, rows: Ready, chosen: Chosen, base: Train, policy: Policy, score: Floats, common: float
) -> GroupThresholds | None:
    """Return thresholds of groups' own where params ask for them; a choice without a margin has none."""
    by = base.threshold.by
    if by is None or rows.origins is None:
        return None
    if by.attribute not in policy.protected_at_prediction:
        raise ParamsError(
            "params.yaml: train.threshold.by.attribute must be named in policy.protected_at_prediction, "
            f"because every decision would read it, got {by.attribute!r} and {policy.protected_at_prediction}"
        )
    if chosen.margin is None:
        return None
    limits = Limits(policy, held.rows, chosen.margin)
    groups = together(by, limits, Goal.of(base.threshold.maximise), score, common)
    return None if groups is None else GroupThresholds(**by.model_dump(), origins=rows.origins, groups=groups)


def mitigated(rows: Ready, chosen: Chosen) -> tuple[Sample, Sample]:
    """Return train and validation rows with the costs and factors learnt from train rows."""
    train, valid = _scaled(rows.train), _scaled(rows.valid)
    # Costs are learnt from the labels as they were, so that the order of mitigations changes nothing.
    label, weight = train.label, train.weight
    for step in chosen.mitigation:
        found = costs(step, label, rows.train_groups[step.attribute], weight)
        train = replace(train, cost=train.cost + found.of(label, rows.train_groups[step.attribute]))
        # Validation rows bear the same costs: judged by plain log loss, mitigation would be stopped as
        # overfitting.
        valid = replace(valid, cost=valid.cost + found.of(valid.label, rows.valid_groups[step.attribute]))
    if chosen.reweighing:
        groups = [joined(each, rows.single) for each in (rows.train_groups, rows.valid_groups)]
        table = reweighing(label, groups[0], weight)
        train = replace(train, weight=train.weight * factors(table, label, groups[0]))
        valid = replace(valid, weight=valid.weight * factors(table, valid.label, groups[1]))
    return train, valid


def _scaled(sample: Sample) -> Sample:
    # Mean weight 1: how strongly a setting such as C regularises must not hang on the unit of the weights.
    return replace(sample, weight=sample.weight / sample.weight.mean())
