"""Hostile decisions: tags, approvals, approvers and promotions by whoever may not, or of another thing."""

import datetime as dt
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fixed_keys import ADA, BOB, CAM, MAKER, approver
from hostile_acts import hostile
from maker_and_forger import FORGER
from promotion_repo import PARAMS, PEOPLE, START, approval, asked, digest, git, promote, repository

from fairmark.cli.main import main
from fairmark.errors import InputError, RefusedError, StateError, UndeterminedError, VerificationError
from fairmark.files import canonical_json
from fairmark.governance.approvals import keep, signed, weigh
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.policy_gate import compare, refuse_unless_approved
from fairmark.governance.promotion_tags import ahead, refs
from fairmark.governance.promotions import checked_chain
from fairmark.release.handover import release_at
from fairmark.repo.machine import refuse_behind
from fairmark.signing.dsse import Envelope
from fairmark.signing.git_tags import sign_tag
from fairmark.signing.keys import SigningKey

BASES = "a tag that takes the policy's base away"
POSES = "a folder or a file that poses as a tag"
REPLAYS = "an approval of another thing, time or person"
PEOPLE_KIND = "approvers who are none, or are one person twice"
DATES = "a time that has not come"
TEXT = f"x\n\nStatement-SHA256: {digest('v0.2.1')}\n"
SOON = dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=30)
LOOSER = PARAMS.replace(": adult-income", ": loans").replace("at_least: 0.85", "at_least: 0.84", 1)


def _commit(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "x", "--author", "A Maker <maker@example.org>")


def _loosened(root: Path, name: str = "repo") -> Path:
    """Return a repository of two releases whose policy was loosened since."""
    made = repository(root / name, ["v0.1.0", "v0.2.0"])
    _commit(made, **{"params.yaml": LOOSER})
    return made


def _light(root: Path) -> None:
    git(root, "tag", "loans@v0.2.1")


def _annotated(root: Path) -> None:
    git(root, "-c", "tag.gpgSign=false", "tag", "-a", "-m", TEXT, "loans@v0.2.1")


def _by(key: SigningKey, text: str = TEXT, name: str = "loans@v0.2.1") -> Callable[[Path], None]:
    def made(root: Path) -> None:
        sign_tag(root, name, "HEAD", text, key)

    return made


def _by_one_who_named_himself(root: Path) -> None:
    _commit(root, approvers="\n".join([*PEOPLE, approver("forger@example.org", FORGER)]) + "\n")
    _by(FORGER)(root)


def _by_a_copy_of_another_tag(root: Path) -> None:
    git(
        root, "update-ref", "refs/tags/loans@v0.2.1", git(root, "rev-parse", "refs/tags/loans@v0.2.0").strip()
    )


def _by_words_behind_a_signature(root: Path) -> None:
    name = sign_tag(root, "loans@v0.2.1", "HEAD", "x", MAKER)
    git(root, "tag", "-d", "loans@v0.2.1")
    text = git(root, "cat-file", "tag", name) + f"Statement-SHA256: {digest('v0.2.1')}\n"
    (root / "tag").write_text(text)
    made = git(root, "hash-object", "-w", "-t", "tag", "--literally", str(root / "tag")).strip()
    (root / "tag").unlink()
    git(root, "update-ref", "refs/tags/loans@v0.2.1", made)


TAGS = {
    "a plain tag": _light,
    "an annotated tag without a signature": _annotated,
    "a tag by a stranger": _by(FORGER),
    "a tag by one who named himself": _by_one_who_named_himself,
    "a tag by one who may only approve": _by(BOB),
    "a tag that names no statement": _by(MAKER, "Just a note\n"),
    "a tag that is another's object": _by_a_copy_of_another_tag,
    "a statement behind a tag's signature": _by_words_behind_a_signature,
    "a higher tag by a stranger": _by(FORGER, TEXT, "loans@v9.0.0"),
}


def _add_tag(name: str, set_tag: Callable[[Path], None]) -> None:
    @hostile(
        BASES, f"{name}, over a looser policy", ends=RefusedError, match=r"looser than at loans@v0\.2\.0"
    )
    def over(root: Path) -> object:
        made = _loosened(root)
        set_tag(made)
        _commit(made)
        return refuse_unless_approved(made).lines()


for _name, _set in TAGS.items():
    _add_tag(_name, _set)


@hostile(
    BASES,
    "a lower tag by a stranger, below which no other can be told",  # and it alone is to be taken away
    ends=UndeterminedError,
    match=r"\A(?!(.|\n)*-d loans@v0\.[12]\.0)(.|\n)*git tag -d loans@v0\.0\.1\)",
)
def _lower(root: Path) -> object:
    made = _loosened(root)
    _by(FORGER, TEXT, "loans@v0.0.1")(made)
    return refuse_unless_approved(made).lines()


@hostile(BASES, "a clone without tags", ends=UndeterminedError, match="which origin has")
def _without_tags(root: Path) -> object:
    made = _loosened(root)
    git(made, "clone", "-q", "--no-tags", made.as_uri(), str(root / "there"))
    return refuse_unless_approved(root / "there").lines()


@hostile(BASES, "a shallow clone", ends=UndeterminedError, match="shallow clone")
def _shallow(root: Path) -> object:
    made = _loosened(root)
    git(made, "clone", "-q", "--depth", "1", made.as_uri(), str(root / "there"))
    return refuse_unless_approved(root / "there").lines()


@hostile(
    BASES, "a tag taken away that a promotion tells of", ends=UndeterminedError, match="which .* promotes"
)
def _deleted(root: Path) -> object:
    made = _loosened(root)
    promote(made, "production", "v0.2.0", 1)
    git(made, "tag", "-d", "loans@v0.2.0")
    git(made, "tag", "-d", "loans@v0.1.0")
    return refuse_unless_approved(made).lines()


def _posing(root: Path, make: Callable[[Path], object]) -> object:
    before = Path.cwd()
    try:
        os.chdir(root)
        make(Path("loans@v0.9.0"))
        with release_at("loans@v0.9.0", root) as target:
            return target.folder
    finally:
        os.chdir(before)


@hostile(POSES, "a folder called like a tag", ends=StateError, match=r"must hold the tag loans@v0\.9\.0")
def _folder_as_tag(root: Path) -> object:
    return _posing(root, lambda at: shutil.copytree(root / "releases" / "loans-v0.1.0", at))


@hostile(POSES, "a file called like a tag", ends=StateError, match=r"must hold the tag loans@v0\.9\.0")
def _file_as_tag(root: Path) -> object:
    return _posing(root, lambda at: at.write_bytes(b"x"))


@hostile(POSES, "a branch called like a tag", ends=StateError, match=r"must hold the tag loans@v0\.9\.0")
def _branch_as_tag(root: Path) -> object:
    return _posing(root, lambda at: git(root, "branch", str(at), "HEAD"))


@hostile(POSES, "a link called like a tag", ends=StateError, match=r"must hold the tag loans@v0\.9\.0")
def _link_as_tag(root: Path) -> object:
    return _posing(root, lambda at: at.symlink_to(root / "releases" / "loans-v0.1.0"))


def _approve(root: Path, *by: SigningKey) -> None:
    it = compare(root)
    for each in by:
        keep(root, it.request, signed(it.request, it.approvers, each, "Agreed.", SOON, _now()))


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def _replayed(root: Path, other: Callable[[Path], Path]) -> object:
    """Take the approval of one repository's policy to another one, where its folder is named anew."""
    made = _loosened(root)
    _approve(made, BOB)
    refuse_unless_approved(made)
    there = other(root)
    kept = next((made / "approvals" / "policy").iterdir())
    shutil.copytree(kept, there / "approvals" / compare(there).request.folder)
    return refuse_unless_approved(there).lines()


@hostile(
    REPLAYS, "a policy's approval in a repository of the same project", ends=RefusedError, match="must be of"
)
def _replay_elsewhere(root: Path) -> object:
    def other(root: Path) -> Path:
        there = repository(root / "other", [])
        _commit(there, note="another beginning")
        sign_tag(there, "loans@v0.1.0", "HEAD", TEXT, MAKER)
        git(there, "checkout", "-q", "--orphan", "new")
        _commit(there, note="yet another")
        git(there, "tag", "-d", "loans@v0.1.0")
        sign_tag(there, "loans@v0.1.0", "HEAD", TEXT, MAKER)
        _commit(there, **{"params.yaml": LOOSER})
        return there

    return _replayed(root, other)


@hostile(REPLAYS, "a policy's approval in a project of another maker", ends=RefusedError, match="must be of")
def _replay_of_another_maker(root: Path) -> object:
    def other(root: Path) -> Path:
        there = repository(root / "other", [])
        _commit(there)
        sign_tag(there, "loans@v0.1.0", "HEAD", TEXT, ADA)
        _commit(there, **{"params.yaml": LOOSER})
        return there

    return _replayed(root, other)


@hostile(REPLAYS, "a policy's approval for a yet looser one", ends=RefusedError, match="must be of")
def _replay_for_more(root: Path) -> object:
    def other(root: Path) -> Path:
        there = root / "repo"
        _commit(there, **{"params.yaml": LOOSER.replace("at_least: 0.84", "at_least: 0.1", 1)})
        return there

    return _replayed(root, other)


def _weighed(envelope: Envelope, when: dt.datetime = START, **changes: object) -> object:
    return weigh(envelope, asked(**changes), read_approvers("\n".join(PEOPLE)), when)  # type: ignore[arg-type]


def _with(change: Callable[[dict[str, object]], object]) -> Envelope:
    """Change what Bob's approval says and leave his signature."""
    envelope = approval(BOB)
    said = dict(envelope.statement)
    change(said)
    return replace(envelope, payload=canonical_json(said))


_DAY = dt.timedelta(days=1)
APPROVALS: dict[str, tuple[Callable[[], object], str]] = {
    "an approval of another version": (
        lambda: _weighed(approval(BOB, asked("v0.2.0"))),
        "must be of loans-v0",
    ),
    "an approval of a release for a policy": (
        lambda: _weighed(approval(BOB, asked(kind="urn:fairmark:policy-approval:1"))),
        "must be of type",
    ),
    "an approval of what was not waived": (
        lambda: _weighed(approval(BOB), waived=("four-fifths",), needed=1),
        "what was waived",
    ),
    "an approval dated ahead": (lambda: _weighed(approval(BOB, None, START + _DAY)), "must have approved by"),
    "an approval that expired": (
        lambda: _weighed(approval(BOB, None, START, START.date()), START + 2 * _DAY),
        "expired",
    ),
    "an approval by the maker's key under another name": (
        lambda: _weighed(approval(ADA), makers=frozenset({ADA.public.keyid})),
        "another's than the maker's",
    ),
    "an approval by the maker in capitals": (
        lambda: _weighed(approval(ADA), authors=frozenset({"ADA@Example.ORG"})),
        "another person's than the maker",
    ),
    "an approval with a longer time under the old signature": (
        lambda: _weighed(_with(lambda it: it["predicate"].update(expires="2099-01-01"))),  # type: ignore[attr-defined]
        "signature",
    ),
    "an approval in another's name": (
        lambda: _weighed(_with(lambda it: it["predicate"].update(approver="cam@example.org"))),  # type: ignore[attr-defined]
        "signature",
    ),
}


def _add_approval(name: str, act: Callable[[], object], match: str) -> None:
    @hostile(REPLAYS, name, ends=(RefusedError, VerificationError), match=match)
    def weighed(_: Path) -> object:
        return act()


for _name, (_act, _match) in APPROVALS.items():
    _add_approval(_name, _act, _match)


def _promoted_by(root: Path, key: SigningKey, *lines: str) -> object:
    made = repository(root / "repo")
    (made / FILE).write_text("".join(f"{line}\n" for line in lines))
    return checked_chain(made, "loans", read_approvers(made / FILE), [key.public])


ENDED = ',valid-before="20200101Z"'
YET = ',valid-after="20990101Z"'


@hostile(PEOPLE_KIND, "anybody promotes where every key has ended", ends=RefusedError, match="every such key")
def _all_ended(root: Path) -> object:
    return _promoted_by(root, FORGER, approver("ada@example.org", ADA, "git", ENDED))


@hostile(PEOPLE_KIND, "a key that has ended promotes", ends=RefusedError, match="valid today")
def _one_ended(root: Path) -> object:
    return _promoted_by(
        root, ADA, approver("ada@example.org", ADA, "git", ENDED), approver("cam@example.org", CAM)
    )


@hostile(PEOPLE_KIND, "a key that is to begin promotes", ends=RefusedError, match="valid today")
def _one_to_begin(root: Path) -> object:
    return _promoted_by(root, ADA, approver("ada@example.org", ADA, "git", YET))


@hostile(PEOPLE_KIND, "one person in two spellings", ends=InputError, match="written one way")
def _two_spellings(_: Path) -> object:
    return read_approvers(f"{approver('maker@x.org', MAKER)}\n{approver('Maker@X.org', ADA)}\n")


@hostile(PEOPLE_KIND, "one key of two people", ends=InputError, match="one person's")
def _two_owners(_: Path) -> object:
    return read_approvers(f"{approver('maker@x.org', MAKER)}\n{approver('ada@x.org', MAKER)}\n")


@hostile(DATES, "a promotion dated ahead", ends=VerificationError, match="of a day that has come")
def _dated_ahead(root: Path) -> object:
    made = repository(root / "repo")
    late = START + 365 * 70 * _DAY
    given = [approval(BOB, asked(), late, dt.date(2099, 1, 1))]
    promote(made, "production", "v0.1.0", 365 * 70, approvals=given)
    faults = ahead(refs(made, "loans").promotions, _now())
    assert main(["history", "--check", "--name", "loans", "--clone", str(made)]) == 4
    if faults:
        raise VerificationError(*faults)
    return "nothing was said"


@hostile(
    DATES, "a clock before the commit", ends=StateError, match="clock: must be past the commit's own time"
)
def _clock_behind(_: Path) -> None:
    refuse_behind("2026-01-02T12:00:00Z", dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
