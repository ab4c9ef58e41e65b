"""What a release answers is linked, the rest is a person's, and production waits for both."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import launched, opened
from fixed_keys import ADA, BOB, approver, pem
from release_folder import git
from self_assessment import answered, sign_assessment

from fairmark.cli.main import main
from fairmark.errors import InputError, RefusedError
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE as APPROVERS
from fairmark.governance.approvers import read_approvers
from fairmark.governance.assessment import (
    Assessment,
    Item,
    assess,
    blank,
    questionnaire,
    read_assessment,
    refuse_open,
)
from fairmark.governance.assessment_approval import assessment_request, refuse_unsigned
from fairmark.governance.pages import assessment_page
from fairmark.governance.promotions import promote
from fairmark.governance.request import candidate
from fairmark.params.parse import typed
from fairmark.release.folder import ReleaseFolder
from fairmark.signing.key_store import own_key
from fairmark.yaml12 import parse_yaml

pytest_plugins = ("release_fixtures",)
TODAY = dt.datetime.now(tz=dt.UTC).date()
ROOT = Path(__file__).resolve().parents[1]


def parsed(value: Any) -> Assessment:
    return typed(Assessment, value, "assessment.yaml")


def stands(items: list[Item], name: str) -> str:
    return next(item.standing for item in items if item.id == name)


def commit(root: Path, value: Any) -> None:
    (root / "assessment.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Assess")


# ------------------------------------------------------------------ the questionnaire


def test_it_asks_by_the_seven_requirements_of_altai_in_their_order() -> None:
    titles = [each.title for each in questionnaire().requirements]

    assert titles == [
        "Human agency and oversight",
        "Technical robustness and safety",
        "Privacy and data governance",
        "Transparency",
        "Diversity, non-discrimination and fairness",
        "Societal and environmental well-being",
        "Accountability",
    ]


def test_each_question_has_an_id_of_its_own() -> None:
    names = [each.id for each in questionnaire().questions] + [each.id for each in questionnaire().decisions]

    assert len(names) == len({*names})


def test_the_default_project_has_answered_all_that_no_release_answers() -> None:
    found = read_assessment(ROOT)
    day = questionnaire().questions[0].revised
    people = {each.id for each in questionnaire().questions if not each.evidence}

    assert found is not None
    assert {item.id for item in assess(found, None, day) if item.standing == "answered"} >= people
    assert found.project == yaml.safe_load((ROOT / "params.yaml").read_text())["project"]["name"]


# ------------------------------------------------------------------ how an answer stands


def test_an_answer_is_stale_on_the_day_after_its_last() -> None:
    asked = next(each for each in questionnaire().questions if each.id == "oversight-stop")
    found = parsed(answered("loans", asked.revised))
    last = asked.revised + dt.timedelta(days=180)

    assert asked.valid_days == 180
    assert stands(assess(found, None, last), asked.id) == "answered"
    assert stands(assess(found, None, last + dt.timedelta(days=1)), asked.id) == "stale"


def test_an_answer_to_older_words_is_stale() -> None:
    day = questionnaire().questions[0].revised
    found = parsed(answered("loans", day - dt.timedelta(days=1)))

    assert stands(assess(found, None, day), "oversight-users") == "stale"


@pytest.mark.parametrize(
    "part",
    [
        {"scale": None},
        {"date": None},
        {"text": "TODO: later"},
        {"text": "  todo"},
        {"by": " "},
        {"date": "2999-01-01"},
    ],
)
def test_an_answer_that_lacks_a_part_or_is_of_a_day_to_come_is_open(part: dict[str, Any]) -> None:
    value = answered("loans")
    value["answers"]["oversight-users"] |= part

    assert stands(assess(parsed(value), None, TODAY), "oversight-users") == "open"


def test_what_is_begun_is_read_again_and_all_open() -> None:
    found = parsed(parse_yaml(blank('a "b" \\ c'), "assessment.yaml"))

    assert found.project == 'a "b" \\ c'
    assert {item.standing for item in assess(found, None, TODAY)} == {"open"}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"scale": 6}, "less than or equal to 5"),
        ({"scale": "3"}, "valid integer"),
        ({"mood": 1}, "known key"),
    ],
)
def test_an_answer_that_is_none_is_refused(part: dict[str, Any], words: str) -> None:
    value = answered("loans")
    value["answers"]["oversight-users"] |= part

    with pytest.raises(InputError, match=words):
        parsed(value)


def test_an_answer_to_no_question_is_refused() -> None:
    value = answered("loans")
    value["answers"]["oversight-user"] = value["answers"]["oversight-users"]

    with pytest.raises(InputError, match=r"got \['oversight-user'\]"):
        parsed(value)


# ------------------------------------------------------------------ a release's evidence


@pytest.mark.slow
def test_a_release_answers_each_question_that_has_evidence_and_says_where(small_release: Path) -> None:
    items = assess(None, ReleaseFolder(small_release), TODAY)
    of = {item.id: item for item in items}
    release = ReleaseFolder(small_release)

    assert {item.id for item in items if item.standing == "evidence"} == {
        each.id for each in questionnaire().questions if each.evidence
    }
    accuracy = release.json("measurements.json")["overall"]["accuracy"]["value"]  # type: ignore[index]
    assert (of["robustness-accuracy"].links[0].file, of["robustness-accuracy"].links[0].value) == (
        "measurements.json",
        f"{accuracy:.4g}",
    )


@pytest.mark.slow
def test_evidence_that_is_gone_leaves_the_question_to_a_person(small_release: Path) -> None:
    release = ReleaseFolder(small_release)
    release.written_params["serve"] = None
    value = answered("loans")

    assert stands(assess(parsed(value), release, TODAY), "oversight-mode") == "answered"
    assert stands(assess(None, release, TODAY), "oversight-mode") == "open"


# ------------------------------------------------------------------ production


@pytest.fixture
def root(small_release: Path) -> Path:
    root = small_release.parents[1]
    people = [approver("m@example.org", own_key(make=True), "git"), approver("a@example.org", ADA),
              approver("b@example.org", BOB, "fairmark-approval")]  # fmt: skip
    (root / APPROVERS).write_text("\n".join(people) + "\n")
    known = read_approvers(root / APPROVERS)
    asked = candidate(small_release, root, known).request
    soon = TODAY + dt.timedelta(days=9)
    keep(root, asked, signed(asked, known, BOB, "Good.", soon, dt.datetime.now(tz=dt.UTC)))
    return root


def to(root: Path, stage: str) -> None:
    promote(root, root / "releases" / "loans-v0.1.0", stage, "Because.", ADA)


@pytest.mark.slow
def test_production_is_refused_while_a_required_answer_is_open_and_staging_is_not(root: Path) -> None:
    value = answered("loans")
    value["answers"]["oversight-stop"]["scale"] = None
    commit(root, value)

    with pytest.raises(RefusedError, match=r"1 open or stale(.|\n)*open: oversight-stop"):
        to(root, "production")
    to(root, "staging")
    commit(root, answered("loans"))
    sign_assessment(root, BOB)
    to(root, "production")


@pytest.mark.slow
def test_production_waits_for_an_approvers_signature_on_the_very_file_at_head(root: Path) -> None:
    with pytest.raises(RefusedError, match=r"must be signed as HEAD holds it(.|\n)*may sign: a@.*, b@"):
        to(root, "production")
    sign_assessment(root, BOB)
    value = answered("loans")
    value["answers"]["oversight-stop"]["scale"] = 5
    commit(root, value)

    with pytest.raises(
        RefusedError, match=r"must be signed(.|\n)*approval: must be of assessment.yaml of loans"
    ):
        to(root, "production")
    sign_assessment(root, BOB)
    to(root, "production")


@pytest.mark.slow
def test_a_signature_of_nobody_who_may_approve_or_one_that_has_ended_does_not_count(root: Path) -> None:
    known, request = read_approvers(root / APPROVERS), assessment_request(root)
    now = dt.datetime.now(tz=dt.UTC)

    with pytest.raises(RefusedError, match="must have the namespace fairmark-approval"):
        signed(request, known, own_key(make=False), "Mine.", TODAY, now)
    keep(root, request, signed(request, known, BOB, "Ours.", TODAY, now))
    refuse_unsigned(root, known, now)
    with pytest.raises(RefusedError, match=r"must be signed(.|\n)*expired"):
        refuse_unsigned(root, known, now + dt.timedelta(days=1))


@pytest.mark.slow
def test_the_verb_signs_and_says_whose_word_it_is(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--reason", "Ours.", "--expires", "2999-01-01", "--key", str(pem("bob", tmp_path))]
    place = ["--clone", str(root)]

    assert main(["approve", "--assessment", *words, *place]) == 0
    assert "approved by b@example.org: 1 of 1 needed" in capsys.readouterr().out
    main(["assess", *place])
    assert "signed as HEAD holds it by b@example.org until 2999-01-01" in capsys.readouterr().out
    assert main(["approve", "--assessment", "--policy", *words, *place]) == 2


@pytest.mark.slow
def test_an_optional_answer_may_stay_open(root: Path) -> None:
    value = answered("loans")
    del value["answers"]["fairness-access"]
    commit(root, value)

    refuse_open(root, root / "releases" / "loans-v0.1.0", TODAY)


@pytest.mark.slow
def test_a_design_decision_without_its_risks_refuses(root: Path) -> None:
    value = answered("loans")
    value["decisions"]["label"]["societal"] = "TODO"
    commit(root, value)

    with pytest.raises(RefusedError, match="open: label"):
        refuse_open(root, root / "releases" / "loans-v0.1.0", TODAY)


@pytest.mark.slow
def test_only_what_is_committed_counts(root: Path) -> None:
    git(root, "rm", "-q", "assessment.yaml")
    git(root, "commit", "-q", "-m", "Forget")
    (root / "assessment.yaml").write_text(yaml.safe_dump(answered("loans")))

    with pytest.raises(RefusedError, match=r"must be committed(.|\n)*fairmark assess --begin"):
        to(root, "production")


@pytest.mark.slow
def test_another_projects_answers_are_nobodys(root: Path) -> None:
    commit(root, answered("lending"))

    with pytest.raises(RefusedError, match="must be of the project loans, got one of 'lending'"):
        to(root, "production")


# ------------------------------------------------------------------ the verb and its page


@pytest.mark.slow
def test_the_verb_tells_and_ends_by_whether_production_would_be_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["assess", "--clone", str(root), "--release"]

    assert main([*words, "loans-v0.1.0"]) == 0
    assert "0 required open or stale" in capsys.readouterr().out
    assert main(words[:-1]) == 0
    shutil.copyfile(root / "assessment.yaml", root / "kept")
    (root / "assessment.yaml").unlink()
    assert main(["assess", "--begin", "--clone", str(root)]) == 0
    assert main([*words, "loans-v0.1.0"]) == 1
    assert "open: oversight-users (required)" in capsys.readouterr().out


def test_what_was_written_is_not_begun_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")

    assert main(["assess", "--begin", "--clone", str(tmp_path)]) == 0
    assert main(["assess", "--begin", "--clone", str(tmp_path)]) == 1
    assert "must not be there to be begun" in capsys.readouterr().err


def test_what_people_wrote_is_text_on_the_page() -> None:
    value = answered("loans")
    value["answers"]["oversight-users"]["text"] = "<script>alert(1)</script>"

    text = assessment_page("loans", None, assess(parsed(value), None, TODAY), TODAY)

    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_answers_that_little_was_done_are_counted_on_the_page() -> None:
    value = answered("loans")
    value["answers"]["oversight-users"]["scale"] = 2

    text = assessment_page("loans", None, assess(parsed(value), None, TODAY), TODAY)

    assert "1 of the answers say that little or nothing was done" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_browser_shows_it_without_a_complaint_or_a_request(
    browser: Any, tmp_path: Path, scheme: Any, width: int
) -> None:
    path = tmp_path / "assessment.html"
    items = assess(parsed(answered("loans", dt.date(2020, 1, 1))), None, TODAY)
    path.write_text(assessment_page("loans", None, items, TODAY), encoding="utf-8")
    with opened(browser, path, scheme, width) as tab:
        assert (tab.complaints, tab.requests) == ([], [path.as_uri()])
        assert tab.page.locator("[data-state]").inner_text().startswith("Open")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.page.locator("li .badge").count() == len(items)
