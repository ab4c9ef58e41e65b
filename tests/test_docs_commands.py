"""What the documentation tells somebody to type is run, in order, in a small project; all else of it exists.

The default project's name in a page stands for that of the small one. Of commands outside of shell blocks the
verb and its options are parsed as the command itself parses them.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairmark.cli.main import VERBS
from fairmark.params.read import Params
from fairmark.schemas import DOCUMENTS
from fairmark.signing.key_store import own_key
from fairmark.stats.measures import MEASURED

pytest_plugins = ("release_fixtures",)

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
RUN = ("tutorial.md", "how-to.md")
"""Pages whose shell blocks are run here; serving.md, signing.md and deploy.md have tests of their own."""
NOT_RUN = {
    "make run": "sets up an environment and runs every stage: minutes; `make prove` makes releases",
    "source .venv/bin/activate": "the environment of the test is active",
}
"""Lines of these pages that are not run here, each with its reason."""
PATTERN = re.compile(r"(?:^ {4}|`)(?:\w+=\S+ )*(fairmark [a-z][^`\n#]*)", re.MULTILINE)


def blocks(page: str) -> list[str]:
    """Return the shell blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def lines() -> Iterator[tuple[str, str]]:
    """Yield every call of fairmark in any page, with the page's name."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        fenced = "\n".join(re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
        for found in [*PATTERN.findall(text), *re.findall(r"^(fairmark .*)$", fenced, re.MULTILINE)]:
            yield path.name, re.split(r"\s{2,}|\s(?:&&|\|\||\||>)\s", found)[0].rstrip(" ).,;:")


@pytest.fixture
def project(released: Path, tmp_path: Path) -> Path:
    own_key(make=True)
    return Path(shutil.copytree(released, tmp_path / "project", symlinks=True))


@pytest.mark.slow
@pytest.mark.parametrize("page", [pytest.param("tutorial.md", marks=pytest.mark.proof), "how-to.md"])
def test_the_blocks_of_a_page_run_in_order_and_end_well(page: str, project: Path) -> None:
    start = "set -euo pipefail; CONFIG=$FAIRMARK_CONFIG\n"
    kept = [line for text in blocks(page) for line in text.splitlines() if line not in NOT_RUN]
    script = start + "\n".join(kept).replace("adult-income", "loans")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-x", "-c", script],
        cwd=project, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if page == "tutorial.md":
        assert "production" in done.stdout
        assert (project / "papers" / "report.pdf").is_file()


def test_what_is_not_run_stands_in_a_page() -> None:
    there = {line for page in RUN for text in blocks(page) for line in text.splitlines()}

    assert set(NOT_RUN) <= there


@pytest.mark.parametrize(("page", "line"), sorted(set(lines())))
def test_every_call_names_a_verb_and_options_that_there_are(page: str, line: str) -> None:
    words = shlex.split(line.replace("…", ""), posix=True)[1:]
    if not words or not re.fullmatch(r"[a-z]+", words[0]) or words[0].isupper():
        pytest.skip("no call: fairmark itself is spoken of")
    assert words[0] in VERBS, page
    parser = argparse.ArgumentParser(prog="fairmark", allow_abbrev=False)
    VERBS[words[0]].arguments(parser)
    known = {option for action in parser._actions for option in action.option_strings}  # noqa: SLF001

    assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known, page


def test_every_target_of_make_and_every_flow_that_a_page_calls_is_there() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    targets = set(re.findall(r"(?:`|^ {4})make ([a-z]+)", text, re.MULTILINE))
    flows = set(re.findall(r"python (flows/\w+\.py)", text))
    known = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert len(targets) > 5
    assert sorted(targets - set(known)) == []
    assert sorted(each for each in flows if not (ROOT / each).is_file()) == []


def test_the_reference_names_every_verb_section_measure_and_schema() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    verbs = re.findall(r"^\| `fairmark (\w+)` \| (.*) \|$", text, re.MULTILINE)

    assert verbs == [(name, f"{verb.help}") for name, verb in VERBS.items()]
    assert [each for each in Params.model_fields if f"`{each}`" not in text] == []
    assert [each for each in MEASURED if f"`{each}`" not in text] == []
    assert re.findall(r"\(schemas/([\w-]+)\.schema\.json\)", text) == sorted(DOCUMENTS)


def test_links_between_pages_lead_to_files_that_are_there() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]

    assert broken == []


def test_every_page_stands_in_the_index_and_the_readme_is_short() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert sorted(name for name in pages if f"({name})" not in index) == []
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 110
