"""Baselines of mitigation: Fairlearn's reductions and threshold optimizer on the rows of the search.

None of them is ever chosen. ExponentiatedGradient (Agarwal et al. 2018) is a lottery over several models;
ThresholdOptimizer (Hardt et al. 2016) must be told the group of everybody it decides on, and draws lots near
its thresholds; GridSearch is one deterministic model of a grid of relabellings, as trials of the search are.
All get LightGBM at its own settings, with as many rounds as early stopping keeps on validation rows.

A lottery is measured by its expectation: each held-out row counts as one that is selected, with the chance
of that as its weight, and as one that is not, with the rest. Weights of rows are not used in learning, which
Fairlearn has no place for; measures are weighted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from fairmark.learn.fit_boosted import FIXED
from fairmark.learn.mitigation import MOMENTS
from fairmark.learn.policy_limits import Limits, Rows
from fairmark.learn.summaries import RivalRow
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import Ready
from fairmark.params.learn import Mitigation, Rivals, Train
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats


class PlainTrees(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """LightGBM at its own settings as a classifier that takes weights, which reductions ask for."""

    def __init__(self, coded: Sequence[int] = (), rounds: int = 100, seed: int = 0) -> None:
        self.coded, self.rounds, self.seed = coded, rounds, seed

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:  # noqa: N803 - its name
        """Learn from rows [n, p]."""
        import lightgbm as lgb

        own = {**FIXED, "seed": self.seed}
        rows = np.asarray(X, dtype=np.float64)
        self.classes_ = np.array([0, 1])
        data = lgb.Dataset(
            rows, np.asarray(y), weight=sample_weight, categorical_feature=[*self.coded], params=own
        )
        self.booster_ = lgb.train(own, data, num_boost_round=self.rounds)
        return self

    def predict_proba(self, X: npt.ArrayLike) -> Floats:  # noqa: N803 - its name
        """Return the probabilities of both labels, [n, 2]."""
        one = np.asarray(self.booster_.predict(np.asarray(X, dtype=np.float64), num_threads=1))
        return np.column_stack([1 - one, one])

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.intp]:  # noqa: N803 - its name
        """Return the labels that are more probable, [n]."""
        return (self.predict_proba(X)[:, 1] >= 0.5).astype(int)


@dataclass(frozen=True)
class _Fits:
    """What every rival is learnt from and with."""

    rows: Ready
    step: Mitigation
    asked: Rivals
    trees: PlainTrees
    costs: Mapping[str, float]

    @property
    def group(self) -> pd.Series:
        """The group of each train row."""
        return self.rows.train_groups[self.step.attribute].astype(str)

    def constraint(self, **settings: float) -> Any:
        """Return Fairlearn's moment of the constraint that the search mitigates for."""
        from fairlearn import reductions

        return getattr(reductions, MOMENTS[self.step.constraint])(**settings)


def rivals(
    rows: Ready, asked: Rivals, step: Mitigation, base: Train, policy: Policy, goal: Goal, rounds: int | None
) -> list[RivalRow]:
    """Return what each rival comes to on validation rows, in the order of `asked.methods`.

    ThresholdOptimizer has no constraint on error rates, and is left out there.

    Parameters
    ----------
    step
        The attribute and the constraint that rivals are held to: those of the search's first mitigation.
    policy
        Limits that follow what the threshold is for (`Policy.following`).
    rounds
        Boosting rounds of every learner; None where no trial of the search says it.
    """
    share = float(np.average(rows.train.label, weights=rows.train.weight))
    # What either mistake costs, so that Fairlearn's error rate is what the search maximises: of balanced
    # accuracy each label is one half.
    costs = {"fp": 1.0, "fn": 1.0}
    if goal.profit is not None:
        costs = {"fp": goal.profit.tn - goal.profit.fp, "fn": goal.profit.tp - goal.profit.fn}
    elif goal.measure == "balanced_accuracy":
        costs = {"fp": 0.5 / (1 - share), "fn": 0.5 / share}
    kinds = rows.encoder.kinds
    coded = [place for place, kind in enumerate(kinds) if kind == "categorical"]
    fits = _Fits(rows, step, asked, PlainTrees(coded, rounds or 100, base.seed), costs)
    able = [
        name
        for name in asked.methods
        if (name, step.constraint) != ("threshold_optimizer", "error_rate_parity")
    ]
    return [_measured(METHODS[name](fits), rows.rows, policy, goal, step) for name in able]


@dataclass(frozen=True)
class _Rival:
    method: str
    setting: str
    chance: Floats
    """Of selecting each validation row, [n]."""
    models: int
    randomised: bool
    reads_group: bool


def _exponentiated_gradient(fits: _Fits) -> _Rival:
    from fairlearn.reductions import ErrorRate, ExponentiatedGradient

    asked = fits.asked
    mixture = ExponentiatedGradient(
        fits.trees,
        fits.constraint(difference_bound=asked.bound),
        objective=ErrorRate(costs=dict(fits.costs)),
        max_iter=asked.iterations,
    )
    train = fits.rows.train
    mixture.fit(train.matrix, train.label.astype(int), sensitive_features=fits.group)
    used = [(w, p) for w, p in zip(mixture.weights_, mixture.predictors_, strict=True) if w > 0]
    chance = sum(w * p.predict(fits.rows.valid.matrix) for w, p in used)
    setting = f"difference at most {asked.bound:g} on train rows, {asked.iterations} iterations"
    return _Rival(
        "ExponentiatedGradient", setting, np.asarray(chance, np.float64), len(used), len(used) > 1, False
    )


def _grid_search(fits: _Fits) -> _Rival:
    from fairlearn.reductions import GridSearch

    train, size = fits.rows.train, fits.asked.grid
    search = GridSearch(fits.trees, fits.constraint(), grid_size=size)
    search.fit(train.matrix, train.label.astype(int), sensitive_features=fits.group)
    chance = np.asarray(search.predict(fits.rows.valid.matrix), np.float64)
    return _Rival("GridSearch", f"the best of {size} relabellings on train rows", chance, 1, False, False)


def _threshold_optimizer(fits: _Fits) -> _Rival:
    from fairlearn.postprocessing import ThresholdOptimizer

    train, valid = fits.rows.train, fits.rows.valid
    group = fits.rows.valid_groups[fits.step.attribute].astype(str)
    measure = "balanced_accuracy_score" if fits.costs["fp"] != fits.costs["fn"] else "accuracy_score"
    optimizer = ThresholdOptimizer(
        estimator=fits.trees.fit(train.matrix, train.label),
        constraints=fits.step.constraint,
        objective=measure,
        prefit=True,
        predict_method="predict_proba",
    )
    optimizer.fit(valid.matrix, valid.label.astype(int), sensitive_features=group)
    chance = optimizer._pmf_predict(valid.matrix, sensitive_features=group)[:, 1]  # noqa: SLF001 - the chance itself
    setting = "thresholds learnt from the rows that it is measured on"
    return _Rival("ThresholdOptimizer", setting, np.asarray(chance, np.float64), 1, True, True)


METHODS: Mapping[str, Callable[[_Fits], _Rival]] = {
    "exponentiated_gradient": _exponentiated_gradient,
    "grid_search": _grid_search,
    "threshold_optimizer": _threshold_optimizer,
}


def _measured(rival: _Rival, rows: Rows, policy: Policy, goal: Goal, step: Mitigation) -> RivalRow:
    chance, weight = np.clip(rival.chance, 0, 1), rows.weight
    # Each row twice: selected with its chance as weight, and not selected with the rest.
    both = Rows(
        np.concatenate([rows.label, rows.label]),
        np.concatenate([weight * chance, weight * (1 - chance)]),
        pd.concat([rows.groups, rows.groups], ignore_index=True),
    )
    decided = np.repeat([1.0, 0.0], len(chance))
    # Each row stands there twice, and so do the rows that a group must have.
    twice = policy.model_copy(update={"min_group_rows": 2 * policy.min_group_rows})
    slacks, values, _, table = Limits(twice, both, 0.0).held(decided, 0.5)
    on_groups = {limit.name for limit in policy.limits if limit.attribute is not None}
    gated = [limit.name for limit in policy.limits if limit.gate and limit.name in on_groups]
    return RivalRow(
        method=rival.method,
        setting=rival.setting,
        randomised=rival.randomised,
        reads_group=rival.reads_group,
        models=rival.models,
        quality=float(goal.reached(table)),
        selection_rate=float(table[:, 1].sum() / table.sum()),
        limits={name: values.get(name) for name in values if name in on_groups},
        # What is not measured here, or has no value, is not kept.
        keeps=all(slacks.get(name, float("nan")) >= 0 for name in gated),
        why=_why(rival, step),
    )


def _why(rival: _Rival, step: Mitigation) -> str:
    """Return why this is not what was taken, whatever it reaches."""
    if rival.reads_group:
        return (
            f"It must be told the {step.attribute} of everybody it decides on, and draws lots between "
            "thresholds: the policy lets no decision read it unless policy.protected_at_prediction says so."
        )
    if rival.randomised:
        return (
            f"It draws lots between {rival.models} models: two people alike in everything may be decided "
            "differently, and no one model can be signed, explained and made again."
        )
    return (
        "It is one model of a coarser grid than the search's own strengths, and stands here for comparison."
    )
