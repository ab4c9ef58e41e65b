"""What can be refused within a second is refused before Prefect starts, which takes ten times as long.

The flow looks again: a worker starts it without this, and much can change until then. The key that a release
is signed with is looked at here too: better now than after the stages.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairmark.errors import FairmarkError, StateError, UsageError, VerificationError
from fairmark.files import lines_of
from fairmark.params.read import read_params
from fairmark.release import plan
from fairmark.release.statement import release_digest
from fairmark.repo import commit, dvc
from fairmark.repo.git import git
from fairmark.repo.locks import locked
from fairmark.signing.git_tags import is_evaluation, tag_signer, tagged_statement
from fairmark.signing.key_store import own_key, own_public, public_place

_SPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Let one release run in a folder at a time; the lock in `state` dies with its process.

    Raises
    ------
    StateError
        When another one runs.
    """
    state.mkdir(exist_ok=True)
    busy = f"{state.parent}: must have one release at a time, got another that runs"
    with locked(state / "release.lock", busy):
        yield


def release(root: Path, version: str | None, costs: str | None = None) -> None:
    """Refuse a release that can't come to be; a refusal stands in the audit trail like that of the flow.

    Raises
    ------
    FairmarkError
        When the tree is dirty, params.yaml is wrong, the version is none or taken, the policy is loosened
        without approvals, the key can't sign, or there is no cyclonedx-py.
    """
    try:
        with alone(root / ".fairmark"):
            if costs not in {None, "no"}:
                raise UsageError(f"--costs: must be no, or not be given, got {costs[:40]!a}")
            _look(root, version)
    except FairmarkError as error:
        from flows.audited import recorded

        with recorded(root, "release", {"version": version, "costs": costs}, needed=True):
            raise error from None


ENVIRONMENTS = ("development", "staging", "production")
"""In the order in which one and the same release goes through them."""
PRODUCTION = ENVIRONMENTS[-1]


def promote(
    root: Path,
    release: str | None,
    to: str | None,
    reason: str | None,
    wait_s: str | None,
    look_s: str | None,
) -> None:
    """Refuse a promotion that can't come to be.

    Raises
    ------
    FairmarkError
        When there is no such release or environment, a number is none, there is no key, or production holds
        nothing that could be gone back to.
    """
    from fairmark.governance.promotion_tags import one_line, refs
    from fairmark.release.folder import ReleaseFolder
    from fairmark.serve.canary import release as canary_release

    for name, text in (("wait_s", wait_s), ("look_s", look_s)):
        if text is not None and not text.replace(".", "", 1).isdecimal():
            raise UsageError(f"--{name}: must be a number of seconds, got {text[:40]!a}")
    if reason is not None:
        one_line(reason)
    asked = stage(to)
    if release is None:
        return
    folder = named(root, release)
    own_key(make=False)
    if asked == PRODUCTION:
        statement = ReleaseFolder(folder).statement.external
        found = canary_release.champion(refs(root, statement.name).promotions, statement.version)
        canary_release.refuse_without(found)


def named(root: Path, release: str) -> Path:
    """Return the folder of a release; see `governance.request.find_release`."""
    from fairmark.governance.request import find_release

    return find_release(root, release)


def stage(to: str | None) -> str:
    """Return the environment that is asked for, production by default.

    Raises
    ------
    UsageError
        When it is none.
    """
    if to is not None and to not in ENVIRONMENTS:
        raise UsageError(f"--to: must be one of {', '.join(ENVIRONMENTS)}, got {to[:40]!a}")
    return to or PRODUCTION


_environment = stage
"""Under another name for functions that take an option `stage`."""


def retrain(root: Path) -> None:
    """Refuse params or a pipeline that no stage could run by.

    Raises
    ------
    FairmarkError
        When params.yaml or dvc.yaml is not what it must be.
    """
    read_params(root / "params.yaml")
    dvc.stages(root)


def watch(root: Path, stage: str | None, page: str | None) -> None:  # noqa: ARG001 - one for each option
    """Refuse a look at what nobody could verify or tell of.

    Raises
    ------
    FairmarkError
        When the environment's name is none, there is no key, or a channel is named by half.
    """
    from fairmark.watch.notify import Channels

    _environment(stage)
    own_key(make=False)
    Channels.of_environment()
    read_params(root / "params.yaml")


def seal(root: Path) -> None:
    """Refuse to seal a journal that nobody's key could vouch for, or that no params say how to keep.

    Raises
    ------
    FairmarkError
        When there is no key, or params.yaml has no section serve.
    """
    own_key(make=False)
    segment(root)


def segment(root: Path) -> int:
    """Return `serve.journal.segment` of params.yaml.

    Raises
    ------
    ParamsError
        When it serves nothing.
    """
    from fairmark.errors import ParamsError

    served = read_params(root / "params.yaml").serve
    if served is None:
        raise ParamsError("params.yaml: must have the section serve to keep a journal by, got null")
    return served.journal.segment


def rebuild(root: Path) -> None:
    """Refuse a repository without a release.

    Raises
    ------
    FairmarkError
        When there is none, or params.yaml does not say of what name it would be.
    """
    last(root, read_params(root / "params.yaml").project.name)


def publish(root: Path, space: str | None, release: str | None) -> None:
    """Refuse to publish what is not there, or to nowhere.

    Raises
    ------
    FairmarkError
        When the Space is none, there is no such release folder, or no key to check it by.
    """
    if space is None or not _SPACE.fullmatch(space):
        raise UsageError(f"--space: must be OWNER/NAME, got {'none' if space is None else space[:80]!a}")
    tag = release or last(root, read_params(root / "params.yaml").project.name)
    folder = root / "releases" / tag.replace("@", "-")
    if not folder.is_dir():
        raise StateError(f"{tag}: must lie in releases/, got no folder {folder.name}")
    own_key(make=False)


def last(root: Path, name: str) -> str:
    """Return the tag of the highest release of a model; an evaluation has none to be made again.

    Raises
    ------
    StateError
        When there is none.
    """
    answer = git(root, "tag", "--list", f"{name}@v*")
    tags = [tag for tag in lines_of(answer.stdout) if not is_evaluation(root, tag)]
    tag = plan.latest(tags, name) if answer.returncode == 0 else None
    if tag is None:
        raise StateError(
            f"git: must have a release to rebuild, got no tag {name}@v* (flows/release.py makes one)"
        )
    return tag


def refuse_scores(root: Path) -> None:
    """Do nothing for a project that makes models.

    Raises
    ------
    StateError
        When it judges scores that were made elsewhere: there is no model to release.
    """
    if (root / "scores.yaml").exists():
        raise StateError(
            "scores.yaml: must not stand where a model is released, got a project that judges scores "
            "(fairmark attest releases its evaluation)"
        )


def refuse_taken(root: Path, name: str, version: str) -> None:
    """Do nothing for a version that no release has yet.

    Raises
    ------
    UsageError
        When it is no version.
    StateError
        When its tag exists.
    """
    tag = f"{name}@{commit.check_version(version)}"
    if commit.tagged(root, tag):
        raise StateError(f"git tag {tag}: must be new, got one that exists (choose another version)")


def _look(root: Path, version: str | None) -> None:
    from fairmark.governance import policy_gate
    from fairmark.release.sbom.build import tools
    from fairmark.repo import recovery
    from flows.console import say

    if version is not None:
        commit.check_version(version)
    # First, or what a killed run left would look like changes of the user's.
    for line in recovery.recover(root):
        say(line)
    refuse_scores(root)
    seen = commit.trace(root)
    commit.refuse_dirty(seen)
    name = read_params(root / "params.yaml").project.name
    if version is not None:
        refuse_taken(root, name, version)
    if version is not None or plan.latest(seen.tags, name) is None:  # else HEAD's release is looked at
        # Now, for the stages take minutes, and nothing after them could mend it.
        policy_gate.refuse_unless_approved(root)
        need_key()
        tools(root)


def need_key() -> None:
    """Make the key that releases are signed with, unless there is one, and say so.

    Raises
    ------
    StateError
        When there is a key that can't be used: better now than after the stages.
    """
    from flows.console import say

    key = own_key(make=True)
    if key.made:
        say(f"you had no key to sign releases with: made {key.path}; keep it safe, and give it to nobody")
        say(f"its public half is {public_place()}: give that to whoever checks your releases")


def tag_difference(root: Path, tag_name: str, folder: Path) -> str | None:
    """Return in what a tag is not that of the release in `folder` by this user's key, or None when it is."""
    if tagged_statement(root, tag_name) != release_digest(folder):
        return "states another environment or verdict than this one's"
    try:
        tag_signer(root, tag_name, [own_key(make=False).public.allowed("you")])
    except VerificationError:
        return "is signed by another key than yours, or by none"
    return None


def signed_by() -> str:
    """Return in words whose key signed, and where its public half is."""
    public, place = own_public(), public_place()
    shown = f", public half {place}" if place else ""
    return f"by key {public.keyid[:16]}…{shown}" if public else "by another key than yours"
