"""What docs/maps.md says is shown by a file or a verb of fairmark's is there."""

import re
from pathlib import Path

import pytest

from fairmark.cli.main import VERBS
from fairmark.release.layout import BILL, GATHERED, STATEMENT, VERDICT

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "maps.md").read_text(encoding="utf-8")
RELEASED = {*GATHERED, BILL, STATEMENT, VERDICT}
OF_A_PROJECT = {"approvers", "data/DATASHEET.md"}
"""What a project's owner brings; the default project's data is DVC's."""
ROWS = [line.strip("|").split("|") for line in TEXT.splitlines() if re.match(r"\| (?!part)\S", line)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_each_row_says_how_far_it_is_covered_and_names_what_is_there(row: list[str]) -> None:
    _, covered, by = (cell.strip() for cell in row)
    named = re.findall(r"`([^`]+)`", by)

    assert covered in {"shown by", "partly", "not covered"}
    assert bool(named) == (covered != "not covered")
    for name in named:
        verb = name.removeprefix("fairmark ")
        assert verb in VERBS or name in RELEASED | OF_A_PROJECT or (ROOT / name).is_file()


@pytest.mark.parametrize("section", TEXT.split("\n## ")[1:6], ids=lambda text: text.partition("\n")[0])
def test_each_text_says_its_version_and_when_it_was_read(section: str) -> None:
    assert re.search(r"\nVersion: .*Last read: (never|not|\d{4}-\d\d-\d\d)", section, re.DOTALL)


def test_it_says_that_it_is_no_legal_advice() -> None:
    assert "not legal\nadvice" in TEXT
    assert len(ROWS) > 40
