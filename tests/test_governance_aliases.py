"""MLflow's aliases follow the signed tags: told where they differ, set to what the tags say, never asked."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from promotion_repo import NAME, PEOPLE, digest, promote, repository

from fairmark.cli.main import main
from fairmark.errors import StateError
from fairmark.governance import projections
from fairmark.governance.approvers import read_approvers
from fairmark.governance.history import check, history
from fairmark.governance.projections import aligned
from fairmark.governance.promotion_tags import refs
from fairmark.governance.promotions import allowed
from fairmark.verify.verify import Fact

pytest_plugins = ("registry_fixtures",)
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's, about itself


@pytest.fixture(scope="module")
def pattern(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a registry that has v0.1.0 and v0.2.0, and v0.1.0 in production and staging."""
    root = repository(tmp_path_factory.mktemp("pattern") / "repo", ["v0.1.0", "v0.2.0", "v0.3.0"])
    shutil.copy(empty_registry, root / "mlflow.db")
    client = asked(root)
    client.create_registered_model(NAME)
    for version in ("v0.1.0", "v0.2.0"):
        client.create_model_version(
            NAME, (root / "model").as_uri(), tags={"statement_sha256": digest(version)}
        )
    client.set_registered_model_alias(NAME, "candidate", "2")
    promote(root, "staging", "v0.1.0", 1)
    promote(root, "production", "v0.1.0", 2)
    return root


@pytest.fixture
def repo(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(pattern, tmp_path / "repo"))


def asked(root: Path) -> Any:
    from fairmark.release.mlflow_registry import mlflow_at

    with mlflow_at(f"sqlite:///{root / 'mlflow.db'}") as mlflow:
        return mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


def named(root: Path) -> dict[str, str]:
    return {alias: str(version) for alias, version in asked(root).get_registered_model(NAME).aliases.items()}


def fact(root: Path) -> Fact:
    known = read_approvers("\n".join(PEOPLE))
    lines = allowed(known, [])
    return check(root, history(root, NAME, known, lines), lines)[-1]


def test_aliases_follow_the_tags_and_candidate_is_left_alone(repo: Path) -> None:
    assert fact(repo).held is False
    said = aligned(repo, NAME, refs(repo, NAME).promotions).lines()

    assert said == ["MLflow: production is version 1 now", "MLflow: staging is version 1 now"]
    assert named(repo) == {"candidate": "2", "production": "1", "staging": "1"}
    assert fact(repo) == Fact("registry", True, "MLflow's aliases name what the tags do: production, staging")
    assert aligned(repo, NAME, refs(repo, NAME).promotions).lines() == []


def test_an_alias_set_by_hand_is_a_divergence_and_set_right(repo: Path) -> None:
    aligned(repo, NAME, refs(repo, NAME).promotions)
    asked(repo).set_registered_model_alias(NAME, "production", "2")
    asked(repo).set_registered_model_alias(NAME, "canary", "2")
    found = fact(repo)

    assert found.held is False
    assert "alias canary: must be a stage that the tags know" in found.text
    assert "alias production: must name loans-v0.1.0, as loans#production#2 does" in found.text
    aligned(repo, NAME, refs(repo, NAME).promotions)
    assert named(repo) == {"candidate": "2", "production": "1", "staging": "1"}


def test_the_last_tags_deleted_show_in_the_registry(repo: Path) -> None:
    from promotion_repo import git

    promote(repo, "production", "v0.2.0", 3)
    aligned(repo, NAME, refs(repo, NAME).promotions)
    assert fact(repo).held is True
    git(repo, "tag", "-d", "loans#production#3")

    assert "alias production: must name loans-v0.1.0" in fact(repo).text


def test_a_release_that_is_not_registered_here_leaves_its_stage_without_alias(repo: Path) -> None:
    aligned(repo, NAME, refs(repo, NAME).promotions)
    promote(repo, "production", "v0.3.0", 3)

    said = aligned(repo, NAME, refs(repo, NAME).promotions).lines()
    assert said == ["MLflow: production is taken away: the tags name no version that is registered here"]
    assert named(repo) == {"candidate": "2", "staging": "1"}
    found = fact(repo)
    assert found.held is None
    assert found.text == "production: loans-v0.3.0 is not registered here, so it has no alias"


def test_without_a_registry_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = repository(tmp_path / "repo", ["v0.1.0"])
    promote(root, "production", "v0.1.0", 1)

    assert fact(root) == Fact("registry", None, "not asked: there is no MLflow registry here", asked=False)
    assert aligned(root, NAME, refs(root, NAME).promotions).lines() == []
    assert not (root / "mlflow.db").exists()


def test_a_registry_that_can_not_be_reached_is_told_and_stops_nothing(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    said = aligned(repo, NAME, refs(repo, NAME).promotions).lines()
    assert said[0].startswith(
        "MLflow does not follow yet (`fairmark history --align` makes it): MLflow at http"
    )
    assert fact(repo).held is None
    with pytest.raises(StateError, match=r"MLflow at http://127\.0\.0\.1:9: must be reachable"):
        projections.align(repo, NAME, {})


def test_history_that_could_not_align_a_spoilt_registry_ends_with_1(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "mlflow.db").write_bytes(b"no database")

    code = main(["history", "--align", "--name", NAME, "--clone", str(repo)])

    assert code == 1
    assert "MLflow does not follow yet" in capsys.readouterr().out
