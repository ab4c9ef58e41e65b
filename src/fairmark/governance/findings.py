"""The findings register: what a validator found, signed, with severity, owner and due date, until repaired.

Each record is one in-toto Statement in a signed envelope in the folder `findings`: `0001-open.json`, and
`0001-close.json` once it is repaired. None is ever changed or taken away: git's history of the folder, and
the audit trail, which notes the SHA-256 of each, are held against what is there. An open finding of high
severity keeps releases from production.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, RefusedError, StateError, UsageError, VerificationError
from fairmark.files import lines_of, sha256
from fairmark.governance import trail
from fairmark.governance.approvers import APPROVAL, FILE, OWN, Approver, people, person
from fairmark.governance.finding_records import (
    FOLDER,
    NAME,
    TYPE,
    Closing,
    FindingRecord,
    Opening,
    Severity,
    digest_of,
    moment,
    one_text,
    opening_subject,
    read_record,
)
from fairmark.record import utc_text
from fairmark.release.statement import FileDigest, Subject, release_digest
from fairmark.repo.commit import committed_file
from fairmark.repo.git import git, own_folder
from fairmark.repo.locks import locked
from fairmark.repo.machine import SKEW
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope, seal
from fairmark.signing.git_tags import tagged_statement

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey, SigningKey

PARAMS = "params.yaml"
"""The name of whoever signs with a key that was given, where `approvers` names nobody."""
NOTED = "finding"
"""The action of the audit trail's entries about records."""
HIGH = "high"

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,200}")
_RELEASE = re.compile(r"([A-Za-z0-9][\w.-]*)[@-](v\d+\.\d+\.\d+)")
_PATIENCE_S = 15.0


@dataclass(frozen=True)
class ValidationFinding:
    """A finding of the register: how it was opened, and how it was closed, if it was."""

    number: str
    opened: Opening
    closed: Closing | None

    def overdue(self, today: dt.date) -> bool:
        """Return whether it is open after its due date."""
        return self.closed is None and self.opened.due < today

    def standing(self, today: dt.date) -> str:
        """Return `open`, `overdue` or `closed`."""
        return "closed" if self.closed else "overdue" if self.overdue(today) else "open"

    @property
    def about(self) -> str:
        """What it is about, in words."""
        of = self.opened
        named = (("release", of.release), ("limit", of.limit), ("section", of.section))
        return ", ".join(f"{kind} {name}" for kind, name in named if name)

    def line(self, today: dt.date) -> str:
        """Return what a terminal shows of it."""
        of, done = self.opened, self.closed
        end = f"; repaired, says {done.by} on {done.when[:10]}: {done.text}" if done else ""
        head = f"{self.number} {self.standing(today)} {of.severity}, {of.owner} by {of.due}"
        return f"{head}, about {self.about}: {of.text} ({of.by}, {of.when[:10]}){end}"

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        closed = self.closed and self.closed.to_json()
        return {"finding": self.number, "opened": self.opened.to_json(), "closed": closed}


@dataclass(frozen=True)
class FindingsRegister:
    """The findings that are there, by number, and what does not hold of the records."""

    findings: tuple[ValidationFinding, ...]
    faults: tuple[str, ...]

    @property
    def open(self) -> tuple[ValidationFinding, ...]:
        """Those that nobody has closed."""
        return tuple(each for each in self.findings if each.closed is None)


@dataclass(frozen=True)
class NewFinding:
    """What somebody found, before it is signed.

    Parameters
    ----------
    owner
        Who is to repair it: one plain word, such as the mail address in `approvers`.
    release, limit, section
        What it is about, at least one: a release `NAME@vX.Y.Z`, a limit of the policy, a part of a document.
    evidence
        Files, which the record names by their SHA-256.
    """

    severity: Severity
    owner: str
    due: dt.date
    text: str
    release: str | None = None
    limit: str | None = None
    section: str | None = None
    evidence: Sequence[Path] = ()


def open_finding(
    root: Path,
    new: NewFinding,
    key: "SigningKey",
    approvers: Sequence[Approver],
    trusted: "Sequence[PublicKey]" = (),
) -> tuple[str, Path]:
    """Sign and write the record that opens a finding; return its number and the file.

    Raises
    ------
    UsageError
        When a part of it is none.
    RefusedError
        When the key may not sign.
    VerificationError
        When the register does not hold as it is.
    """
    now = dt.datetime.now(tz=dt.UTC)
    if not _OWNER.fullmatch(new.owner):
        raise UsageError(f"--owner: must be one plain word, as {FILE} names people, got {new.owner[:80]!a}")
    if new.due < now.date():
        raise UsageError(f"--due: must be today or later, got {new.due}")
    if not (new.release or new.limit or new.section):
        raise UsageError("finding: must be about a release, a limit or a section, got none of them")
    by = _signer(key.public, approvers, trusted, now)
    subject = _subject(root, new.release)
    if new.limit is not None:
        _refuse_unknown(root, new.limit)
    said = Opening(
        event="open", by=by, when=utc_text(now), severity=new.severity, owner=new.owner, due=new.due,
        release=subject.name if new.release else None, limit=new.limit,
        section=one_text(new.section) if new.section else None, text=one_text(new.text),
        evidence=_evidence(root, new.evidence),
    )  # fmt: skip
    with _alone(root):
        _sound(root, approvers, trusted)
        noted = [name for name, _ in _noted(root)]
        numbers = [int(name[:4]) for name in (*_there(root), *_committed(root), *noted)]
        number = f"{max(numbers, default=0) + 1:04d}"
        return number, _write(root, f"{number}-open", (subject,), said, key)


def close_finding(
    root: Path,
    number: str,
    text: str,
    key: "SigningKey",
    approvers: Sequence[Approver],
    trusted: "Sequence[PublicKey]" = (),
    evidence: Sequence[Path] = (),
) -> Path:
    """Sign and write the record that closes a finding, saying what repaired it; return the file.

    Raises
    ------
    UsageError
        When there is no such open finding.
    RefusedError
        When the key is its owner's, or may not approve.
    VerificationError
        When the register does not hold as it is.
    """
    now, text = dt.datetime.now(tz=dt.UTC), one_text(text)
    with _alone(root):
        found = {each.number: each for each in _sound(root, approvers, trusted).findings}
        of = found.get(number)
        if of is None or of.closed is not None:
            known = ", ".join(each.number for each in found.values() if each.closed is None)
            raise UsageError(
                f"finding: must be an open one ({known or 'there is none'}), got {number[:80]!a}"
            )
        by = _closer(key.public, of.opened.owner, approvers, trusted, now)
        said = Closing(
            event="close", by=by, when=utc_text(now), text=text, evidence=_evidence(root, evidence)
        )
        opening = _envelope(root, f"{number}-open")
        return _write(root, f"{number}-close", opening_subject(number, opening), said, key)


def read_register(
    root: Path, approvers: Sequence[Approver], trusted: "Sequence[PublicKey]" = ()
) -> FindingsRegister:
    """Return the findings of a repository, each record checked, and what does not hold of them.

    A record counts when whom it names signed it with a key that was in force when it was written; a closing
    only by an approver who is not the owner. A record whose signature can't be told opens a finding all the
    same, and closes none.
    """
    names, faults = _there(root), [*_astray(root), *_changed(root)]
    opened: dict[str, tuple[Opening, Envelope]] = {}
    closed: dict[str, Closing] = {}
    for name in names:
        number = name[:4]
        try:
            envelope = _envelope(root, name)
            said = read_record(envelope, name)
            if isinstance(said.predicate, Opening):
                opened[number] = said.predicate, envelope
            _check_signed(envelope, said.predicate, approvers, trusted)
            if isinstance(said.predicate, Closing):
                if number not in opened:
                    raise VerificationError("must follow an opening, got none that can be read")
                _check_closing(envelope, said, number, opened[number], approvers, trusted)
                closed[number] = said.predicate
        except FairmarkError as error:
            faults += [f"{FOLDER}/{name}.json: {fault}" for fault in error.faults]
    findings = [ValidationFinding(number, of, closed.get(number)) for number, (of, _) in opened.items()]
    return FindingsRegister(tuple(findings), tuple(dict.fromkeys(faults)))


def refuse_high(root: Path, approvers: Sequence[Approver], trusted: "Sequence[PublicKey]" = ()) -> None:
    """Do nothing where no finding of high severity is open; without a register there is none.

    Raises
    ------
    RefusedError
        Naming each that is open.
    VerificationError
        When the register does not hold: what was taken from it may have been one.
    """
    found, today = _sound(root, approvers, trusted), dt.datetime.now(tz=dt.UTC).date()
    if high := [each for each in found.open if each.opened.severity == HIGH]:
        raise RefusedError(
            f"{FOLDER}: no finding of high severity may be open when a release goes to production, got "
            f"{len(high)} (repair it, and let somebody else close it: fairmark finding close)",
            *(each.line(today) for each in high),
        )


def _sound(root: Path, approvers: Sequence[Approver], trusted: "Sequence[PublicKey]") -> FindingsRegister:
    found = read_register(root, approvers, trusted)
    if found.faults:
        raise VerificationError(f"{FOLDER}: every record must be as it was signed, got", *found.faults)
    return found


# ------------------------------------------------------------------ who may sign


def _signer(
    key: "PublicKey", approvers: Sequence[Approver], trusted: "Sequence[PublicKey]", when: dt.datetime
) -> str:
    """Return who signs with a key: whom `approvers` names, or where it names nobody, a key that was given."""
    for each in approvers:
        if each.key == key and each.valid(when):
            return each.principal
    if not approvers and any(key == each for each in trusted):
        return OWN
    who = ", ".join(dict.fromkeys(each.principal for each in approvers)) or "nobody"
    raise RefusedError(
        f"key {key.keyid[:16]}…: must be in {FILE} (as of {who}), and valid on {when:%Y-%m-%d}, got one that "
        "is not"
    )


def _closer(
    key: "PublicKey",
    owner: str,
    approvers: Sequence[Approver],
    trusted: "Sequence[PublicKey]",
    when: dt.datetime,
) -> str:
    who = _signer(key, approvers, trusted, when)
    able = [each for each in people(approvers, APPROVAL, when) if person(each) != person(owner)]
    if approvers and person(who) not in map(person, able):
        raise RefusedError(
            f"{who}: must be an approver other than the owner to close a finding, got {who} (as may "
            f"{', '.join(able) or f'nobody that {FILE} names'})"
        )
    return who


def _check_signed(
    envelope: Envelope,
    said: Opening | Closing,
    approvers: Sequence[Approver],
    trusted: "Sequence[PublicKey]",
) -> None:
    if len(envelope.signatures) != 1:
        raise VerificationError(f"must have one signature, got {len(envelope.signatures)}")
    known = {each.keyid: each for each in (*(each.key for each in approvers), *trusted)}
    key = known.get(envelope.keyids[0])
    if key is None:
        raise VerificationError(
            f"must be signed by a key that {FILE} names or that is given, got {envelope.keyids[0][:16]}…"
        )
    envelope.signers([key])
    when = moment(said.when)
    if when > dt.datetime.now(tz=dt.UTC) + SKEW:
        raise VerificationError(f"must not be of a day to come, got {said.when}")
    if (who := _signer(key, approvers, trusted, when)) != said.by:
        raise VerificationError(f"must name {who}, who signed it, got {said.by[:80]!a}")


def _check_closing(
    envelope: Envelope,
    said: FindingRecord,
    number: str,
    of: tuple[Opening, Envelope],
    approvers: Sequence[Approver],
    trusted: "Sequence[PublicKey]",
) -> None:
    opening, sealed = of
    if said.subject != opening_subject(number, sealed):
        raise VerificationError("must close the opening that is there, got one of another")
    if (when := moment(said.predicate.when)) < moment(opening.when):
        raise VerificationError(f"must not be before the opening, {opening.when}, got {said.predicate.when}")
    known = {each.keyid: each for each in (*(each.key for each in approvers), *trusted)}
    _closer(known[envelope.keyids[0]], opening.owner, approvers, trusted, when)


# ------------------------------------------------------------------ what is kept


def _write(
    root: Path, name: str, subject: tuple[Subject, ...], said: Opening | Closing, key: "SigningKey"
) -> Path:
    record = FindingRecord(kind=STATEMENT_TYPE, subject=subject, predicate_type=TYPE, predicate=said)
    envelope, path = seal(record.to_json(), key), root / FOLDER / f"{name}.json"
    envelope.write(path)
    event = {"action": NOTED, "finding": name, "record": digest_of(envelope)}
    trail.append(root, event, said.event, key=key)
    return path


def _envelope(root: Path, name: str) -> Envelope:
    return Envelope.read(root / FOLDER / f"{name}.json")


def _there(root: Path) -> list[str]:
    """Return the names of the records in the folder, an opening before its closing."""
    found = [path.stem for path in (root / FOLDER).glob("*.json") if NAME.fullmatch(path.stem)]
    return sorted(found, key=lambda name: (name[:4], name[5:] == "close"))


def _astray(root: Path) -> list[str]:
    there = (root / FOLDER).iterdir() if (root / FOLDER).is_dir() else ()
    return [
        f"{FOLDER}/{path.name[:80]}: must be NNNN-open.json or NNNN-close.json, got another name"
        for path in sorted(there)
        if path.suffix != ".json" or not NAME.fullmatch(path.stem)
    ]


def _committed(root: Path) -> list[str]:
    """Return the names of the records that git's HEAD holds; none where there is no commit."""
    answer = git(root, "ls-tree", "-r", "-z", "--name-only", "HEAD", f"{FOLDER}/")
    names = [Path(name) for name in answer.stdout.split("\0") if name] if answer.returncode == 0 else []
    return [path.stem for path in names if path.suffix == ".json" and NAME.fullmatch(path.stem)]


def _noted(root: Path) -> list[tuple[str, str]]:
    """Return each record that the audit trail tells of, by name, with the SHA-256 that it was noted with.

    One that was noted twice is there twice: a later entry takes nothing back of an earlier one.
    """
    return [
        (entry.event.finding, entry.event.record)
        for entry in trail.entries(root)
        if entry.event.action == NOTED
        and entry.event.record is not None
        and entry.event.finding is not None
        and NAME.fullmatch(entry.event.finding)
    ]


def _changed(root: Path) -> Iterator[str]:
    """Yield what was changed or taken away, by what git and the audit trail have seen."""
    # Every merge with all its parents: a merge may drop what one of them has.
    words = ("log", "--full-history", "-m", "--no-renames", "--diff-filter=MDT", "--format=", "--name-only")
    answer = git(root, *words, "--relative", "HEAD", "--", FOLDER)
    for name in sorted(set(lines_of(answer.stdout)) - {""} if answer.returncode == 0 else ()):
        yield f"{name}: must stay as it was first committed, got a commit that changes it or takes it away"
    for name in _committed(root):
        path = root / FOLDER / f"{name}.json"
        if not path.is_file() or path.read_bytes() != committed_file(root, "HEAD", f"{FOLDER}/{path.name}"):
            yield f"{FOLDER}/{path.name}: must be as HEAD holds it, got another or none"
    for name, digest in _noted(root):
        try:
            same = digest_of(_envelope(root, name)) == digest
        except FairmarkError:
            same = False
        if not same:
            yield f"{FOLDER}/{name}.json: must be as the audit trail tells of it, got another or none"


def _subject(root: Path, release: str | None) -> Subject:
    if release is None:
        path = root / PARAMS
        if not path.is_file():
            raise StateError(f"{path}: must be there, for a finding is about a project, got no such file")
        return Subject(name=PARAMS, digest=FileDigest(sha256=sha256(path)))
    match = _RELEASE.fullmatch(release)
    name, version = match.groups() if match else ("", "")
    folder = root / "releases" / f"{name}-{version}"
    there = match is not None and folder.is_dir()
    digest = release_digest(folder) if there else tagged_statement(root, f"{name}@{version}")
    if digest is None:
        raise UsageError(
            f"--release: must be NAME@vX.Y.Z of a release of this repository, got {release[:80]!a}"
        )
    return Subject(name=f"{name}-{version}", digest=FileDigest(sha256=digest))


def _refuse_unknown(root: Path, limit: str) -> None:
    from fairmark.params.read import read_params

    policy = read_params(root / PARAMS).policy
    known = [each.name for each in (*policy.required, *policy.signs)]
    if limit not in known:
        raise UsageError(f"--limit: must be one of the policy's, {', '.join(known)}, got {limit[:80]!a}")


def _evidence(root: Path, files: Sequence[Path]) -> tuple[Subject, ...]:
    found = []
    for path in files:
        if not path.is_file():
            raise UsageError(f"--evidence: must be a file, got {str(path)[:200]!a}")
        inside = path.resolve().is_relative_to(root.resolve())
        name = path.resolve().relative_to(root.resolve()).as_posix() if inside else path.name
        found.append(Subject(name=name, digest=FileDigest(sha256=sha256(path))))
    return tuple(sorted(found, key=lambda each: each.name))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    busy = f"{root}: must have one writer of {FOLDER} at a time, got another that runs"
    with locked(own_folder(root) / "fairmark-findings.lock", busy, wait_s=_PATIENCE_S):
        yield
