"""The people who may sign: the file `approvers` at the top of the repository.

It is in OpenSSH's ALLOWED SIGNERS format (ssh-keygen(1)), so that `git verify-tag` and `ssh-keygen -Y verify`
read the very same file. What that format leaves open is refused here: a key without namespaces may sign
anything, a pattern stands for people who are not named, and a time without `Z` means another moment on
another machine.

Which way the file `approvers` moved: who may sign more, and who less.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import InputError, UsageError
from fairmark.files import plain_lines
from fairmark.judge.policy_diff import LOOSENED, NEUTRAL, TIGHTENED, Change
from fairmark.repo.untrusted import foreign_text
from fairmark.signing.keys import SSH, PublicKey, public_key

FILE = "approvers"
OWN = "own-key"
"""The name of a key that no line of `FILE` names: one's own."""
TAGS = "git"
"""Namespace of those who may sign tags: the one that git itself uses."""
APPROVAL = "fairmark-approval"
"""Namespace of those who may approve."""

NAMESPACES = (TAGS, APPROVAL)
# Blanks are those of ssh-keygen, not those of Unicode: a line must have the same words for both.
_LINE = re.compile(r'(\S+)\s+((?:[^\s"]|"[^"]*")+)\s+(\S+\s+\S+)(?:\s.*)?', re.ASCII)
_OPTION = re.compile(r'([a-z-]+)="([^"]*)"')
_WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?Z")


@dataclass(frozen=True)
class Approver:
    """One key of one person, and what it may sign when.

    Parameters
    ----------
    principal
        Who the person is: one word, such as a mail address.
    namespaces
        `git` for tags, `fairmark-approval` for approvals.
    valid_after, valid_before
        First and last moment at which its signatures count; None for no bound.
    key
        The public key.
    """

    principal: str
    namespaces: tuple[str, ...]
    valid_after: dt.datetime | None
    valid_before: dt.datetime | None
    key: PublicKey

    def may(self, namespace: str) -> bool:
        """Return whether the key was ever given `namespace`."""
        return namespace in self.namespaces

    def valid(self, when: dt.datetime) -> bool:
        """Return whether the key counts at `when`, both ends included (sshsig.c of OpenSSH does the same)."""
        late = self.valid_before is not None and when > self.valid_before
        return not late and (self.valid_after is None or when >= self.valid_after)

    def line(self) -> str:
        """Return the line of an allowed signers file that says it; `read_approvers` gives it back."""
        options = [f'namespaces="{",".join(self.namespaces)}"']
        for name, moment in (("valid-after", self.valid_after), ("valid-before", self.valid_before)):
            options += [f'{name}="{moment:%Y%m%d%H%M%S}Z"'] if moment else []
        return f"{self.principal} {','.join(options)} {self.key.ssh}"


def read_approvers(source: Path | str) -> list[Approver]:
    """Return the approvers that a file (a path) or its text names; none where there is no file.

    Raises
    ------
    InputError
        With every line that is not as it must be, every key of two people, and every person who is written in
        two ways.
    """
    if isinstance(source, Path):
        source = foreign_text(source) if source.exists() or source.is_symlink() else ""
    found, faults = [], []
    for number, text in enumerate(plain_lines(source, FILE), 1):
        line = text.strip(" \t")
        if line and not line.startswith("#"):
            try:
                found.append(_approver(line))
            except (ValueError, UsageError) as error:
                faults.append(f"{FILE}:{number}: {error}")
    # Approvals are counted by people. One person under two spellings would be two.
    spelt = {person(each.principal): each.principal for each in found}
    faults += [
        f"{FILE}: a person must be written one way, got {each.principal} and {spelt[person(each.principal)]}"
        for each in found
        if spelt[person(each.principal)] != each.principal
    ]
    owners = {each.key.keyid: each.principal for each in found}
    faults += [
        f"{FILE}: a key must be one person's, got {each.key.keyid[:16]}… of {each.principal} and of "
        f"{owners[each.key.keyid]}"
        for each in found
        if owners[each.key.keyid] != each.principal
    ]
    if faults:
        raise InputError(*faults)
    return found


def person(principal: str) -> str:
    """Return what is the same for one person, however the mail address is written: `Ada@X` is `ada@x`."""
    return principal.strip().casefold()


def named(approvers: Sequence[Approver], keyid: str) -> str | None:
    """Return whose key it is, or None for a key that `approvers` never names."""
    return next((each.principal for each in approvers if each.key.keyid == keyid), None)


def people(approvers: Sequence[Approver], namespace: str, when: dt.datetime) -> list[str]:
    """Return who has a key that may sign for `namespace` at `when`, each once, in the file's order."""
    able = (each.principal for each in approvers if each.may(namespace) and each.valid(when))
    return list(dict.fromkeys(able))


def _approver(text: str) -> Approver:
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError(f'must read: who namespaces="git,fairmark-approval" key comment, got {text[:80]!a}')
    who, option_list, key = match.groups()
    if not _WHO.fullmatch(who):
        raise ValueError(f"must name one person by one plain word, got {who[:80]!a}")
    options = _options(option_list)
    namespaces = tuple(options["namespaces"].split(",")) if options.get("namespaces") else ()
    if not namespaces or set(namespaces) - set(NAMESPACES):
        raise ValueError(f"namespaces must be of {', '.join(NAMESPACES)}, got {', '.join(namespaces)!a}")
    if not key.startswith(f"{SSH} "):
        raise ValueError(f"key must be of type {SSH}, got {key.split()[0][:40]!a}")
    after, before = (_moment(name, options.get(name)) for name in ("valid-after", "valid-before"))
    return Approver(who, namespaces, after, before, public_key(key, "key"))


def _options(text: str) -> dict[str, str]:
    pairs = _OPTION.findall(text)
    found = dict(pairs)
    known = {"namespaces", "valid-after", "valid-before"}
    if ",".join(f'{name}="{value}"' for name, value in pairs) != text or set(found) - known:
        raise ValueError(f'options must be of {", ".join(sorted(known))}, each ="…", got {text[:80]!a}')
    if len(found) != len(pairs):
        raise ValueError(f"options must be given once each, got {text[:80]!a}")
    return found


def _moment(name: str, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    try:
        parts = [int(part or 0) for part in match.groups()] if match else []
        return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]
    except (TypeError, ValueError) as error:
        wanted = "YYYYMMDDZ or YYYYMMDDHHMM[SS]Z (in UTC, so that it is one moment everywhere)"
        raise ValueError(f"{name} must read {wanted}, got {text[:40]!a}") from error


def approver_changes(old: Sequence[Approver], new: Sequence[Approver]) -> list[Change]:
    """Return every change between two lists of approvers.

    The first who may sign for a namespace at all loosen nothing: before them nobody could. So to leave a
    namespace to nobody loosens it.
    """
    found = []
    for each in new:
        if each in old:
            continue
        before = [one for one in old if (one.principal, one.key) == (each.principal, each.key)]
        added = [ns for ns in each.namespaces if not any(_within(each, ns, one) for one in before)]
        first = [ns for ns in added if not any(one.may(ns) for one in old)]
        if not added:
            found.append(Change(FILE, TIGHTENED, f"{each.principal}'s key may do less, or for less long"))
        elif first == added:
            found.append(Change(FILE, NEUTRAL, f"{each.principal} is the first with {', '.join(added)}"))
        else:
            text = f"{each.principal}'s key {each.key.keyid[:16]}… is given {', '.join(added)}"
            found.append(Change(FILE, LOOSENED, f"{text}{' for longer' if before else ''}", heavy=True))
    # Without this the next ones would be the first, and need nobody.
    found += [
        Change(
            FILE,
            LOOSENED,
            f"nobody may sign for {ns} any more: whoever is named next would be the first",
            heavy=True,
        )
        for ns in NAMESPACES
        if any(each.may(ns) for each in old) and not any(each.may(ns) for each in new)
    ]
    left = {each.key for each in new}
    gone = [each for each in old if each.key not in left]
    return found + [
        Change(
            FILE,
            TIGHTENED,
            f"{each.principal}'s key {each.key.keyid[:16]}… is taken out: what it signed can't be checked "
            "any more (give it an end instead)",
        )
        for each in gone
    ]


def _within(new: Approver, namespace: str, old: Approver) -> bool:
    """Return whether what a line gives for a namespace was given before, for as long."""
    after = old.valid_after is None or (new.valid_after is not None and new.valid_after >= old.valid_after)
    until = old.valid_before is None or (
        new.valid_before is not None and new.valid_before <= old.valid_before
    )
    return old.may(namespace) and after and until
