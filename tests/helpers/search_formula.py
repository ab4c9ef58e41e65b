"""A small search space, and an attempt that is a formula instead of a fit."""

import json
from typing import Any

from fairmark.learn.trial import Outcome, TrialRequest
from fairmark.params.learn import Chosen, Tune

TUNE: dict[str, Any] = {
    "seed": 7,
    "blind": None,
    "sampler": "tpe",
    "trials": 11,
    "batch": 3,
    "margin": 0.05,
    "useful": None,
    "price": 0.25,
    "tie": 0,
    "crossfit": None,
    "sample": None,
    "families": {
        "logistic": {"c": {"type": "float", "low": 0.01, "high": 100, "log": True, "grid": 3}},
        "boosted": {
            "num_leaves": {"type": "int", "low": 3, "high": 15, "log": False, "grid": 2},
            "extra_trees": {"type": "choice", "values": [False, True]},
        },
    },
    "balance": ["none", "weights"],
    "reweighing": [False],
    "mitigation": [
        {
            "attribute": "side",
            "constraint": "demographic_parity",
            "strength": {"type": "float", "low": 0, "high": 1.2, "log": False, "grid": 4},
        }
    ],
    "pruning": None,
    "finalists": None,
    "rivals": None,
}


def tune(**changes: Any) -> Tune:
    """Return the section `tune` with some of its keys changed."""
    return Tune.model_validate_json(json.dumps(TUNE | changes))


def strength_of(chosen: Chosen) -> float:
    """Return the strength of the one mitigation, 0 without it."""
    return sum(step.strength for step in chosen.mitigation)


def outcome(quality: float, slack: float, failure: str | None = None) -> Outcome:
    """Return an outcome of this quality and this slack of the limit `selection-rate-ratio`."""
    return Outcome(
        failure=failure,
        quality=quality,
        slacks={"selection-rate-ratio": slack},
        measures={"selection-rate-ratio": 0.8 + slack},
        overall={"roc_auc": 0.5, "accuracy": quality, "selection_rate": 0.2},
        threshold=0.5,
        rounds=None,
        size_bytes=1,
    )


def formula(asked: str) -> str:
    """Return the outcome of an attempt: mitigation costs quality and gains fairness."""
    chosen = TrialRequest.model_validate_json(asked).chosen
    strength = strength_of(chosen)
    quality = (0.9 if chosen.family == "boosted" else 0.8) - 0.1 * strength
    return outcome(quality, strength - 0.5).model_dump_json()
