"""Fairlearn's ExponentiatedGradient over LightGBM (Agarwal et al. 2018), at bounds on selection rates.

Run as `python exponentiated_gradient.py FOLDER`. Asked for: `settings` of LightGBM and `bounds`. What it
learns is a randomised mixture, so decisions are the chance of a positive one; its score is the mixture's mean
probability.
"""

import json
import sys
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
from fairlearn.reductions import DemographicParity, ExponentiatedGradient

folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npz")
question = json.loads((folder / "question.json").read_text())
coded = rows["categorical"].tolist()


class Boosted(lgb.LGBMClassifier):
    """LightGBM told which columns are codes: those who call `fit` here can't say so."""

    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> "Boosted":
        """Learn from rows [n, p]."""
        return super().fit(x, y, sample_weight=sample_weight, categorical_feature=coded)


def score(mixture: ExponentiatedGradient, x: np.ndarray) -> np.ndarray:
    """Return the mean probability of the mixture's predictors, [n], 0..1."""
    used = [(w, p) for w, p in zip(mixture.weights_, mixture.predictors_, strict=True) if w > 0]
    return sum(w * p.predict_proba(x)[:, 1] for w, p in used)


seconds, arrays, predictors = [], {}, []
for place, bound in enumerate(question["bounds"]):
    start = time.perf_counter()
    learner = Boosted(**question["settings"], n_jobs=1, verbose=-1)
    mixture = ExponentiatedGradient(learner, DemographicParity(difference_bound=bound))
    mixture.fit(rows["x_train"], rows["y_train"], sensitive_features=rows["group_train"])
    seconds.append(time.perf_counter() - start)
    predictors.append(int((mixture.weights_ > 0).sum()))
    for part in ("valid", "test"):
        x = rows[f"x_{part}"]
        arrays[f"decide_{part}_{place}"] = mixture._pmf_predict(x)[:, 1]  # noqa: SLF001 - the chance itself
        arrays[f"score_{part}_{place}"] = score(mixture, x)
np.savez(folder / "answer.npz", **arrays)
(folder / "answer.json").write_text(json.dumps({"seconds": seconds, "predictors": predictors}))
