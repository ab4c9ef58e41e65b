"""The stages as aliases in MLflow's registry: they follow the signed tags, never the other way round."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmark.release.mlflow_registry import ALIAS, answering, uri_of


@dataclass(frozen=True)
class Aliased:
    """What the registry says: the release digest of each alias but `candidate`, and which it has at all.

    Parameters
    ----------
    stages
        Alias -> `statement_sha256` of the version that it names ("" for a version without one).
    versions
        `statement_sha256` -> version.
    """

    stages: Mapping[str, str]
    versions: Mapping[str, str]


def there(root: Path) -> bool:
    """Return whether there is a registry to ask: a server, or a database that somebody made."""
    uri = uri_of(root, None)
    return not uri.startswith("sqlite:///") or Path(uri.removeprefix("sqlite:///")).is_file()


def aliased(root: Path, name: str) -> Aliased:
    """Return what the registry says of the model `name`.

    Raises
    ------
    StateError
        When it can't be reached.
    """
    with _asked(root) as mlflow:
        return _aliased(mlflow.MlflowClient(), name)


def align(root: Path, name: str, stages: Mapping[str, str]) -> list[str]:
    """Set the aliases to `stages` (stage -> release digest), and return what was changed, a line each.

    A stage whose release the registry does not have loses its alias: naming another would be a lie.

    Raises
    ------
    StateError
        When the registry can't be reached.
    """
    with _asked(root) as mlflow:
        client = mlflow.MlflowClient()
        found = _aliased(client, name)
        said = []
        for stage in sorted({*stages, *found.stages}):
            wanted, present = stages.get(stage), found.stages.get(stage)
            if wanted == present:
                continue
            version = found.versions.get(wanted or "")
            if version is not None:
                client.set_registered_model_alias(name, stage, version)
                said.append(f"{stage} is version {version} now")
            elif present is not None:
                client.delete_registered_model_alias(name, stage)
                said.append(f"{stage} is taken away: the tags name no version that is registered here")
            else:
                said.append(f"{stage} has no alias: its release is not registered here")
        return said


def _aliased(client: Any, name: str) -> Aliased:
    models = client.search_registered_models(f"name = '{name}'")
    versions = client.search_model_versions(f"name = '{name}'")
    digests = {str(each.version): each.tags.get("statement_sha256", "") for each in versions}
    named = {alias: str(version) for model in models for alias, version in model.aliases.items()}
    return Aliased(
        {alias: digests.get(version, "") for alias, version in named.items() if alias != ALIAS},
        {digest: version for version, digest in digests.items() if digest},
    )


@contextmanager
def _asked(root: Path) -> Iterator[Any]:
    with answering(uri_of(root, None), "be reachable") as mlflow:
        yield mlflow
