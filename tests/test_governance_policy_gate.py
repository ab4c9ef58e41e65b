"""A policy that is looser than its base waits for the approvals of people whom the base knows."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
from data_summaries import PREPARED, READ, changed
from fixed_keys import ADA, BOB, CAM, MAKER, approver, key
from maker_and_forger import MINE
from promotion_repo import PEOPLE, git, repository

from fairmark.cli.main import main
from fairmark.errors import ParamsError, RefusedError, StateError, UsageError, VerificationError
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, approver_changes, read_approvers
from fairmark.governance.policy_gate import ALONE, Repository, compare, policy_digest, refuse_unless_approved
from fairmark.signing.git_tags import sign_tag
from fairmark.signing.keys import SigningKey

SOON = dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=30)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("pattern") / "repo", ["v0.1.0", "v0.2.0"])


@pytest.fixture
def repo(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "repo"))


def edit(root: Path, old: str, new: str, file: str = "params.yaml") -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert old in text
    (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    git(root, "commit", "-q", "-a", "-m", "Edit", "--author", "A Maker <maker@example.org>")


def loosen(root: Path) -> None:
    edit(root, "at_least: 0.85", "at_least: 0.84")


def waive(root: Path) -> None:
    override = (
        '  overrides: [{limit: accuracy-floor, groups: null, decided_by: A, reason: B, '
        'decided: "2026-01-01", expires: "2027-01-01"}]'
    )  # fmt: skip
    edit(root, "  overrides: []", override)


def name(root: Path, line: str) -> None:
    (root / FILE).write_text((root / FILE).read_text() + line + "\n")
    git(root, "commit", "-q", "-a", "-m", "Name", "--author", "A Maker <maker@example.org>")


def tag(root: Path, version: str, by: SigningKey = MAKER) -> None:
    sign_tag(root, f"loans@{version}", "HEAD", f"x\n\nStatement-SHA256: {'0' * 64}\n", by)


def approve(root: Path, *by: SigningKey) -> None:
    found = compare(root)
    now = dt.datetime.now(tz=dt.UTC)
    for each in by:
        keep(root, found.request, signed(found.request, found.approvers, each, "Agreed.", SOON, now))


def test_without_a_release_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    git(root, "commit", "-q", "--allow-empty", "-m", "x")
    loosen(root)
    found = refuse_unless_approved(root)

    assert (found.base, found.stands) == (None, True)
    assert found.lines() == ["no release yet and no base named: nothing to compare the policy with"]


def test_the_base_is_the_highest_release_that_head_holds(repo: Path) -> None:
    git(repo, "checkout", "-q", "-b", "side")
    git(repo, "commit", "-q", "--allow-empty", "-m", "x")
    tag(repo, "v0.10.0")
    git(repo, "tag", "loans@v0.9.0-rc1")
    assert compare(repo).base == "loans@v0.10.0"

    git(repo, "checkout", "-q", "main")
    assert compare(repo).base == "loans@v0.2.0"


def test_the_environment_and_a_person_may_name_another_base(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loosen(repo)
    monkeypatch.setenv("FAIRMARK_BASE", "HEAD")

    assert main(["policy", "--clone", str(repo)]) == 0
    assert main(["policy", "--clone", str(repo), "--base", "loans@v0.1.0"]) == 3
    monkeypatch.setenv("FAIRMARK_BASE", "0" * 40)  # a forge's word for none
    assert main(["policy", "--clone", str(repo)]) == 3
    monkeypatch.setenv("FAIRMARK_BASE", "HEAD")
    with pytest.raises(RefusedError):  # a release that can be told is the base of the next
        refuse_unless_approved(repo)


@pytest.mark.parametrize("base", ["nowhere", "f" * 40, "--all"])
def test_a_base_that_is_not_here_is_refused(repo: Path, base: str) -> None:
    with pytest.raises(UsageError, match="base: must be a commit that is here"):
        compare(repo, base)


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("params.yaml", "a: [", "must hold a policy that can be read, got params.yaml of"),
        ("params.yaml", "[1, 2]", "must hold a policy that can be"),
        (
            "params.yaml",
            "policy: {waivers: [{limit: race-equal-opportunity}]}",
            "a policy that can be compared",
        ),
        (FILE, "nonsense", "must hold a policy that can be read, got approvers:1: "),
    ],
)
def test_a_base_whose_policy_can_not_be_read_can_not_be_told(
    repo: Path, file: str, text: str, fault: str
) -> None:
    good = (repo / file).read_text(encoding="utf-8")
    (repo / file).write_text(text)
    git(repo, "commit", "-q", "-a", "-m", "x")
    (repo / file).write_text(good, encoding="utf-8")

    with pytest.raises(StateError, match=fault):
        compare(repo, "HEAD")


def test_params_with_faults_are_told(repo: Path) -> None:
    (repo / "params.yaml").write_text("policy: 7")

    with pytest.raises(ParamsError, match=r"params\.yaml: project: must be given"):
        compare(repo)


def test_what_is_tightened_passes(repo: Path) -> None:
    edit(repo, "at_least: 0.85", "at_least: 0.86")
    found = refuse_unless_approved(repo)

    assert [each.way for each in found.changes] == ["tightened"]
    assert found.lines()[1] == "tightened policy.limits.auc-floor.at_least: 0.85 to 0.86"


def test_what_is_loosened_is_refused_with_all_that_there_is_to_know(repo: Path) -> None:
    loosen(repo)

    with pytest.raises(RefusedError) as found:
        refuse_unless_approved(repo)
    assert found.value.exit_code == 3
    assert found.value.faults == (
        "policy: must not be looser than at loans@v0.2.0 without approvals, got",
        "loosened  policy.limits.auc-floor.at_least: 0.85 to 0.84",
        "loans@v0.2.0: 1 of its approvers must approve that, got 0",
        "who may still approve: ada@example.org, bob@example.org, cam@example.org",
        "each of them: `fairmark approve --policy --reason TEXT --expires YYYY-MM-DD`, and commit the file",
    )


def test_one_approval_lets_a_loosened_limit_pass(repo: Path) -> None:
    loosen(repo)
    approve(repo, BOB)
    found = refuse_unless_approved(repo)

    assert [each.who for each in found.counted.approvals] == ["bob@example.org"]
    digest = found.request.digest
    assert (repo / "approvals" / "policy" / digest[:16] / f"{BOB.public.keyid[:16]}.json").is_file()


@pytest.mark.parametrize("step", [waive, lambda root: name(root, approver("new@example.org", key("new")))])
def test_overrides_and_approvers_take_two_people(repo: Path, step: Any) -> None:
    step(repo)
    approve(repo, BOB)
    assert not compare(repo).stands

    approve(repo, CAM)
    assert compare(repo).stands


def test_an_approval_is_of_one_policy_alone(repo: Path) -> None:
    loosen(repo)
    approve(repo, BOB)
    old = compare(repo).request.folder
    edit(repo, "at_least: 0.84", "at_least: 0.83")
    shutil.move(repo / "approvals" / old, repo / "approvals" / compare(repo).request.folder)

    with pytest.raises(RefusedError, match="approval: must be of policy of loans with SHA-256"):
        refuse_unless_approved(repo)


def test_nobody_names_himself_and_approves(repo: Path) -> None:
    new = key("new")
    name(repo, approver("new@example.org", new))
    loosen(repo)

    with pytest.raises(RefusedError, match="must be named in approvers, got no line of it"):
        approve(repo, new)


def test_the_word_of_somebody_whom_the_base_does_not_know_counts_for_nothing(repo: Path) -> None:
    new = key("new")
    name(repo, approver("new@example.org", new))
    loosen(repo)
    found, now = compare(repo), dt.datetime.now(tz=dt.UTC)
    keep(repo, found.request, signed(found.request, read_approvers(repo / FILE), new, "Me.", SOON, now))

    assert compare(repo).counted.approvals == ()
    assert "must be named in approvers, got no line of it" in "\n".join(compare(repo).lines())


def test_lowering_the_count_does_not_lower_it_for_itself(repo: Path) -> None:
    edit(repo, "approvals: {plain: 1, waived: 2}", "approvals: {plain: 2, waived: 3}")
    tag(repo, "v0.3.0")
    edit(repo, "approvals: {plain: 2, waived: 3}", "approvals: {plain: 1, waived: 2}")

    assert compare(repo).request.needed == 2


def test_the_author_of_the_change_does_not_count(repo: Path) -> None:
    text = (repo / "params.yaml").read_text(encoding="utf-8").replace("at_least: 0.85", "at_least: 0.84", 1)
    (repo / "params.yaml").write_text(text, encoding="utf-8")
    git(repo, "commit", "-q", "-a", "-m", "x", "--author", "Bob <bob@example.org>")

    with pytest.raises(RefusedError, match="must be another person's than the maker, who is bob"):
        approve(repo, BOB)
    assert "who may still approve: ada@example.org, cam@example.org" in compare(repo).lines()


def test_who_signed_the_commit_of_the_change_does_not_count(repo: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    place = tmp_path / "key"
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    place.write_bytes(pem)
    place.chmod(0o600)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    line = f'dee@example.org namespaces="fairmark-approval" {public.decode()}'
    (repo / FILE).write_text((repo / FILE).read_text() + line + "\n")
    git(repo, "commit", "-q", "-a", "-m", "x")
    tag(repo, "v0.3.0")
    text = (repo / "params.yaml").read_text(encoding="utf-8").replace("at_least: 0.85", "at_least: 0.84", 1)
    (repo / "params.yaml").write_text(text, encoding="utf-8")
    signs = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={place}")
    git(repo, *signs, "commit", "-q", "-S", "-a", "-m", "x")

    assert "dee@example.org" in compare(repo).request.authors


def test_who_makes_the_release_does_not_count(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loosen(repo)
    approve(repo, BOB)
    monkeypatch.setattr("fairmark.signing.key_store.own_public", lambda: BOB.public)

    assert compare(repo).stands
    with pytest.raises(RefusedError, match=r"got the key that made policy of loans"):
        refuse_unless_approved(repo)


def test_an_approval_that_expired_counts_no_more(repo: Path) -> None:
    loosen(repo)
    found = compare(repo)
    long_ago = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    old = signed(found.request, found.approvers, BOB, "Agreed.", dt.date(2026, 2, 1), long_ago)
    keep(repo, found.request, old)

    assert "got one that expired 2026-02-01" in "\n".join(compare(repo).lines())


def test_the_first_approvers_need_nobody_and_loosened_limits_wait_for_them(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    (root / FILE).write_text("# nobody yet\n")
    git(root, "commit", "-q", "-a", "-m", "x")
    tag(root, "v0.1.0", MINE)
    name(root, PEOPLE[1])
    assert refuse_unless_approved(root).changes[0].way == "neutral"

    loosen(root)
    with pytest.raises(RefusedError, match="who may still approve: nobody"):
        refuse_unless_approved(root)


def test_where_fewer_may_approve_than_must_all_of_them_add_a_second(tmp_path: Path) -> None:
    root = repository(tmp_path / "repo", [])
    (root / FILE).write_text("\n".join([approver("maker@example.org", MAKER, "git"), PEOPLE[1]]) + "\n")
    git(root, "commit", "-q", "-a", "-m", "x")
    tag(root, "v0.1.0")
    name(root, PEOPLE[2])
    assert compare(root).request.needed == 1

    approve(root, ADA)
    assert compare(root).stands
    waive(root)
    assert compare(root).request.needed == 2


def test_a_file_that_is_no_approval_is_named(repo: Path) -> None:
    loosen(repo)
    folder = repo / "approvals" / compare(repo).request.folder
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{}")

    with pytest.raises(RefusedError, match=r"x\.json: .*must have payload"):
        refuse_unless_approved(repo)


def test_the_digest_is_of_the_sections_the_approvers_and_the_repository_by_hand() -> None:
    import hashlib

    text = (
        '{"approvers":"# é\\n","policy":{"b":1},"privacy":null,"release":{},'
        '"repository":{"first":"f00","key":"","project":"loans"}}'
    )
    sections = {"policy": {"b": 1}, "release": {}, "train": {"seed": 1}}

    of = Repository(project="loans", first="f00", key="")
    assert policy_digest(sections, "# é\n", of) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("differs", ["project", "first", "key"])
def test_an_approval_of_another_repository_is_none(repo: Path, tmp_path: Path, differs: str) -> None:
    loosen(repo)
    approve(repo, BOB)
    there = Path(shutil.copytree(repo, tmp_path / "other"))
    match differs:
        case "project":
            for each in git(there, "tag").split():
                git(there, "tag", "-d", each)
            git(there, "checkout", "-q", "HEAD~1")
            (there / "params.yaml").write_text(
                (there / "params.yaml").read_text().replace(": loans", ": lines")
            )
            git(there, "commit", "-q", "-a", "-m", "x")
            text = f"x\n\nStatement-SHA256: {'0' * 64}\n"
            sign_tag(there, "lines@v0.1.0", "HEAD", text, MAKER)
        case "first":
            for each in git(there, "tag").split():
                git(there, "tag", "-d", each)
            git(there, "checkout", "-q", "--orphan", "new", "HEAD~1")
            git(there, "commit", "-q", "-m", "x", "--date", "2020-01-01T00:00:00Z")
            tag(there, "v0.1.0")
        case "key":
            for each in git(there, "tag").split():
                git(there, "tag", "-d", each)
            git(there, "checkout", "-q", "HEAD~1")
            sign_tag(there, "loans@v0.1.0", "HEAD", f"x\n\nStatement-SHA256: {'0' * 64}\n", ADA)
    edit(there, "at_least: 0.85", "at_least: 0.84")
    now = compare(there).request.folder
    kept = next((repo / "approvals" / "policy").iterdir())
    shutil.rmtree(there / "approvals")
    shutil.copytree(kept, there / "approvals" / now)

    with pytest.raises(RefusedError, match=r"approval: must be of policy of (loans|lines) with SHA-256"):
        refuse_unless_approved(there)


def test_an_approval_of_another_name_is_none(repo: Path) -> None:
    loosen(repo)
    from dataclasses import replace

    from fairmark.governance.approvals import weigh

    found, now = compare(repo), dt.datetime.now(tz=dt.UTC)
    other = replace(found.request, name="loans-v0.1.0")
    with pytest.raises(VerificationError, match="must be of policy of loans with SHA-256"):
        weigh(signed(other, found.approvers, BOB, "x", SOON, now), found.request, found.approvers, now)


def test_taking_out_the_last_approvers_needs_them_or_the_next_would_be_the_first(repo: Path) -> None:
    (repo / FILE).write_text("# nobody\n")
    git(repo, "commit", "-q", "-a", "-m", "x", "--author", "A Maker <maker@example.org>")
    found = compare(repo)
    assert not found.stands
    assert [each.text.split(" any more")[0] for each in found.changes if each.way == "loosened"] == [
        "nobody may sign for git",
        "nobody may sign for fairmark-approval",
    ]

    approve(repo, BOB, CAM)
    assert compare(repo).stands


def test_a_base_whose_bytes_a_clone_lacks_is_not_taken_for_one_without_a_policy(repo: Path) -> None:
    blob = git(repo, "rev-parse", "HEAD:params.yaml").strip()
    loosen(repo)
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    with pytest.raises(StateError, match=r"must hold params\.yaml, got a clone without its bytes"):
        compare(repo, "HEAD~1")


def test_it_is_said_who_signed_the_base(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "--clone", str(repo)]) == 0
    said = capsys.readouterr().out
    assert "compared with loans@v0.2.0, whose tag is signed by maker@example.org\n" in said


@pytest.mark.parametrize(("has", "way"), [(False, "neutral"), (True, "loosened"), (None, "loosened")])
def test_what_has_no_effect_on_this_data_is_no_loosening(repo: Path, has: bool | None, way: str) -> None:
    edit(repo, "  personal: [age,", "  personal: [nonesuch, age,")
    tag(repo, "v0.3.0")
    edit(repo, "  personal: [nonesuch, age,", "  personal: [age,")
    if has is not None:
        columns = dict.fromkeys(["age", *(["nonesuch"] if has else [])], READ)
        (repo / "artifacts" / "prepare").mkdir(parents=True)
        changed(PREPARED, columns=columns).write(repo / "artifacts" / "prepare" / "summary.json")

    assert [(each.where, each.way) for each in compare(repo).changes] == [("privacy.personal", way)]


@pytest.mark.parametrize(
    ("namespaces", "way"), [("fairmark-approval", "neutral"), ("git,fairmark-approval", "loosened")]
)
def test_who_named_himself_alone_can_name_the_first_approver(namespaces: str, way: str) -> None:
    alone = read_approvers(approver("maker@example.org", MAKER, "git"))
    both = [*alone, *read_approvers(approver("ada@example.org", ADA, namespaces))]

    assert [each.way for each in approver_changes(alone, both)] == [way]


def test_one_person_alone_is_told_the_two_ways_on(repo: Path) -> None:
    (repo / FILE).write_text(f"{PEOPLE[0]}\n")
    git(repo, "commit", "-q", "-a", "-m", "x")
    tag(repo, "v0.3.0")
    loosen(repo)

    with pytest.raises(RefusedError) as found:
        refuse_unless_approved(repo)
    assert found.value.faults[-1] == ALONE
