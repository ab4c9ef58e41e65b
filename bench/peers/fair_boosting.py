"""FairGBM (Cruz et al. 2023) at several constraints and step sizes of its multipliers.

Run as `python fair_boosting.py FOLDER`. Asked for: `settings` of LightGBM (its own fork of it takes the same)
and `knobs`, pairs of constraint and step size. It constrains error rates, never selection rates. Its
scikit-learn class does not run with scikit-learn 1.9 (`check_X_y() got an unexpected keyword argument
'force_all_finite'`), so this calls its own `train`, which that class wraps. Its threshold is the one of best
accuracy on validation rows.
"""

import json
import sys
import time
from pathlib import Path

import fairgbm
import numpy as np

folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npz")
question = json.loads((folder / "question.json").read_text())
coded = rows["categorical"].tolist()


def threshold(y: np.ndarray, score: np.ndarray) -> float:
    """Return the score from which deciding 1 is right most often."""
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(np.where(y[order] == 1, 1, -1))
    return score[order][np.argmax(right)] if right.max() > 0 else np.inf


seconds, arrays = [], {}
for place, (constraint, step) in enumerate(question["knobs"]):
    start = time.perf_counter()
    settings = {**question["settings"]}
    rounds = settings.pop("n_estimators")
    settings |= {"objective": "constrained_cross_entropy", "constraint_type": constraint}
    settings |= {"multiplier_learning_rate": step, "num_threads": 1, "verbose": -1}
    data = fairgbm.Dataset(
        rows["x_train"],
        rows["y_train"],
        constraint_group=rows["group_train"],
        categorical_feature=coded,
        params=settings,
    )
    booster = fairgbm.train(settings, data, num_boost_round=rounds, verbose_eval=False)
    scores = {part: booster.predict(rows[f"x_{part}"]) for part in ("valid", "test")}
    bar = threshold(rows["y_valid"], scores["valid"])
    seconds.append(time.perf_counter() - start)
    for part, score in scores.items():
        arrays[f"decide_{part}_{place}"] = (score >= bar).astype(float)
        arrays[f"score_{part}_{place}"] = score
np.savez(folder / "answer.npz", **arrays)
(folder / "answer.json").write_text(json.dumps({"seconds": seconds}))
