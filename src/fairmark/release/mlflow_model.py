"""What MLflow runs to score with a registered model.

MLflow copies this file beside the model ("models from code"), so that nothing is pickled. It needs fairmark
installed, and loads the released folder with all its checks. Rows are read as `prepare` read the file that
the model learnt from: what it would refuse is refused here.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from fairmark.model.estimator import Estimator


class Released(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """The released model behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Load the model folder, and what tells how rows are read, that were registered with this file."""
        names = ("model", "schema", "params")
        self.estimator = Estimator.load(*(Path(context.artifacts[name]) for name in names))

    def predict(
        self,
        context: object,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002 - the same
    ) -> pd.DataFrame:
        """Return the columns `score` (0..1) and `decision` (0 or 1), one row for each raw row given.

        Where groups have thresholds of their own, the rows must hold the raw columns that tell the group, and
        are refused without them; the score never reads these.
        """
        return self.estimator.scored(model_input)


mlflow.models.set_model(Released())
