r"""Logistic regression whose coefficients keep given signs, by SciPy's L-BFGS-B.

The objective is scikit-learn's, so that without a sign that binds both find the same coefficients:

.. math:: C \sum_i w_i [\log(1 + e^{z_i}) - y_i z_i] + \frac{1}{2} \sum_j \beta_j^2, \qquad z = X \beta + b

It is convex, and so is the box of signed coefficients: its one minimum is found from anywhere. A
coefficient that the rows would have of the other sign ends at 0 to the last bit, because L-BFGS-B projects
onto its bounds (Byrd, Lu, Nocedal and Zhu 1995).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from fairmark.errors import InputError
from fairmark.stats.arrays import Floats

TOLERANCE = 1e-8
"""Largest projected gradient of the mean loss at the end."""


class SignedLogisticRegression(LogisticRegression):  # type: ignore[misc] # scikit-learn ships no types
    """scikit-learn's logistic regression, with a sign for each of the first columns.

    Parameters
    ----------
    signs
        1: the coefficient is at least 0; -1: at most 0; 0: any. Columns beyond the last of them are free.
    C
        Inverse of the strength of L2.
    max_iter
        Iterations at most.
    """

    def __init__(self, signs: Sequence[int] = (), C: float = 1.0, max_iter: int = 100) -> None:  # noqa: N803 - its name
        super().__init__(C=C, max_iter=max_iter)
        self.signs = signs

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: Floats | None = None) -> Self:  # noqa: N803 - its name
        """Learn the coefficients from rows [n, p] with labels 0 and 1, [n].

        Raises
        ------
        InputError
            When the optimiser does not reach the minimum.
        """
        from scipy.optimize import minimize

        design, label = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        weight = np.ones(len(label)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        self.classes_ = np.unique(y)
        # Over the total weight: its size would otherwise decide when the gradient is small enough.
        part, penalty = weight / weight.sum(), 1 / (self.C * weight.sum())

        def loss(point: Floats) -> tuple[float, Floats]:
            coef, intercept = point[:-1], point[-1]
            z = design @ coef + intercept
            # By tanh, which does not overflow as exp(-z) does.
            residual = part * (0.5 * (1 + np.tanh(0.5 * z)) - label)
            value = part @ (np.logaddexp(0, z) - label * z) + penalty / 2 * coef @ coef
            # The intercept bears no penalty, as in scikit-learn.
            return float(value), np.append(design.T @ residual + penalty * coef, residual.sum())

        free = [(None, None)] * (design.shape[1] - len(self.signs) + 1)
        bounds = [{1: (0.0, None), -1: (None, 0.0)}.get(sign, (None, None)) for sign in self.signs]
        # ftol 0: the gradient alone ends it, for in a flat valley a small step of the loss is no sign of the
        # minimum.
        options = {"maxiter": self.max_iter, "gtol": TOLERANCE, "ftol": 0.0, "maxfun": 10 * self.max_iter}
        found = minimize(
            loss,
            np.zeros(design.shape[1] + 1),
            jac=True,
            method="L-BFGS-B",
            bounds=[*bounds, *free],
            options=options,
        )
        # A line search that finds nothing lower has come to the last bit of the loss, which is no failure;
        # running out of iterations is.
        if not np.isfinite(found.x).all() or (not found.success and found.nit >= self.max_iter):
            raise InputError(f"train.monotone: must have coefficients of these signs, got {found.message}")
        self.coef_, self.intercept_ = found.x[None, :-1], found.x[-1:]
        self.n_iter_ = np.array([found.nit])
        self.n_features_in_ = design.shape[1]
        return self
