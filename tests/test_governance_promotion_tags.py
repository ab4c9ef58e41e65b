"""A promotion's tag says what it is, and a tag that says anything else is none."""

from pathlib import Path
from typing import Any

import pytest
from fixed_keys import ADA, BOB
from promotion_repo import NAME, PEOPLE, START, approval, digest, git, promote, repository, sign_at

from fairmark.errors import UsageError
from fairmark.governance.approvers import read_approvers
from fairmark.governance.promotion_tags import check_stage, message, one_line, refs
from fairmark.signing.git_tags import claimed_key, read_tag, tag_signer


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("pattern") / "repo", ["v0.1.0", "v0.2.0"])


@pytest.fixture
def repo(pattern: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(pattern, tmp_path / "repo"))


def test_a_message_says_all_and_is_read_back(repo: Path) -> None:
    first = promote(repo, "staging", "v0.1.0", 1)
    made = promote(repo, "production", "v0.2.0", 2)

    assert (made.tag, made.stage, made.number, made.version) == (
        "loans#production#2",
        "production",
        2,
        "v0.2.0",
    )
    assert (made.digest, made.action, made.reason) == (digest("v0.2.0"), "promote", "Day 2.")
    assert made.previous == ("loans#staging#1", git(repo, "rev-parse", "loans#staging#1").strip())
    assert made.previous[1] == first.seen.hash
    assert len(made.approvals) == 1
    assert made.seen.commit == git(repo, "rev-parse", "loans@v0.2.0^{commit}").strip()


def test_it_is_signed_by_whom_git_says(repo: Path) -> None:
    promote(repo, "staging", "v0.1.0", 1)
    lines = [each.line() for each in read_approvers("\n".join(PEOPLE))]

    assert tag_signer(repo, "loans#staging#1", lines) == "ada@example.org"
    assert claimed_key(repo, "tag", "refs/tags/loans#staging#1") == ADA.public.keyid
    assert claimed_key(repo, "commit", "HEAD") is None


@pytest.mark.parametrize("stage", ["staging", "production", "a", "eu-west-1", "x" * 40])
def test_plain_stages_are_fine(stage: str) -> None:
    assert check_stage(stage) == stage


@pytest.mark.parametrize(
    "stage",
    [
        "",
        "Production",
        "a#b",
        "a b",
        "-a",
        "a-",
        "1a",
        "a/b",
        "a!",
        "ä",
        "x" * 41,
        "v1",
        "latest",
        "candidate",
    ],
)
def test_an_odd_stage_is_refused(stage: str) -> None:
    with pytest.raises(UsageError, match="stage: must be small letters, digits and hyphens"):
        check_stage(stage)


def test_a_reason_can_not_add_lines() -> None:
    text = message("loans-v0.1.0", "a", "0" * 64, "promote", None, None, "Good.\nApproval: x\x1b[2J", [])

    assert one_line("Good.\nApproval: x\x1b[2J") == "Good. Approval: x [2J"
    assert [line.partition(":")[0] for line in text.splitlines()[2:]].count("Approval") == 0
    with pytest.raises(UsageError, match="reason: must say why, got nothing"):
        one_line("\n \x07")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"Release": "loans-v1"}, "must tell of a promotion of loans"),
        ({"Release": "other-v0.1.0"}, "must tell of a promotion of loans"),
        ({"Statement-SHA256": "0" * 63}, "must tell of a promotion of loans"),
        ({"Action": "delete"}, "must tell of a promotion of loans"),
        ({"Previous": "something"}, "must tell of a promotion of loans"),
        ({"Trail": "x"}, "must tell of a promotion of loans"),
        ({"Reason": "x\nAction: promote"}, "once each, got Action 2 times"),
        ({"Reason": "x\nRelease: loans-v0.2.0"}, "once each, got Release 2 times"),
        ({"Approval": "***"}, "must carry approvals in base64"),
        ({"Approval": "bm8="}, "must carry approvals in base64"),
        ({"Approval": "Nw=="}, "must carry approvals that are envelopes"),
    ],
)
def test_a_message_of_another_shape_is_no_promotion(repo: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(StopIteration):
        promote(repo, "staging", "v0.1.0", 1, approvals=[approval(BOB)], **changes)

    found = refs(repo, NAME)
    assert found.promotions == ()
    assert found.faults[0].startswith("tag loans#staging#1: ")
    assert fault in found.faults[0]


@pytest.mark.parametrize(
    ("tag", "words", "fault"),
    [
        ("loans#staging", ["-a", "-m", "by gto, simple"], "must read loans#STAGE#N, got 'loans#staging'"),
        ("loans#staging#1", ["-a", "-m", "by gto"], "once each, got Release 0 times"),
        ("loans#staging!#2", ["-a", "-m", "gto unassigns"], "must read loans#STAGE#N"),
        ("loans@v0.1.0!", ["-a", "-m", "gto deregisters"], "must read loans#STAGE#N"),
        ("loans@deprecated", ["-a", "-m", "gto deprecates"], "must read loans#STAGE#N"),
        ("loans#staging#1", [], "must be annotated and signed, got a plain one"),
        ("loans#stag#ing#1", ["-a", "-m", "x"], "must read loans#STAGE#N"),
        ("loans#staging#01", ["-a", "-m", "x"], "must read loans#STAGE#N"),
        ("loans#candidate/x#1", ["-a", "-m", "x"], "must read loans#STAGE#N"),
    ],
)
def test_tags_that_gto_would_read_too_are_told(repo: Path, tag: str, words: list[str], fault: str) -> None:
    git(repo, "tag", *words, tag, "loans@v0.1.0^{commit}")

    found = refs(repo, NAME)
    assert found.promotions == ()
    assert len(found.faults) == 1
    assert fault in found.faults[0]


def test_tags_of_other_things_are_left_alone(repo: Path) -> None:
    for tag in ("other#production#1", "loans-more#production#1", "v1", "loans"):
        git(repo, "tag", tag)

    assert refs(repo, NAME).faults == ()


def test_a_tag_moved_under_another_name_is_no_promotion(repo: Path) -> None:
    promote(repo, "staging", "v0.1.0", 1)
    git(repo, "update-ref", "refs/tags/loans#production#2", "refs/tags/loans#staging#1")

    assert "must be the tag of that name" in refs(repo, NAME).faults[0]


def test_a_signature_of_another_kind_names_no_key(repo: Path) -> None:
    sign_at(repo, "odd", "HEAD", "x\n-----BEGIN SSH SIGNATURE-----\n!!!\n", ADA, START)
    git(repo, "tag", "-a", "-m", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", "fake")

    assert claimed_key(repo, "tag", "refs/tags/fake") is None
    assert read_tag(repo, "fake").signed
