"""Fairlearn's ThresholdOptimizer over LightGBM (Hardt et al. 2016), at several tolerances.

Run as `python threshold_optimizer.py FOLDER`. Asked for: `settings` of LightGBM and `tolerances`. It decides
by thresholds for each group, so it must be told the group at prediction; between two thresholds it draws
lots, so decisions are the chance of a positive one. Thresholds are learnt on validation rows, as its manual
advises rows that the learner has not seen.
"""

import json
import time

import numpy as np
from asked import Boosted, folder, question, rows
from fairlearn.postprocessing import ThresholdOptimizer

start = time.perf_counter()
learner = Boosted(**question["settings"], n_jobs=1, verbose=-1)
learner.fit(rows["x_train"], rows["y_train"])
fitted = time.perf_counter() - start

seconds, arrays = [], {}
for place, tolerance in enumerate(question["tolerances"]):
    start = time.perf_counter()
    optimizer = ThresholdOptimizer(
        estimator=learner,
        constraints="demographic_parity",
        prefit=True,
        predict_method="predict_proba",
        tol=tolerance,
    )
    optimizer.fit(rows["x_valid"], rows["y_valid"], sensitive_features=rows["group_valid"])
    seconds.append(fitted + time.perf_counter() - start)
    for part in ("valid", "test"):
        x, group = rows[f"x_{part}"], rows[f"group_{part}"]
        chance = optimizer._pmf_predict(x, sensitive_features=group)  # noqa: SLF001 - the chance itself
        arrays[f"decide_{part}_{place}"] = chance[:, 1]
        arrays[f"score_{part}_{place}"] = learner.predict_proba(x)[:, 1]
np.savez(folder / "answer.npz", **arrays)
(folder / "answer.json").write_text(json.dumps({"seconds": seconds}))
