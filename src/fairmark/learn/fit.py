"""Fit one model from what was chosen: the one way to make a model, in the search and in training."""

from dataclasses import dataclass, replace

import pandas as pd

from fairmark.errors import ParamsError
from fairmark.learn.balance import balanced
from fairmark.learn.calibrate import platt
from fairmark.learn.crossfit import Held, rotated
from fairmark.learn.encode import Floats
from fairmark.learn.family import FAMILIES, Scorer, Watch
from fairmark.learn.group_thresholds import GroupThresholds
from fairmark.learn.limits import Limits
from fairmark.learn.mitigation import costs, factors, joined, reweighing
from fairmark.learn.model import Calibration, Model, probability
from fairmark.learn.parity import together
from fairmark.learn.parts import Parts
from fairmark.learn.ready import Ready, ready
from fairmark.learn.sample import Sample
from fairmark.learn.threshold import choose
from fairmark.sections.learning import Chosen, Train
from fairmark.sections.policy import Policy


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
    held: Held
    decision: Decision


def fitted(rows: Ready, chosen: Chosen, base: Train, policy: Policy, watch: Watch | None = None) -> Fitted:
    """Return the model of these choices, and what it was held against.

    It is learnt from train rows; its rounds come from validation rows. So do its calibration and its
    threshold, or with `chosen.folds` from train rows as well, scored by models that have not seen them.

    Raises
    ------
    InputError
        When the choices leave nothing to learn, as when a mitigation relabels every row alike.
    """
    scorer = _learnt(rows, chosen, base, watch)
    held = _held(rows, scorer)
    if chosen.folds is not None:
        others = rotated(rows, chosen.folds, base.seed)
        held = held.joined(*(_held(other, _learnt(other, chosen, base)) for other in others))
    found = decide(held, rows, chosen, base, policy)
    model = Model(rows.encoder, scorer, found.calibration, found.threshold, base.seed, chosen, found.own)
    return Fitted(model, held, found)


def decide(held: Held, rows: Ready, chosen: Chosen, base: Train, policy: Policy) -> Decision:
    """Return the calibration and the thresholds that held-out rows ask for."""
    calibration = platt(held.raw, held.rows.label, held.rows.weight)
    score = probability(calibration.a * held.raw + calibration.b)
    keeps = None if chosen.margin is None else Limits(policy, held.rows, chosen.margin).admissible(score)
    common = choose(score, held.rows.label, held.rows.weight, base.threshold.maximise, keeps).cut
    return Decision(calibration, common, _own(held, rows, chosen, base, policy, score, common))


def _learnt(rows: Ready, chosen: Chosen, base: Train, watch: Watch | None = None) -> Scorer:
    train, valid = _mitigated(rows, chosen)
    train = balanced(train, chosen.balance, base.seed)
    return FAMILIES[chosen.family].fit(train, valid, rows.encoder.columns, chosen.settings, base, watch)


def _held(rows: Ready, scorer: Scorer) -> Held:
    return Held(scorer.raw(rows.valid.matrix), rows.rows)


def _own(
    held: Held, rows: Ready, chosen: Chosen, base: Train, policy: Policy, score: Floats, common: float
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
    groups = together(by, policy, chosen.margin, base.threshold.maximise, score, held.rows, common)
    return None if groups is None else GroupThresholds(**by.model_dump(), origins=rows.origins, groups=groups)


def _mitigated(rows: Ready, chosen: Chosen) -> tuple[Sample, Sample]:
    """Return train and validation rows with the costs and factors learnt from train rows."""
    train, valid = _scaled(rows.train), _scaled(rows.valid)
    label, weight = train.label, train.weight
    for step in chosen.mitigation:
        found = costs(step, label, rows.train_groups[step.attribute], weight)
        train = replace(train, cost=train.cost + found.of(label, rows.train_groups[step.attribute]))
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
