"""What a validator found is signed, never taken away, and keeps releases from production while it is high."""

import datetime as dt
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fixed_keys import ADA, BOB, CAM, approver, key, pem
from promotion_repo import NAME, digest, git, repository

from fairmark.cli.main import main
from fairmark.errors import RefusedError, UsageError, VerificationError
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.findings import (
    FindingsRegister,
    NewFinding,
    close_finding,
    open_finding,
    read_register,
    refuse_high,
)
from fairmark.governance.trail import REF, append, entries
from fairmark.schemas import published
from fairmark.signing.dsse import Envelope, seal
from fairmark.signing.keys import PublicKey, SigningKey

TODAY = dt.datetime.now(tz=dt.UTC).date()
SOON = TODAY + dt.timedelta(days=30)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("register") / "folder", ["v0.1.0"])


@pytest.fixture
def root(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "folder", symlinks=True))


def found(
    root: Path, severity: Any = "high", by: SigningKey = BOB, owner: str = "ada@example.org", **changes: Any
) -> str:
    """Open a finding, and return its number."""
    said: dict[str, Any] = {"limit": "sex-four-fifths", **changes}
    new = NewFinding(severity=severity, owner=owner, due=SOON, text="Too few rows.", **said)
    return open_finding(root, new, by, read_approvers(root / FILE))[0]


def close(root: Path, number: str, by: SigningKey = BOB) -> Path:
    return close_finding(root, number, "Rows were collected.", by, read_approvers(root / FILE))


def register(root: Path, trusted: Sequence[PublicKey] = ()) -> FindingsRegister:
    return read_register(root, read_approvers(root / FILE), trusted)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Findings")


# ------------------------------------------------------------------ open and close


def test_a_finding_is_open_until_another_than_its_owner_closes_it(root: Path) -> None:
    number = found(root)
    before = register(root)
    close(root, number)
    after = register(root)

    assert (number, [each.number for each in before.open], before.faults) == ("0001", ["0001"], ())
    assert (after.open, after.faults, after.findings[0].standing(TODAY)) == ((), (), "closed")
    assert (
        after.findings[0]
        .line(TODAY)
        .startswith(
            f"0001 closed high, ada@example.org by {SOON}, about limit sex-four-fifths: Too few rows. (bob@"
        )
    )


def test_a_record_names_by_digest_what_it_is_about_and_what_shows_it(root: Path) -> None:
    (root / "look.csv").write_text("a\n1\n")
    found(root, release=f"{NAME}@v0.1.0", evidence=[root / "look.csv"])
    said = Envelope.read(root / "findings" / "0001-open.json").statement

    assert said["subject"] == [{"name": f"{NAME}-v0.1.0", "digest": {"sha256": digest("v0.1.0")}}]
    # printf 'a\n1\n' | sha256sum
    shown = "309b0e45a73d3fc5325e2b6ed0a01ef8b9cde6b05a5633c1f893f970d52bfddc"
    assert said["predicate"]["evidence"] == [{"name": "look.csv", "digest": {"sha256": shown}}]


def test_a_record_fits_the_published_schema(root: Path) -> None:
    close(root, found(root))
    schema = jsonschema_rs.validator_for(json.loads(published()["finding.schema.json"]))

    for name in ("0001-open", "0001-close"):
        schema.validate(Envelope.read(root / "findings" / f"{name}.json").statement)


def test_numbers_go_on_even_after_one_that_was_taken_away_unseen(root: Path) -> None:
    found(root)
    (root / "findings" / "0001-open.json").unlink()
    git(root, "update-ref", "-d", REF)

    assert register(root).faults == ()
    assert found(root) == "0001"  # nothing tells of it any more: neither a commit nor the trail
    assert found(root, "low") == "0002"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"limit": "no-such"}, "--limit: must be one of the policy's"),
        ({"limit": None}, "must be about a release, a limit or a section"),
        ({"release": f"{NAME}@v9.9.9"}, "--release: must be NAME@vX.Y.Z of a release"),
        ({"release": "../../etc@v1.0.0"}, "--release: must be NAME@vX.Y.Z of a release"),
        ({"owner": "Ada Smith"}, "--owner: must be one plain word"),
        ({"evidence": [Path("none")]}, "--evidence: must be a file"),
    ],
)
def test_what_says_nothing_is_no_finding(root: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        found(root, **changes)


def test_whoever_is_not_named_opens_none(root: Path) -> None:
    with pytest.raises(RefusedError, match="must be in approvers"):
        found(root, by=key("eve"))


@pytest.mark.parametrize("owner", ["bob@example.org", "Bob@Example.org"])
def test_the_owner_does_not_close_his_own(root: Path, owner: str) -> None:
    number = found(root, owner=owner)

    with pytest.raises(RefusedError, match="an approver other than the owner"):
        close(root, number, BOB)
    close(root, number, CAM)


def test_none_is_closed_twice(root: Path) -> None:
    close(root, found(root))

    with pytest.raises(UsageError, match="must be an open one"):
        close(root, "0001")


def test_without_approvers_a_key_that_was_given_counts(root: Path) -> None:
    (root / FILE).unlink()
    new = NewFinding("high", "me", SOON, "It is so.", section="report: Groups")
    open_finding(root, new, ADA, [], [ADA.public])

    assert register(root, [ADA.public]).open[0].about == "section report: Groups"
    assert "must be signed by a key" in register(root).faults[0]


# ------------------------------------------------------------------ what is done to the records


def test_a_record_that_is_changed_signed_by_another_or_moved_is_told(root: Path) -> None:
    found(root), found(root, "low")
    first, second = (root / "findings" / f"000{number}-open.json" for number in (1, 2))
    said = Envelope.read(first).statement
    said["predicate"]["severity"] = "low"
    seal(said, key("eve")).write(first)
    second.rename(root / "findings" / "0007-open.json")
    faults = "\n".join(register(root).faults)

    assert "0001-open.json: must be signed by a key that approvers names" in faults
    assert "0001-open.json: must be as the audit trail tells of it" in faults
    assert "0002-open.json: must be as the audit trail tells of it" in faults


def test_a_record_noted_twice_must_be_as_it_was_noted_first(root: Path) -> None:
    """Whoever puts a milder finding in its place and notes that one too has not undone the first entry."""
    number = found(root)
    milder = root / "findings" / f"{number}-open.json"
    milder.unlink()
    (root / "milder").mkdir()
    shutil.copytree(root / ".git", root / "milder" / ".git")
    for name in ("params.yaml", FILE):
        shutil.copy(root / name, root / "milder" / name)
    git(root / "milder", "update-ref", "-d", REF)
    found(root / "milder", severity="low")
    shutil.copy(root / "milder" / "findings" / milder.name, milder)
    (entry,) = entries(root / "milder")
    append(root, entry.to_json()["what"], "open")  # type: ignore[arg-type]
    shutil.rmtree(root / "milder")

    assert register(root).faults == (
        f"findings/{milder.name}: must be as the audit trail tells of it, got another or none",
    )


def test_a_closing_of_another_opening_closes_nothing(root: Path) -> None:
    found(root, "low"), found(root)
    close(root, "0001")
    (root / "findings" / "0001-close.json").rename(root / "findings" / "0002-close.json")

    told = register(root)
    assert [each.number for each in told.open] == ["0001", "0002"]
    assert "0002-close.json: must close the opening that is there" in "\n".join(told.faults)


def test_an_owner_who_signs_his_closing_by_hand_closes_nothing(root: Path) -> None:
    number = found(root)
    close(root, number)
    path = root / "findings" / "0001-close.json"
    said = Envelope.read(path).statement
    said["predicate"]["by"] = "ada@example.org"
    seal(said, ADA).write(path)

    assert [each.number for each in register(root).open] == ["0001"]


def test_one_that_was_committed_and_is_gone_is_told_by_git_alone(root: Path) -> None:
    found(root)
    commit(root)
    git(root, "update-ref", "-d", REF)
    (root / "findings" / "0001-open.json").unlink()
    gone = register(root).faults
    commit(root)
    later = register(root).faults

    assert gone == ("findings/0001-open.json: must be as HEAD holds it, got another or none",)
    assert later[0].startswith("findings/0001-open.json: must stay as it was first committed")


def test_a_merge_that_drops_one_is_told(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "side")
    found(root)
    commit(root)
    git(root, "update-ref", "-d", REF)
    git(root, "checkout", "-q", "main")
    git(root, "commit", "-q", "--allow-empty", "-m", "Other")
    git(root, "merge", "-q", "-s", "ours", "-m", "Merge", "side")

    assert "must stay as it was first committed" in register(root).faults[0]


def test_a_key_that_ended_opens_no_more_and_what_it_signed_before_stands(root: Path) -> None:
    found(root)
    lines = (root / FILE).read_text().splitlines()
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=5)
    ended = approver("bob@example.org", BOB, "fairmark-approval", f',valid-before="{later:%Y%m%d%H%M%S}Z"')
    (root / FILE).write_text("\n".join([*lines[:2], ended, *lines[3:]]) + "\n")
    assert register(root).faults == ()

    begun = approver("bob@example.org", BOB, "fairmark-approval", ',valid-after="29990101Z"')
    (root / FILE).write_text("\n".join([*lines[:2], begun, *lines[3:]]) + "\n")
    assert "must be in approvers" in register(root).faults[0]
    with pytest.raises(RefusedError, match="and valid on"):
        found(root)


def test_strange_files_in_the_folder_are_told_and_stop_the_gate(root: Path) -> None:
    found(root, "low")
    (root / "findings" / "0002-open.json").write_text("{}")
    (root / "findings" / "notes.txt").write_text("Nothing.")

    assert len(register(root).faults) == 2
    with pytest.raises(VerificationError, match=r"every record must be as it was signed(.|\n)*notes\.txt"):
        refuse_high(root, read_approvers(root / FILE))


# ------------------------------------------------------------------ the gate and the verb


def test_only_an_open_one_of_high_severity_refuses(root: Path) -> None:
    known = read_approvers(root / FILE)
    refuse_high(root, known)
    found(root, "medium"), found(root)

    with pytest.raises(RefusedError, match=r"got 1(.|\n)*0002 open high"):
        refuse_high(root, known)
    close(root, "0002")
    refuse_high(root, known)


def test_the_verb_opens_lists_and_closes(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    bob = ["--key", str(pem("bob", tmp_path))]
    said = ["--text", "No reason.", "--severity", "high", "--owner", "ada@example.org", "--due", str(SOON)]

    assert main(["finding", "list"]) == 0
    assert main(["finding", "open", *said, "--section", "model card", *bob]) == 0
    assert main(["finding", "list"]) == 1
    assert "1 findings, 1 open, 0 of them overdue, 1 of high severity" in capsys.readouterr().out
    assert main(["finding", "close", "0001", "--text", "Written.", *bob]) == 0
    assert main(["finding", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["faults"] == []
    assert main(["finding", "close", "0001"]) == 2
    assert "--text: must be given with close" in capsys.readouterr().err


def test_one_after_its_due_date_is_overdue(root: Path) -> None:
    found(root, "low")
    late = register(root).findings[0]

    assert (late.standing(SOON), late.standing(SOON + dt.timedelta(days=1))) == ("open", "overdue")
