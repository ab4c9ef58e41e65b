"""Accuracy and AUC at equal selection-rate ratio by sex: ours against Fairlearn and FairGBM.

Run `python bench/frontier.py [REPEATS]`. Both sides get the same rows of Adult and the same LightGBM
settings, the peers also the number of trees at which our plain fit stopped. Each method is swept over
its own knob; decisions are measured on the published test rows. Two settings: the columns of
params.yaml, and all columns but sex and race.

- sweep: our fits, one for each strength of the mitigation; thresholds by accuracy among those that reach
  a target ratio on validation rows; for each target the strength that is most accurate there. Each point
  is one deterministic model that never sees the sex.
- search: the model that the stages `tune` and `train` choose and fit, with the time of both.
- by sex: thresholds of our plain fit for each sex, for each target those that are most accurate on validation
  rows. No lots are drawn, but **it must be told the sex** too: params allow it only by an explicit switch.
- ExponentiatedGradient: a randomised mixture that never sees the sex; its figures are expectations over
  lots.
- ThresholdOptimizer: thresholds and lots for each sex, so **it must be told the sex of everybody it
  decides on**.
- FairGBM: one deterministic model that never sees the sex. It constrains error rates: it has no
  constraint on selection rates.

Writes bench/out/frontier.csv and bench/out/frontier.svg.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sides.peer import ask
from sides.picture import picture
from sides.points import AIM, Point, at_aim, gains, point, table
from sides.rows import ALL_COLUMNS, OUT, Rows, call, rows

from fairmark.learn.fit import fit
from fairmark.learn.group_threshold_search import together
from fairmark.learn.policy_limits import Limits
from fairmark.learn.threshold import choose
from fairmark.learn.training_data import ready
from fairmark.model.model import Model
from fairmark.params.learn import ByGroup, Chosen, Step
from fairmark.params.policy import Limit, Policy
from fairmark.stages.train import train
from fairmark.stages.tune import tune
from fairmark.stats.arrays import Floats

SETTINGS = {"learning_rate": 0.1, "num_leaves": 15, "min_child_samples": 20}
STRENGTHS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0]
TARGETS = [0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
BOUNDS = [0.06, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005, 0.002]
TOLERANCES = [0.1, 0.08, 0.06, 0.05, 0.04, 0.02, 0.0]
KNOBS = [(constraint, step) for constraint in ("FPR", "FNR", "FPR,FNR") for step in (0.01, 0.1, 0.3, 1.0)]
COLUMNS = {"columns of params.yaml": None, "all columns but sex and race": ALL_COLUMNS}


def our_sweep(data: Rows) -> tuple[float, list[Point], int]:
    """Return the seconds of the whole sweep, a point for each target, and the trees of the plain fit."""
    base, policy = data.params.train, data.params.policy
    start = time.perf_counter()
    encoded = ready(data.parts, base)
    models = [fit(encoded, chosen(strength), base, policy) for strength in STRENGTHS]
    scores = [model.score(data.parts.part("valid")[0]) for model in models]
    # The plain fit is a point of its own, also where a mitigated one is more accurate on validation rows.
    picks = [(None, 0, cut(encoded.rows, policy, scores[0], None).cut)]
    for target in TARGETS:
        cuts = [cut(encoded.rows, policy, score, target) for score in scores]
        best = max(range(len(cuts)), key=lambda place: (cuts[place].admissible, cuts[place].quality))
        picks.append((target, best, cuts[best].cut))
    seconds = time.perf_counter() - start

    test = [model.score(data.parts.part("test")[0]) for model in models]
    points = []
    for target, best, bar in picks:
        arrays = {
            "decide_valid": (scores[best] >= bar).astype(float),
            "decide_test": (test[best] >= bar).astype(float),
            "score_test": test[best],
        }
        knob = f"strength {STRENGTHS[best]:g}, " + ("no limit" if target is None else f"ratio >= {target:g}")
        points.append(point(data, "sweep", knob, seconds / len(STRENGTHS), arrays))
    return seconds, points, models[0].scorer.rounds or 0


def our_thresholds(data: Rows) -> tuple[float, list[Point]]:
    """Return the seconds of one plain fit with all its thresholds by sex, and a point for each target."""
    base, policy = data.params.train, data.params.policy
    start = time.perf_counter()
    encoded = ready(data.parts, base)
    model = fit(encoded, chosen(0.0), base, policy)
    score = model.score(data.parts.part("valid")[0])
    by = ByGroup(attribute="sex", constraint="demographic_parity")
    picks = {}
    for target in TARGETS:
        asked = policy.model_copy(update={"limits": [limit(target)]})
        picks[target] = together(by, asked, 0.0, "accuracy", score, encoded.rows, 0.5)
    seconds = time.perf_counter() - start

    scores = {part: model.score(data.parts.part(part)[0]) for part in ("valid", "test")}
    points = []
    for target, own in picks.items():
        arrays = {
            f"decide_{part}": (each >= data.groups(part, "sex").map(own).to_numpy()).astype(float)
            for part, each in scores.items()
        }
        arrays["score_test"] = scores["test"]
        points.append(point(data, "by sex", f"ratio >= {target:g}", seconds / len(TARGETS), arrays))
    return seconds, points


def our_search(data: Rows, folder: Path) -> tuple[float, Point]:
    """Return the seconds of `tune` and `train`, one worker, and the point of the model that they make."""
    os.environ |= {"FAIRMARK_WORKERS": "1", "FAIRMARK_STATE": str(folder / "state")}
    tuned, made = folder / "tuned.yaml", folder / "model"
    start = time.perf_counter()
    call(tune, data.path, *data.files, tuned, folder / "trials.csv", folder / "tune.json")
    call(train, data.path, *data.files, tuned, made, folder / "train.json")
    seconds = time.perf_counter() - start
    model = Model.load(made)
    tables = {part: data.parts.part(part)[0] for part in ("valid", "test")}
    arrays = {f"decide_{part}": model.decide(table).astype(float) for part, table in tables.items()}
    arrays["score_test"] = model.score(tables["test"])
    return seconds, point(data, "search", f"{data.params.tune.trials} trials", seconds, arrays)


def cut(valid: Any, policy: Policy, score: Floats, target: float | None) -> Any:
    """Return the most accurate threshold on validation rows that reaches the target there."""
    if target is None:
        return choose(score, valid.label, valid.weight, "accuracy")
    keeps = Limits(policy.model_copy(update={"limits": [limit(target)]}), valid, 0.0).admissible(score)
    return choose(score, valid.label, valid.weight, "accuracy", keeps)


def limit(target: float) -> Limit:
    """Return the limit of a ratio of selection rates by sex."""
    return Limit(
        name="sweep",
        measure="selection_rate_ratio",
        attribute="sex",
        at_least=target,
        at_most=None,
        gate=True,
        reason="bench",
    )


def chosen(strength: float) -> Chosen:
    """Return the choices of one fit of the sweep."""
    steps = [Step(attribute="sex", constraint="demographic_parity", strength=strength)] if strength else []
    return Chosen(
        family="boosted",
        settings=SETTINGS,
        balance="none",
        reweighing=False,
        mitigation=steps,
        margin=None,
        folds=None,
    )


def peer_sweep(
    data: Rows, folder: Path, method: str, peer: str, key: str, knobs: Sequence[Any], trees: int
) -> tuple[float, list[Point]]:
    """Return the seconds of a peer's whole sweep and a point for each of its knobs."""
    settings = {**SETTINGS, "n_estimators": trees, "deterministic": True, "force_row_wise": True, "seed": 1}
    answer = ask(peer, folder, {"settings": settings, key: list(knobs)})
    arrays = np.load(folder / "answer.npz")
    points = []
    for place, knob in enumerate(knobs):
        names = ("decide_valid", "decide_test", "score_test")
        own = {name: arrays[f"{name}_{place}"] for name in names}
        text = f"{key[:-1]} {knob}" if not isinstance(knob, tuple) else f"{knob[0]}, step {knob[1]:g}"
        points.append(point(data, method, text, answer["seconds"][place], own))
    return sum(answer["seconds"]), points


PEERS = {
    "ExponentiatedGradient": ("exponentiated_gradient", "bounds", BOUNDS),
    "ThresholdOptimizer": ("threshold_optimizer", "tolerances", TOLERANCES),
    "FairGBM": ("fair_boosting", "knobs", KNOBS),
}


def compare(changes: Path | None, folder: Path, repeats: int) -> tuple[dict[str, float], list[Point]]:
    """Return the median seconds of each method's sweep, and the points of all; the methods take turns."""
    folder.mkdir()
    data = rows(folder, changes)
    data.export(folder / "rows.npz", "sex")
    taken: dict[str, list[float]] = {"sweep": [], "by sex": [], "search": [], **{name: [] for name in PEERS}}
    points: list[Point] = []
    for turn in range(repeats):
        seconds, own, trees = our_sweep(data)
        taken["sweep"].append(seconds)
        seconds, told = our_thresholds(data)
        taken["by sex"].append(seconds)
        seconds, best = our_search(data, folder)
        taken["search"].append(seconds)
        found = [*own, *told, best]
        for name, (peer, key, knobs) in PEERS.items():
            seconds, theirs = peer_sweep(data, folder, name, peer, key, knobs, trees)
            taken[name].append(seconds)
            found += theirs
        points = points if turn else found
    return {name: statistics.median(seconds) for name, seconds in taken.items()}, points


def main(repeats: int) -> None:
    """Print both settings' tables, and write the picture."""
    panels = {}
    with tempfile.TemporaryDirectory() as scratch:
        for title, changes in COLUMNS.items():
            folder = Path(scratch) / str(len(panels))
            seconds, points = compare(changes, folder, repeats)
            panels[title] = table(points)
            print(f"\n{title}: every point, and our sweep at the same ratio")
            print(panels[title].to_string(index=False, float_format="{:.4g}".format, na_rep=""))
            print(f"\n{title}: chosen on validation rows for a ratio >= {AIM}, measured on test rows")
            print(at_aim(points, seconds).to_string(index=False, float_format="{:.4g}".format, na_rep=""))
            print(gains(panels[title]))
    OUT.mkdir(exist_ok=True)
    frame = pd.concat([points.assign(columns=title) for title, points in panels.items()])
    frame.to_csv(OUT / "frontier.csv", index=False, float_format="%.6g", lineterminator="\n")
    picture(panels, OUT / "frontier.svg")
    print(
        "\n`by sex` and ThresholdOptimizer must be told everybody's sex to decide; the others never see it."
    )
    print("AUC is of the score behind the decisions: these two keep that of the plain model.")
    print("wrote bench/out/frontier.csv and bench/out/frontier.svg")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
