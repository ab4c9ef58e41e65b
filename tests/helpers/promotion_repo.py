"""A small repository with signed releases and promotions, of keys and times that never change."""

import datetime as dt
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fixed_keys import ADA, BOB, CAM, MAKER, approver

from fairmark.governance.approvals import signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.promotion_tags import PROMOTE, Promotion, message, refs
from fairmark.governance.request import RELEASE, ApprovalRequest
from fairmark.signing.dsse import Envelope
from fairmark.signing.git_tags import sign_tag
from fairmark.signing.keys import SigningKey

NAME = "loans"
START = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
LAST = dt.date(2027, 1, 1)
PEOPLE = [
    approver("maker@example.org", MAKER, "git"),
    approver("ada@example.org", ADA),
    approver("bob@example.org", BOB, "fairmark-approval"),
    approver("cam@example.org", CAM),
]
PARAMS = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def git(root: Path, *words: str, at: dt.datetime = START) -> str:
    """Return what git says, at a time of the test's own."""
    dates = {f"GIT_{role}_DATE": f"{int(at.timestamp())} +0000" for role in ("AUTHOR", "COMMITTER")}
    return subprocess.run(
        ["git", "-C", str(root), *words],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | dates,
    ).stdout


def digest(version: str) -> str:
    """Return the release digest that a version has here."""
    return hashlib.sha256(version.encode()).hexdigest()


def repository(root: Path, versions: Sequence[str] = ("v0.1.0", "v0.2.0", "v0.3.0")) -> Path:
    """Return a repository with a commit and a release tag for each version."""
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main", f"--template={root}")
    for key, text in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        git(root, "config", key, text)
    (root / "params.yaml").write_text(PARAMS.replace(": adult-income", f": {NAME}"), encoding="utf-8")
    (root / FILE).write_text("\n".join(PEOPLE) + "\n")
    git(root, "add", "-A")
    for version in versions:
        git(root, "commit", "-q", "--allow-empty", "-m", version)
        text = f"A release\n\nStatement-SHA256: {digest(version)}\n"
        sign_at(root, f"{NAME}@{version}", "HEAD", text, MAKER, START)
    return root


def sign_at(root: Path, tag: str, commit: str, text: str, key: SigningKey, when: dt.datetime) -> str:
    """Set a signed tag at a time of the test's own, and return its object."""
    before = os.environ.get("GIT_COMMITTER_DATE")
    os.environ["GIT_COMMITTER_DATE"] = f"{int(when.timestamp())} +0000"
    try:
        return sign_tag(root, tag, commit, text, key)
    finally:
        os.environ.pop("GIT_COMMITTER_DATE")
        if before is not None:
            os.environ["GIT_COMMITTER_DATE"] = before


def asked(version: str = "v0.1.0", waived: tuple[str, ...] = (), **changes: Any) -> ApprovalRequest:
    """Return what approvers of a version are asked."""
    known: dict[str, Any] = {
        "kind": RELEASE,
        "name": f"{NAME}-{version}",
        "digest": digest(version),
        "folder": f"{NAME}-{version}",
        "makers": frozenset({MAKER.public.keyid}),
        "authors": frozenset(),
        "waived": waived,
        "needed": 2 if waived else 1,
    }
    return ApprovalRequest(**(known | changes))


def approval(
    key: SigningKey, of: ApprovalRequest | None = None, when: dt.datetime = START, expires: dt.date = LAST
) -> Envelope:
    """Return the approval of the holder of `key`."""
    return signed(of or asked(), read_approvers("\n".join(PEOPLE)), key, "It is good.", expires, when)


def promote(
    root: Path,
    stage: str,
    version: str,
    day: int,
    *,
    action: str = PROMOTE,
    by: Any = ADA,
    approvals: Any = None,
    previous: Any = None,
    **changes: Any,
) -> Promotion:
    """Set the tag of a promotion `day` days after the start, as `fairmark promote` would, and return it.

    `changes` replace lines of its message.
    """
    before = refs(root, NAME).promotions
    when = START + dt.timedelta(days=day)
    given = [approval(BOB, asked(version), when)] if approvals is None else approvals
    text = message(
        release=f"{NAME}-{version}",
        stage=stage,
        digest=digest(version),
        action=action,
        previous=previous or (before[-1] if before else None),
        trail=None,
        reason=f"Day {day}.",
        approvals=[each.to_json() for each in given],
    )
    for key, value in changes.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{key}: "))
        text = text.replace(line, f"{key}: {value}")
    number = max((each.number for each in before), default=0) + 1
    tag = f"{NAME}#{stage}#{number}"
    sign_at(root, tag, f"refs/tags/{NAME}@{version}", text, by, when)
    return next(each for each in refs(root, NAME).promotions if each.tag == tag)
