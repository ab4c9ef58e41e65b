"""Learn boosted trees by LightGBM, stopped by the loss of validation rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fairmark.errors import InputError
from fairmark.learn.fair_loss import Lagrangian, even_odds
from fairmark.learn.goal import Goal
from fairmark.learn.training_data import Sample
from fairmark.model.model_file import Column
from fairmark.model.monotone import signs
from fairmark.params.learn import Train
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    import lightgbm as lgb
from fairmark.model.boosted_trees import Boosted

FIXED = {
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""What makes a fit the same on every machine, whatever is searched over."""


def fit(
    train: Sample,
    valid: Sample,
    columns: Sequence[Column],
    settings: Mapping[str, float | int | str | bool],
    base: Train,
    watch: Callable[[int, Callable[[], Floats]], None] | None = None,
) -> Boosted:
    """Learn boosted trees until the loss of validation rows has not fallen for `base.patience` rounds.

    The loss is log loss, or its Lagrangian where rows have a cost. `settings` are LightGBM's own parameters,
    by its scikit-learn names or its native ones. `watch` is called after each
    round; what it raises ends the fit.

    Raises
    ------
    InputError
        When LightGBM refuses a setting.
    """
    import lightgbm as lgb

    own: dict[str, Any] = {**settings, **FIXED, **_monotone(columns, base), "seed": base.seed}
    start, evaluate = 0.0, None
    if train.mitigated:
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


def _monotone(columns: Sequence[Column], base: Train) -> dict[str, Any]:
    """Return LightGBM's settings that keep the constraints of `base`; none where no column has one.

    Of its three methods `basic` keeps them in every tree by construction, whatever the gradients: what lies
    left of a cut never passes the middle of both sides, nor what lies right of it. `advanced` broke them in
    42 nudges of 12 fits, by up to 0.45 of log-odds (LightGBM 4.7).
    """
    each = signs([column.name for column in columns], base.monotone)
    return {"monotone_constraints": each, "monotone_constraints_method": "basic"} if any(each) else {}


def _watching(watch: Callable[[int, Callable[[], Floats]], None], rows: Floats, start: float) -> Any:
    def after(env: Any) -> None:
        def raw() -> Floats:
            return np.asarray(env.model.predict(rows, raw_score=True, num_threads=1)) + start

        watch(env.iteration + 1, raw)

    return after


def _dataset(
    rows: Sample, columns: Sequence[Column], own: dict[str, Any], start: float, like: Any = None
) -> "lgb.Dataset":
    import lightgbm as lgb

    return lgb.Dataset(
        rows.matrix,
        rows.label,
        weight=rows.weight,
        init_score=np.full(len(rows.label), start) if start else None,
        categorical_feature=[place for place, column in enumerate(columns) if column.kind == "categorical"],
        params={key: value for key, value in own.items() if not callable(value)},
        reference=like,
    )


def _objective(train: Sample, centre: float) -> dict[str, Any]:
    loss = Lagrangian(train, centre)

    def gradient(log_odds: Floats, _: "lgb.Dataset") -> tuple[Floats, Floats]:
        return loss.gradient(log_odds)

    return {"objective": gradient, "metric": "None"}


def _scaled(rows: Sample, centre: float) -> Sample:
    # Log loss is as flat as p (1 - p) around rows of risk p. So costs are scaled by it, at the risk around
    # which rows are decided: a strength moves log-odds as far where one label is rare as at even odds.
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
        for leaf in range(booster.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]):
            booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + start)


def canonical_text(text: str) -> str:
    """Return LightGBM's text of a model as it is with one thread, on however many it was fitted."""
    # The text lists every parameter, the number of threads among them, though it changes no prediction.
    return re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 1]", text, flags=re.MULTILINE)
