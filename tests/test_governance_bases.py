"""Only a tag of a known signer is a base of the policy gate, and a tag that is missing is missed."""

import shutil
from pathlib import Path

import pytest
from fixed_keys import ADA, BOB, MAKER, approver, key
from promotion_repo import PEOPLE, digest, git, promote, repository

from fairmark.cli.main import main
from fairmark.errors import RefusedError, UndeterminedError
from fairmark.governance.policy_base import NOBODY_NAMED, release_tags
from fairmark.governance.policy_gate import refuse_unless_approved
from fairmark.governance.trail import append
from fairmark.signing.git_tags import sign_tag
from fairmark.signing.keys import SigningKey

FORGER = key("a forger")


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("pattern") / "repo", ["v0.1.0", "v0.2.0"])


@pytest.fixture
def repo(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "repo"))


def commit(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "x", "--author", "A Maker <maker@example.org>")


def loosen(root: Path) -> None:
    text = (root / "params.yaml").read_text(encoding="utf-8")
    (root / "params.yaml").write_text(text.replace("at_least: 0.85", "at_least: 0.84", 1), encoding="utf-8")
    commit(root)


def tag(root: Path, version: str, by: SigningKey, text: str = "") -> None:
    stated = text or f"x\n\nStatement-SHA256: {digest(version)}\n"
    sign_tag(root, f"loans@{version}", "HEAD", stated, by)


def light(root: Path) -> None:
    git(root, "tag", "loans@v0.2.1")


def annotated(root: Path) -> None:
    text = f"x\n\nStatement-SHA256: {digest('v0.2.1')}"
    git(root, "-c", "tag.gpgSign=false", "tag", "-a", "-m", text, "loans@v0.2.1")


def by_a_stranger(root: Path) -> None:
    tag(root, "v0.2.1", FORGER)


def by_one_who_named_himself(root: Path) -> None:
    commit(root, approvers="\n".join([*PEOPLE, approver("forger@example.org", FORGER)]) + "\n")
    tag(root, "v0.2.1", FORGER)


def by_one_who_may_only_approve(root: Path) -> None:
    tag(root, "v0.2.1", BOB)


def of_no_release(root: Path) -> None:
    tag(root, "v0.2.1", MAKER, "Just a note\n")


ODD = [light, annotated, by_a_stranger, by_one_who_named_himself, by_one_who_may_only_approve, of_no_release]


@pytest.mark.parametrize("set_tag", ODD)
def test_a_tag_of_nobody_known_takes_the_gate_not_away(repo: Path, set_tag: object) -> None:
    loosen(repo)
    set_tag(repo)  # type: ignore[operator]
    commit(repo)

    with pytest.raises(RefusedError, match=r"must not be looser than at loans@v0\.2\.0"):
        refuse_unless_approved(repo)
    assert main(["policy", "--clone", str(repo)]) == 3


@pytest.mark.parametrize("set_tag", ODD)
def test_with_such_a_tag_it_can_not_be_told_that_nothing_is_loosened(repo: Path, set_tag: object) -> None:
    set_tag(repo)  # type: ignore[operator]
    commit(repo, approvers="\n".join(PEOPLE) + "\n")

    with pytest.raises(
        UndeterminedError, match=r"tag loans@v0\.2\.1: must .*git tag -d loans@v0\.2\.1"
    ) as found:
        refuse_unless_approved(repo)
    assert found.value.exit_code == main(["policy", "--clone", str(repo)]) == 5


def test_a_forger_who_is_the_first_ever_named_vouches_for_no_older_release(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    commit(root, approvers="# nobody\n")
    tag(root, "v0.1.0", MAKER)
    loosen(root)
    commit(root, approvers=approver("forger@example.org", FORGER) + "\n")
    tag(root, "v0.2.0", FORGER)

    assert release_tags(root, "loans", MAKER.public).newest == "loans@v0.1.0"
    assert release_tags(root, "loans", ADA.public).newest is None
    assert release_tags(root, "loans", None).undetermined != ()


def test_where_nobody_is_named_a_clone_without_the_key_is_told_what_names_the_maker(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    commit(root, approvers="# nobody\n")
    tag(root, "v0.1.0", MAKER)
    (told,) = release_tags(root, "loans", None).undetermined

    assert "got a good signature by key SHA256:" in told
    assert NOBODY_NAMED in told

    commit(root, approvers=approver("maker@example.org", MAKER) + "\n")
    assert release_tags(root, "loans", None).newest == "loans@v0.1.0"
    assert release_tags(root, "loans", None).undetermined == ()


def test_who_was_named_before_vouches_for_the_next(repo: Path) -> None:
    tag_by = [("v0.3.0", ADA), ("v0.4.0", MAKER)]
    for version, by in tag_by:
        commit(repo)
        tag(repo, version, by)
    found = release_tags(repo, "loans", None)

    assert (found.newest, found.signer) == ("loans@v0.4.0", "maker@example.org")
    assert found.key == MAKER.public.keyid
    assert found.undetermined == ()


def test_a_shallow_clone_can_not_tell(repo: Path, tmp_path: Path) -> None:
    git(repo, "clone", "-q", "--depth", "1", repo.as_uri(), str(tmp_path / "shallow"))

    with pytest.raises(UndeterminedError, match=r"shallow clone \(git fetch --unshallow --tags\)"):
        refuse_unless_approved(tmp_path / "shallow")
    assert main(["policy", "--clone", str(tmp_path / "shallow")]) == 5
    assert main(["policy", "--clone", str(tmp_path / "shallow"), "--base", "HEAD"]) == 5


def test_a_clone_without_tags_can_not_tell_and_the_command_it_names_mends_it(
    repo: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    git(repo, "clone", "-q", "--no-tags", repo.as_uri(), str(there))
    with pytest.raises(
        UndeterminedError, match=r"must hold the tag loans@v0\.2\.0, which origin has"
    ) as found:
        refuse_unless_approved(there)
    assert main(["policy", "--clone", str(there)]) == 5

    words = found.value.faults[1].rpartition("(")[2].removesuffix(")")
    git(there, *[word.strip("'") for word in words.split()[1:]])
    assert refuse_unless_approved(there).base == "loans@v0.2.0"


def test_a_remote_that_gives_no_answer_leaves_a_first_release_undetermined(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    commit(root)
    git(root, "remote", "add", "origin", (tmp_path / "nothing").as_uri())

    with pytest.raises(UndeterminedError, match="origin: must tell whether it holds releases of loans"):
        refuse_unless_approved(root)
    tag(root, "v0.1.0", MAKER)
    assert refuse_unless_approved(root).base == "loans@v0.1.0"


def test_a_new_project_is_new_with_an_empty_remote_too(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    commit(root)
    assert refuse_unless_approved(root).base is None

    git(root, "init", "-q", "--bare", str(tmp_path / "bare"))
    git(root, "remote", "add", "origin", (tmp_path / "bare").as_uri())
    git(root, "tag", "v1")
    git(root, "push", "-q", "origin", "main", "v1")
    assert refuse_unless_approved(root).base is None


def told_by_the_trail(root: Path) -> None:
    what = {"action": "ended", "flow": "release", "release": "loans-v0.2.0"}
    append(root, what, "completed", key=MAKER)


def told_by_a_promotion(root: Path) -> None:
    promote(root, "production", "v0.2.0", 1)


def told_by_an_approval(root: Path) -> None:
    (root / "approvals" / "loans-v0.2.0").mkdir(parents=True)
    (root / "approvals" / "loans-v0.2.0" / "x.json").write_text("{}")
    commit(root)


@pytest.mark.parametrize("by", [told_by_the_trail, told_by_a_promotion, told_by_an_approval])
def test_a_tag_that_was_deleted_is_missed_by_what_tells_of_it(repo: Path, by: object) -> None:
    by(repo)  # type: ignore[operator]
    assert refuse_unless_approved(repo).base == "loans@v0.2.0"

    git(repo, "tag", "-d", "loans@v0.2.0")
    with pytest.raises(
        UndeterminedError, match=r"must hold the tag loans@v0\.2\.0, which .* got a clone without"
    ):
        refuse_unless_approved(repo)


def test_a_base_that_a_person_names_does_where_nothing_else_can_tell(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light(repo)
    monkeypatch.setenv("FAIRMARK_BASE", "loans@v0.2.0")

    assert refuse_unless_approved(repo).base == "loans@v0.2.0"
    loosen(repo)
    with pytest.raises(RefusedError):
        refuse_unless_approved(repo)
