r"""Learn boosted trees by LightGBM, stopped early by validation loss; mitigated ones by a Lagrangian.

The Lagrangian of Agarwal et al. (2018, section 3) charges a decision for being wrong, and by c for falling on
a group that is decided 1 too often. Relabelling puts log loss in the place of both, and so moves the score of
every row of a group, however far from the threshold. Here log loss stands for the mistake alone, and a
logistic step of slope 2 for the decision:

.. math:: \sum_i w_i [\log(1 + e^{z_i}) - y_i z_i - c_i \, \sigma(2 z_i - 2 t)]

With slope 2 and t = 0 the best constant z changes its sign where the Lagrangian itself does, at
:math:`2 P(y = 1) - 1 + c = 0`; far from the threshold the step is flat, and the ranking stays that of risk.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fairmark.errors import InputError
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import Sample
from fairmark.model.boosted_trees import Boosted
from fairmark.model.model_file import Column
from fairmark.model.monotone import signs
from fairmark.model.tree import leaf_values, trees
from fairmark.params.learn import Train
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    import lightgbm as lgb
    from lightgbm.callback import CallbackEnv


SLOPE = 2.0
LOG_2 = float(np.log(2))
LEAST_CURVATURE = 1e-3
"""Lower bound of the second derivative: Newton steps stay finite where log loss is flat."""


@dataclass(frozen=True)
class Lagrangian:
    """The loss of log-odds z on a sample.

    Parameters
    ----------
    sample
        Rows with their weights and costs.
    centre
        t, the log-odds around which rows are decided.
    """

    sample: Sample
    centre: float

    def loss(self, log_odds: Floats) -> float:
        """Return the weighted mean loss; it is log loss where no row has a cost."""
        rows, half = self.sample, np.tanh(0.5 * log_odds)
        # log(1 + exp(z)) without overflow, from tanh(z / 2) that the step needs too.
        soft = np.maximum(log_odds, 0) + LOG_2 - np.log1p(np.abs(half))
        each = soft - rows.label * log_odds - rows.cost * self._step(half)
        return float(np.average(each, weights=rows.weight))

    def gradient(self, log_odds: Floats) -> tuple[Floats, Floats]:
        """Return the first derivative of each row's loss, [n], and a bound of the second from log loss, [n].

        The step's own second derivative is left out: it is negative on one side of the threshold.
        """
        rows, half = self.sample, np.tanh(0.5 * log_odds)
        risk, step = 0.5 * (1 + half), self._step(half)
        # The derivative of -c sigma(2 z - 2 t) is -2 c s (1 - s); without a cost this is the gradient of log
        # loss.
        first = risk - rows.label - rows.cost * SLOPE * step * (1 - step)
        return rows.weight * first, rows.weight * np.maximum(risk * (1 - risk), LEAST_CURVATURE)

    def _step(self, half: Floats) -> Floats:
        """Return the logistic step of slope 2 around t, from tanh(z / 2), which is dear enough to share."""
        whole = 2 * half / (1 + half * half)  # tanh(z), by the double angle
        if self.centre:
            shift = np.tanh(self.centre)
            whole = (whole - shift) / (1 - whole * shift)  # tanh(z - t); abs(t) is at most 10
        return np.asarray(0.5 * (1 + whole))


def even_odds(sample: Sample) -> float:
    """Return the log-odds of the weighted share of positive labels, kept within -10..10."""
    share = float(np.average(sample.label, weights=sample.weight))
    # Of rows of one label the log-odds are infinite: +-10, a risk of 0.99995 or 0.00005, stands for them.
    return float(np.clip(np.log(share / (1 - share)), -10, 10)) if 0 < share < 1 else 20 * share - 10


FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""What makes a fit the same on every machine, whatever is searched over."""


Watching = Callable[[int, Callable[[], Floats]], None]
"""Called after each round with their number, and a way to the raw log-odds of validation rows."""


def fit(
    train: Sample,
    valid: Sample,
    columns: Sequence[Column],
    settings: Mapping[str, float | int | str | bool],
    base: Train,
    watch: Watching | None = None,
    more: Mapping[str, object] | None = None,
) -> Boosted:
    """Learn boosted trees until the loss of validation rows has not fallen for `base.patience` rounds.

    The loss is log loss, or its Lagrangian where rows have a cost. `settings` are LightGBM's own parameters,
    by its scikit-learn names or its native ones, and `more` others of its settings that are no
    single value. `watch` is called after each round; what it raises ends the fit.

    Raises
    ------
    InputError
        When LightGBM refuses a setting.
    """
    import lightgbm as lgb

    own: dict[str, object] = {
        **settings,
        **(more or {}),
        **FIXED,
        **_monotone(columns, base),
        "seed": base.seed,
    }
    own |= _leaves(train, base)
    start, evaluate = 0.0, None
    if train.mitigated:
        # LightGBM starts its own objective at the average, but one that it is given at 0: the first rounds
        # would do nothing but find the average.
        start = even_odds(train)
        centre = Goal.of(base.threshold.maximise).log_odds(start)
        train, valid = (_scaled(each, centre) for each in (train, valid))
        own, evaluate = own | _objective(train, centre), _metric(valid, centre)
    try:
        booster = lgb.train(
            own,
            rows := _dataset(train, columns, own, start),
            num_boost_round=base.max_rounds,
            valid_sets=[_dataset(valid, columns, own, start, rows)],
            feval=evaluate,
            callbacks=[
                lgb.early_stopping(base.patience, verbose=False),
                *([_watching(watch, valid.matrix, start)] if watch else []),
            ],
            keep_training_booster=True,  # without it the whole model goes through its text once more
        )
    except lgb.basic.LightGBMError as error:
        raise InputError(f"tune.families.boosted: must be settings of LightGBM, got {error}") from error
    _shift(booster, start)
    return Boosted(canonical_text(booster.model_to_string(num_iteration=booster.best_iteration)))


def _leaves(train: Sample, base: Train) -> dict[str, float]:
    """Return LightGBM's setting under which each leaf stands for `base.smallest_leaf` train rows or more.

    LightGBM holds `min_child_samples` to counts that it estimates from sums of second derivatives, and where
    these differ a leaf of one row can pass for thirty. But a row's own is at most a quarter of its weight,
    since p (1 - p) is: a sum of k quarters of the largest weight takes k rows.
    """
    if base.smallest_leaf == 1:
        return {}
    return {"min_sum_hessian_in_leaf": 0.25 * base.smallest_leaf * float(train.weight.max())}


def _monotone(columns: Sequence[Column], base: Train) -> dict[str, object]:
    """Return LightGBM's settings that keep the constraints of `base`; none where no column has one.

    Of its three methods `basic` keeps them in every tree by construction, whatever the gradients: what lies
    left of a cut never passes the middle of both sides, nor what lies right of it. `advanced` broke them in
    42 nudges of 12 fits, by up to 0.45 of log-odds (LightGBM 4.7).
    """
    each = signs([column.name for column in columns], base.monotone)
    return {"monotone_constraints": each, "monotone_constraints_method": "basic"} if any(each) else {}


def _watching(watch: Watching, rows: Floats, start: float) -> "Callable[[CallbackEnv], None]":
    def after(env: "CallbackEnv") -> None:
        def raw() -> Floats:
            return np.asarray(env.model.predict(rows, raw_score=True, num_threads=1)) + start

        watch(env.iteration + 1, raw)

    return after


def _dataset(
    rows: Sample,
    columns: Sequence[Column],
    own: Mapping[str, object],
    start: float,
    like: "lgb.Dataset | None" = None,
) -> "lgb.Dataset":
    import lightgbm as lgb

    return lgb.Dataset(
        rows.matrix,
        rows.label,
        weight=rows.weight,
        init_score=np.full(len(rows.label), start) if start else None,
        categorical_feature=[place for place, column in enumerate(columns) if column.kind == "categorical"],
        # The objective may be a function, which is none of a dataset's settings.
        params={key: value for key, value in own.items() if not callable(value)},
        reference=like,
    )


def _objective(train: Sample, centre: float) -> dict[str, object]:
    loss = Lagrangian(train, centre)

    def gradient(log_odds: Floats, _: "lgb.Dataset") -> tuple[Floats, Floats]:
        return loss.gradient(log_odds)

    return {"objective": gradient, "metric": "None"}


def _scaled(rows: Sample, centre: float) -> Sample:
    # Log loss is as flat as p (1 - p) around rows of risk p. So costs are scaled by it, at the risk around
    # which rows are decided: a strength moves log-odds as far where one label is rare as at even odds.
    # 1 / cosh^2(t / 2) is 4 p (1 - p) at p = sigma(t): 1 at even odds.
    steady = 1 / np.cosh(centre / 2) ** 2
    return replace(rows, cost=rows.cost * steady)


def _metric(valid: Sample, centre: float) -> Callable[[Floats, "lgb.Dataset"], tuple[str, float, bool]]:
    loss = Lagrangian(valid, centre)

    def metric(log_odds: Floats, _: "lgb.Dataset") -> tuple[str, float, bool]:
        return "lagrangian", loss.loss(log_odds), False

    return metric


def _shift(booster: "lgb.Booster", start: float) -> None:
    # As LightGBM itself does with the average: where the trees start from is added to the first tree.
    if start and booster.num_trees():
        for leaf in range(len(leaf_values(trees(booster, 1)[0]))):
            booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + start)


def canonical_text(text: str) -> str:
    """Return LightGBM's text of a model as it is with one thread, on however many it was fitted."""
    # The text lists every parameter, the number of threads among them, though it changes no prediction.
    return re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 1]", text, flags=re.MULTILINE)
