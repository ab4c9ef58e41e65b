"""The model's former place, which versions name that were registered in MLflow before it moved to `model`."""

from fairmark.model.model import Model

__all__ = ["Model"]
