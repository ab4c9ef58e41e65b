"""The flow `publish`: a verified release, and the page that shows it, to a Hugging Face Space.

The release is verified, then packed; only then is anything sent. What goes up is the page, the locked
requirements, fairmark itself, the release and the public key that it is checked by: never a private key,
never a row of data. One commit holds all of it, so that a Space is never half of two releases.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin(
        "publish",
        "Show a release on a Hugging Face Space.",
        preflight.publish,
        space="OWNER/NAME of the Space",
        release="such as NAME@v1.0.0; by default the last one",
    )

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from prefect import flow

from fairmark.errors import RefusedError, StateError, UsageError
from fairmark.files import lines_of
from fairmark.params.read import read_params
from fairmark.release.folder import ReleaseFolder
from fairmark.release.handover import pack
from fairmark.release.plan import in_words
from fairmark.repo import process
from fairmark.signing.key_store import own_public
from fairmark.yaml12 import format_yaml
from flows import preflight
from flows.audited import audited, note, task
from flows.console import Progress, say
from flows.settings import LOG, ROOT

APP = ROOT / "space" / "app.py"
LOCK = ROOT / "requirements-space.lock"
PYTHON = "3.11"
TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable


@task()
def gather(folder: Path, target: Path) -> list[str]:
    """Write into `target` all that the Space holds, and return the names.

    Raises
    ------
    StateError
        When fairmark's wheel can't be built, or there is no public key.
    """
    key = own_public()
    if key is None:
        raise StateError("key: must be there, so that the page can check the release, got none")
    release = ReleaseFolder(folder)
    target.mkdir(parents=True)
    shutil.copyfile(APP, target / "app.py")
    pack(folder, target / f"{folder.name}.tar.gz")
    (target / "key.pub.pem").write_text(key.pem, encoding="utf-8")
    # A Space installs requirements.txt before it has any other file: fairmark lies beside the page, unpacked.
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(built(Path(place))) as wheel:
        wheel.extractall(target)
    # The lock names a folder of wheels beside it, which a Space does not have.
    lines = [line for line in lines_of(LOCK.read_text(encoding="utf-8")) if not line.startswith("-f ")]
    (target / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (target / "README.md").write_text(readme(release), encoding="utf-8")
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


def built(target: Path) -> Path:
    """Return fairmark's wheel, built into `target` by the environment that runs.

    Raises
    ------
    StateError
        When it can't be built.
    """
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    ended = process.run(words, ROOT)
    made = sorted(target.glob("fairmark-*.whl"))
    if ended.code or len(made) != 1:
        raise StateError("hatchling: must build the wheel, got", *ended.lines[-3:])
    return made[0]


def readme(release: ReleaseFolder) -> str:
    """Return the Space's README: what Hugging Face reads above, what a visitor reads below."""
    project, name = release.params.project, release.statement.tag
    head = {
        "title": project.title,
        "sdk": "gradio",
        "sdk_version": gradio_version(),
        "python_version": PYTHON,
        "app_file": "app.py",
        "license": "apache-2.0",
        "pinned": False,
        "short_description": f"{name}, verified before it is loaded"[:60],
    }
    return (
        f"---\n{format_yaml(head)}---\n\n# {project.title}\n\n{project.summary}\n\n"
        f"Release `{name}`. Verdict: {in_words(release.verdict)}. The page verifies it, by `key.pub.pem`, "
        "before it loads it.\n\n"
        f"Intended use: {project.intended_use}\n\nOut of scope: {project.out_of_scope}\n"
    )


def gradio_version() -> str:
    """Return the version of Gradio that the lock of the Space names."""
    return next(
        line.partition("==")[2].split(" ")[0]
        for line in lines_of(LOCK.read_text(encoding="utf-8"))
        if line.startswith("gradio==")
    )


@task()
def push(space: str, folder: Path) -> str:
    """Send a folder to the Space in one commit, and return the commit's address.

    Raises
    ------
    RefusedError
        When the hub does not take it: no such right, no such name.
    StateError
        When it does not answer.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=os.environ.get(TOKEN))
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    try:
        api.create_repo(space, repo_type="space", space_sdk="gradio", exist_ok=True)
        # The hub writes that one itself.
        left = {*api.list_repo_files(space, repo_type="space")} - {*files, ".gitattributes"}
        # Not `upload_folder`: it sends more than some 250 files in several commits.
        sent = api.create_commit(
            space,
            [CommitOperationAdd(name, path) for name, path in files.items()]
            + [CommitOperationDelete(name) for name in sorted(left)],
            repo_type="space",
            commit_message=f"Show {folder.name}",
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        # Without its cause, whose text may hold the request.
        raise RefusedError(f"{space}: must be a Space that ${TOKEN} may write to, got {status}") from None
    except OSError as error:
        raise StateError(f"Hugging Face: must answer, got {type(error).__name__}") from None
    return str(sent.commit_url)


@flow(name="publish")
@audited(lambda: ROOT, needed=False)
def publish(space: str | None = None, release: str | None = None) -> None:
    """Show a release on a Hugging Face Space.

    Parameters
    ----------
    space
        `OWNER/NAME` of the Space.
    release
        The release, such as `NAME@v1.0.0`; by default the last one.
    """
    if space is None:
        raise UsageError("--space: must name the Space, OWNER/NAME, got none")
    name = read_params(ROOT / "params.yaml").project.name
    tag = release or preflight.last(ROOT, name)
    folder = ROOT / "releases" / tag.replace("@", "-")
    note(release=folder.name)
    progress = Progress(["verify", "gather", "push"])
    with progress.step("verify"):
        verified(folder)
    with tempfile.TemporaryDirectory(prefix="fairmark-space-") as place:
        target = Path(place) / folder.name
        with progress.step("gather") as step:
            step.note = f"{len(gather(folder, target))} files"
        with progress.step("push") as step:
            step.note = push(space, target)
    LOG.info("%s is shown at %s", tag, space)


@task()
def verified(folder: Path) -> None:
    """Refuse a release that is not what was released, before anything of it is sent."""
    from fairmark.verify.verify import refuse, verify

    facts = verify(folder, ROOT, own_public())
    for fact in facts:
        say(fact.line())
    refuse(folder.name, facts)


if __name__ == "__main__":
    command.run(publish, **GIVEN)
