"""The index tells every release as it was signed: verdict, stages, approvals, waivers and findings."""

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from browser import launched, opened
from fixed_keys import ADA, BOB, approver
from release_folder import git
from self_assessment import sign_assessment

from fairmark.cli.main import main
from fairmark.files import write_text
from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.finding_records import Opening, Severity
from fairmark.governance.findings import NewFinding, ValidationFinding, open_finding
from fairmark.governance.pages import index_page
from fairmark.governance.promotions import promote
from fairmark.governance.release_index import (
    IndexedRelease,
    Measures,
    ReleaseIndex,
    StandingWaiver,
    release_index,
)
from fairmark.governance.request import candidate
from fairmark.judge.measured import Measured
from fairmark.signing.key_store import own_key

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ("release_fixtures",)
NOW = dt.datetime.now(tz=dt.UTC)
TODAY = NOW.date()
SOON = TODAY + dt.timedelta(days=90)


@pytest.fixture(scope="module")
def pattern(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working folder whose release is approved and in production, with a finding of low severity."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("index") / "folder"))
    people = [
        approver("maker@example.org", own_key(make=True), "git"),
        approver("ada@example.org", ADA),
        approver("bob@example.org", BOB, "fairmark-approval"),
    ]
    write_text(root / FILE, "\n".join(people) + "\n")
    known, folder = read_approvers(root / FILE), root / "releases" / "loans-v0.1.0"
    asked = candidate(folder, root, known).request
    keep(root, asked, signed(asked, known, BOB, "It is good.", SOON, NOW))
    sign_assessment(root, BOB)
    promote(root, folder, "production", "Because.", ADA)
    new = NewFinding("low", "ada@example.org", SOON, "A word is misspelt.", release="loans@v0.1.0")
    open_finding(root, new, BOB, known)
    return root


@pytest.fixture
def root(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "folder", symlinks=True))


# ------------------------------------------------------------------ of a repository


def test_a_release_is_told_with_its_verdict_measures_stage_approvals_and_findings(pattern: Path) -> None:
    found = release_index(pattern, NOW)
    only = found.releases[0]

    assert (len(found.releases), found.faults, only.faults) == (1, (), ())
    assert (only.version, only.word, only.signer) == ("v0.1.0", "pass", "maker@example.org")
    assert only.stages == (("production", TODAY),)
    assert (only.approvals, only.needed) == ((("bob@example.org", SOON),), 1)
    assert [each.opened.text for each in only.findings] == ["A word is misspelt."]


def test_its_figures_are_those_of_its_measurements(pattern: Path) -> None:
    seen = json.loads((pattern / "releases" / "loans-v0.1.0" / "measurements.json").read_text())["overall"]
    facts = dict(release_index(pattern, NOW).releases[0].facts())

    assert facts["Accuracy"].split()[0] == f"{seen['accuracy']['value']:.3f}"
    assert facts["approvals"] == f"1 of 1: bob@example.org until {SOON}"


def test_a_file_that_is_not_as_stated_is_named_and_no_figure_is_shown(root: Path) -> None:
    (root / "releases" / "loans-v0.1.0" / "report.html").write_text("better")
    only = release_index(root, NOW).releases[0]
    page = index_page(release_index(root, NOW), TODAY, root)

    assert (only.word, only.found) == ("not as signed", None)
    assert "report.html must be as the statement names it" in only.faults[0]
    assert "Not as signed" in page
    assert "report.html&#34;" not in page
    assert not re.search(r"<a href=\"releases", page)


def test_a_release_of_another_key_or_of_another_name_is_not_as_signed(root: Path) -> None:
    shutil.copytree(root / "releases" / "loans-v0.1.0", root / "releases" / "loans-v0.3.0")
    people = (root / FILE).read_text().splitlines()
    renamed = {each.version: each for each in release_index(root, NOW).releases}
    (root / FILE).write_text("\n".join(people[1:]) + "\n")
    unknown = release_index(root, NOW).releases[-1]

    assert "must state its own name and version, got loans v0.1.0" in renamed["v0.3.0"].faults[0]
    assert renamed["v0.1.0"].faults == ()
    assert any("must be signed by a key that is known here" in fault for fault in unknown.faults)


def test_a_tag_without_its_folder_is_told_by_what_it_says(root: Path) -> None:
    shutil.rmtree(root / "releases")
    only = release_index(root, NOW).releases[0]

    assert (only.word, only.report, only.faults) == ("not told here", None, ())
    assert only.says == "A release"
    assert only.says in index_page(release_index(root, NOW), TODAY, root)


def test_links_lead_from_where_the_page_lies_to_the_reports(root: Path) -> None:
    found = release_index(root, NOW)

    for folder in (root, root / "docs" / "pages"):
        link = re.findall(r'<a href="([^#"]+)"', index_page(found, TODAY, folder))
        assert [(folder / each).resolve() for each in link] == [
            (root / "releases" / "loans-v0.1.0" / "report.html").resolve()
        ]


def test_the_verb_ends_by_whether_all_holds(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["index", "--clone", str(root), "--page", str(tmp_path / "index.html")]

    assert main(words) == 0
    told = capsys.readouterr().out
    assert "loans@v0.1.0: pass, in production" in told
    assert "1 releases, 1 findings open, 0 overdue" in told
    (root / "findings" / "0001-open.json").unlink()
    assert main(words) == 4
    assert (tmp_path / "index.html").read_text().count("must be as the audit trail tells of it") == 1


def test_a_repository_without_a_release_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "--template=")

    assert main(["index", "--clone", str(tmp_path), "--page", str(tmp_path / "index.html")]) == 0
    assert "0 releases" in capsys.readouterr().out
    assert "There is no release here" in (tmp_path / "index.html").read_text()


# ------------------------------------------------------------------ the page


def finding(number: int, severity: Severity, due: dt.date, release: str | None = None) -> ValidationFinding:
    said = Opening(
        event="open", by="bob@example.org", when="2026-11-01T12:00:00Z", severity=severity,
        owner="ada@example.org", due=due, release=release, limit="race-equal-opportunity", section=None,
        text="<b>Too few</b> rows of a group that nobody asked about.", evidence=(),
    )  # fmt: skip
    return ValidationFinding(f"{number:04d}", said, None)


def release(minor: int, state: Any = "pass", stages: Any = (), **changes: Any) -> IndexedRelease:
    waiver = StandingWaiver("race-equal-opportunity", ("Other",), "A. P.", TODAY - dt.timedelta(1), False)
    value = Measured(value=0.8612, low=0.8541, high=0.8683)
    found = Measures(
        title="Income above a line", state=state, stands_on=("race-equal-opportunity (Other) by A. P.",) * (
            state == "pass with waiver"
        ),
        policies=(),
        measures={("roc_auc", ""): value, ("selection_rate_ratio", "sex"): value, ("accuracy", ""): None},
        decimals=3, waivers=(waiver,) * (state == "pass with waiver"), evaluation=False,
        citations=("limit four-fifths: read the law again",),
    )  # fmt: skip
    said: dict[str, Any] = {
        "name": "adult-income", "version": f"v0.{minor}.0", "tagged": NOW, "signer": "maker@example.org",
        "says": "Adult v0.1.0: verdict pass", "report": Path("/r/releases/adult-income-v0.1.0/report.html"),
        "stages": stages, "approvals": (("bob@example.org", SOON),), "needed": 1, "found": found,
        "findings": (), "faults": (),
    }  # fmt: skip
    return IndexedRelease(**(said | changes))


LATE = TODAY - dt.timedelta(days=3)
STATES = ("pass", "pass with waiver", "fail", "insufficient evidence")
NONE = ReleaseIndex((), (), ())
ONE = ReleaseIndex(
    (release(1, "pass with waiver", (("production", TODAY),)),), (finding(1, "high", LATE),), ()
)
MANY = ReleaseIndex(
    tuple(
        release(
            number,
            STATES[number % 4],
            (("staging", TODAY),) if number == 29 else (),
            faults=("adult-income-v0.5.0: must be signed by a key that is known here, got another's",)
            if number == 5
            else (),
        )
        for number in range(30, 0, -1)
    ),
    tuple(finding(number, ("low", "medium", "high")[number % 3], LATE) for number in range(1, 8)),
    (),
)


def test_what_people_wrote_is_text_and_overdue_findings_stand_out() -> None:
    page = index_page(ONE, TODAY, Path("/r"))

    assert "<b>Too few</b>" not in page
    assert "&lt;b&gt;Too few&lt;/b&gt;" in page
    assert '<span class="badge">high, overdue</span>' in page
    assert "1 finding overdue" in page
    assert "In production: adult-income v0.1.0: pass with waiver." in page
    assert "A waiver has ended: race-equal-opportunity" in page


def test_thirty_releases_are_all_there_and_the_same_index_gives_the_same_page() -> None:
    page = index_page(MANY, TODAY, Path("/r"))

    assert page == index_page(MANY, TODAY, Path("/r"))
    assert len(re.findall(r'<th scope="row">adult-income v0\.\d+\.0</th>', page)) == 30


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with launched() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1366)])
def test_it_opens_alone_without_a_complaint_and_fits(
    browser: "Browser", tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    for name, found in (("none", NONE), ("one", ONE), ("many", MANY)):
        path = tmp_path / f"{name}.html"
        write_text(path, index_page(found, TODAY, tmp_path))
        with opened(browser, path, scheme, width) as tab:
            wide = tab.page.evaluate("document.documentElement.scrollWidth")

            assert (tab.complaints, tab.requests) == ([], [path.as_uri()])
            assert wide <= width
