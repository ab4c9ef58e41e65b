"""Our search against scikit-optimize's BayesSearchCV: AUC on test rows and total time.

Run `python bench/search.py [REPEATS]`. Both search the same LightGBM settings on the same rows of Adult
(the columns of params.yaml; learning rates up to 0.3), without mitigation, and end with a fitted model;
repeats differ in their seed. Both take the candidate of the best AUC: the peer by 5-fold cross-validation,
ours on validation rows. The peer searches the number of trees too (it has no early stopping), and refits its
best on all the rows it was given: train and validation rows, or train rows alone. Ours learns from train rows
alone, stops each fit early on validation rows, and gives up weak trials as params.yaml says. The budget is
the peer's fits; ours runs with as many fits, as many candidates, and half as many. One core each, then two:
the peer runs its folds side by side, ours its trials.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sides.peer import against, ask
from sides.rows import Rows, rows
from sklearn.metrics import roc_auc_score

from fairmark.data.split import read_parts
from fairmark.learn.fit import fit_model
from fairmark.learn.search import Search
from fairmark.learn.search_results import SearchResults
from fairmark.learn.trial import Setup, attempt
from fairmark.learn.workers import Checkpoint, workers
from fairmark.params.learn import FloatRange, Tune
from fairmark.params.policy import Policy

CANDIDATES, FOLDS = 16, 5
PEERS = {
    "BayesSearchCV, train and validation rows": ("train", "valid"),
    "BayesSearchCV, train rows": ("train",),
}
OURS = {
    "ours, as many fits": CANDIDATES * FOLDS,
    "ours, as many candidates": CANDIDATES,
    "ours, half as many candidates": CANDIDATES // 2,
}
STEPS = FloatRange(type="float", low=0.04, high=0.3, log=True, grid=3)
"""Learning rates: wider than in params.yaml, for both sides."""


def unmitigated(data: Rows, trials: int, seed: int) -> tuple[Tune, Policy]:
    """Return the search of params.yaml over boosted trees alone, with no limit on groups."""
    given, policy = data.params.tune, data.params.policy
    search = given.model_copy(
        update={
            "seed": seed,
            "trials": trials,
            "families": {"boosted": {**given.families["boosted"], "learning_rate": STEPS}},
            "balance": ["none"],
            "reweighing": [False],
            "mitigation": [],
            "finalists": None,
        }
    )
    limits = [limit for limit in policy.limits if limit.attribute is None and limit.measure == "roc_auc"]
    return search, policy.model_copy(update={"limits": limits, "waivers": []})


Run = tuple[float, float, float]
"""Seconds on the wall, seconds of the process itself, and AUC on test rows."""


def ours(data: Rows, folder: Path, trials: int, seed: int, cores: int) -> Run:
    """Return what a search and the fit of what it chose come to."""
    search, policy = unmitigated(data, trials, seed)
    os.environ["FAIRMARK_WORKERS"] = str(cores)
    start, worked = time.perf_counter(), time.process_time()
    name = f"{seed}-{trials}-{cores}"
    setup = Setup.of(data.files, data.params.train, policy, 0.0, name, search.pruning)
    record = Checkpoint(folder / f"{name}.jsonl")
    with workers() as executor:
        found = Search(search, policy, partial(attempt, setup), executor, record, lambda _: None).run()
    done = SearchResults(search, policy, "accuracy", found).done
    best = max(done, key=lambda trial: trial.outcome.overall["roc_auc"])
    model = fit_model(read_parts(*data.files), best.chosen, data.params.train, policy)
    seconds, processor = time.perf_counter() - start, time.process_time() - worked
    return (
        seconds,
        processor,
        float(roc_auc_score(data.label("test"), model.score(data.parts.part("test")[0]))),
    )


def theirs(data: Rows, folder: Path, parts: Sequence[str], seed: int, cores: int) -> Run:
    """Return what the peer comes to."""
    settings = {**data.params.tune.families["boosted"], "learning_rate": STEPS}
    space: dict[str, Any] = {name: dimension.model_dump() for name, dimension in settings.items()}
    space["n_estimators"] = {"type": "int", "low": 50, "high": data.params.train.max_rounds, "log": True}
    asked = {"folds": FOLDS, "candidates": CANDIDATES, "parts": parts, "seed": seed, "cores": cores}
    answer = ask("bayes_search", folder, {"space": space, **asked})
    return answer["seconds"], answer["processor"], answer["auc"]


def show(sides: dict[str, list[Run]], cores: int) -> None:
    """Print each side's medians, and ours against each peer; processes beside are not counted."""
    print(f"{'':<44}{'seconds':>9}{'processor':>11}{'AUC':>9}")
    for name, runs in sides.items():
        seconds, processor, auc = (statistics.median(column) for column in zip(*runs, strict=True))
        own = f"{processor:.1f}" if cores == 1 else "-"
        print(f"{name:<44}{seconds:>9.1f}{own:>11}{auc:>9.4f}")
    for mine in OURS:
        for peer in PEERS:
            pairs = list(zip(sides[mine], sides[peer], strict=True))
            gain = statistics.median(a[2] - b[2] for a, b in pairs)
            print(f"{mine} against {peer}: AUC {gain:+.4f}, ", end="")
            clock = 1 if cores == 1 else 0
            against("seconds", [a[clock] for a, _ in pairs], [b[clock] for _, b in pairs])


def main(repeats: int) -> None:
    """Let all sides take turns, a seed each turn, on one core and then on two."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = rows(folder)
        data.export(folder / "rows.npz", "sex")
        ours(data, folder, 2, 0, 1)  # imports
        for cores in (1, 2):
            sides: dict[str, list[Run]] = {name: [] for name in [*PEERS, *OURS]}
            for seed in range(1, repeats + 1):
                for name, parts in PEERS.items():
                    sides[name].append(theirs(data, folder, parts, seed, cores))
                for name, trials in OURS.items():
                    sides[name].append(ours(data, folder, trials, seed, cores))
            load = os.getloadavg()[0]
            print(f"{cores} core{'s' if cores > 1 else ''} each (load {load:.1f})")
            show(sides, cores)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
