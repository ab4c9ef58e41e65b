"""A tag signed with the release key is one that git itself verifies; what is not is told apart."""

import re
import subprocess
from pathlib import Path

import pytest
from fixed_keys import ADA, BOB
from hypothesis import given
from hypothesis import strategies as st
from release_folder import git

from fairmark.errors import StateError, VerificationError
from fairmark.signing.git_tags import (
    mpint,
    parse_tag,
    read_tag,
    sign_tag,
    ssh_signature,
    tag_signer,
    tagged_statement,
)

TAG = "loans@v0.1.0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repository with one commit."""
    git(tmp_path, "init", "-q", "-b", "main", "--template=", "repo")
    root = tmp_path / "repo"
    for key, text in (("user.name", "Ä Tester"), ("user.email", "tester@example.org")):
        git(root, "config", key, text)
    git(root, "commit", "-q", "--allow-empty", "-m", "Start")
    return root


def allowed(root: Path, *lines: str) -> str:
    """Return where the lines are written as an allowed signers file."""
    (root / "signers").write_text("".join(f"{line}\n" for line in lines))
    return str(root / "signers")


def verify_tag(root: Path, tag: str, *lines: str) -> "subprocess.CompletedProcess[str]":
    words = ["git", "-C", str(root), "-c", f"gpg.ssh.allowedSignersFile={allowed(root, *lines)}"]
    return subprocess.run([*words, "verify-tag", tag], capture_output=True, text=True, check=False)


def test_git_verifies_the_tag_and_says_whose_it_is(root: Path) -> None:
    sign_tag(root, TAG, "HEAD", "Title\n\nKey: ü", ADA)

    answer = verify_tag(root, TAG, ADA.public.allowed("ada"))
    assert answer.returncode == 0
    assert answer.stderr.startswith('Good "git" signature for ada with ECDSA key SHA256:')
    assert verify_tag(root, TAG, BOB.public.allowed("bob")).returncode != 0
    assert git(root, "fsck", "--strict") == ""


def test_a_tag_is_read_as_it_was_set(root: Path) -> None:
    name = sign_tag(root, TAG, "HEAD", "Title\n\nKey: ü", ADA)

    seen = read_tag(root, TAG)
    assert seen.hash == name == git(root, "rev-parse", TAG).strip()
    assert seen.commit == git(root, "rev-parse", "HEAD").strip()
    assert seen.message == "Title\n\nKey: ü\n"
    assert seen.tagger == "Ä Tester <tester@example.org>"
    assert seen.signed
    assert tag_signer(root, TAG, [BOB.public.allowed("bob"), ADA.public.allowed("ada")]) == "ada"


def test_nobodys_git_config_is_touched(root: Path) -> None:
    before = git(root, "config", "--list", "--show-origin")
    sign_tag(root, TAG, "HEAD", "x", ADA)
    tag_signer(root, TAG, [ADA.public.allowed("ada")])

    assert git(root, "config", "--list", "--show-origin") == before


def test_a_config_of_the_clone_cannot_answer_for_ssh_keygen(root: Path) -> None:
    sign_tag(root, TAG, "HEAD", "x", ADA)
    for key, text in (("gpg.ssh.program", "true"), ("gpg.format", "openpgp"), ("gpg.program", "true")):
        git(root, "config", key, text)
    git(root, "config", "gpg.ssh.allowedSignersFile", allowed(root, ADA.public.allowed("ada")))

    assert tag_signer(root, TAG, [ADA.public.allowed("ada")]) == "ada"
    with pytest.raises(VerificationError, match="must be signed by a key that is allowed to"):
        tag_signer(root, TAG, [BOB.public.allowed("bob")])


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [BOB.public.allowed("bob")],
        [ADA.public.allowed("ada", "file")],
        [f'ada namespaces="git",valid-before="20200101" {ADA.public.ssh}'],
        [f'ada namespaces="git",valid-after="21000101" {ADA.public.ssh}'],
    ],
)
def test_a_key_that_is_not_allowed_to_is_refused(root: Path, lines: list[str]) -> None:
    sign_tag(root, TAG, "HEAD", "x", ADA)

    with pytest.raises(VerificationError, match=f"tag {TAG}: must be signed by a key that is allowed to"):
        tag_signer(root, TAG, lines)


def changed(root: Path, old: str, new: str) -> None:
    """Point the tag at another object: the one it has, with `old` replaced by `new`."""
    text = git(root, "cat-file", "tag", TAG)
    assert old in text
    made = subprocess.run(
        ["git", "-C", str(root), "mktag"],
        input=text.replace(old, new),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    git(root, "update-ref", f"refs/tags/{TAG}", made.stdout.strip())


@pytest.mark.parametrize(("old", "new"), [("Title", "Tattle"), ("tester@", "texter@")])
def test_a_changed_tag_is_refused(root: Path, old: str, new: str) -> None:
    sign_tag(root, TAG, "HEAD", "Title", ADA)
    changed(root, old, new)

    with pytest.raises(VerificationError, match="must be signed by a key that is allowed to"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])


def test_a_tag_moved_to_another_commit_is_refused(root: Path) -> None:
    sign_tag(root, TAG, "HEAD", "Title", ADA)
    before = git(root, "rev-parse", "HEAD").strip()
    git(root, "commit", "-q", "--allow-empty", "-m", "Later")
    changed(root, before, git(root, "rev-parse", "HEAD").strip())

    with pytest.raises(VerificationError, match="must be signed by a key that is allowed to"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])


def test_a_good_tag_under_another_name_is_refused(root: Path) -> None:
    name = sign_tag(root, TAG, "HEAD", "x", ADA)
    git(root, "update-ref", "refs/tags/loans@v9.0.0", name)

    with pytest.raises(VerificationError, match=r"loans@v9\.0\.0: must be the tag of that name, got loans@v"):
        tag_signer(root, "loans@v9.0.0", [ADA.public.allowed("ada")])


def test_a_head_that_names_two_commits_is_refused_though_it_is_signed(root: Path) -> None:
    first = git(root, "rev-parse", "HEAD").strip()
    git(root, "commit", "-q", "--allow-empty", "-m", "Later")
    second = git(root, "rev-parse", "HEAD").strip()
    head = f"object {first}\ntype commit\ntag {TAG}\ntagger t <t@example.com> 1700000000 +0000"
    text = f"{head}\nobject {second}\n\nTitle\n"
    made = subprocess.run(
        ["git", "-C", str(root), "hash-object", "-t", "tag", "-w", "--stdin", "--literally"],
        input=text + ssh_signature(text.encode(), "git", ADA),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    git(root, "update-ref", f"refs/tags/{TAG}", made.stdout.strip())
    assert "Good" in verify_tag(root, TAG, allowed(root, ADA.public.allowed("ada"))).stderr  # git minds not

    with pytest.raises(VerificationError, match="must say each word of its head once, got object twice"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])


def test_an_object_that_stands_in_for_the_tag_is_not_looked_at(root: Path) -> None:
    good = sign_tag(root, TAG, "HEAD", "x", ADA)
    git(root, "tag", "-a", "-m", "unsigned", "other")
    other = git(root, "rev-parse", "other").strip()
    git(root, "update-ref", f"refs/tags/{TAG}", other)
    git(root, "replace", other, good)

    with pytest.raises(VerificationError, match="must be the tag of that name, got other"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])


def test_an_unsigned_a_light_and_a_missing_tag_are_told_apart(root: Path) -> None:
    git(root, "tag", "light")
    git(root, "tag", "-a", "-m", "x", "plain")
    git(root, "tag", "-a", "-m", "x", "tree", "HEAD^{tree}")
    lines = [ADA.public.allowed("ada")]

    assert not read_tag(root, "plain").signed
    with pytest.raises(VerificationError, match="tag plain: must be signed through SSH"):
        tag_signer(root, "plain", lines)
    with pytest.raises(VerificationError, match="tag light: must be annotated"):
        tag_signer(root, "light", lines)
    with pytest.raises(VerificationError, match="tag tree: must name a commit, got a tree"):
        tag_signer(root, "tree", lines)
    with pytest.raises(StateError, match="must hold the tag absent"):
        tag_signer(root, "absent", lines)


def test_a_tag_that_exists_stays(root: Path) -> None:
    before = sign_tag(root, TAG, "HEAD", "First", ADA)

    with pytest.raises(StateError, match=f"must set the new tag {TAG}"):
        sign_tag(root, TAG, "HEAD", "Second", ADA)
    assert read_tag(root, TAG).hash == before


@pytest.mark.parametrize("tag", ["a b", "a..b", "-d", "a\nb", ""])
def test_a_name_that_git_does_not_take_is_refused(root: Path, tag: str) -> None:
    with pytest.raises(StateError, match=r"must (make|set|not start) "):
        sign_tag(root, tag, "HEAD", "x", ADA)
    assert git(root, "tag") == ""


def test_a_commit_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(StateError, match="must hold commit 0000"):
        sign_tag(root, TAG, "0" * 40, "x", ADA)


def test_an_armour_in_the_message_does_not_hide_what_follows(root: Path) -> None:
    sign_tag(root, TAG, "HEAD", "a\n-----BEGIN SSH SIGNATURE-----\nKey: v", ADA)

    assert read_tag(root, TAG).message == "a\n-----BEGIN SSH SIGNATURE-----\nKey: v\n"
    assert tag_signer(root, TAG, [ADA.public.allowed("ada")]) == "ada"


@pytest.mark.parametrize("behind", ["Statement-SHA256: 0\n", "\n", " ", "-----END SSH SIGNATURE-----\n"])
def test_what_stands_behind_the_signature_makes_no_tag(root: Path, behind: str) -> None:
    sign_tag(root, TAG, "HEAD", "x", ADA)
    end = "-----END SSH SIGNATURE-----\n"
    changed(root, end, end + behind)
    assert "Good" in verify_tag(root, TAG, allowed(root, ADA.public.allowed("ada"))).stderr  # git minds not

    found = re.escape(f"tag {TAG}: must end with its signature, got {behind.encode()[:40]!r}")
    with pytest.raises(VerificationError, match=found):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])
    assert tagged_statement(root, TAG) is None


@pytest.mark.parametrize("lines", [["a"], ["a", "a"], ["a", "b"], []])
def test_a_tag_names_a_statement_when_it_says_so_once(root: Path, lines: list[str]) -> None:
    sign_tag(root, TAG, "HEAD", "x\n" + "".join(f"\nStatement-SHA256: {line}" for line in lines), ADA)

    assert tagged_statement(root, TAG) == ("a" if lines == ["a"] else None)


def test_without_ssh_keygen_it_cannot_be_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_tag(root, TAG, "HEAD", "x", ADA)
    only_git = root / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(Path("/usr/bin/git"))
    monkeypatch.setenv("PATH", str(only_git))

    with pytest.raises(StateError, match="ssh-keygen: must be on PATH to check who signed a tag"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])


@pytest.mark.parametrize("data", [b"", b"data", bytes(range(256)) * 40])
def test_ssh_keygen_checks_a_signature(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sig").write_text(ssh_signature(data, "fairmark", ADA))
    lines = allowed(tmp_path, ADA.public.allowed("ada", "fairmark"))

    def answer(namespace: str, given: bytes) -> int:
        words = ["ssh-keygen", "-Y", "verify", "-f", lines, "-I", "ada", "-n", namespace]
        words += ["-s", str(tmp_path / "sig")]
        return subprocess.run(words, input=given, capture_output=True, check=False).returncode

    assert answer("fairmark", data) == 0
    assert answer("git", data) != 0
    assert answer("fairmark", data + b"x") != 0


@given(st.integers(0, 2**256))
def test_an_mpint_is_shortest_and_never_negative(number: int) -> None:
    """RFC 4251, 5: 0 is the empty string; a leading zero byte only where the first bit would be 1."""
    length, body = mpint(number)[:4], mpint(number)[4:]

    assert int.from_bytes(length, "big") == len(body)
    assert int.from_bytes(body, "big", signed=True) == number
    assert body[:1] != b"\0" or body[1:2] >= b"\x80"


def test_the_mpints_of_the_standard() -> None:
    """RFC 4251, 5, its examples."""
    assert mpint(0).hex() == "00000000"
    assert mpint(0x9A378F9B2E332A7).hex() == "0000000809a378f9b2e332a7"
    assert mpint(0x80).hex() == "000000020080"


def test_a_tagger_of_a_year_beyond_all_calendars_is_refused(tmp_path: Path) -> None:
    import subprocess

    words = ("git", "-C", str(tmp_path))
    subprocess.run([*words, "init", "-q"], check=True)
    text = f"object {'0' * 40}\ntype commit\ntag a@v1.0.0\ntagger a <a@b> 999999999999 +0000\n\nx\n"
    made = [*words, "hash-object", "-t", "tag", "-w", "--stdin", "--literally"]
    name = subprocess.run(made, input=text, text=True, check=True, capture_output=True).stdout.strip()

    with pytest.raises(VerificationError, match="must say who tagged and when"):
        parse_tag(tmp_path, name, "a@v1.0.0")


def test_a_full_disk_is_not_said_of_the_signature(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairmark.signing import git_tags

    sign_tag(root, TAG, "HEAD", "x", ADA)

    def full(place: Path, *words: str) -> object:
        if "verify-tag" in words:
            said = "error: failed writing detached signature to '/t/.git_vtag_tmpX': No space left on device"
            return subprocess.CompletedProcess(words, 1, "", said)
        return before(place, *words)

    from fairmark.repo.git import git as before

    monkeypatch.setattr(git_tags, "git", full)
    with pytest.raises(StateError, match="disk: must have room"):
        tag_signer(root, TAG, [ADA.public.allowed("ada")])
