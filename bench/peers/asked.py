"""What every peer is asked, read from the folder that its command line names, and the shared learner."""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np

folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npz")
question = json.loads((folder / "question.json").read_text())


class Boosted(lgb.LGBMClassifier):
    """LightGBM told which columns are codes: those who call `fit` here can't say so."""

    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> "Boosted":
        """Learn from rows [n, p]."""
        coded = rows["categorical"].tolist()
        return super().fit(x, y, sample_weight=sample_weight, categorical_feature=coded)
