"""The registry shows the release once, holds nothing that could run, and scores as the model itself does."""

import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maker_and_forger import forge
from release_folder import model, rows

from fairmark.errors import StateError
from fairmark.files import sha256
from fairmark.params.read import read_params
from fairmark.release.mlflow_registry import (
    Registered,
    make_database,
    metric_name,
    refuse_unready,
    register,
    run_params,
)
from fairmark.release.statement import release_digest
from fairmark.repo.commit import trace
from fairmark.repo.dvc_files import address

pytest_plugins = ("registry_fixtures", "release_fixtures")
PASS: Any = SimpleNamespace(outcome="pass", state="pass", stands_on=())


def registered(folder: Path, uri: str | None = None) -> Registered:
    root = folder.parents[1]
    return register(folder, trace(root), read_params(folder / "params.yaml"), PASS, uri)


def test_a_metrics_name_keeps_apart_what_mlflow_would_not_allow() -> None:
    assert (
        metric_name("group", "sex_race", "Female & Black", "recall")
        == "group.sex_race.Female :26 Black.recall"
    )
    assert metric_name("group", "age", "<25", "rows") == "group.age.:3c25.rows"
    assert metric_name("group", "age", ">=60", "rows") != metric_name("group", "age", "<=60", "rows")
    assert metric_name("group", "a/../b", "", "rows") == "group.a:2f:2e:2e:2fb..rows"
    assert len(metric_name("group", "x" * 400)) == 250


@given(
    st.lists(st.text(min_size=1), min_size=3, max_size=3),
    st.lists(st.text(min_size=1), min_size=3, max_size=3),
)
def test_different_groups_have_metrics_of_their_own(one: list[str], other: list[str]) -> None:
    assert (metric_name(*one) == metric_name(*other)) == (one == other)


def test_names_that_are_cut_or_written_in_digits_stay_apart() -> None:
    assert metric_name("group", "a", "&30") != metric_name("group", "a", "\u2630")
    assert metric_name("group", "x" * 400, "a") != metric_name("group", "x" * 400, "b")


def test_params_are_one_line_for_each_key_of_a_section(working: Path) -> None:
    found = dict(run_params(read_params(working / "params.yaml"), model().chosen))

    assert found["project.name"] == "loans"
    assert json.loads(found["policy.limits"])[0]["name"] == "auc-floor"
    assert found["chosen.family"] == '"logistic"'
    assert max(map(len, found.values())) <= 6000


@pytest.mark.slow
def test_a_server_that_is_not_there_is_told(small_release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(StateError, match=r"MLflow at http://127\.0\.0\.1:9: must take the release"):
        registered(small_release, "http://127.0.0.1:9")


@dataclass(frozen=True)
class Registry:
    """What one registration left: what it printed, what it returned twice, and a client to look with."""

    folder: Path
    noise: str
    found: list[Registered]
    client: Any

    @property
    def root(self) -> Path:
        return self.folder.parents[1]


@pytest.fixture(scope="module")
def registry(released: Path, empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return the registry after the same release was registered twice."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("registry") / "folder"))
    folder = root / "releases" / "loans-v0.1.0"
    shutil.copy(empty_registry, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(out):
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        found = [registered(folder), registered(folder)]

    import mlflow

    return Registry(folder, out.getvalue(), found, mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}"))


@pytest.mark.slow
def test_registering_is_silent_and_the_same_release_is_registered_once(registry: Registry) -> None:
    assert registry.noise == ""
    assert registry.found[0] == registry.found[1]
    assert len(registry.client.search_model_versions("name = 'loans'")) == 1


@pytest.mark.slow
def test_the_candidate_names_its_release(registry: Registry) -> None:
    tags = registry.client.get_model_version_by_alias("loans", "candidate").tags

    assert tags == {
        "release": "loans-v0.1.0",
        "commit": trace(registry.root).commit,
        "verdict": "pass",
        "data_md5": address(registry.root / "data"),
        "dvc_lock_sha256": sha256(registry.folder / "dvc.lock"),
        "statement_sha256": release_digest(registry.folder),
    }


@pytest.mark.slow
def test_the_run_shows_measurements_cards_and_environment(registry: Registry) -> None:
    run = registry.client.get_run(registry.found[0].run_id)
    measured = json.loads((registry.folder / "measurements.json").read_text())
    recall = measured["groups"]["sex"]["Female"]["measures"]["recall"]["value"]
    shown = {item.path for item in registry.client.list_artifacts(run.info.run_id, "release")}

    assert run.info.status == "FINISHED"
    assert run.data.metrics["overall.roc_auc"] == measured["overall"]["roc_auc"]["value"]
    assert run.data.metrics["group.sex.Female.recall"] == recall
    assert run.data.tags["environment.lock_sha256"] == sha256(registry.folder / "requirements.lock")
    assert shown >= {"release/report.html", "release/model-card.md", "release/statement.json"}


@pytest.mark.slow
def test_nothing_is_pickled(registry: Registry) -> None:
    kept = [path for path in (registry.root / "mlruns").rglob("*") if path.is_file()]
    plain = {".json", ".md", ".html", ".yaml", ".lock", ".sig", ".dvc", ".txt", ".py", ""}

    assert {path.suffix for path in kept} <= plain
    assert {path.name for path in kept if not path.suffix} <= {"MLmodel", "registered_model_meta"}
    assert {path.name for path in kept if path.suffix == ".py"} == {"mlflow_model.py"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's, about itself
def test_mlflow_scores_as_the_model_itself(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    mlflow.set_tracking_uri(f"sqlite:///{registry.root / 'mlflow.db'}")
    scored = mlflow.pyfunc.load_model("models:/loans@candidate").predict(rows())
    mlflow.set_tracking_uri(None)

    np.testing.assert_array_equal(scored["score"], model().score(rows()))
    np.testing.assert_array_equal(scored["decision"], model().decide(rows()))


@pytest.mark.slow
def test_a_newer_release_becomes_the_candidate_and_an_older_one_does_not_again(
    registry: Registry, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(registry.root, tmp_path / "folder"))
    older = root / "releases" / "loans-v0.1.0"
    newer = Path(shutil.copytree(older, root / "releases" / "loans-v0.2.0"))
    forge(newer, lambda value: value["subject"].pop())
    uri = f"sqlite:///{root / 'mlflow.db'}"

    assert registered(newer, uri).version == "2"
    assert registered(older, uri).version == "1"
    import mlflow

    assert int(mlflow.MlflowClient(uri).get_model_version_by_alias("loans", "candidate").version) == 2


@pytest.mark.slow
def test_a_database_whose_making_is_killed_is_made_anew_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    class KilledError(BaseException):
        """Stands in for a kill in the middle of MLflow's tables."""

    def killed(uri: str, _root: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("half")
        raise KilledError

    root = tmp_path / "50% of it, ä"
    root.mkdir()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(sqlalchemy_store, "SqlAlchemyStore", killed)
        with pytest.raises(KilledError):
            make_database(f"sqlite:///{root / 'mlflow.db'}")
    assert not (root / "mlflow.db").exists()
    (root / ".mlflow.db.abc_1234").write_text("half")  # what SIGKILL would have left

    refuse_unready(root)
    refuse_unready(root)

    assert (root / "mlflow.db").stat().st_size > 100_000
    assert list(root.glob(".mlflow.db.*")) == []


@pytest.mark.parametrize(
    "address",
    ["sqlite:///{}/spoilt.db", "postgresql://me:secret@localhost:1/x", "http://127.0.0.1:9", "nonsense://x"],
)
def test_a_registry_that_can_not_be_used_is_one_line_without_a_password(tmp_path: Path, address: str) -> None:
    (tmp_path / "spoilt.db").write_text("this is no database")

    with pytest.raises(StateError, match=r"^MLflow at .*: must answer, got ") as found:
        refuse_unready(tmp_path, address.format(tmp_path))
    assert "\n" not in str(found.value)
    assert "secret" not in str(found.value)
