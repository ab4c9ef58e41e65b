"""The audit trail: who ran what, when, and how it ended; append-only, each entry naming the one before it.

It is kept under the git ref `refs/fairmark/trail`, a chain of commits that each hold one `entry.json`. So it
never dirties the working folder, outlives `make clean`, and goes along with `git push REMOTE
refs/fairmark/trail`, which git itself refuses when the chain was rewritten. The entries' own chain is made of
SHA-256, and does not rest on git's hashes: `previous` is the SHA-256 of the canonical JSON of the entry
before it (64 zeros for the first), its signature included.
"""

import datetime as dt
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fairmark.errors import StateError, VerificationError
from fairmark.files import canonical_json, first_departure, lines_of
from fairmark.record import utc_text
from fairmark.repo.git import git, in_words, need, own_folder
from fairmark.repo.locks import locked

if TYPE_CHECKING:
    from fairmark.signing.keys import SigningKey

REF = "refs/fairmark/trail"
FILE = "entry.json"
FIRST = "0" * 64
"""What the first entry names as the one before it."""
KEYS = ("number", "outcome", "previous", "signature", "what", "when", "who")
LONGEST = 256 * 1024
"""Bytes of an entry; a fault's text is cut long before."""

_PATIENCE_S = 15.0
_STALE_S = 10.0
"""git holds a ref's lock for milliseconds: one this old was left by a git that was killed."""
_NAMES = {f"GIT_{role}_NAME": "fairmark" for role in ("AUTHOR", "COMMITTER")}
_MAILS = {f"GIT_{role}_EMAIL": "fairmark@localhost" for role in ("AUTHOR", "COMMITTER")}


@dataclass(frozen=True)
class Identity:
    """The git identity of who did something, as a tag would carry it; None where git knows none."""

    name: str | None
    email: str | None

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the identity in an entry; without a name or address where it has none that is a text."""
        return cls(_text_at(value, "name"), _text_at(value, "email"))

    def to_json(self) -> dict[str, str | None]:
        """Return plain JSON values."""
        return {"name": self.name, "email": self.email}


@dataclass(frozen=True)
class EntrySignature:
    """Which key an entry says that it was signed by (SHA-256, 64 hex digits), and the base64 of its bytes."""

    keyid: str
    sig: str


@dataclass(frozen=True)
class Event:
    """What an entry is of, as far as any reader asks; each other key stands in the entry's text alone.

    What is not there, or is of another type, is None: an entry may be of a kind that a later fairmark writes.

    Parameters
    ----------
    action
        `began` or `ended` (a flow's run), `promote` or `rollback`, `forget`, `cut`.
    began
        Of an end: the number of the entry that the run began with.
    without_end
        Of a beginning: numbers of earlier runs that wrote no end.
    promotion, object_hash
        The tag of a promotion, and the hash of its object.
    test_set, test_rows, model, earlier
        Of a verdict: the name of the test set, the SHA-256 of its row ids, that of the model, and how many
        other verdicts had been given on it before.
    finding, record
        Of a record of the findings register: its name, and its SHA-256.
    through
        Of a cut: the number of the newest entry that was taken away.
    """

    action: str | None = None
    flow: str | None = None
    began: int | None = None
    without_end: tuple[int, ...] = ()
    release: str | None = None
    verdict: str | None = None
    promotion: str | None = None
    object_hash: str | None = None
    through: int | None = None
    fault: str | None = None
    reason: str | None = None
    test_set: str | None = None
    test_rows: str | None = None
    model: str | None = None
    earlier: int | None = None
    finding: str | None = None
    record: str | None = None

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the event in an entry; nothing of it where it is no mapping."""
        numbers = value.get("without_end") if isinstance(value, dict) else None
        return cls(
            action=_text_at(value, "action"),
            flow=_text_at(value, "flow"),
            began=_number_at(value, "began"),
            without_end=tuple(each for each in numbers if type(each) is int)
            if isinstance(numbers, list)
            else (),
            release=_text_at(value, "release"),
            verdict=_text_at(value, "verdict"),
            promotion=_text_at(value, "promotion"),
            object_hash=_text_at(value, "object"),
            through=_number_at(value, "through"),
            fault=_text_at(value, "fault"),
            reason=_text_at(value, "reason"),
            test_set=_text_at(value, "test_set"),
            test_rows=_text_at(value, "test_rows"),
            model=_text_at(value, "model"),
            earlier=_number_at(value, "earlier"),
            finding=_text_at(value, "finding"),
            record=_text_at(value, "record"),
        )


@dataclass(frozen=True)
class Entry:
    """One entry of the trail, parsed; `text` is its canonical JSON, over which its hash and signature go."""

    number: int
    previous: str
    when: str
    who: Identity
    event: Event
    outcome: str
    signature: EntrySignature | None
    text: bytes

    @cached_property
    def digest(self) -> str:
        """The SHA-256 by which the entry after this one, a tag or an auditor names it."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def unsigned(self) -> bytes:
        """The bytes that its signature is over: all of it but the signature."""
        return _canonical({key: value for key, value in self.to_json().items() if key != "signature"})

    def to_json(self) -> dict[str, object]:
        """Return the whole entry as plain JSON values."""
        value: dict[str, object] = json.loads(self.text)
        return value


def append(
    root: Path,
    event: Mapping[str, object],
    outcome: str,
    *,
    who: Identity | None = None,
    key: "SigningKey | None" = None,
) -> Entry:
    """Add an entry to the trail, and return it as it was written.

    Parameters
    ----------
    event
        What it is of: `action`, and what belongs to it (`Event`).
    outcome
        How it ended, in one word.
    who
        By default the repository's git identity.
    key
        What signs it; by default the user's own key where there is one, else nothing does.

    Raises
    ------
    StateError
        When the repository can't be written; the trail is as it was then.
    VerificationError
        When its newest entry is none.
    """
    key, who = key or _own_key(), who or identity(root)
    with _alone(root):
        old, last = _last(root)
        made = _next(event, outcome, who, last, key)
        commit = _commit(root, made, old)
        # With the old value: our lock keeps other fairmarks out, and this whoever else moves the ref (a
        # fetch).
        answer = git(root, "update-ref", REF, commit, old or "0" * len(commit))
    if answer.returncode != 0:
        raise StateError(f"{REF}: must take a new entry, got {in_words(answer.stderr)}")
    return made


def identity(root: Path) -> Identity:
    """Return the git identity that a tag would carry, or None for both parts where git knows none."""
    # Not `git var`: where nothing is set it makes an address of the user's and the machine's name.
    lines = lines_of(git(root, "config", "--get-regexp", r"^user\.(name|email)$").stdout)
    known = dict(line.split(" ", 1) for line in lines if " " in line)
    name, email = (
        os.environ.get(f"GIT_COMMITTER_{key.upper()}") or known.get(f"user.{key}") or None
        for key in ("name", "email")
    )
    return Identity(name, email)


def entries(root: Path) -> list[Entry]:
    """Return every entry of the trail, oldest first; empty when nothing was ever written.

    Raises
    ------
    VerificationError
        When a commit of the trail holds no entry that can be read, or has more than one before it.
    """
    commits = _commits(root)
    asked = "".join(f"{commit}:{FILE}\n" for commit in commits)
    answer = need(root, "tell its audit trail", "cat-file", "--batch", given=asked) if commits else ""
    return list(_read(answer.encode("utf-8", "surrogateescape"), commits))


def head(root: Path) -> str | None:
    """Return the SHA-256 of the newest entry, or None when nothing was ever written."""
    _, last = _last(root)
    return None if last is None else last.digest


def parse(text: bytes, where: str) -> Entry:
    """Return the entry in `text`, which must be its canonical form: nothing can be hidden beside it.

    Raises
    ------
    VerificationError
        When it is anything else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{where}: must be JSON, got {str(error)[:120]}") from error
    if not isinstance(value, dict) or sorted(value) != list(KEYS):
        found = ", ".join(sorted(value))[:120] if isinstance(value, dict) else type(value).__name__
        raise VerificationError(f"{where}: must hold {', '.join(KEYS)} and no more, got {found or 'nothing'}")
    # Hash and signature go over these bytes. Were another way of writing them let in, an entry of a key
    # given twice would say one thing to us and another to the next reader.
    if _canonical(value) != text:
        raise VerificationError(
            f"{where}: must be canonical JSON, got {first_departure(text, _canonical(value))}"
        )
    return Entry(
        number=_number(value.pop("number"), where),
        previous=_text(value.pop("previous"), f"{where}: previous"),
        when=_text(value.pop("when"), f"{where}: when"),
        who=Identity.from_json(value.pop("who")),
        event=Event.from_json(value.pop("what")),
        outcome=_text(value.pop("outcome"), f"{where}: outcome"),
        signature=_signature(value.pop("signature"), where),
        text=text,
    )


def rewrite(root: Path, kept: list[Entry]) -> None:
    """Replace the trail by `kept`, its newest entries as they are; an entry among them says so.

    Raises
    ------
    StateError
        When the trail grew meanwhile, or can't be written.
    """
    with _alone(root):
        old, last = _last(root)
        if not kept or last is None or last.digest != kept[-1].digest:
            raise StateError(f"{REF}: must end as it did, got a trail that grew meanwhile (try again)")
        commit = None
        # Their texts, and so their own chain, stay; git's commits must be new, for the first has no parent
        # now.
        for entry in kept:
            commit = _commit(root, entry, commit)
        need(root, "replace its audit trail", "update-ref", REF, str(commit), str(old))


def _canonical(value: Mapping[str, object]) -> bytes:
    """Return the one way in which an entry is written: sorted keys, no spaces, UTF-8."""
    return canonical_json(value, errors="replace")


def _number(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise VerificationError(
            f"{where}: entry must have a whole number above 0, got {json.dumps(value)[:20]}"
        )
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise VerificationError(f"{where} must be a text, got {json.dumps(value)[:40]}")
    return value


def _signature(value: object, where: str) -> EntrySignature | None:
    match value:
        case None:
            return None
        case {"keyid": str(keyid), "sig": str(sig), **rest} if not rest:
            return EntrySignature(keyid, sig)
    raise VerificationError(f"{where}: signature must hold keyid and sig, got {json.dumps(value)[:80]}")


def _text_at(value: object, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _number_at(value: object, key: str) -> int | None:
    found = value.get(key) if isinstance(value, dict) else None
    return found if type(found) is int else None


def _next(
    event: Mapping[str, object], outcome: str, who: Identity, last: Entry | None, key: "SigningKey | None"
) -> Entry:
    value: dict[str, object] = {
        "number": 1 if last is None else last.number + 1,
        "previous": FIRST if last is None else last.digest,
        "when": utc_text(dt.datetime.now(tz=dt.UTC)),
        "who": who.to_json(),
        "what": dict(event),
        "outcome": outcome,
    }
    value = json.loads(_canonical(value))  # what is signed is what will be read
    signature = None
    if key is not None:
        import base64

        sealed = base64.b64encode(key.sign(_canonical(value))).decode()
        signature = {"keyid": key.public.keyid, "sig": sealed}
    return parse(_canonical(value | {"signature": signature}), REF)


def _own_key() -> "SigningKey | None":
    """Return the user's own key, or None where there is none; one that is not fit to sign with is a fault."""
    from fairmark.signing.key_store import KEY, config_folder, own_key

    if not os.environ.get("FAIRMARK_KEY") and not (config_folder() / KEY).exists():
        return None
    return own_key(make=False)


def _last(root: Path) -> tuple[str | None, Entry | None]:
    """Return the commit of the newest entry, and the entry."""
    # Both in one call: each append waits for git.
    answer = need(
        root, "be a git repository", "cat-file", "--batch", given=f"{REF}^{{commit}}\n{REF}:{FILE}\n"
    )
    text = answer.encode("utf-8", "surrogateescape")
    first = text.split(b"\n", 1)[0]
    if first.endswith(b" missing"):
        return None, None
    commit, _, size = first.decode().split()
    # Behind the commit's own text and its line feed stands the answer about the file.
    rest = text[len(first) + 1 + int(size) + 1 :]
    return commit, next(_read(rest, [commit]))


def _commits(root: Path) -> list[str]:
    """Return the trail's commits, oldest first."""
    if git(root, "rev-parse", "--verify", "--quiet", REF).returncode != 0:
        need(root, "be a git repository", "rev-parse", "--git-dir")
        return []
    # By parents, not by dates, which whoever writes a commit may choose.
    lines = lines_of(need(root, "tell its audit trail", "rev-list", "--parents", "--topo-order", REF))
    if any(len(line.split()) > 2 for line in lines):
        raise VerificationError(f"{REF}: must be one chain, got an entry with two before it")
    return [line.split()[0] for line in reversed(lines)]


def _read(text: bytes, commits: list[str]) -> Iterator[Entry]:
    """Yield the entries in what `git cat-file --batch` wrote for the commits."""
    at = 0
    for commit in commits:
        end = text.find(b"\n", at)
        words = text[at:end].split()
        # Three words: hash, kind, size. `HASH missing` has two, and a tree or a link in the file's place
        # another kind. The size is looked at before anything of it is parsed.
        if len(words) != 3 or words[1] != b"blob" or int(words[2]) > LONGEST:
            found = " ".join(word.decode("utf-8", "replace") for word in words[1:]) or "nothing"
            raise VerificationError(
                f"{REF}: commit {commit[:12]} must hold {FILE} of at most {LONGEST} bytes, got {found[:40]}"
            )
        at = end + 1 + int(words[2])
        yield parse(text[end + 1 : at].removesuffix(b"\n"), f"{REF}: {commit[:12]}")
        at += 1


def _commit(root: Path, entry: Entry, parent: str | None) -> str:
    """Return the commit that holds `entry` after `parent`; nothing refers to it yet."""
    text = entry.text.decode() + "\n"
    blob = need(root, "take an audit entry", "hash-object", "-w", "--stdin", given=text).strip()
    tree = need(root, "take an audit entry", "mktree", given=f"100644 blob {blob}\t{FILE}\n").strip()
    # Name, address and time are fixed: the same entry after the same parent is the same commit, whoever's git
    # config made it, and a person is named in the entry alone.
    dates = {f"GIT_{role}_DATE": entry.when for role in ("AUTHOR", "COMMITTER")}
    before = [] if parent is None else ["-p", parent]
    words = ["commit-tree", tree, *before, "-m", f"Entry {entry.number}"]
    answer = git(root, *words, extra=_NAMES | _MAILS | dates)
    if answer.returncode != 0:
        raise StateError(f"{root}: must take an audit entry, got {in_words(answer.stderr)}")
    return answer.stdout.strip()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one process write at a time; the lock dies with its process, and a dead git's is taken away."""
    folder = own_folder(root)
    busy = f"{REF}: must be free, got another process that holds it"
    until = time.monotonic() + _PATIENCE_S
    with locked(folder / "fairmark-trail.lock", busy, wait_s=_PATIENCE_S):
        _await(folder / f"{REF}.lock", until)
        yield


def _await(left: Path, until: float) -> None:
    """Wait until git's own lock of the ref is gone, and take it away where a dead git left it."""
    while (age_s := _age_s(left)) is not None and time.monotonic() < until:
        if age_s > _STALE_S:
            with suppress(OSError):
                left.unlink()
        time.sleep(0.05)


def _age_s(path: Path) -> float | None:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return None
