"""Fairlearn's ExponentiatedGradient over LightGBM (Agarwal et al. 2018), at bounds on selection rates.

Run as `python exponentiated_gradient.py FOLDER`. Asked for: `settings` of LightGBM and `bounds`; where
they are given, `costs` of a false positive and a false negative (else both 1) and at most so many
`iterations` (else Fairlearn's 50). What it learns is a randomised mixture, so decisions are the chance of
a positive one; its score is the mixture's mean probability.
"""

import json
import time

import numpy as np
from asked import Boosted, folder, question, rows
from fairlearn.reductions import DemographicParity, ErrorRate, ExponentiatedGradient


def score(mixture: ExponentiatedGradient, x: np.ndarray) -> np.ndarray:
    """Return the mean probability of the mixture's predictors, [n], 0..1."""
    used = [(w, p) for w, p in zip(mixture.weights_, mixture.predictors_, strict=True) if w > 0]
    return sum(w * p.predict_proba(x)[:, 1] for w, p in used)


seconds, arrays, predictors = [], {}, []
for place, bound in enumerate(question["bounds"]):
    start = time.perf_counter()
    learner = Boosted(**question["settings"], n_jobs=1, verbose=-1)
    mixture = ExponentiatedGradient(
        learner,
        DemographicParity(difference_bound=bound),
        objective=ErrorRate(costs=question.get("costs", {"fp": 1.0, "fn": 1.0})),
        max_iter=question.get("iterations", 50),
    )
    mixture.fit(rows["x_train"], rows["y_train"], sensitive_features=rows["group_train"])
    seconds.append(time.perf_counter() - start)
    predictors.append(int((mixture.weights_ > 0).sum()))
    for part in ("valid", "test"):
        x = rows[f"x_{part}"]
        arrays[f"decide_{part}_{place}"] = mixture._pmf_predict(x)[:, 1]  # noqa: SLF001 - the chance itself
        arrays[f"score_{part}_{place}"] = score(mixture, x)
np.savez(folder / "answer.npz", **arrays)
(folder / "answer.json").write_text(json.dumps({"seconds": seconds, "predictors": predictors}))
