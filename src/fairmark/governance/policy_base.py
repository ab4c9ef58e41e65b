"""The base that a policy is compared with: the newest release of a known signer, or a revision that is named.

Anybody who can push can set a tag `NAME@vX.Y.Z`, and a clone may lack those there are. So a tag is a base of
the policy gate only when it is signed by one of

- the key of whoever asks;
- the keys of namespace `git` that `approvers` held at the release before it; where it held none, the key
  that signed that release;
- for the lowest version alone, the first keys of that namespace that the main line of HEAD ever named.

What tells that a release was made whose tag is not here: a shallow clone, a remote that was told to give no
tags or that has more of them, an entry of the audit trail, a promotion, an approval of a release. A project
is new when nothing of this is there. Deleted together with all of it, a release can't be missed.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.errors import FairmarkError, InputError, StateError, UsageError, VerificationError
from fairmark.files import content, lines_of
from fairmark.governance.approvals import FOLDER
from fairmark.governance.approvers import FILE, TAGS, Approver, read_approvers
from fairmark.governance.promotion_tags import refs
from fairmark.judge.policy_diff import Change, changes
from fairmark.repo.commit import committed_file, tagged
from fairmark.repo.git import git, need, remote_tags
from fairmark.repo.untrusted import strict_yaml
from fairmark.signing.git_tags import claimed_key, read_tag, tag_signer, tagged_statement

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


Version = tuple[int, ...]

_VERSION = re.compile(r"v(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_OWN = "you"

NOBODY_NAMED = (
    f"{FILE} has named nobody who may sign tags, so only its maker can tell: let the maker add the line "
    "of ~/.config/fairmark/allowed_signers there and commit it"
)
"""What makes the first releases of a repository known to others, such as a second person or CI."""

BASE = "FAIRMARK_BASE"


def named_base() -> str | None:
    """Return the base that $FAIRMARK_BASE names; a forge gives zeros for the one before a branch's first."""
    base = os.environ.get(BASE)
    return base if base and set(base) != {"0"} else None


def commit_of(root: Path, base: str) -> str:
    """Return the commit of a base.

    Raises
    ------
    UsageError
        When it is no commit of this repository.
    """
    answer = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if answer.returncode != 0:
        raise UsageError(f"base: must be a commit that is here, got {base[:80]!a} (fetch it)")
    return answer.stdout.strip()


def policy_at(root: Path, commit: str) -> tuple[dict[str, Any], list[Approver]]:
    """Return the params and the approvers of a commit; empty where it has none yet.

    Raises
    ------
    StateError
        When they can't be read.
    """
    where = f"{commit[:12]}"
    try:
        texts = [_committed(root, commit, name).decode() for name in ("params.yaml", FILE)]
        sections = strict_yaml(texts[0], f"params.yaml of {where}") or {}
        return sections, read_approvers(texts[1])
    except (InputError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StateError(f"{where}: must hold a policy that can be read, got {error}") from error


def changes_since(before: Mapping[str, object], after: Mapping[str, object], base: str) -> list[Change]:
    """Return how the sections moved since the base.

    Raises
    ------
    StateError
        When those of the base don't have the shape of a policy.
    """
    try:
        return changes(before, after)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"{base}: must hold a policy that can be compared, got {error}") from error


def authors(root: Path, base: str) -> tuple[set[str], set[str]]:
    """Return who wrote what changed since `base`: their mail addresses, and the keys they signed with."""
    paths = ("--", "params.yaml", FILE)
    # --full-history: git else leaves out a branch whose change another made too, or took back; who wrote it
    # is an author all the same.
    log = ("log", "--full-history", "--format=%H %ae %ce", f"{base}..HEAD", *paths)
    lines = [line.split(" ") for line in lines_of(need(root, "tell its history", *log))]
    who = {word for _, *words in lines for word in words if word}
    # Not `git diff`: it would start the filters that the repository's config names.
    if any(content(root / name) != committed_file(root, "HEAD", name) for name in paths[1:]):
        who.add(git(root, "config", "user.email").stdout.strip())
    keys = {claimed_key(root, "commit", commit) for commit, *_ in lines}
    return who, {key for key in keys if key}


def _committed(root: Path, commit: str, name: str) -> bytes:
    """Return the bytes of a file in a commit, empty where it has none."""
    listed = need(root, f"list {commit[:12]}", "ls-tree", commit, "--", name)
    content = committed_file(root, commit, name)
    if listed and content is None:
        raise StateError(f"{commit[:12]}: must hold {name}, got a clone without its bytes (fetch them)")
    return content or b""


@dataclass(frozen=True)
class ReleaseTags:
    """What the tags of a repository tell of its releases.

    Parameters
    ----------
    newest
        The tag of the highest version whose signer is known, or None.
    signer
        Who signed that.
    key
        The id of the key that signed the lowest version whose signer is known, or None.
    undetermined
        Why it can't be told which release is the newest: a line each, with what would tell it.
    """

    newest: str | None
    signer: str | None
    key: str | None
    undetermined: tuple[str, ...]


def release_tags(root: Path, name: str, own: "PublicKey | None", *, remotes: bool = False) -> ReleaseTags:
    """Return the releases of `name` that HEAD holds.

    Parameters
    ----------
    own
        The key of whoever asks.
    remotes
        Whether the remotes may be asked over the network too.

    Raises
    ------
    StateError
        When git can't tell its tags, or ssh-keygen is missing.
    """
    mine = [own.allowed(_OWN)] if own else []
    # Trust goes along the chain of releases. The first keys that `approvers` ever named (and whoever asks)
    # may sign the lowest; from there each release hands on to those that it named itself. A stranger's tag
    # below the first known one ends that: who was first can't be told any more, and only the asker's own key
    # counts.
    first = _first_keys(root)
    lines = mine + first
    strangers: list[tuple[str, str]] = []
    newest, signer, key = None, None, None
    for tag in _merged(root, name):
        try:
            found = tag_signer(root, tag, lines)
            if tagged_statement(root, tag) is None:
                raise VerificationError(f"tag {tag}: must name one statement, got none or more")
        except VerificationError as error:
            if newest or not strangers:  # of those above a first stranger nothing can be told, good or bad
                strangers.append((tag, error.faults[0]))
            lines = lines if newest else mine
            continue
        newest, signer = tag, found
        key = key or claimed_key(root, "tag", f"refs/tags/{tag}")
        named = _lines(_approvers(root, read_tag(root, tag).commit))
        lines = mine + (named or [line for line in lines if line.split(" ", 1)[0] == found])
    least = version_of(newest, name) if newest else ()
    known = "is it a release, name a base: $FAIRMARK_BASE" if first else NOBODY_NAMED
    undetermined = [
        f"{fault} (as far as is known here; {known}; is it none, take it away: git tag -d {tag})"
        for tag, fault in strangers
        if version_of(tag, name) > least
    ]
    return ReleaseTags(newest, signer, key, (*_missing(root, name, least, remotes=remotes), *undetermined))


def version_of(tag: str, name: str) -> Version:
    """Return the numbers of a release's tag or folder; empty for what is none of `name`."""
    match = _VERSION.fullmatch(tag[len(name) + 1 :]) if tag.startswith((f"{name}@", f"{name}-")) else None
    return tuple(map(int, match.groups())) if match else ()


def is_shallow(root: Path) -> bool:
    """Return whether the repository's history is cut off."""
    return git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def _missing(root: Path, name: str, least: Version, *, remotes: bool) -> list[str]:
    """Return each sign of a release above version `least` that has no tag here."""
    if is_shallow(root):
        return [f"{root}: must hold its whole history, got a shallow clone (git fetch --unshallow --tags)"]
    signs = [*_recorded_here(root, name), *(_on_remotes(root, name) if remotes else _tagless_remotes(root))]
    return list(
        dict.fromkeys(
            text
            for tag, text in signs
            if not tag or (version_of(tag, name) > least and tagged(root, tag) is None)
        )
    )


def _recorded_here(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the tag of each release that something in the repository itself tells of."""
    from fairmark.governance.flow_runs import COMPLETED
    from fairmark.governance.trail import REF, entries

    how = "got a clone without it (git fetch --tags)"
    for entry in entries(root):
        made = entry.event.flow == "release" and entry.outcome == COMPLETED
        if made and (numbers := version_of(str(entry.event.release), name)):
            tag = f"{name}@v{'.'.join(map(str, numbers))}"
            yield tag, f"{root}: must hold the tag {tag}, which {REF} tells of, {how}"
    for each in refs(root, name).promotions:
        tag = f"{name}@{each.version}"
        yield tag, f"{root}: must hold the tag {tag}, which {each.tag} promotes, {how}"
    listed = git(root, "ls-tree", "-d", "--name-only", "HEAD", f"{FOLDER}/").stdout.split("\n")
    for folder in listed:
        if numbers := version_of(folder.removeprefix(f"{FOLDER}/"), name):
            tag = f"{name}@v{'.'.join(map(str, numbers))}"
            yield tag, f"{root}: must hold the tag {tag}, which {folder} approves, {how}"


def _tagless_remotes(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each remote that was told to give no tags (`git clone --no-tags`)."""
    listed = lines_of(git(root, "config", "--get-regexp", r"^remote\..*\.tagopt$").stdout)
    for line in listed:
        key, _, option = line.partition(" ")
        if option == "--no-tags":
            remote = key.removeprefix("remote.").rsplit(".", 1)[0]
            yield (
                "",
                (
                    f"{root}: must have fetched the tags of {remote}, got a clone made with --no-tags "
                    f"(git fetch {remote} 'refs/tags/*:refs/tags/*' && "
                    f"git config --unset remote.{remote}.tagOpt)"
                ),
            )


def _on_remotes(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield the tags of releases in HEAD's history that a remote has; one without an answer tells nothing."""
    for remote in git(root, "remote").stdout.split():
        how = f"(git fetch {remote} 'refs/tags/*:refs/tags/*')"
        try:
            there = remote_tags(root, remote, f"{name}@v*")
        except StateError as error:
            if not any(_merged(root, name)):
                wanted = f"{remote}: must tell whether it holds releases of {name}, for there are none here"
                yield "", f"{wanted}, got {error} (reach it, or git remote remove {remote})"
            continue
        for tag, commit in there.items():
            if git(root, "merge-base", "--is-ancestor", commit, "HEAD").returncode == 0:
                yield (
                    tag,
                    f"{root}: must hold the tag {tag}, which {remote} has, got a clone without it {how}",
                )


def _merged(root: Path, name: str) -> list[str]:
    """Return the release tags of `name` that HEAD holds, the lowest version first."""
    words = ("for-each-ref", "--merged=HEAD", "--format=%(refname:lstrip=2)", f"refs/tags/{name}@v*")
    tags = need(root, "list its tags", *words).split()
    return sorted((tag for tag in tags if version_of(tag, name)), key=lambda tag: version_of(tag, name))


def _first_keys(root: Path) -> list[str]:
    """Return the lines of the first commit on HEAD's main line whose `approvers` lets anybody sign tags."""
    words = ("log", "--first-parent", "--reverse", "--format=%H", "HEAD", "--", FILE)
    for commit in need(root, "tell its history", *words).split():
        if lines := _lines(_approvers(root, commit)):
            return lines
    return []


def _lines(approvers: Sequence[Approver]) -> list[str]:
    return [each.line() for each in approvers if each.may(TAGS)]


def _approvers(root: Path, commit: str) -> list[Approver]:
    try:
        return read_approvers((committed_file(root, commit, FILE) or b"").decode())
    except (FairmarkError, UnicodeError):
        return []
