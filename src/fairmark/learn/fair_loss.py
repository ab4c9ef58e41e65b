r"""The loss of a fair fit, smooth enough for boosted trees.

The Lagrangian of Agarwal et al. (2018, section 3) charges a decision for being wrong, and by c for falling on
a group that is decided 1 too often. Relabelling puts log loss in the place of both, and so moves the score of
every row of a group, however far from the threshold. Here log loss stands for the mistake alone, and a
logistic step of slope 2 for the decision:

.. math:: \sum_i w_i [\log(1 + e^{z_i}) - y_i z_i - c_i \, \sigma(2 z_i - 2 t)]

With slope 2 and t = 0 the best constant z changes its sign where the Lagrangian itself does, at
:math:`2 P(y = 1) - 1 + c = 0`; far from the threshold the step is flat, and the ranking stays that of risk.
"""

from dataclasses import dataclass

import numpy as np

from fairmark.learn.training_data import Sample
from fairmark.stats.arrays import Floats

SLOPE = 2.0
LOG_2 = float(np.log(2))
LEAST_CURVATURE = 1e-3
"""Lower bound of the second derivative: Newton steps stay finite where log loss is flat."""


@dataclass(frozen=True)
class Lagrangian:
    """The loss of log-odds z on a sample.

    Parameters
    ----------
    sample
        Rows with their weights and costs.
    centre
        t, the log-odds around which rows are decided.
    """

    sample: Sample
    centre: float

    def loss(self, log_odds: Floats) -> float:
        """Return the weighted mean loss; it is log loss where no row has a cost."""
        rows, half = self.sample, np.tanh(0.5 * log_odds)
        # log(1 + exp(z)) without overflow, from tanh(z / 2) that the step needs too.
        soft = np.maximum(log_odds, 0) + LOG_2 - np.log1p(np.abs(half))
        each = soft - rows.label * log_odds - rows.cost * self._step(half)
        return float(np.average(each, weights=rows.weight))

    def gradient(self, log_odds: Floats) -> tuple[Floats, Floats]:
        """Return the first derivative of each row's loss, [n], and a bound of the second from log loss, [n].

        The step's own second derivative is left out: it is negative on one side of the threshold.
        """
        rows, half = self.sample, np.tanh(0.5 * log_odds)
        risk, step = 0.5 * (1 + half), self._step(half)
        first = risk - rows.label - rows.cost * SLOPE * step * (1 - step)
        return rows.weight * first, rows.weight * np.maximum(risk * (1 - risk), LEAST_CURVATURE)

    def _step(self, half: Floats) -> Floats:
        """Return the logistic step of slope 2 around t, from tanh(z / 2), which is dear enough to share."""
        whole = 2 * half / (1 + half * half)  # tanh(z), by the double angle
        if self.centre:
            shift = np.tanh(self.centre)
            whole = (whole - shift) / (1 - whole * shift)  # tanh(z - t); abs(t) is at most 10
        return np.asarray(0.5 * (1 + whole))


def even_odds(sample: Sample) -> float:
    """Return the log-odds of the weighted share of positive labels, kept within -10..10."""
    share = float(np.average(sample.label, weights=sample.weight))
    return float(np.clip(np.log(share / (1 - share)), -10, 10)) if 0 < share < 1 else 20 * share - 10
