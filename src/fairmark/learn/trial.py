"""One trial of a search: fit what was chosen, and hold it against the policy on validation rows."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from fairmark.errors import InputError
from fairmark.learn.fit import Ready, fit, ready
from fairmark.learn.limits import Limits
from fairmark.learn.model import Model, probability
from fairmark.learn.parts import read_parts
from fairmark.learn.rates import cells, marks, rate
from fairmark.params import Chosen, Policy, Section, Train

Files = tuple[Path, Path, Path, Path]
"""The table, its evidence, its schema, and its rows' parts."""


class Outcome(Section):
    """What a trial came to. All of it is measured on validation rows, at the trial's own thresholds."""

    failure: str | None
    """Why nothing could be fitted; the other entries then say nothing."""
    quality: float
    """What the threshold maximises, 0..1."""
    slacks: dict[str, float]
    """How far inside each gated limit, the margin taken off; >= 0 keeps it."""
    measures: dict[str, float | None]
    """The measure of each limit, gated or not."""
    overall: dict[str, float]
    """ROC AUC, accuracy and selection rate."""
    threshold: float
    rounds: int | None
    size_bytes: int

    @property
    def violation(self) -> float:
        """The sum of what is missing to each gated limit; 0 keeps them all."""
        return float(sum(max(0.0, -slack) for slack in self.slacks.values()))

    @property
    def feasible(self) -> bool:
        """True when every gated limit is kept."""
        return self.failure is None and self.violation == 0


@dataclass(frozen=True)
class Setup:
    """All that a process needs to run any trial of a search; small enough to travel with each of them."""

    paths: tuple[str, str, str, str]
    """table, evidence, schema and rows, where every worker can read them."""
    base: str
    policy: str
    margin: float
    """The margin that every trial is held against, also one whose threshold did not look at it."""
    stamp: str
    """A hash of the files, so that a process which has read other files under these paths reads again."""

    @classmethod
    def of(cls, paths: Files, base: Train, policy: Policy, margin: float, stamp: str) -> Self:
        """Return the setup of a search."""
        table, evidence, schema, rows = (str(path.resolve()) for path in paths)
        whole = (table, evidence, schema, rows)
        return cls(whole, base.model_dump_json(), policy.model_dump_json(), margin, stamp)


def attempt(setup: Setup, choices: str) -> str:
    """Return the outcome of one trial as JSON; `choices` is a `Chosen` as JSON.

    Text in and text out, so that a process, a cluster and a file on disk all carry the same thing.
    """
    known, base, policy = _loaded(setup)
    try:
        model = fit(known, Chosen.model_validate_json(choices), base, policy)
    except InputError as error:
        return _failed(str(error)).model_dump_json()
    return assess(model, known, Limits(policy, known.rows, setup.margin), base).model_dump_json()


def assess(model: Model, known: Ready, limits: Limits, base: Train) -> Outcome:
    """Return what a model comes to on validation rows."""
    from sklearn.metrics import roc_auc_score

    rows = known.valid
    score = probability(model.margin_of(rows.matrix))
    one = np.zeros(len(rows.label), dtype=np.intp)
    cut = model.cut(known.valid_groups)
    marked, bar = marks(score, cut)
    table = cells(marked, rows.label, rows.weight, one, 1, bar)
    quality, accuracy, selected = (
        float(rate(table, name)[0, 0]) for name in (base.threshold.maximise, "accuracy", "selection_rate")
    )
    auc = float(roc_auc_score(rows.label, score, sample_weight=rows.weight))
    return Outcome(
        failure=None,
        quality=quality,
        slacks=limits.slacks(score, cut),
        measures=limits.values(score, cut),
        overall={"roc_auc": auc, "accuracy": accuracy, "selection_rate": selected},
        threshold=model.threshold,
        rounds=model.scorer.rounds,
        size_bytes=len(model.scorer.dumps().encode()),
    )


def _failed(why: str) -> Outcome:
    nothing: dict[str, Any] = {"slacks": {}, "measures": {}, "overall": {}, "rounds": None}
    return Outcome(failure=why, quality=0.0, threshold=0.5, size_bytes=0, **nothing)


@lru_cache(maxsize=1)
def _loaded(setup: Setup) -> tuple[Ready, Train, Policy]:
    # Once a process, whatever kind of worker it is: reading costs as much as a small fit.
    base = Train.model_validate_json(setup.base)
    table, evidence, schema, rows = map(Path, setup.paths)
    known = ready(read_parts(table, evidence, schema, rows), base)
    return known, base, Policy.model_validate_json(setup.policy)
