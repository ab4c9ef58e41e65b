"""An empty registry of MLflow, whose tables take seconds to make."""

from pathlib import Path

import pytest
from made_once import made_once


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of a registry that holds nothing; copy it before use."""
    from fairmark.release.mlflow_registry import make_database

    def make(folder: Path) -> None:
        make_database(f"sqlite:///{folder / 'mlflow.db'}")

    return made_once(tmp_path_factory, "empty-registry", make) / "mlflow.db"
