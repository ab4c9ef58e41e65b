"""Groups stand beside each other with their intervals, small ones flagged, and none left out."""

from markup import read
from stage_outputs import facts

from fairmark.report.inputs import Facts
from fairmark.report.quality import disparities, everything, overall, small_groups, strips
from fairmark.stats.measures import MEASURED
from fairmark.stats.measures import label as title

SMALL = {"team": {"blue": 400, "green": 0, "red": 29}}


def _words(found: Facts) -> str:
    return " ".join(str(cell) for table in strips(found, "team") for row in table.rows for cell in row)


def test_every_headline_measure_is_in_the_table() -> None:
    assert [row[0] for row in overall(facts()).rows] == [title(name) for name in MEASURED]


def test_a_loss_has_no_place_between_nought_and_one() -> None:
    rows = {row[0]: row for row in overall(facts()).rows}

    assert rows["Log loss"][1] == ""
    assert "<circle" in rows["Accuracy"][1]


def test_four_rates_by_group_have_strips() -> None:
    found = strips(facts(), "team")

    assert [table.caption for table in found] == [
        "Selection rate by team",
        "True positive rate by team",
        "False positive rate by team",
        "Accuracy by team",
    ]
    assert [len(table.rows) for table in found] == [2, 2, 2, 2]


def test_a_strip_shows_the_value_where_it_stands() -> None:
    found = facts()
    value = found.measurements.groups["team"]["blue"].measures["accuracy"].value or 0.0

    circle = read(strips(found, "team")[3].rows[0][1]).all("circle")[0]
    assert abs(float(circle.attributes["cx"].rstrip("%")) - 100 * (0.03 + 0.94 * value)) < 0.1


def test_a_group_without_rows_stands_there_and_says_why() -> None:
    assert "not measured: no rows" in _words(facts(SMALL))
    assert any("green" in str(row[0]) for row in strips(facts(SMALL), "team")[0].rows)


def test_groups_below_the_policys_minimum_are_flagged() -> None:
    found = facts(SMALL)

    assert small_groups(found) == [("team", "green", "0"), ("team", "red", "29")]
    assert _words(found).count("few rows") == 2 * 4


def test_everything_is_in_the_full_table() -> None:
    table = everything(facts(), "team")

    assert [column.label for column in table.columns] == ["Measure", "blue", "red"]
    assert len(table.rows) == 2 + len(MEASURED)


def test_gaps_name_their_lowest_and_highest_group() -> None:
    found = facts()
    entry = found.measurements.disparities["team"]["selection_rate_ratio"]

    row = disparities(found, "team").rows[0]
    assert row[0] == "Selection rate"
    assert f"<b>{entry.value:.3f}</b>" in row[2]
    assert row[4] == f"{entry.lowest}, {entry.highest}"


def test_one_group_has_no_gaps_and_says_why() -> None:
    row = disparities(facts({"team": {"blue": 90}}), "team").rows[0]

    assert "fewer than two groups" in row[2]
