"""What MLflow runs to score with a registered model.

MLflow copies this file beside the model ("models from code"), so that nothing is pickled. It needs fairmark
installed, and loads the released folder with all its checks.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from fairmark.learn.model import Model


class Released(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """The released model behind MLflow's interface."""

    def load_context(self, context: Any) -> None:
        """Load the model folder that was registered with this file."""
        self.model = Model.load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 - the same
    ) -> pd.DataFrame:
        """Return the columns `score` (0..1) and `decision` (0 or 1), one row for each row given.

        Where groups have thresholds of their own, the rows must hold the raw columns that tell the group, and
        are refused without them; the score never reads these.
        """
        scores, decisions = self.model.score(model_input), self.model.decide(model_input)
        return pd.DataFrame({"score": scores, "decision": decisions.astype("int64")})


mlflow.models.set_model(Released())
