"""`approvers` names people and what their keys may sign when, as OpenSSH itself reads the file."""

import datetime as dt
import subprocess
from pathlib import Path

import pytest
from fixed_keys import ADA, BOB, approver, key

from fairmark.errors import InputError
from fairmark.governance.approvers import Approver, named, people, read_approvers
from fairmark.signing.git_tags import ssh_signature

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


def line(options: str, who: str = "ada@example.org", ssh: str = ADA.public.ssh) -> str:
    return f"{who} {options} {ssh} a comment"


def one(text: str) -> Approver:
    return read_approvers(text)[0]


def test_a_line_says_who_may_sign_what_and_when() -> None:
    found = one(
        line('namespaces="git,fairmark-approval",valid-after="20260101Z",valid-before="202701010930Z"')
    )

    assert (found.principal, found.namespaces) == ("ada@example.org", ("git", "fairmark-approval"))
    assert found.valid_after == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert found.valid_before == dt.datetime(2027, 1, 1, 9, 30, tzinfo=dt.UTC)
    assert found.key == ADA.public


def test_comments_and_empty_lines_name_nobody(tmp_path: Path) -> None:
    assert read_approvers("# ada\n\n   # bob\n") == []
    assert read_approvers(tmp_path / "absent") == []


def test_the_repositorys_own_file_names_nobody() -> None:
    assert read_approvers(Path(__file__).parents[1] / "approvers") == []


@pytest.mark.parametrize(
    "options",
    [
        'namespaces="git"',
        'namespaces="fairmark-approval",valid-after="20260101Z"',
        'namespaces="git,fairmark-approval",valid-after="20260101120000Z",valid-before="20270101Z"',
    ],
)
def test_a_line_written_is_the_line_read(options: str) -> None:
    found = one(line(options))

    assert one(found.line()) == found


@pytest.mark.parametrize(
    "options",
    [
        'namespaces="git"',
        'namespaces="fairmark-approval"',
        'namespaces="git",valid-after="20261123120000Z"',
        'namespaces="git",valid-after="20261123120001Z"',
        'namespaces="git",valid-before="20261123120000Z"',
        'namespaces="git",valid-before="20261123115959Z"',
        'namespaces="git",valid-after="202601010000Z",valid-before="20270101Z"',
    ],
)
def test_ssh_keygen_lets_the_same_keys_sign_at_the_same_moment(options: str, tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(line(options) + "\n")
    (tmp_path / "signature").write_text(ssh_signature(b"words", "git", ADA))
    found = one(line(options))
    said = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "signers", "-I", "ada@example.org", "-n", "git",
         "-s", tmp_path / "signature", "-Overify-time=20261123120000Z"],
        input=b"words", capture_output=True, check=False,
    )  # fmt: skip

    assert (said.returncode == 0) == (found.may("git") and found.valid(NOON))


def test_people_are_counted_once_whatever_keys_they_have() -> None:
    both = 'namespaces="git,fairmark-approval"'
    found = read_approvers(
        "\n".join(
            [
                line(both),
                line(both, ssh=key("Ada's other").public.ssh),
                line('namespaces="git"', "bob@example.org", BOB.public.ssh),
                line('namespaces="fairmark-approval",valid-before="20260101Z"', "eve", key("eve").public.ssh),
            ]
        )
    )

    assert people(found, "fairmark-approval", NOON) == ["ada@example.org"]
    assert people(found, "git", NOON) == ["ada@example.org", "bob@example.org"]
    assert named(found, BOB.public.keyid) == "bob@example.org"
    assert named(found, key("nobody").public.keyid) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"ada {ADA.public.ssh}", "must read: who namespaces="),
        (line('valid-after="20260101Z"'), "namespaces must be of git, fairmark-approval, got ''"),
        (line('namespaces="file"'), "namespaces must be of git, fairmark-approval, got 'file'"),
        (line('namespaces="git*"'), "namespaces must be of"),
        (line("namespaces=git"), "options must be of"),
        (line('cert-authority,namespaces="git"'), "options must be of"),
        (line('namespaces="git",namespaces="fairmark-approval"'), "options must be given once each"),
        (line('namespaces="git",valid-after="20260101"'), "valid-after must read YYYYMMDDZ"),
        (line('namespaces="git",valid-before="20261301Z"'), "valid-before must read YYYYMMDDZ"),
        (line('namespaces="git"', "*@example.org"), "must name one person by one plain word"),
        (line('namespaces="git"', "ada,bob"), "must name one person by one plain word"),
        (
            line('namespaces="git"', ssh="ssh-ed25519 AAAA"),
            "must be of type ecdsa-sha2-nistp256, got 'ssh-ed",
        ),
        (line('namespaces="git"', ssh="ecdsa-sha2-nistp256 AAAA"), "must be an ECDSA P-256 public key"),
        ("nonsense", "must read: who namespaces="),
    ],
)
def test_what_the_format_leaves_open_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=r"approvers:2: ") as found:
        read_approvers(f"# a comment\n{text}")

    assert fault in str(found.value)


def test_a_key_of_two_people_is_refused() -> None:
    with pytest.raises(InputError, match=r"must be one person's, got .* of ada and of bob"):
        read_approvers("\n".join(line('namespaces="git"', who) for who in ("ada", "bob")))


def test_a_person_who_is_written_in_two_ways_is_refused() -> None:
    lines = [approver("Maker@X.example", ADA), approver("maker@x.example", BOB)]

    with pytest.raises(InputError, match=r"written one way, got Maker@X\.example and maker@x\.example"):
        read_approvers("\n".join(lines))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InputError) as found:
        read_approvers("nonsense\nand more")

    assert [fault.split(": ")[0] for fault in found.value.faults] == ["approvers:1", "approvers:2"]
