"""The optional dependencies (extras) of the distribution, and the one line that says which is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from fairmark.errors import StateError

PIPELINE = (
    "dvc", "fairlearn", "jinja2", "markdown_it", "markupsafe", "openpyxl", "optuna", "pandera", "shap",
    "sklearn", "tqdm",
)  # fmt: skip
"""What `flows` takes along: nothing is released without its stages."""

EXTRAS: dict[str, tuple[str, ...]] = {
    "pipeline": PIPELINE,
    "flows": ("botocore", "codecarbon", "huggingface_hub", "mlflow", "model_signing", "prefect", "rich"),
    "cluster": ("dask", "distributed"),
    "serve": ("asyncpg", "fastapi", "httptools", "msgspec", "prometheus_client", "uvicorn", "uvloop"),
    "watch": ("asyncpg", "jinja2", "markupsafe", "msgspec"),
    "space": ("gradio",),
    "export": ("docx", "markdown_it", "matplotlib", "reportlab"),
    "hsm": ("pkcs11", "securesystemslib"),
}
"""The modules of each extra of pyproject.toml that runs (`dev` only tests and builds)."""


def require(extra: str) -> None:
    """Do nothing when every module of an extra can be imported; none is.

    Raises
    ------
    StateError
        Naming the extra and the modules that are missing.
    """
    wanted = EXTRAS[extra] + (PIPELINE if extra == "flows" else ())
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise _absent(extra, missing)


@contextmanager
def required() -> Iterator[None]:
    """Turn the import of a module that an extra brings, and that is missing, into what to install.

    Raises
    ------
    StateError
        Instead of ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        extra = next((name for name, modules in EXTRAS.items() if module in modules), None)
        if extra is None:
            raise
        raise _absent(extra, [module]) from error


def _absent(extra: str, modules: list[str]) -> StateError:
    return StateError(
        f"environment: must have the extra {extra} (pip install 'fairmark[{extra}]'), "
        f"got no module {', '.join(modules)}"
    )
