"""Every command that a page of the documentation shows in a block is run, or is listed with why it is not."""

import os
import re
import shutil
from pathlib import Path

import pytest
from doc_commands import ROOT, Page, chosen, commands, path_of, run
from doc_pages import ELSEWHERE, PAGES, QUICK, SLOW
from doc_scenes import environment, placed, real_project
from environment_files import share
from fixed_keys import ADA, BOB, approver
from postgres_server import PASSWORD, PostgresServer
from release_folder import git, make_release

from fairmark.release.sbom.cyclonedx import Listing
from fairmark.release.sbom.installed import Installed
from fairmark.signing.key_store import own_key

pytest_plugins = ("release_fixtures",)


@pytest.fixture(scope="module")
def loans(
    released: Path,
    listed: Listing,
    there: dict[str, Installed],
    tools: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the project of a small release with a second one, and with people who may approve."""
    root = Path(shutil.copytree(released, tmp_path_factory.mktemp("docs") / "loans"))
    maker = approver("maker@example.org", own_key(make=True), "git")
    people = [maker, approver("ada@example.org", ADA), approver("bob@example.org", BOB, "fairmark-approval")]
    (root / "approvers").write_text("\n".join(people) + "\n")
    git(root, "add", "approvers")
    git(root, "commit", "-q", "-m", "Name who may approve")
    with pytest.MonkeyPatch.context() as patch:
        share(patch, listed, there, tools)
        make_release(root, "v0.2.0")
    return root


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with two releases that its stages and flows made, and a journal."""
    return real_project(tmp_path_factory.mktemp("docs-real"))


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_the_commands_of_a_short_page_end_as_it_says(name: str, loans: Path, tmp_path: Path) -> None:
    folder = placed(loans, Path(os.environ["FAIRMARK_CONFIG"]), tmp_path)

    assert len(run(name, PAGES[name], folder, environment(folder))) > 0


@pytest.mark.proof
@pytest.mark.parametrize("name", SLOW)
def test_the_commands_of_a_page_end_as_it_says(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = PAGES[name]
    made: Path = request.getfixturevalue(page.scene)
    config = made.parent / "config" if page.scene == "real" else Path(os.environ["FAIRMARK_CONFIG"])
    folder = placed(made, config, tmp_path)
    given = environment(folder)
    if not page.postgres:
        assert run(name, page, folder, given)
        return
    server = PostgresServer()
    try:
        known = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": "fairmark",
            "PGPASSWORD": PASSWORD,
        }
        assert run(name, page, folder, {**given, **known, "JOURNAL": server.new_database()})
    finally:
        server.remove()


def test_every_page_with_commands_is_run() -> None:
    names = {path.name for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]}

    assert {name for name in names if commands(name)} == {*PAGES, *ELSEWHERE}


@pytest.mark.parametrize(("name", "page"), PAGES.items())
def test_what_is_told_of_a_page_stands_in_it(name: str, page: Page) -> None:
    shown = [*commands(name), *page.also]
    inline = re.findall(r"`([^`\n]+)`", path_of(name).read_text("utf-8"))

    assert [key for key in page.keys if chosen(dict.fromkeys([key], ""), key) is None] == []
    assert [key for key in page.keys if not any(each.startswith(key) for each in shown)] == []
    assert [each for each in page.also if each not in inline] == []
    assert [each for each, why in page.apart.items() if len(why) < 20] == []
