"""Nothing reaches a stage unverified or unapproved, and GTO reads the stages as fairmark does."""

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from environment_files import share
from fixed_keys import ADA, BOB, CAM, approver, key, pem
from promotion_repo import promote as set_past_fairmark
from release_folder import git, write_lock
from self_assessment import sign_assessment

from fairmark.cli.main import main
from fairmark.errors import RefusedError, StateError, UsageError, VerificationError
from fairmark.files import read_json
from fairmark.governance.approvals import keep, read_approvals, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.findings import NewFinding, close_finding, open_finding
from fairmark.governance.history import history
from fairmark.governance.promotions import promote, promoters, rollback
from fairmark.governance.request import candidate, find_release, refuse_expired_waivers
from fairmark.governance.trail import entries
from fairmark.judge.verdict import judge_document
from fairmark.params.read import read_params
from fairmark.release.build import assemble
from fairmark.release.statement import release_digest
from fairmark.repo.commit import trace
from fairmark.signing.git_tags import read_tag, sign_tag, tag_release
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.slow

TODAY = dt.datetime.now(tz=dt.UTC).date()
SOON = TODAY + dt.timedelta(days=90)


@pytest.fixture(scope="module")
def pattern(
    released: Path, listed: Any, there: Any, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a working folder with v0.1.0, which passes, and v0.2.0, which stands on a waiver."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("promotions") / "folder"))
    people = [
        approver("maker@example.org", own_key(make=True), "git"),
        approver("ada@example.org", ADA),
        approver("bob@example.org", BOB, "fairmark-approval"),
        approver("cam@example.org", CAM, "fairmark-approval"),
    ]
    (root / FILE).write_text("\n".join(people) + "\n")
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    measured = read_json(root / "artifacts" / "evaluate" / "measurements.json")["overall"]["accuracy"]
    tight = params["policy"]["limits"][0] | {
        "name": "tight", "measure": "accuracy", "at_least": measured["value"]
    }  # fmt: skip
    waiver = {"limit": "tight", "groups": None, "decided_by": "A. P.", "reason": "Close.",
              "decided": TODAY.isoformat(), "expires": SOON.isoformat()}  # fmt: skip
    params["policy"] |= {"limits": [*params["policy"]["limits"], tight], "waivers": [waiver]}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
    write_lock(root)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Waive")
    with pytest.MonkeyPatch.context() as patch:
        share(patch, listed, there, tools)
        _waived_release(root, "v0.2.0")
    for each in (BOB, CAM):
        sign_assessment(root, each)
    return root


def _waived_release(root: Path, version: str) -> None:
    params, seen, own = read_params(root / "params.yaml"), trace(root), own_key(make=True)
    found = read_json(root / "artifacts" / "evaluate" / "measurements.json")
    verdict = judge_document(found, params.policy, TODAY)
    folder = root / "releases" / f"loans-{version}"
    assemble(root, folder, version, seen, params, verdict, own)
    tag_release(root, "loans", version, "A release", release_digest(folder), key=own)


@pytest.fixture
def root(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "folder", symlinks=True))


def approve(root: Path, version: str, *by: SigningKey) -> None:
    known = read_approvers(root / FILE)
    asked = candidate(root / "releases" / f"loans-{version}", root, known).request
    for each in by:
        envelope = signed(asked, known, each, "It is good.", SOON, dt.datetime.now(tz=dt.UTC))
        keep(root, asked, envelope)


def to(root: Path, stage: str, version: str, by: SigningKey = ADA) -> Any:
    return promote(root, find_release(root, f"loans@{version}"), stage, "Because.", by)


def gto(root: Path, *words: str) -> Any:
    said = subprocess.run(
        [Path(sys.executable).with_name("gto"), *words, "--json"],
        cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(said.stdout)


# ------------------------------------------------------------------ what is put before approvers


def test_a_release_that_was_verified_says_who_made_it_and_what_it_stands_on(root: Path) -> None:
    known = read_approvers(root / FILE)
    plain = candidate(find_release(root, "loans-v0.1.0"), root, known)
    waived = candidate(find_release(root, "loans@v0.2.0"), root, known)

    assert (plain.request.needed, plain.request.waived, plain.let_through) == (1, (), ())
    assert (waived.request.needed, waived.request.waived, waived.outcome) == (
        2,
        ("tight",),
        "pass with waiver",
    )
    assert waived.let_through[0].startswith("tight: insufficient evidence, let through by A. P. until")
    assert plain.request.makers == {own_key(make=False).public.keyid}
    assert plain.request.people(known) == {"maker@example.org", "tester@example.org"}
    assert plain.request.digest == release_digest(find_release(root, "loans-v0.1.0"))


def test_a_release_that_is_wrong_is_not_put_before_anybody(root: Path) -> None:
    (root / "releases" / "loans-v0.1.0" / "report.html").write_text("better")

    with pytest.raises(VerificationError, match=r"must be verified, got(.|\n)*report.html"):
        approve(root, "v0.1.0", BOB)


def test_a_release_of_a_maker_whom_nobody_knows_can_not_be_told(root: Path) -> None:
    people = (root / FILE).read_text().splitlines()
    (root / FILE).write_text("\n".join(people[1:]) + "\n")

    with pytest.raises(StateError, match=r"must be verified, got(.|\n)*statement\.json"):
        approve(root, "v0.1.0", BOB)
    known = read_approvers(root / FILE)
    own = own_key(make=False).public
    assert candidate(find_release(root, "loans-v0.1.0"), root, known, [own]).version == "v0.1.0"


def test_there_must_be_a_release() -> None:
    with pytest.raises(UsageError, match="must be a release folder, or a release below"):
        find_release(Path(), "loans-v9.9.9")


# ------------------------------------------------------------------ promote


def test_production_waits_until_a_finding_of_high_severity_is_closed_and_staging_does_not(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    approve(root, "v0.1.0", BOB)
    known = read_approvers(root / FILE)
    new = NewFinding("high", "ada@example.org", SOON, "Too few rows.", release="loans@v0.1.0")
    number, _ = open_finding(root, new, CAM, known)
    to(root, "staging", "v0.1.0")

    with pytest.raises(RefusedError, match=r"no finding of high severity may be open(.|\n)*0001 open high"):
        to(root, "production", "v0.1.0")
    close_finding(root, number, "Rows were collected.", BOB, known)
    to(root, "production", "v0.1.0")
    (root / "findings" / "0001-close.json").unlink()
    assert main(["history", "--check", "--clone", str(root)]) == 4
    assert "WRONG findings: findings/0001-close.json: must be as the audit" in capsys.readouterr().out


def test_an_approved_release_is_promoted_by_a_tag_that_git_and_gto_read(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    done = to(root, "production", "v0.1.0")
    seen = read_tag(root, done.tag)

    assert done.tag == "loans#production#1"
    assert [each.who for each in done.approvals] == ["bob@example.org"]
    assert seen.commit == git(root, "rev-parse", "loans@v0.1.0^{commit}").strip()
    assert f"Statement-SHA256: {release_digest(find_release(root, 'loans-v0.1.0'))}\n" in seen.message
    (root / "signers").write_text((root / FILE).read_text())
    said = subprocess.run(
        ["git", "-C", root, "-c", f"gpg.ssh.allowedSignersFile={root / 'signers'}", "verify-tag", done.tag],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0
    assert 'Good "git" signature for ada@example.org with ECDSA key' in said.stderr


def test_the_audit_trail_tells_of_it_and_the_next_one_names_its_head(root: Path) -> None:
    from fairmark.governance.trail import head

    approve(root, "v0.1.0", BOB)
    first = to(root, "staging", "v0.1.0")
    told = head(root)
    second = to(root, "production", "v0.1.0")

    assert f"Trail: {told}\n" in read_tag(root, second.tag).message
    assert [entry.event.promotion for entry in entries(root)] == [first.tag, second.tag]
    assert entries(root)[0].event.object_hash == read_tag(root, first.tag).hash


@pytest.mark.parametrize(
    ("version", "by", "fault"),
    [
        ("v0.1.0", (), r"must be approved by 1 people who did not make it, got 0\n"),
        ("v0.2.0", (BOB,), r"because of what was waived: tight\), got 1 \(bob@example.org\)\n"),
    ],
)
def test_lacking_approvals_say_how_many_and_from_whom(
    root: Path, version: str, by: tuple[SigningKey, ...], fault: str
) -> None:
    approve(root, version, *by)

    with pytest.raises(RefusedError, match=fault) as found:
        to(root, "production", version)
    able = [who for who in ("ada", "bob", "cam") if not (by and who == "bob")]
    assert found.value.faults[1] == "who may still approve: " + ", ".join(
        f"{who}@example.org" for who in able
    )
    assert git(root, "tag", "--list", "loans#*") == ""


def test_a_waived_release_takes_two_people(root: Path) -> None:
    approve(root, "v0.2.0", BOB, CAM)

    assert len(to(root, "production", "v0.2.0").approvals) == 2


def at(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def test_a_clock_before_the_commit_is_called_what_it_is(root: Path) -> None:
    for release in ("loans-v0.1.0", "loans-v0.2.0"):
        with pytest.raises(StateError, match=r"clock: must be past the commit's own time, .*got 1970-01-02"):
            refuse_expired_waivers(find_release(root, release), at(dt.date(1970, 1, 2)))


def test_a_clock_before_the_newest_commit_promotes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approvals and answers are committed after the release: what has expired since would count again."""
    approve(root, "v0.1.0", BOB)
    monkeypatch.setenv("GIT_COMMITTER_DATE", (dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)).isoformat())
    git(root, "commit", "--allow-empty", "-q", "-m", "Answers")

    with pytest.raises(StateError, match="clock: must be past the commit's own time"):
        to(root, "production", "v0.1.0")


def test_a_waiver_that_expired_since_lets_nothing_on(root: Path) -> None:
    folder = find_release(root, "loans-v0.2.0")
    refuse_expired_waivers(folder, at(SOON))
    refuse_expired_waivers(find_release(root, "loans-v0.1.0"), at(SOON + dt.timedelta(days=9999)))

    with pytest.raises(RefusedError, match=r"verdict must still pass on .*, got insufficient evidence"):
        refuse_expired_waivers(folder, at(SOON + dt.timedelta(days=1)))


def test_a_promotion_asks_whether_the_verdict_stands_today(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(root, "v0.2.0", BOB, CAM)
    late = SOON + dt.timedelta(days=1)
    monkeypatch.setattr(
        "fairmark.governance.promotions.refuse_expired_waivers",
        lambda folder, _: refuse_expired_waivers(folder, at(late)),
    )

    with pytest.raises(RefusedError, match=f"verdict must still pass on {late}"):
        to(root, "production", "v0.2.0")


def test_an_approval_of_another_release_put_into_the_folder_does_not_count(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    shutil.move(root / "approvals" / "loans-v0.1.0", root / "approvals" / "loans-v0.2.0")

    with pytest.raises(RefusedError, match=r"got 0(.|\n)*approval: must be of loans-v0.2.0 with SHA-256"):
        to(root, "production", "v0.2.0")


def test_what_is_there_already_is_said(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    to(root, "production", "v0.1.0")

    with pytest.raises(
        StateError, match=r"production: must hold another release, got v0\.1\.0 there already"
    ):
        to(root, "production", "v0.1.0")


def test_a_key_that_may_not_sign_tags_is_refused(root: Path) -> None:
    approve(root, "v0.1.0", BOB)

    with pytest.raises(RefusedError, match="must be in approvers with the namespace git, and valid today"):
        to(root, "production", "v0.1.0", by=CAM)


def test_where_nobody_is_named_ones_own_key_signs_and_nobody_can_approve(root: Path) -> None:
    (root / FILE).write_text("# nobody yet\n")

    with pytest.raises(RefusedError, match=r"got 0\nwho may still approve: nobody that approvers names"):
        to(root, "staging", "v0.1.0", by=own_key(make=False))


def test_a_broken_chain_takes_no_promotion(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    to(root, "staging", "v0.1.0")
    to(root, "production", "v0.1.0")
    git(root, "tag", "-d", "loans#staging#1")

    with pytest.raises(
        VerificationError, match=r"must be one signed chain, got\n.*\n?.*number 1: must be there"
    ):
        to(root, "other", "v0.1.0")


def test_a_tag_by_a_stranger_takes_no_promotion(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    done = to(root, "staging", "v0.1.0")
    seen = read_tag(root, done.tag)
    git(root, "tag", "-d", done.tag)
    sign_tag(root, done.tag, seen.commit, seen.message, key("eve"))

    with pytest.raises(VerificationError, match="must be signed by a key that is allowed to"):
        to(root, "production", "v0.1.0")


def test_a_release_without_its_tag_is_not_promoted(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    git(root, "tag", "-d", "loans@v0.1.0")

    with pytest.raises(StateError, match=r"must hold the tag loans@v0\.1\.0"):
        to(root, "production", "v0.1.0")


def test_two_releases_of_one_commit_are_refused_because_gto_would_stumble(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    git(root, "tag", "-a", "-m", "x", "loans@v0.1.1", "loans@v0.1.0^{commit}")

    with pytest.raises(
        StateError, match=r"must carry one release, got loans@v0\.1\.0 and loans@v0\.1\.1: GTO"
    ):
        to(root, "production", "v0.1.0")


def test_a_clock_behind_the_last_promotion_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(root, "v0.1.0", BOB)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(dt.datetime.now(tz=dt.UTC).timestamp()) + 200} +0000")
    to(root, "staging", "v0.1.0")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    monkeypatch.setattr("fairmark.governance.promotions.PATIENCE_S", 0.1)

    with pytest.raises(StateError, match="clock: must be past loans#staging#1, set at"):
        to(root, "production", "v0.1.0")


def test_a_promotion_dated_ahead_is_told_in_the_same_words_here_and_by_history(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    approve(root, "v0.1.0", BOB)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "4000000000 +0000")
    to(root, "staging", "v0.1.0")
    monkeypatch.delenv("GIT_COMMITTER_DATE")

    words = r"loans#staging#1: must be of a day that has come, got 2096-10-02 .*take back this tag"
    with pytest.raises(VerificationError, match=words):
        to(root, "production", "v0.1.0")
    assert main(["history", "--check", "--name", "loans", "--clone", str(root)]) == 4
    assert re.search(f"WRONG clock: {words}", capsys.readouterr().out)

    git(root, "tag", "-d", "loans#staging#1")  # the way on that it names
    to(root, "production", "v0.1.0")


def test_where_every_key_that_may_sign_tags_has_ended_nobody_promotes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = [
        approver("ada@example.org", ADA, "git", ',valid-before="20200101Z"'),
        approver("bob@example.org", BOB, "fairmark-approval"),
    ]
    approve(root, "v0.1.0", BOB)
    (root / FILE).write_text("\n".join(ended) + "\n")
    own = own_key(make=True)

    with pytest.raises(
        RefusedError,
        match=r"as of nobody, for every such key has ended\), got no line of it",
    ):
        to(root, "production", "v0.1.0", by=own)
    set_past_fairmark(root, "production", "v0.1.0", 1, by=own)
    assert main(["history", "--check", "--name", "loans", "--clone", str(root)]) == 4
    assert "WRONG signatures: tag loans#production#1: must be signed by a key" in capsys.readouterr().out


def test_one_promotion_runs_at_a_time(root: Path) -> None:
    from fairmark.governance.promotions import promotion_lock

    approve(root, "v0.1.0", BOB)
    with promotion_lock(root), pytest.raises(StateError, match="must have one promotion at a time"):
        to(root, "production", "v0.1.0")


@pytest.mark.parametrize("stage", ["Prod", "candidate", "a#b"])
def test_an_odd_stage_is_refused_before_anything_else(root: Path, stage: str) -> None:
    with pytest.raises(UsageError, match="stage: must be small letters"):
        to(root, stage, "v0.1.0")


# ------------------------------------------------------------------ roll back


@pytest.fixture(scope="module")
def served_pattern(pattern: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with v0.1.0, then v0.2.0 in production."""
    root = Path(shutil.copytree(pattern, tmp_path_factory.mktemp("served") / "folder", symlinks=True))
    approve(root, "v0.1.0", BOB)
    approve(root, "v0.2.0", BOB, CAM)
    to(root, "production", "v0.1.0")
    to(root, "production", "v0.2.0")
    return root


@pytest.fixture
def served(served_pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(served_pattern, tmp_path / "folder", symlinks=True))


def test_a_rollback_goes_to_the_version_before_and_gto_reads_the_same(served: Path) -> None:
    root = served
    done = rollback(root, "loans", "production", "It drifts.", ADA)

    assert (done.tag, done.version) == ("loans#production#3", "v0.1.0")
    assert [each["version"] for each in gto(root, "show", "loans#production")] == ["v0.1.0"]
    told = [(each["ref"], each["version"]) for each in gto(root, "history", "loans") if each.get("stage")]
    assert told[::-1] == [
        ("loans#production#1", "v0.1.0"),
        ("loans#production#2", "v0.2.0"),
        ("loans#production#3", "v0.1.0"),
    ]


def test_a_rollback_to_what_was_never_there_is_refused(served: Path) -> None:
    root = served
    with pytest.raises(
        UsageError, match=r"--to: must be a version that production has held \(v0\.1\.0, v0\.2\.0\)"
    ):
        rollback(root, "loans", "production", "No.", ADA, "v0.3.0")
    with pytest.raises(StateError, match=r"must hold another release, got v0\.2\.0 there already"):
        rollback(root, "loans", "production", "No.", ADA, "v0.2.0")
    with pytest.raises(UsageError, match="stage: must have held a release, got staging, which never did"):
        rollback(root, "loans", "staging", "No.", ADA)


def test_a_first_version_has_none_before_it(root: Path) -> None:
    approve(root, "v0.1.0", BOB)
    to(root, "production", "v0.1.0")

    with pytest.raises(UsageError, match=r"must have held a release before v0\.1\.0, got none"):
        rollback(root, "loans", "production", "No.", ADA)


def end_key_of_bob(root: Path) -> None:
    """End the key by which v0.1.0 was approved, a moment after that."""
    people = (root / FILE).read_text().splitlines()
    moment = (dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=1)).strftime("%Y%m%d%H%M%SZ")
    people[2] = approver("bob@example.org", BOB, "fairmark-approval", f',valid-before="{moment}"')
    (root / FILE).write_text("\n".join(people) + "\n")


def unapproved(root: Path) -> list[str]:
    """Return what is wrong with approvals of the promotions, as whoever follows the stage finds it."""
    approvers = read_approvers(root / FILE)
    past = history(root, "loans", approvers, promoters(approvers, [ADA.public]))
    return [fault for each in past.entries for fault in each.unapproved]


def test_a_rollback_to_the_one_right_before_needs_the_approvals_of_then_alone(served: Path) -> None:
    time.sleep(1.1)  # past the second of the promotions
    end_key_of_bob(served)
    done = rollback(served, "loans", "production", "It harms.", ADA)

    assert (done.version, [each.who for each in done.approvals]) == ("v0.1.0", ["bob@example.org"])
    assert unapproved(served) == []
    # Forth once more, which is a promotion and needs what stands today.
    with pytest.raises(RefusedError, match=r"loans-v0\.2\.0: must be approved by 2 people"):
        to(served, "production", "v0.2.0")


def test_a_rollback_further_back_needs_approvals_that_still_stand(served: Path) -> None:
    to(served, "production", "v0.1.0")
    to(served, "production", "v0.2.0")
    time.sleep(1.1)
    end_key_of_bob(served)
    rollback(served, "loans", "production", "It harms.", ADA)

    with pytest.raises(RefusedError, match=r"got \d.*\nwho may still approve: "):
        rollback(served, "loans", "production", "It harms more.", ADA, "v0.2.0")


def test_a_rollback_works_where_only_the_tags_are(served: Path) -> None:
    root = served
    for folder in ("releases", "approvals"):
        shutil.rmtree(root / folder)
    done = rollback(root, "loans", "production", "It drifts.", ADA)

    assert (done.version, [each.who for each in done.approvals]) == ("v0.1.0", ["bob@example.org"])


def test_keeping_and_finding_approvals_agree(root: Path) -> None:
    approve(root, "v0.2.0", BOB, CAM)
    asked = candidate(find_release(root, "loans-v0.2.0"), root, read_approvers(root / FILE)).request

    assert len(read_approvals(root, asked)[0]) == 2


# ------------------------------------------------------------------ by the command line


def words(root: Path, *given: str, who: str = "ada") -> list[str]:
    return [*given, "--clone", str(root), "--key", str(pem(who, root.parent))]


def test_approve_shows_the_verdict_and_what_was_waived_and_writes_the_record(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("approve", "loans-v0.2.0", "--reason", "I looked.", "--expires", SOON.isoformat())

    assert main(words(root, *given, who="bob")) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("loans-v0.2.0 is verified; its digest is ")
    assert told[1] == "verdict: pass with waiver, of which was let through:"
    assert told[2].startswith("  tight: insufficient evidence, let through by A. P. until")
    assert told[3] == "approved by bob@example.org: 1 of 2 needed"
    assert (root / "approvals" / "loans-v0.2.0" / f"{BOB.public.keyid[:16]}.json").is_file()


@pytest.mark.parametrize(
    ("given", "code", "fault"),
    [
        (["loans-v0.1.0", "--reason", "x", "--expires", "2020-01-01"], 3, "got one that expired 2020-01-01"),
        (["loans-v0.1.0", "--reason", "x", "--expires", "soon"], 2, "--expires: must be a day such as"),
        (["loans-v0.1.0", "--reason", " ", "--expires", "2099-01-01"], 2, "reason: must say why"),
        (["nothing", "--reason", "x", "--expires", "2099-01-01"], 2, "must be a release folder"),
        (["--reason", "x", "--expires", "2099-01-01"], 2, "must be given one of a release, --policy and"),
        (["--policy", "--reason", "x", "--expires", "2099-01-01"], 1, "must be looser than before to need"),
    ],
)
def test_what_can_not_be_approved_ends_with_its_own_code(
    root: Path, given: list[str], code: int, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(root, "approve", *given)) == code
    assert fault in capsys.readouterr().err
    assert [path.name for path in (root / "approvals").iterdir()] == ["assessment"]


def test_ones_own_release_can_not_be_approved(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / FILE).write_text((root / FILE).read_text().replace('"git"', '"git,fairmark-approval"'))
    given = ["approve", "loans-v0.1.0", "--reason", "Mine.", "--expires", "2099-01-01", "--clone", str(root)]

    assert main(given) == 3
    assert "must be another's than the maker's, got the key that made loans-v0.1.0" in capsys.readouterr().err


def test_promote_and_roll_back_and_tell_by_the_command_line(
    served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(served, "rollback", "--stage", "production", "--reason", "It drifts.")) == 0
    assert main(words(served, "promote", "loans-v0.2.0", "--to", "staging", "--reason", "Again.")) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "production holds v0.1.0 now (rolled back): tag loans#production#3"
    assert "staging holds v0.2.0 now (promoted): tag loans#staging#4" in told

    assert main(["history", "--clone", str(served), "--stage", "production", "--check"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert re.findall(r"production (\S+) (promoted|rolled back) by (\S+)", "\n".join(told)) == [
        ("v0.1.0", "promoted", "ada@example.org"),
        ("v0.2.0", "promoted", "ada@example.org"),
        ("v0.1.0", "rolled back", "ada@example.org"),
    ]
    assert told[-1] == "holds: the history of loans"

    assert main(["history", "--clone", str(served), "--on", TODAY.isoformat(), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["history"]
    assert [(each["stage"], each["release"]) for each in found][-1] == ("staging", "loans-v0.2.0")


def test_a_history_that_does_not_hold_ends_with_4(served: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(served, "tag", "-d", "loans#production#1")

    assert main(["history", "--clone", str(served), "--check", "--json"]) == 4
    facts = {each["name"]: each["held"] for each in json.loads(capsys.readouterr().out)["facts"]}
    assert (facts["chain"], facts["trail"], facts["signatures"]) == (False, False, True)


def test_a_promotion_that_is_refused_ends_with_3(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(root, "promote", "loans-v0.2.0", "--to", "production", "--reason", "x")) == 3
    assert "must be approved by 2 people" in capsys.readouterr().err


def test_a_loosened_policy_ends_with_3_and_approved_with_0(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = root / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("at_least: 0.6", "at_least: 0.5", 1))
    assert main(["policy", "--clone", str(root)]) == 3
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == [
        "compared with loans@v0.2.0, whose tag is signed by you",
        "loosened  policy.limits.auc-floor.at_least: 0.6 to 0.5",
    ]
    assert told[-1] == "policy: LOOSENED without the approvals that takes"

    given = ("approve", "--policy", "--reason", "Agreed.", "--expires", SOON.isoformat())
    assert main(words(root, *given, who="cam")) == 0
    assert main(["policy", "--clone", str(root), "--json"]) == 0
    told_json = json.loads(capsys.readouterr().out.partition("(commit it)\n")[2])
    assert (told_json["approved"], told_json["stands"]) == (["cam@example.org"], True)
