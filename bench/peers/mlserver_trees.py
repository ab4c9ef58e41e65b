"""MLServer's side of bench/serving.py: the same trees behind its runtime, given encoded numbers."""

from pathlib import Path

import lightgbm as lgb
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Trees(MLModel):
    """LightGBM's `Booster.predict`, one thread."""

    async def load(self) -> bool:
        """Read the trees beside this file."""
        self.booster = lgb.Booster(model_file=str(Path(__file__).with_name("booster.txt")))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the raw log-odds of the rows."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        scored = self.booster.predict(rows, raw_score=True, num_threads=1)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("score", scored)])
