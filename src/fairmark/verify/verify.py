"""Check a release offline: every claim that it makes, one line each, and against a clone its commit and tag.

A draft is accepted by the same claims, before anything is signed, named or sent out (`Acceptance`). It is
sealed with a key that is thrown away and verified whole; only then is it sealed with the maker's key, and
verified once more together with the object of its tag, which nothing names yet. So what a stranger would
refuse is refused here, and leaves nothing: no folder, no tag, no version in a registry.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from fairmark.errors import FairmarkError, StateError, UndeterminedError, UsageError, VerificationError
from fairmark.params.scores import UNKNOWN
from fairmark.release import seal
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import EVALUATION, STATEMENT
from fairmark.release.statement import release_digest, stated_files
from fairmark.repo.commit import committed_at, known
from fairmark.signing.git_tags import (
    evaluation_line,
    evaluation_of,
    parse_tag,
    read_tag,
    stated_by,
    tag_signer,
    write_release_tag,
)
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.verify import cards, consistency, evaluation, sbom


def check_commit(release: ReleaseFolder, clone: Path) -> str:
    """Check that the commit holds every file that the statement names, no other, and none in forged bytes."""
    if not known(clone, release.commit):
        raise StateError(
            f"{clone}: must hold commit {release.commit[:12]}, got a clone without it (fetch it)"
        )
    held = stated_files(clone, release.commit)
    stated = {
        name: entry.digest.sha256
        for name, entry in release.statement.inputs.items()
        if name in held or entry.annotations is None
    }
    if wrong := sorted(name for name in {*held, *stated} if held.get(name) != stated.get(name)):
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise VerificationError(
            f"commit {release.commit[:12]}: must hold what the statement names, got unlike files "
            f"{', '.join(wrong[:5])}{more}"
        )
    stated_at = release.statement.commit.annotations.committed
    if stated_at != committed_at(clone, release.commit):
        raise VerificationError(
            f"commit {release.commit[:12]}: must be of {committed_at(clone, release.commit)}, "
            f"got a statement that says {stated_at[:40]!a}"
        )
    return f"{release.commit[:12]} holds the {len(stated)} files that it names, and no other"


def check_tag(release: ReleaseFolder, clone: Path, made: str | None = None) -> str:
    """Check that the release's tag names its commit and the release digest.

    Parameters
    ----------
    made
        The hash of the tag's object where nothing names it yet.
    """
    name = release.statement.tag
    found = read_tag(clone, name) if made is None else parse_tag(clone, made, name)
    if found.commit != release.commit:
        raise VerificationError(
            f"tag {name}: must name commit {release.commit[:12]}, got {found.commit[:12]}"
        )
    digest, carried = release_digest(release.folder), stated_by(found.message)
    if carried != digest:
        raise VerificationError(
            f"tag {name}: must carry this statement's SHA-256, {digest[:12]}…, got {str(carried)[:12]}…"
        )
    scores = release.scores if release.kind is EVALUATION else None
    wanted = None if scores is None else evaluation_line(scores.made_by, scores.version)
    said = evaluation_of(found.message)
    if said != (wanted and evaluation_of(wanted)):
        raise VerificationError(
            f"tag {name}: must say {wanted or 'nothing of an evaluation'}, got {str(said)[:80]!a}"
        )
    return f"{name} names this commit and this statement"


def check_tag_seal(
    release: ReleaseFolder, clone: Path, key: PublicKey | None, made: str | None = None
) -> str:
    """Check that the release's tag is signed by `key`.

    Raises
    ------
    StateError
        When there is no key to check with, or no tag.
    """
    name = release.statement.tag
    if key is None:
        raise StateError(f"tag {name}: must be checked with a public key, got none (--key)")
    tag_signer(clone, name, [key.allowed("signer")], made)
    return f"{name} is signed by key {key.keyid[:16]}…"


CONFIRMED = 0
WRONG = 4
UNDECIDED = 5


@dataclass(frozen=True)
class Fact:
    """One claim of a release, checked.

    Parameters
    ----------
    name
        A word or two.
    held
        True when it holds, False when it is wrong, None when it can't be told.
    text
        What was found, in one line.
    asked
        False for a fact that nobody asked for (no clone, no key was given): it is shown, and doesn't count.
    """

    name: str
    held: bool | None
    text: str
    asked: bool = True

    def line(self) -> str:
        """Return the fact as one line for a person."""
        mark = {True: "ok   ", False: "WRONG", None: "?    " if self.asked else "-    "}[self.held]
        return f"{mark} {self.name}: {self.text}"


def exit_code(facts: Sequence[Fact]) -> int:
    """Return 0 when every asked fact held, 4 when one is wrong, 5 when one can't be told."""
    held = [fact.held for fact in facts if fact.asked]
    if False in held:
        return WRONG
    return CONFIRMED if held and None not in held else UNDECIDED


Check = Callable[[ReleaseFolder], str]
"""Say what held in a few words; raise StateError for what can't be told, another error for what is wrong."""

FolderT = TypeVar("FolderT")

_COMMON: Mapping[str, Check] = {
    "statement": seal.statement,
    "files": seal.files,
    "digests": seal.digests,
    "clean tree": seal.tree,
    "inputs": seal.inputs,
    "params": consistency.params,
    "pipeline": consistency.pipeline,
    "data": consistency.data,
    "outputs": consistency.outputs,
}

CHECKS: Mapping[str, Check] = {
    **_COMMON,
    "model": consistency.model,
    "verdict": consistency.verdict,
    "metrics": consistency.metrics,
    "reference": consistency.reference,
    "schema": consistency.schema,
    "card": cards.model_card,
    "data card": cards.data_card,
    "personal data": cards.personal,
    "bill": sbom.bill,
    "stated verdict": seal.verdict,
    "stated bill": seal.bill,
    "stated model": seal.model,
}

EVALUATION_CHECKS: Mapping[str, Check] = {
    **_COMMON,
    "scores": evaluation.scores,
    "verdict": consistency.verdict,
    "metrics": consistency.metrics,
    "schema": consistency.schema,
    "card": evaluation.card,
    "personal data": evaluation.personal,
    "stated verdict": seal.verdict,
}
"""What is asked of a release without a model, that of an evaluation of scores made elsewhere."""

BEFORE = ("statement", "files", "digests")
"""What is asked of a statement that is not signed by the key: form and bytes; nothing more is parsed."""

LONGEST = 300


def verify(
    folder: Path,
    clone: Path | None = None,
    key: PublicKey | None = None,
    *,
    yours: bool = False,
    made: str | None = None,
) -> list[Fact]:
    """Return every claim of the release in `folder`, checked; nothing in it is ever run.

    Parameters
    ----------
    clone
        A clone of the repository, to check the commit and the tag; None leaves them unasked.
    key
        The public key that the release must be signed by; without one the seals can't be told.
    yours
        Whether `key` is the user's own, taken because none was given.
    made
        The hash of the tag's object where nothing names it yet: asked by who is about to release.

    Raises
    ------
    UsageError
        When there is no folder.
    """
    release = ReleaseFolder(folder)
    listed = fact_of("files", seal.files, release)
    if "files" not in vars(release):
        return [listed]  # a link or a pipe among them: none of them is read
    sealed = partial(seal.signed, key=key, yours=yours)
    kind = release.kind
    seals = [fact_of(f"seal {name}", partial(sealed, name=name), release) for name in kind.seals]
    # Whoever could not sign may still have written every file: then parsing them is all risk and no answer.
    forged = seals[kind.seals.index(STATEMENT)].held is False
    facts = [
        listed
        if check is seal.files
        else Fact(name, None, f"not read, because {STATEMENT} is not signed as it must be")
        if forged and name not in BEFORE
        else fact_of(name, check, release)
        for name, check in (EVALUATION_CHECKS if kind is EVALUATION else CHECKS).items()
    ]
    facts += seals
    against_clone: dict[str, Callable[..., str]] = {
        "commit": check_commit,
        "tag": partial(check_tag, made=made),
        "tag seal": partial(check_tag_seal, key=key, made=made),
    }
    for name, compare in against_clone.items():
        if clone is None:
            facts.append(Fact(name, None, "not asked: give a clone to check it", asked=False))
        else:
            facts.append(fact_of(name, partial(compare, clone=clone), release))
    if kind is EVALUATION:
        facts += [Fact("not known", None, each, asked=False) for each in UNKNOWN]
    return facts


def fact_of(name: str, check: Callable[[FolderT], str], release: FolderT) -> Fact:
    """Return what a check finds, as a fact: it holds, it is wrong, or (`held` is null) it is undetermined."""
    try:
        return Fact(name, True, _line(check(release)))
    except (StateError, PermissionError) as error:
        return Fact(name, None, _line(str(error)))
    except FairmarkError as error:
        return Fact(name, False, _line("; ".join(error.faults)))
    except FileNotFoundError as error:
        return Fact(name, False, _line(f"{Path(error.filename).name}: must exist, got no such file"))
    except Exception as error:  # noqa: BLE001 - a hostile file may break any reader, and must not end the check
        # Not WRONG: nobody can tell here a file that breaks a reader from a reader that is broken.
        where = f"{type(error).__name__}: {error}"
        return Fact(name, None, _line(f"could not be checked, got an error of fairmark's own, {where}"))


def _line(text: str) -> str:
    # What a stranger wrote is shown to a terminal here: no control characters, and not without end.
    shown = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"


@contextmanager
def verified_copy(release: str, key: PublicKey, clone: Path | None = None) -> Iterator[Path]:
    """Yield a folder with a copy of a release, every claim of which holds; it is gone when the block ends.

    What is checked is the copy, and the copy is loaded: a folder that changes meanwhile changes nothing.

    Parameters
    ----------
    release
        A release folder, an archive of one, or a tag of `clone`.
    key
        The public key that it must be signed by.
    clone
        A clone of the repository: then its commit, its tag and the tag's signer are checked too.

    Raises
    ------
    VerificationError
        When a claim of the release is wrong, with a line for each.
    StateError
        When a claim can't be told, such as a seal by another key.
    UsageError
        When it is the evaluation of scores made elsewhere, which has no model to be loaded.
    """
    from fairmark.release.handover import release_at

    with release_at(release, clone) as target, tempfile.TemporaryDirectory(prefix="fairmark-") as place:
        # Links stay links, which the check refuses.
        folder = Path(place) / target.folder.resolve().name
        shutil.copytree(target.folder, folder, symlinks=True)
        facts = verify(folder, clone, key)
        code = exit_code(facts)
        if code != CONFIRMED:
            lines = [fact.line() for fact in facts if fact.asked and not fact.held]
            kind = VerificationError if code == WRONG else StateError
            raise kind(f"{folder.name}: must be what was released before it is loaded, got", *lines)
        if ReleaseFolder(folder).kind is EVALUATION:
            raise UsageError(
                f"{release}: must be the release of a model, got the evaluation of scores made elsewhere"
            )
        yield folder


TAG = ("tag", "tag seal")
"""The facts that can't be asked before the maker's key has signed."""


@dataclass
class Acceptance:
    """Verifies the draft of one release.

    Parameters
    ----------
    root
        The working folder and clone.
    name, version, message, commit
        Of the release's tag.
    key
        The maker's.
    tagged
        Whether its tag stands already: it is made again then, and the tag is not asked.
    tag
        The hash of the tag's object, once it is written.
    facts
        What the last look at the draft found.
    """

    root: Path
    name: str
    version: str
    message: str
    commit: str
    key: SigningKey
    tagged: bool
    tag: str | None = None
    facts: Sequence[Fact] = field(default_factory=list)

    def before_signing(self, draft: Path, passing: PublicKey) -> None:
        """Do nothing when a draft that a passing key has sealed holds in all but its tag.

        Raises
        ------
        VerificationError
            With each claim of it that is wrong.
        UndeterminedError
            With each claim that can't be told.
        """
        self._ask(draft, passing)

    def after_signing(self, draft: Path) -> None:
        """Do nothing when a draft that the maker has sealed holds, with the object of its tag.

        Raises
        ------
        VerificationError, UndeterminedError
            As `before_signing`.
        """
        if self.tagged:
            self._ask(draft, self.key.public)
            return
        digest = release_digest(draft)
        made = write_release_tag(
            self.root, self.name, self.version, self.message, digest, self.commit, key=self.key
        )
        self._ask(draft, self.key.public, made)
        self.tag = made

    def _ask(self, draft: Path, key: PublicKey, made: str | None = None) -> None:
        facts = verify(draft, self.root, key, made=made)
        self.facts = [fact for fact in facts if made is not None or fact.name not in TAG]
        refuse(f"{self.name}-{self.version}", self.facts)


def refuse(name: str, facts: Sequence[Fact]) -> None:
    """Do nothing when every fact that was asked holds.

    Raises
    ------
    VerificationError
        With each claim that is wrong.
    UndeterminedError
        With each claim that can't be told.
    """
    for held, kind in ((False, VerificationError), (None, UndeterminedError)):
        if found := [fact.line() for fact in facts if fact.asked and fact.held is held]:
            raise kind(f"{name}: must be what its statement says, got", *found)
