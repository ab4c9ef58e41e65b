"""What the data card of a release says is what the rest of the release says."""

from pathlib import Path

import pytest
from maker_and_forger import taken, with_inputs

from fairmark.errors import VerificationError
from fairmark.release.folder import ReleaseFolder
from fairmark.verify.cards import data_card

pytest_plugins = ("release_fixtures",)

DASHES = "|---|---|---|---|---|\n"


def test_the_card_of_a_release_holds(small_release: Path) -> None:
    assert data_card(ReleaseFolder(small_release)).startswith(
        "its 5 columns, files, test rows and times are those"
    )


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "| home | categorical | feature |",
            "| home | numeric | feature |",
            "column home must be categorical",
        ),
        (
            "| sex | categorical | protected | | yes |",
            "| sex | categorical | feature | | yes |",
            "column sex",
        ),
        (
            "| sex | categorical | protected | | yes |",
            "| sex | categorical | protected | | no |",
            "personal: yes",
        ),
        ("| member | boolean | feature | | no |\n", "", "column member"),
        (
            "| member | boolean | feature | | no |\n",
            "| member | boolean | feature | | no |\n| id | numeric | feature | | no |\n",
            "id must be no feature column",
        ),
        ("| A release | 3650 |", "| A release | 9 |", "'A release 3650' must stand once in the table"),
        ("| Test | 8,000 |", "| Test | 8,001 |", "'Test 8,000 0.500' must stand once in the table"),
        ("## Columns\n", "## Other columns\n", "below 'Columns', got 'Other columns'"),
        (
            "## Who is in it\n",
            f"## Columns\n\n| Column | Kind | Role | Missing | Personal |\n{DASHES}\n## Who is in it\n",
            "one table of Column, Kind, .* got 'Columns, Columns'",
        ),
        ("- Owner: ", "- Owner: not ", "'- Owner: Barry Becker"),
        ("SHA-256 `", "SHA-256 `0", "people.csv [0-9a-f]{64}' must stand on it"),
    ],
)
def test_each_thing_that_was_changed_is_told(small_release: Path, old: str, new: str, fault: str) -> None:
    path = small_release / "data-card.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(VerificationError, match=fault):
        data_card(taken(small_release))


def test_the_card_that_the_stage_writes_is_read_as_it_is_meant(small_release: Path) -> None:
    from stage_outputs import PREPARE, PRIVACY, RELEASE, facts

    from fairmark.params.prepare import Files
    from fairmark.report import data as written

    found = facts(names=("pay | <b>", "job"))
    (small_release / "data-card.md").write_text(written.data_card(found, PREPARE, PRIVACY, RELEASE))
    found.schema.write(small_release / "schema.json")
    opened = taken(small_release)
    main = PREPARE.files.main.model_copy(update={"name": "made.csv"})
    prepare = PREPARE.model_copy(update={"files": Files(main=main, test=None)})
    sections = {"privacy": PRIVACY, "release": RELEASE, "prepare": prepare}
    opened.params = opened.params.model_copy(update=sections)
    with_inputs(opened, {"data/made.csv": "12" * 32})
    data = found.measurements.data.model_copy(update={"rows": 1000, "positives": 300})
    opened.measurements = found.measurements.model_copy(update={"data": data})

    assert data_card(opened).startswith("its 3 columns")


def test_a_group_with_the_name_of_a_column_is_no_row_of_the_columns(small_release: Path) -> None:
    path = small_release / "data-card.md"
    groups = f"| Group | Rows | Share of rows | Share labelled positive | Missing cells |\n{DASHES}"
    more = f"### By area\n\n{groups}| home | 9 | feature | 0.5 | no |\n| Test | 1 | feature | 0.5 | no |\n"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{more}", encoding="utf-8")

    assert data_card(taken(small_release)).startswith("its 5 columns")


def test_a_columns_row_elsewhere_does_not_stand_in_for_it(small_release: Path) -> None:
    path = small_release / "data-card.md"
    row = "| member | boolean | feature | | no |\n"
    text = path.read_text(encoding="utf-8").replace(row, "", 1)
    path.write_text(f"{text}\n### By area\n\n| a | b | c | d | e |\n{DASHES}{row}", "utf-8")

    with pytest.raises(VerificationError, match="column member must be boolean"):
        data_card(taken(small_release))
