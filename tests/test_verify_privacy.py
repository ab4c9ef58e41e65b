"""A release shows no more of single people than its params allow, and says what it shows."""

import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from confusion_rows import document
from data_summaries import AUDITED, changed
from maker_and_forger import MINE
from release_attacks import restate
from release_folder import PARAMS, git, make_release
from schemas import column, schema
from stage_outputs import dependence, explanations

from fairmark.errors import RefusedError, VerificationError
from fairmark.explain.documents import GroupImportance
from fairmark.files import write_parquet, write_text
from fairmark.params.prepare import Privacy, Retention
from fairmark.params.read import read_params
from fairmark.release import leak_scan
from fairmark.release.disclosure import Shown, counted, explained, smallest_leaf
from fairmark.release.folder import ReleaseFolder
from fairmark.verify.cards import personal

pytest_plugins = ("release_fixtures",)
ALLOWED = Privacy(
    personal=[],
    decisions_shown=3,
    smallest_leaf=20,
    smallest_cell=5,
    retention=Retention(data_days=1, releases_days=1, trail_days=1),
)
TREE = "Tree=0\nnum_leaves=3\nnum_cat=0\nleaf_count={}\ninternal_count=60 40\n\n"
PICTURE = '<svg><path class="behind"/><path class="behind"/><path class="curve"/></svg>'
CASE = '<article class="case">x</article>'


def report(decisions: int, pictures: str) -> str:
    """Return a report with so many decisions, after a section whose lines are no one's."""
    other = '<section id="curves"><svg><path class="behind"/><path class="behind"/></svg></section>'
    return f'{other}<section id="reasons">{pictures}{CASE * decisions}</section>{CASE}'


# ------------------------------------------------------------------ leaves


def test_the_smallest_leaf_of_all_trees() -> None:
    assert smallest_leaf(TREE.format("20 21 22") + TREE.format("30 19 40")) == 19


def test_a_tree_without_a_split_has_no_leaf_to_tell() -> None:
    assert smallest_leaf("Tree=0\nnum_leaves=1\nleaf_value=0.5\n\n" + TREE.format("9 8 7")) == 7
    assert smallest_leaf("Tree=0\nnum_leaves=1\nleaf_value=0.5\n") is None


@pytest.mark.parametrize("counts", ["20 21", "20 21 22 23", ""])
def test_a_tree_that_hides_its_leaves_is_refused(counts: str) -> None:
    with pytest.raises(VerificationError, match="each tree must tell"):
        smallest_leaf(TREE.format(counts))
    with pytest.raises(VerificationError, match="each tree must tell"):
        smallest_leaf("num_leaves=3\n" + TREE.format("20 21 22"))


def test_lightgbms_own_text_is_read_as_lightgbm_counts() -> None:
    import lightgbm
    import numpy as np

    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 2))
    made = lightgbm.train(
        {"num_leaves": 9, "min_data_in_leaf": 12, "verbose": -1, "objective": "binary"},
        lightgbm.Dataset(rows, (rows[:, 0] + rng.normal(size=400) > 0).astype(int)),
        num_boost_round=5,
    )
    leaves = np.asarray(made.predict(rows, pred_leaf=True))
    fewest = min(np.bincount(leaves[:, tree])[np.unique(leaves[:, tree])].min() for tree in range(5))

    assert smallest_leaf(made.model_to_string()) == fewest


# ------------------------------------------------------------------ counts


def test_every_count_of_everybody_and_of_each_group_but_those_of_nobody() -> None:
    measured = document({"F": (1, 2, 3, 0), "M": (3, 0, 6, 8)})

    assert min(counted(measured)) == (1, "tp of sex F")
    assert len(list(counted(measured))) == 4 + 3 + 3


# ------------------------------------------------------------------ allowed


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (Shown(2, 1, 20, (5, "tp of all")), None),
        (Shown(0, 0, None, None), None),
        (Shown(2, 2, 20, (5, "x")), r"at most 3 single people .*got 2 decisions and 2 lines"),
        (Shown(2, 1, 19, (5, "x")), "every leaf must stand for 20 rows .*got one of 19"),
        (Shown(2, 1, 20, (4, "fn of sex F")), "every count must be of 5 rows .*got 4 at fn of sex F"),
    ],
)
def test_each_number_is_held_at_its_boundary(found: Shown, fault: str | None) -> None:
    faults = found.faults(ALLOWED)

    if fault is None:
        assert faults == []
    else:
        with pytest.raises(VerificationError, match=fault):
            raise VerificationError(*faults)


def test_decisions_and_lines_are_counted_where_they_stand() -> None:
    assert explained(report(2, PICTURE * 3)) == (2, 2)


RENAMED = {
    "the class of a decision": ('class="case"', 'class="person"'),
    "the class of a row's line": ('class="behind"', 'class="row"'),
    "every class": ("class=", "data-class="),
    "the element of a decision": ("article", "div"),
}


@pytest.mark.parametrize("change", RENAMED.values(), ids=RENAMED)
def test_a_report_of_other_style_is_counted_the_same(change: tuple[str, str]) -> None:
    case = '<article class="case"><h4>Row 7</h4></article>'
    text = f'<section id="reasons">{PICTURE}{case}{case}</section>'.replace(*change)

    assert explained(text) == (2, 2)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<p>No explanations</p>", "must have its section"),
        (report(2, PICTURE).replace('id="reasons"', 'id="why"'), "must have its section"),
        (report(2, PICTURE.replace("path", "polyline")), "got <polyline>"),
        (report(2, "<script>draw()</script>"), "got <script>"),
        (report(2, "<!-- x -->"), "begins no tag"),
        ('<section id="reasons"><p>', "must end"),
    ],
)
def test_a_report_in_which_nothing_can_be_counted_is_refused(text: str, fault: str) -> None:
    with pytest.raises(VerificationError, match=fault):
        explained(text)


def test_a_released_page_that_shows_too_many_is_wrong(small_release: Path) -> None:
    write_text(small_release / "report.html", report(30, ""))
    restate(small_release, MINE)

    with pytest.raises(VerificationError, match="must show at most 24 single people"):
        personal(ReleaseFolder(small_release))


def test_the_report_as_it_is_written_is_counted_right() -> None:
    from stage_outputs import facts

    from fairmark.report.page import page

    found = facts()

    lines = {len(entry.ice) for entry in found.explanations.dependence.values() if entry.edges}
    assert explained(page(found)) == (len(found.explanations.decisions), max(lines))


# ------------------------------------------------------------------ rows of the data


FRAME = pd.DataFrame(
    {
        "_row_id": ["0123456789abcdef-0", "person-17", "12", "5551234567"],
        "_label": [0, 1, 0, 1],
        "age": [31.0, 42.0, None, 77.0],
        "job": ["Tech support", "Sales", "Farming", "Sales"],
        "pay": [1234.5, 99999.0, 777.25, 3.0],
    }
)


@pytest.fixture
def gathered(working: Path) -> tuple[Path, Path]:
    """Return a working folder with a table, and the pages of a release of it."""
    write_parquet(working / "artifacts" / "prepare" / "table.parquet", FRAME)
    folder = working / "draft"
    write_text(folder / "report.html", report(2, PICTURE))
    document({"F": (9, 9, 9, 9), "M": (9, 9, 9, 9)}).write(folder / "measurements.json")
    schema([column("age")]).write(folder / "schema.json")
    return working, folder


def held(gathered: tuple[Path, Path], **privacy: Any) -> None:
    """Ask whether the draft may be released under the params with these changes."""
    root, folder = gathered
    params = read_params(root / "params.yaml")
    leak_scan.refuse(
        root, folder, params.model_copy(update={"privacy": params.privacy.model_copy(update=privacy)})
    )


def test_pages_with_no_ones_row_may_go_out(gathered: tuple[Path, Path]) -> None:
    write_text(
        gathered[1] / "card.md", "age 31 and 42; job Sales; pay 99999; 12 rows, 0.12, sha 0123456789abcdef"
    )

    held(gathered)


@pytest.mark.parametrize("text", ["row 0123456789abcdef-0 is", '{"id": "person-17"}', "tel:5551234567,"])
def test_a_row_id_in_a_page_is_found(gathered: tuple[Path, Path], text: str) -> None:
    write_text(gathered[1] / "card.md", text)

    with pytest.raises(
        RefusedError,
        match=r"card\.md: must hold no id of a row and no name of a person, got 1 of column _row_id",
    ):
        held(gathered)


@pytest.mark.parametrize(
    "text",
    [
        "31,Tech support,1234.5",
        "31.0;Tech support;1234.50",
        "| 42 | Sales | 99999 |",
        '[42.0, "Sales", 99999.0]',
        '{"age": 42, "job": "Sales", "pay": 99999}',
        "<tr><td>42</td><td>Sales</td><td>99999</td></tr>",
        "first\nFarming,777.25\nlast",
    ],
)
def test_a_whole_row_is_found_however_it_is_written(gathered: tuple[Path, Path], text: str) -> None:
    name = "page.html" if text.startswith("<") else "notes.txt"
    write_text(gathered[1] / name, text)

    with pytest.raises(RefusedError, match="must hold no whole row of the data, got 1"):
        held(gathered)


@pytest.mark.parametrize("text", ["42,Sales", "42,Sales,99998", "99999,Sales,42", "77,Sales,3"])
def test_less_than_a_whole_row_or_a_row_of_few_signs_is_no_alarm(
    gathered: tuple[Path, Path], text: str
) -> None:
    write_text(gathered[1] / "notes.txt", text)

    held(gathered)


def test_names_that_the_audit_found_are_looked_for(gathered: tuple[Path, Path]) -> None:
    root, folder = gathered
    mail = {"column": "mail", "kind": "e-mail", "share": 1.0}
    changed(AUDITED, personal=[mail]).write(root / "artifacts" / "audit" / "audit.json")
    evidence = pd.DataFrame({"withheld:mail": ["ada@example.org", None]})
    write_parquet(root / "artifacts" / "prepare" / "evidence.parquet", evidence)
    write_text(folder / "card.md", "write to ada@example.org")

    with pytest.raises(RefusedError, match="no name of a person, got 1"):
        held(gathered)


def test_too_many_people_and_too_small_counts_are_refused_all_at_once(gathered: tuple[Path, Path]) -> None:
    root, _ = gathered
    groups = {
        group: GroupImportance(rows=rows, mean_abs_shap=None, mean_shap=None)
        for group, rows in (("F", 2), ("M", 98))
    }
    drawn = explanations({}, ("age", "job")).model_copy(
        update={
            "rows": 100,
            "by_group": {"sex": groups},
            "dependence": {"age": dependence("numeric", density=[0.97, 0.03, 0.0])},
        }
    )
    drawn.write(root / "artifacts" / "explain" / "explanations.json")
    names = "attribute,group,bin_low,bin_high,rows,mean_score,positive_share,low,high"
    curve = f"{names}\n,,0,1,100,0.5,0.5,0.4,0.6\nsex,F,0,1,1,0.5,1,0.1,1\n"
    write_text(root / "artifacts" / "evaluate" / "plots" / "calibration.csv", curve)

    with pytest.raises(RefusedError) as refused:
        held(gathered, decisions_shown=3, smallest_cell=4)

    told = "\n".join(refused.value.faults)
    for part in (
        "got 2 decisions and 2 lines",
        "explanations by sex: F: every count must be of 4 rows (privacy.smallest_cell), got 2",
        "density of age: every count must be of 4 rows (privacy.smallest_cell), got 3",
        "calibration of sex F: every count must be of 4 rows (privacy.smallest_cell), got 1",
    ):
        assert part in told
    assert "sex: M" not in told


def test_the_extremes_that_trees_carry_must_be_those_of_enough_rows(gathered: tuple[Path, Path]) -> None:
    root, folder = gathered
    write_text(folder / "model" / "booster.txt", TREE.format("20 20 20"))
    parts = pd.DataFrame({"_row_id": FRAME["_row_id"], "part": "train"})
    write_parquet(root / "artifacts" / "split" / "rows.parquet", parts)

    with pytest.raises(RefusedError, match="lowest and highest age must be those of 2 rows, got 1"):
        held(gathered, smallest_cell=2)


# ------------------------------------------------------------------ the whole way


@pytest.mark.usefixtures("quick_bill")
def test_no_release_is_gathered_that_shows_too_much(working: Path) -> None:
    sheet = working / "data" / "DATASHEET.md"
    assert sheet.is_file()
    params = json.loads(json.dumps(PARAMS))
    params["privacy"]["smallest_cell"] = 1_000_000
    write_text(working / "params.yaml", yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
    git(working, "add", "-A")
    git(working, "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "-m", "x")

    with pytest.raises(RefusedError, match="every count must be of 1000000 rows"):
        make_release(working, "v0.1.0")

    assert not list((working / "releases").glob("*v0.1.0*"))


def test_a_page_that_opens_sections_without_end_is_read_in_one_go() -> None:
    text = '<section id="reasons">' * 200_000 + CASE
    began = time.process_time()

    with pytest.raises(VerificationError, match="must end"):
        explained(text)
    # Processor time, whatever else runs: reading every section anew at each of them would take minutes.
    assert time.process_time() - began < 60
