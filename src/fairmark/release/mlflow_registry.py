"""Put a release into MLflow's registry; with `aliases`, all that knows MLflow.

The registry is a projection of the release, never the other way round: what is true stands in the release
folder and its tag.
"""

import hashlib
import json
import os
import platform
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from fairmark.errors import FairmarkError, StateError
from fairmark.files import sha256, written_whole
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Measurements
from fairmark.model.model_file import ModelFile
from fairmark.params.learn import Chosen
from fairmark.params.read import Params
from fairmark.release.statement import release_digest
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import data_outputs
from fairmark.repo.machine import cpu
from fairmark.terminal import redacted

if TYPE_CHECKING:
    from fairmark.judge.verdict import Verdict

ALIAS = "candidate"
REQUIREMENTS = ("lightgbm", "numpy", "pandas", "pyarrow", "pydantic", "ruamel-yaml")
"""What a place that scores with a registered model needs beside fairmark, pinned as installed here."""

_QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}
_LONGEST_PARAM = 6000
_LONGEST_METRIC = 250
_AT_ONCE = 1000


@dataclass(frozen=True)
class Registered:
    """A version in the registry, and the run it came from."""

    name: str
    version: str
    run_id: str

    @property
    def text(self) -> str:
        """`NAME version N`."""
        return f"{self.name} version {self.version}"


class _Version(Protocol):
    """A version of a registered model, as MLflow gives it."""

    version: str
    run_id: str
    tags: Mapping[str, str]


class _Experiment(Protocol):
    experiment_id: str


class _Info(Protocol):
    run_id: str


class _Run(Protocol):
    info: _Info


class _Logged(Protocol):
    """A model that was logged to a run."""

    model_uri: str
    run_id: str
    model_id: str | None


class _Client(Protocol):
    """What of `mlflow.MlflowClient` is asked here; MLflow ships no types."""

    tracking_uri: str

    def search_model_versions(self, filter_string: str, /) -> Sequence[_Version]: ...
    def search_registered_models(self, filter_string: str, /) -> Sequence[object]: ...
    def search_runs(self, experiments: Sequence[str], filter_string: str, /) -> Sequence[_Run]: ...
    def get_experiment_by_name(self, name: str, /) -> _Experiment | None: ...
    def create_experiment(self, name: str, artifact_location: str | None, /) -> str: ...
    def create_registered_model(self, name: str, /) -> object: ...
    def create_model_version(
        self, name: str, source: str, *, run_id: str, tags: Mapping[str, str], model_id: str | None
    ) -> _Version: ...
    def set_registered_model_alias(self, name: str, alias: str, version: str, /) -> None: ...
    def delete_run(self, run_id: str, /) -> None: ...
    def log_batch(self, run_id: str, *, metrics: Sequence[object]) -> object: ...


def register(
    folder: Path, trace: Trace, params: Params, verdict: "Verdict", tracking_uri: str | None = None
) -> Registered:
    """Return the registered version of the release in `folder`, made now if there is none yet.

    It is one run with params, measurements, the release's files and the environment, and one version of the
    registered model; the newest version has the alias `candidate`.

    Parameters
    ----------
    tracking_uri
        A server or database of MLflow; None takes MLFLOW_TRACKING_URI, and without it an SQLite database
        beside the folder `releases`.

    Raises
    ------
    StateError
        When the registry can't be reached or refuses.
    """
    root = folder.resolve().parent.parent
    uri = uri_of(root, tracking_uri)
    with answering(uri, "take the release") as mlflow:
        return _register(mlflow, root, folder, trace, params, verdict)


def refuse_unready(root: Path, tracking_uri: str | None = None) -> None:
    """Do nothing when the registry answers: asked before anything is signed that it is to hold.

    A database that is not there yet is made.

    Raises
    ------
    StateError
        When it can't be reached, is spoilt, or lacks its driver.
    """
    uri = uri_of(root, tracking_uri)
    with answering(uri, "answer") as mlflow:
        mlflow.MlflowClient().search_registered_models(max_results=1)


def record(
    folder: Path, version: Registered, figures: Mapping[str, float], tracking_uri: str | None = None
) -> None:
    """Add figures that no release can hold, because they differ each time, to the run of a version.

    Raises
    ------
    StateError
        When the registry can't be reached or refuses.
    """
    uri = uri_of(folder.resolve().parent.parent, tracking_uri)
    with answering(uri, "take the figures") as mlflow:
        metrics = [mlflow.entities.Metric(key, float(value), 0, 0) for key, value in figures.items()]
        mlflow.MlflowClient().log_batch(version.run_id, metrics=metrics)


@contextmanager
def answering(uri: str, what: str) -> Iterator[ModuleType]:
    """Yield MLflow at `uri`; a fault of the registry, of whatever kind, becomes one line."""
    try:
        with mlflow_at(uri) as mlflow:
            make_database(uri)
            yield mlflow
    except FairmarkError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:400] or type(error).__name__
        raise StateError(f"MLflow at {uri}: must {what}, got {said}") from error


def make_database(uri: str) -> None:
    """Make an SQLite database that is not there yet: whole, or not at all.

    MLflow makes its tables in many steps, and does not go on from the middle when it was killed there.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink()
    with written_whole(path) as draft:
        # Its connections must be closed before the draft gets its name.
        SqlAlchemyStore(f"sqlite:///{draft}", (path.parent / "mlruns").as_uri()).engine.dispose()


def uri_of(root: Path, tracking_uri: str | None) -> str:
    """Return where the registry of the working folder `root` is: a server, or a database in the folder."""
    beside = root.resolve() / "mlflow.db"
    return tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{beside}"


def _register(
    mlflow: ModuleType, root: Path, folder: Path, trace: Trace, params: Params, verdict: "Verdict"
) -> Registered:
    client: _Client = mlflow.MlflowClient()
    name = params.project.name
    tags = _tags(folder, trace, verdict)
    found = _found(client, name, tags["statement_sha256"])
    if found is None:
        experiment = _experiment(client, root, name)
        left = f"tags.statement_sha256 = '{tags['statement_sha256']}'"
        for run in client.search_runs([experiment], left):
            client.delete_run(run.info.run_id)  # of a registration that was killed: no version came of it
        with mlflow.start_run(
            experiment_id=experiment, run_name=folder.name, tags=tags | _place(folder)
        ) as run:
            _log(mlflow, client, run.info.run_id, folder, params)
            logged = _log_model(mlflow, folder)
        found = Registered(name, _new_version(client, name, logged, tags), run.info.run_id)
    versions = client.search_model_versions(f"name = '{name}'")
    newest = max(int(version.version) for version in versions)
    client.set_registered_model_alias(name, ALIAS, str(newest))
    return found


def _tags(folder: Path, trace: Trace, verdict: "Verdict") -> dict[str, str]:
    return {
        "release": folder.name,
        "commit": trace.commit,
        "verdict": verdict.state,
        **({"stands_on": "; ".join(verdict.stands_on)} if verdict.stands_on else {}),
        "data_md5": " ".join(entry.md5 for entry in data_outputs(folder).values()),
        "dvc_lock_sha256": sha256(folder / "dvc.lock"),
        "statement_sha256": release_digest(folder),
    }


def _place(folder: Path) -> dict[str, str]:
    return {
        "environment.python": platform.python_version(),
        "environment.platform": platform.platform(),
        "environment.cpu": cpu(),
        "environment.cores": str(os.cpu_count()),
        "environment.lock_sha256": sha256(folder / "requirements.lock"),
    }


def _found(client: _Client, name: str, digest: str) -> Registered | None:
    versions = client.search_model_versions(f"name = '{name}'")
    same = [version for version in versions if version.tags.get("statement_sha256") == digest]
    return Registered(name, str(same[0].version), same[0].run_id) if same else None


def _experiment(client: _Client, root: Path, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # A server knows where it keeps artifacts; a database does not.
    served = str(client.tracking_uri).startswith("http")
    return str(client.create_experiment(name, None if served else (root / "mlruns").as_uri()))


def _log(mlflow: ModuleType, client: _Client, run_id: str, folder: Path, params: Params) -> None:
    mlflow.log_params(dict(run_params(params, ModelFile.of(folder / "model").chosen)))
    measured = Measurements.read(folder / "measurements.json")
    pairs = [(key, value) for key, value in _metrics(measured) if value is not None]
    metrics = [mlflow.entities.Metric(key, float(value), 0, 0) for key, value in pairs]
    for start in range(0, len(metrics), _AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + _AT_ONCE])
    mlflow.log_artifacts(str(folder), "release")


def run_params(params: Params, chosen: Chosen) -> Iterator[tuple[str, str]]:
    """Yield the params of a run, `section.key` and one line of text each, and what the search chose."""
    for section, values in params.model_dump(mode="json").items():
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
            yield f"{section}.{key}", redacted(text)[:_LONGEST_PARAM]
    for key, value in chosen.model_dump(mode="json").items():
        yield f"chosen.{key}", json.dumps(value, sort_keys=True)[:_LONGEST_PARAM]


def _metrics(measured: Measurements) -> Iterator[tuple[str, float | None]]:
    for measure, found in measured.overall.items():
        yield from _interval(found, "overall", measure)
    for attribute, groups in measured.groups.items():
        for group, entry in groups.items():
            yield metric_name("group", attribute, group, "rows"), entry.rows
            for measure, found in entry.measures.items():
                yield metric_name("group", attribute, group, measure), found.value
    for attribute, disparities in measured.disparities.items():
        for measure, found in disparities.items():
            yield from _interval(found, "disparity", attribute, measure)


def _interval(found: Measured, *parts: str) -> Iterator[tuple[str, float | None]]:
    yield metric_name(*parts), found.value
    yield metric_name(*parts, "low"), found.low
    yield metric_name(*parts, "high"), found.high


def metric_name(*parts: str) -> str:
    """Return a metric's name; law: different parts give different names.

    MLflow allows few characters in it: another one is written as `:` and two hex digits of its code point, or
    `::` and six. A name that is too long ends with a digest of all of it.
    """
    name = ".".join("".join(map(_allowed, part)) for part in parts)
    if len(name) <= _LONGEST_METRIC:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[: _LONGEST_METRIC - len(digest) - 1]}.{digest}"


def _allowed(char: str) -> str:
    if char.isalnum() or char in "_- ":
        return char
    return f":{ord(char):02x}" if ord(char) < 256 else f"::{ord(char):06x}"


def _log_model(mlflow: ModuleType, folder: Path) -> _Logged:
    from importlib.metadata import version

    logged: _Logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(Path(__file__).with_name("mlflow_model.py")),
        artifacts=artifacts(folder),
        signature=signature(mlflow, folder),
        pip_requirements=[f"{package}=={version(package)}" for package in REQUIREMENTS],
    )
    return logged


def artifacts(folder: Path) -> dict[str, str]:
    """Return what a registered model needs of a release: itself, and what tells how rows are read."""
    names = {"model": "model", "schema": "schema.json", "params": "params.yaml"}
    return {name: str(folder / path) for name, path in names.items()}


def _new_version(client: _Client, name: str, logged: _Logged, tags: dict[str, str]) -> str:
    # By the client, because `mlflow.register_model` prints.
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(
        name, logged.model_uri, run_id=logged.run_id, tags=tags, model_id=logged.model_id
    )
    return str(made.version)


def signature(mlflow: ModuleType, folder: Path) -> object:
    """Return the signature of a registered model: a raw row's columns in, its score and decision out."""
    from mlflow.types.schema import AnyType, ColSpec, Schema

    made = ModelFile.of(folder / "model")
    # Where groups have thresholds of their own, the decision reads the raw columns that the group is made of.
    origins = [] if made.thresholds is None else made.thresholds.columns
    # Of any type: MLflow refuses whole numbers for a float, and takes no missing boolean. The reader of rows
    # reads a value as `prepare` does, or refuses it.
    inputs = [ColSpec(AnyType(), name) for name in dict.fromkeys([*made.features, *origins])]
    outputs = [ColSpec("double", "score"), ColSpec("long", "decision")]
    return mlflow.models.ModelSignature(Schema(inputs), Schema(outputs))


@contextmanager
def mlflow_at(uri: str) -> Iterator[ModuleType]:
    """Yield MLflow, quiet and asking the registry at `uri` alone; what the caller had set is set again."""
    import logging

    before = {key: os.environ.get(key) for key in [*_QUIET, "MLFLOW_TRACKING_URI"]}
    os.environ.update({key: text for key, text in _QUIET.items() if key not in os.environ})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of MLflow about itself, of which a user can do nothing
        import mlflow

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        known = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow
        finally:
            mlflow.set_tracking_uri(known)
            for key, text in before.items():
                os.environ.pop(key, None) if text is None else os.environ.update({key: text})
