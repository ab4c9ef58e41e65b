"""Projections of the signed promotion tags: the audit trail's entries and the aliases in MLflow's registry.

They follow the tags, never the other way round: what they fail to say is said, and stops no promotion.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, StateError
from fairmark.governance.flow_runs import COMPLETED
from fairmark.governance.promotion_tags import Promotion, stages
from fairmark.governance.trail import append, entries
from fairmark.release.mlflow_registry import ALIAS, answering, uri_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from fairmark.signing.keys import SigningKey


@dataclass(frozen=True)
class Followed:
    """What was changed, a line each, and what could not follow the tags."""

    done: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return all of it."""
        return [*self.behind, *self.done]


def follow(
    root: Path, name: str, promotions: Sequence[Promotion], key: "SigningKey | None" = None
) -> Followed:
    """Let the audit trail and the registry follow the tags, and return what came of it.

    Parameters
    ----------
    key
        What signs the entries of the trail; by default the user's own, where there is one.
    """
    behind = []
    try:
        note(root, promotions, key)
    except FairmarkError as error:
        behind.append(f"the audit trail does not tell of it yet: {error}")
    registry = aligned(root, name, promotions)
    return Followed(registry.done, (*behind, *registry.behind))


def note(root: Path, promotions: Sequence[Promotion], key: "SigningKey | None" = None) -> int:
    """Add to the audit trail each promotion that it does not tell of, and return how many.

    Raises
    ------
    StateError
        When it can't be written.
    """
    # By the tag's object: its name can be given to another one.
    noted = {entry.event.object_hash for entry in entries(root)}
    late = [each for each in promotions if each.seen.hash not in noted]
    for each in late:
        event = {
            "action": each.action,
            "promotion": each.tag,
            "object": each.seen.hash,
            "release": f"{each.tag.partition('#')[0]}-{each.version}",
            "stage": each.stage,
        }
        append(root, event, COMPLETED, key=key)
    return len(late)


def aligned(root: Path, name: str, promotions: Sequence[Promotion]) -> Followed:
    """Set MLflow's aliases to what the tags say, and return what came of it."""
    if not there(root):
        return Followed()
    try:
        wanted = {stage: each.digest for stage, each in stages(promotions).items()}
        return Followed(tuple(f"MLflow: {line}" for line in align(root, name, wanted)))
    except StateError as error:
        behind = f"MLflow does not follow yet (`fairmark history --align` makes it): {error}"
        return Followed(behind=(behind,))


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
    with _registry(root) as mlflow:
        return _aliased(mlflow.MlflowClient(), name)


def align(root: Path, name: str, wanted_stages: Mapping[str, str]) -> list[str]:
    """Set the aliases to `wanted_stages` (stage -> release digest), and return what was changed, a line each.

    A stage whose release the registry does not have loses its alias: naming another would be a lie.

    Raises
    ------
    StateError
        When the registry can't be reached.
    """
    with _registry(root) as mlflow:
        client = mlflow.MlflowClient()
        found = _aliased(client, name)
        changed = []
        for stage in sorted({*wanted_stages, *found.stages}):
            wanted, present = wanted_stages.get(stage), found.stages.get(stage)
            if wanted == present:
                continue
            version = found.versions.get(wanted or "")
            if version is not None:
                client.set_registered_model_alias(name, stage, version)
                changed.append(f"{stage} is version {version} now")
            elif present is not None:
                client.delete_registered_model_alias(name, stage)
                changed.append(f"{stage} is taken away: the tags name no version that is registered here")
            else:
                changed.append(f"{stage} has no alias: its release is not registered here")
        return changed


def _aliased(client: "MlflowClient", name: str) -> Aliased:
    models = client.search_registered_models(f"name = '{name}'")
    versions = client.search_model_versions(f"name = '{name}'")
    digests = {str(each.version): each.tags.get("statement_sha256", "") for each in versions}
    named = {alias: str(version) for model in models for alias, version in model.aliases.items()}
    return Aliased(
        {alias: digests.get(version, "") for alias, version in named.items() if alias != ALIAS},
        {digest: version for version, digest in digests.items() if digest},
    )


@contextmanager
def _registry(root: Path) -> Iterator[ModuleType]:
    with answering(uri_of(root, None), "be reachable") as mlflow:
        yield mlflow
