"""The estimator's former place, which versions name that were registered before it moved to `model`."""

from fairmark.model.estimator import Estimator

__all__ = ["Estimator"]
