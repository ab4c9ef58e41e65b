"""Gather a release folder: all of it, or nothing."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from fairmark.errors import FairmarkError, RefusedError, StateError
from fairmark.files import content
from fairmark.judge.verdict import Verdict
from fairmark.params.read import Params
from fairmark.release import leak_scan
from fairmark.release.layout import (
    BILL,
    DATASHEET,
    EVALUATION,
    MODEL_RELEASE,
    SEALS,
    STATEMENT,
    VERDICT,
    ReleaseKind,
)
from fairmark.release.sbom import build
from fairmark.release.seal import seal_release
from fairmark.release.statement import release_digest, state
from fairmark.repo.commit import Trace, check_version, tagged
from fairmark.repo.dvc_files import check_workspace
from fairmark.repo.locks import locked
from fairmark.signing.dsse import Envelope
from fairmark.signing.key_store import passing_key
from fairmark.signing.keys import PublicKey, SigningKey


class Acceptance(Protocol):
    """What looks at a draft before anything outward is done with it, such as `verify.acceptance`."""

    def before_signing(self, draft: Path, passing: PublicKey) -> None:
        """Do nothing when a draft that a passing key has sealed holds; raise what does not."""

    def after_signing(self, draft: Path) -> None:
        """Do nothing when a draft that the maker has sealed holds; raise what does not."""


_DRAFT = re.compile(r"\.[a-z0-9-]+-v\d+\.\d+\.\d+\..+")


def assemble(  # noqa: PLR0913, PLR0917 - it names all that a release is made of
    root: Path,
    destination: Path,
    version: str,
    trace: Trace,
    params: Params,
    verdict: Verdict,
    key: SigningKey,
    acceptance: Acceptance | None = None,
    kind: ReleaseKind = MODEL_RELEASE,
) -> Path:
    """Write the release folder `destination` from the working folder `root`, sealed by `key`, and return it.

    It is gathered in a draft beside it, which takes its name when it is whole; a draft that a killed run
    left is removed. A folder that stands there already, of the same bytes and named by no tag yet, is what
    a run left that was killed before it could tag: it is kept and returned.

    Parameters
    ----------
    acceptance
        What verifies the draft before `key` seals it, and once more before it takes its name.
    kind
        That of a model, or that of an evaluation, which is released whatever its verdict.

    Raises
    ------
    RefusedError
        When the verdict on a model is not `pass`, or the files show more of people than privacy allows.
    StateError
        When the destination exists otherwise, another run is writing a release, DVC's hashes don't hold,
        or the disk is full; nothing is left behind then.
    """
    evaluation = kind is EVALUATION
    if verdict.outcome != "pass" and not evaluation:
        raise RefusedError(f"verdict: must be pass, got {verdict.outcome}")
    name, check = params.project.name, check_version(version)
    if os.path.lexists(destination) and tagged(root, f"{name}@{check}") is not None:
        raise StateError(f"{destination}: must be new, got a release that exists (choose another version)")
    check_workspace(root)
    try:
        with _alone(destination.parent), _draft(destination) as draft:
            _gather(root, draft, kind)
            leak_scan.refuse(root, draft, params, evaluation=evaluation)
            verdict.write(draft / VERDICT)
            # What is said of the verdict from here on is said of the file, whose numbers have ten digits.
            written = Verdict.read(draft / VERDICT)
            if BILL in kind.made:
                build.bill(root, trace, params, written, build.tools(root)).write(draft / BILL)
            stated = state(draft, root, trace, params, written, version, evaluation=evaluation)
            if acceptance is not None:
                # Sealed by a passing key and verified first: the maker's own signs nothing that does not
                # hold.
                passing = passing_key()
                seal_release(draft, stated, passing)
                acceptance.before_signing(draft, passing.public)
            seal_release(draft, stated, key)
            if acceptance is not None:
                acceptance.after_signing(draft)
            _take_place(draft, destination)
    except OSError as error:
        place = error.filename or destination
        raise StateError(f"{place}: must be readable and writable, got {error.strerror or error}") from error
    return destination


def _gather(root: Path, draft: Path, kind: ReleaseKind) -> None:
    for name, source in kind.gathered.items():
        _copy(root / source, draft / name)
    if (root / DATASHEET).is_file():
        _copy(root / DATASHEET, draft / Path(DATASHEET).name)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise StateError(f"{source}: must exist, got nothing (run dvc repro)")
    if source.is_dir():
        target.mkdir()
        for path in sorted(source.iterdir()):
            _copy(path, target / path.name)
    else:
        shutil.copyfile(source, target)


def _take_place(draft: Path, destination: Path) -> None:
    if not os.path.lexists(destination):
        draft.rename(destination)
        return
    # Seals state the digests of all other files: of the same seals the release is the same.
    if all(content(draft / name) == content(destination / name) for name in SEALS):
        return
    found = "a folder of another content that no tag names"
    if signer := _same_by(draft, destination):
        found = f"the same release signed by another key, {signer}, that no tag names"
    raise StateError(
        f"{destination}: must be new, got {found} (look at it and move it away, or choose another version)"
    )


def _same_by(draft: Path, destination: Path) -> str | None:
    """Return the other key that signed the same statement in `destination`, or None."""
    try:
        ours, theirs = (Envelope.read(folder / STATEMENT).keyids[0] for folder in (draft, destination))
        same = release_digest(draft) == release_digest(destination)
    except FairmarkError:
        return None
    return f"{theirs[:16]}…" if same and theirs != ours else None


@contextmanager
def _draft(destination: Path) -> Iterator[Path]:
    for left in destination.parent.iterdir():
        if _DRAFT.fullmatch(left.name) and left.is_dir():
            shutil.rmtree(left)
    draft = Path(tempfile.mkdtemp(dir=destination.parent, prefix=f".{destination.name}."))
    try:
        draft.chmod(0o755)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, f"{folder}: must be free, got another run that writes a release"):
        yield
