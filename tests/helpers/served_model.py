"""A model as MLflow serves it, with the files and the signature that a registration gives it."""

from pathlib import Path
from typing import Any

from fairmark.release import mlflow_registry


def load_served(folder: Path) -> Any:
    """Return the model in `folder`, which holds what a registration takes of a release."""
    import mlflow

    mlflow.pyfunc.save_model(
        folder / "saved",
        python_model=str(Path(mlflow_registry.__file__).with_name("mlflow_model.py")),
        artifacts=mlflow_registry.artifacts(folder),
        signature=mlflow_registry.signature(mlflow, folder),
        pip_requirements=[],
    )
    return mlflow.pyfunc.load_model(str(folder / "saved"))
