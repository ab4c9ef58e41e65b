"""The flow `rebuild`: proof that the last release can still be made again from its commit alone.

Clones the commit that the highest release tag names into an empty folder, pulls the data, runs every
stage by force, and compares each hash of the new dvc.lock with that of the release; where its folder is
here, that is verified first, and every file compared by its bytes. Ends non-zero on any difference. It
touches nothing of the folder that it runs from. `fairmark rebuild` does the same without Prefect, and
installs the locked packages first.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin("rebuild", "Make the last release again in a clean clone.", preflight.rebuild)

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import sys
import tempfile
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from fairmark.errors import StateError, VerificationError
from fairmark.params.read import read_params
from fairmark.release import plan
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import STATEMENT
from fairmark.repo import dvc, process
from fairmark.repo.dvc_files import check_workspace, stage_outputs
from fairmark.repo.isolation import Isolation, impossible
from fairmark.verify import compare as remade
from fairmark.verify.rebuild import check_out, refuse_wrong
from flows import preflight
from flows.audited import audited, note, task
from flows.console import Progress, say
from flows.retrain import PATIENT
from flows.settings import LOG, ROOT


@task(**PATIENT, task_run_name="clone")
def clone(tag: str, target: Path) -> None:
    """Check the commit of `tag` out into a folder of its own, and pull its data there."""
    check_out(process.run, ROOT, f"refs/tags/{tag}", target)


@task(**PATIENT, task_run_name="data")
def data(target: Path) -> None:
    """Pull the raw data of the clone from its remote."""
    dvc.pull(target)


@task(**PATIENT, task_run_name="{stage}")
def remake(stage: str, target: Path, apart: Isolation | None) -> str:
    """Run one stage of the clone by force, kept apart where it is said how."""
    return dvc.reproduce(target, stage, say, force=True, apart=apart)


def isolation(place: Path) -> Isolation:
    """Return how the stages are kept apart.

    Raises
    ------
    StateError
        When this machine can't.
    """
    if why := impossible(place):
        raise StateError(
            f"isolation: must be possible to run what a release holds, got {why} "
            "(on a machine that holds nothing else: the flow's parameter unsafe_here)"
        )
    return Isolation(place, (Path(sys.prefix),))


def last(name: str) -> str:
    """Return the tag of the highest release.

    Raises
    ------
    StateError
        When there is none.
    """
    return preflight.last(ROOT, name)


def verified(kept: Path) -> ReleaseFolder | None:
    """Return the release in its folder, when there is one and no claim of it is wrong."""
    if not (kept / STATEMENT).is_file():
        return None
    from fairmark.signing.key_store import own_public

    refuse_wrong(kept, ROOT, own_public(), yours=True)
    return ReleaseFolder(kept)


def compare(tag: str, released: dict[str, str], target: Path, release: ReleaseFolder | None = None) -> None:
    """Do nothing when the clone made every output that the release states; show either in Prefect.

    With the release's folder it is told how far the files are apart.

    Raises
    ------
    VerificationError
        With one line for each output that differs.
    """
    check_workspace(target)
    found = plan.differences(released, addresses(target))
    if release is not None:
        files = remade.differences(release, target, ROOT, dvc.stages(target))
        found = [each.line() for each in files] or found
    if (target / "requirements.lock").read_bytes() != (ROOT / "requirements.lock").read_bytes():
        say("requirements.lock is not that of the release: what is installed may be another environment")
    words = [f"- {line}" for line in found] or [
        f"All {len(released)} outputs have the hashes that were released."
    ]
    create_markdown_artifact("\n".join([f"# Rebuild of {tag}", "", *words]), key="rebuild")
    if found:
        raise VerificationError(f"{tag}: must be made again as it was released, got", *found)


def addresses(folder: Path) -> dict[str, str]:
    """Return path -> MD5 of every output in the dvc.lock of `folder`."""
    return {path: output.md5 for path, output in stage_outputs(folder).items()}


@flow(name="rebuild")
@audited(lambda: ROOT, needed=False)
def rebuild(*, unsafe_here: bool = False) -> None:
    """Make the last release again in a clean clone, and compare every hash.

    Parameters
    ----------
    unsafe_here
        Whether the stages run with all rights of the worker, where they can't be kept apart.
    """
    name = read_params(ROOT / "params.yaml").project.name
    tag = last(name)
    note(release=tag.replace("@", "-"))
    LOG.info("rebuilding %s in a clean clone", tag)
    with tempfile.TemporaryDirectory(prefix="fairmark-rebuild-") as folder:
        target = Path(folder) / "clone"
        apart = None if unsafe_here else isolation(Path(folder))
        clone(tag, target)
        order = dvc.stages(target)
        progress = Progress(["data", *order, "compare"])
        kept = ROOT / "releases" / tag.replace("@", "-")
        release = verified(kept)
        released = addresses(kept if kept.is_dir() else target)
        with progress.step("data"):
            data(target)
        for stage in order:
            with progress.step(stage) as step:
                step.note = remake(stage, target, apart)
        with progress.step("compare"):
            compare(tag, released, target, release)
        LOG.info("%s was made again: %d outputs, the same hashes, %s", tag, len(released), progress.total())


if __name__ == "__main__":
    command.run(rebuild, **GIVEN)
