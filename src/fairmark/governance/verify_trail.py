"""Say whether the audit trail holds: one chain, which keys vouch for it, and all that others saw of it.

What is found: an entry that was edited, put elsewhere, or taken out of the middle (the chain breaks), and a
signature that is not the key's. What no chain can tell by itself is that its newest entries were taken away;
that is seen by whoever kept a later head: a tag that carries `Trail:`, an exported file, a remote.
"""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import InputError, StateError, VerificationError
from fairmark.files import lines_of
from fairmark.governance import test_set_budget
from fairmark.governance.trail import FIRST, REF, Entry, entries, parse
from fairmark.repo.git import git, in_words, need

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey

_MARK = "Trail: "
_MOST_BYTES = 2**30
_PROTOCOLS = "file:git:http:https:ssh"
"""How a remote may be asked: none of them lets its address name a command."""


@dataclass(frozen=True)
class Chained:
    """What a whole chain says of itself.

    Parameters
    ----------
    first, last
        Numbers of its oldest and newest entry; 0 for an empty trail. A first above 1 means that the entries
        before it were cut away, which an entry says.
    head
        SHA-256 of the newest entry, or None.
    vouched
        Number of the newest entry that a known key signed: the chain binds all before it; 0 for none.
    signers
        How many entries each known key signed, by key id.
    strangers
        The same for keys that are not known here.
    """

    first: int
    last: int
    head: str | None
    vouched: int
    signers: Mapping[str, int]
    strangers: Mapping[str, int]


def check(root: Path, keys: Sequence["PublicKey"] = ()) -> Chained:
    """Return what the repository's trail says of itself, checked against its tags too.

    Raises
    ------
    VerificationError
        With each entry that is not what was written, and each tag that names an entry which is not there.
    StateError
        When tags name entries, and there is no trail at all.
    """
    kept = entries(root)
    found = checked(kept, keys)
    known = {FIRST, *(entry.digest for entry in kept)}
    lost = {tag: head for tag, head in _named(root).items() if head not in known}
    if lost and not kept:  # as in every new clone, for git fetches branches and tags alone
        raise StateError(
            f"{REF}: must be here, because {len(lost)} of the tags name entries of it, got no audit trail "
            f"(git fetch REMOTE {REF}:{REF})"
        )
    # After a cut the tags of that time name entries that are rightly gone.
    if lost and found.first <= 1:
        raise VerificationError(
            *(f"tag {tag}: must name an entry of the trail, got {head[:12]}" for tag, head in lost.items())
        )
    return found


def checked(kept: Sequence[Entry], keys: Sequence["PublicKey"] = ()) -> Chained:
    """Return what a chain of entries says of itself.

    Raises
    ------
    VerificationError
        With each entry that does not follow from the one before it, each signature that is not the key's, and
        a beginning that was cut away without an entry that says so.
    """
    by_id = {key.keyid: key for key in keys}
    faults: list[str] = []
    for before, entry in zip([None, *kept], kept, strict=False):
        faults += _link_faults(before, entry) + _signature_faults(entry, by_id)
    # Whoever takes entries off the beginning breaks no link: what is left is a chain as well. So one of the
    # entries that stay must say so, and that entry is signed like the others.
    first = kept[0].number if kept else 1
    if first > 1 and not _cut(kept, first - 1):
        faults.append(f"entry {first}: must be the first, or an entry must say what was cut")
    faults += test_set_budget.faults(kept)
    if faults:
        raise VerificationError(*faults)
    signed = [(entry.number, entry.signature.keyid) for entry in kept if entry.signature]
    return Chained(
        first=kept[0].number if kept else 0,
        last=kept[-1].number if kept else 0,
        head=kept[-1].digest if kept else None,
        vouched=max((number for number, keyid in signed if keyid in by_id), default=0),
        signers=Counter(keyid for _, keyid in signed if keyid in by_id),
        strangers=Counter(keyid for _, keyid in signed if keyid not in by_id),
    )


def read_export(path: Path) -> list[Entry]:
    """Return the entries of a file of JSON lines, as `fairmark trail --export` writes it.

    Raises
    ------
    InputError
        When there is no such file, or it is too large.
    VerificationError
        When a line is not an entry in its canonical form.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: must have at most {_MOST_BYTES} bytes, got more")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path}: must be readable, got {error.strerror}") from error
    if lines[-1:] != [b""]:
        raise VerificationError(f"{path.name}: must end with a whole line, got {lines[-1][-40:]!r}")
    return [parse(line, f"{path.name}:{number}") for number, line in enumerate(lines[:-1], 1)]


def compare(kept: Sequence[Entry], seen: Sequence[Entry], where: str) -> None:
    """Do nothing when the trail `kept` still holds every entry that somebody saw in it.

    Raises
    ------
    VerificationError
        With each entry that is another one now, and those that are gone from its end.
    """
    # Of what was cut here meanwhile the file still tells, and nothing can be compared. What is gone from the
    # end was taken away: entries are only ever added there.
    here = {entry.number: entry.digest for entry in kept}
    first, last = min(here, default=1), max(here, default=0)
    faults = [
        f"entry {entry.number}: must be {entry.digest[:12]} as in {where}, got {here[entry.number][:12]}"
        for entry in seen
        if here.get(entry.number, entry.digest) != entry.digest
    ]
    gone = [entry.number for entry in seen if entry.number > last and entry.number >= first]
    if gone:
        faults.append(
            f"{REF}: must hold entries {gone[0]} to {gone[-1]} of {where}, got a trail without them"
        )
    if faults:
        raise VerificationError(*faults)


def check_remote(root: Path, remote: str) -> str:
    """Return what the remote's trail is to ours, in words.

    Raises
    ------
    StateError
        When the remote does not answer or has no trail.
    VerificationError
        When the remote's newest entry is not in ours.
    """
    # An address such as `ext::sh -c ...` is a command to git; a stranger's clone may have set it as the
    # remote.
    answer = git(root, "ls-remote", "--", remote, REF, extra={"GIT_ALLOW_PROTOCOL": _PROTOCOLS})
    if answer.returncode != 0:
        raise StateError(f"{remote}: must answer, got {in_words(answer.stderr)}")
    words = answer.stdout.split()
    if not words:
        raise StateError(f"{remote}: must hold {REF}, got none (git push {remote} {REF})")
    if git(root, "merge-base", "--is-ancestor", words[0], REF).returncode != 0:
        raise VerificationError(
            f"{REF}: must go on from the trail of {remote} ({words[0][:12]}), got one that lacks its entries"
        )
    return f"holds all that {remote} has"


def _link_faults(before: Entry | None, entry: Entry) -> list[str]:
    number, previous = entry.number, entry.previous
    if before is None:
        wrong = number == 1 and previous != FIRST
        return [f"entry 1: must name none before it, got {previous[:12]}"] if wrong else []
    faults = []
    if number != before.number + 1:
        faults.append(
            f"entry {before.number}: must be followed by entry {before.number + 1}, got entry {number}"
        )
    if previous != before.digest:
        wanted = f"entry {number}: must name entry {before.number} as it is, {before.digest[:12]}"
        faults.append(f"{wanted}, got {previous[:12]}")
    return faults


def _signature_faults(entry: Entry, keys: Mapping[str, "PublicKey"]) -> list[str]:
    key = None if entry.signature is None else keys.get(entry.signature.keyid)
    if entry.signature is None or key is None:
        return []
    try:
        key.verify(base64.b64decode(entry.signature.sig, validate=True), entry.unsigned)
    except (VerificationError, ValueError):
        wanted = f"entry {entry.number}: must be signed by key {key.keyid[:12]}"
        return [f"{wanted}, got a signature that is not over it"]
    return []


def _cut(kept: Sequence[Entry], through: int) -> bool:
    """Return whether an entry says that all entries up to `through` were taken away."""
    return any(entry.event.action == "cut" and entry.event.through == through for entry in kept)


def _named(root: Path) -> dict[str, str]:
    """Return the head of the trail that each tag carries."""
    form = "--format=%(refname:short)%00%(contents)%01"
    found: dict[str, str] = {}
    for text in need(root, "list its tags", "for-each-ref", form, "refs/tags").split("\1"):
        tag, _, message = text.strip("\n").partition("\0")
        heads = [line.removeprefix(_MARK).strip() for line in lines_of(message) if line.startswith(_MARK)]
        if heads and heads[0] != "none":
            found[tag] = heads[0]
    return found
