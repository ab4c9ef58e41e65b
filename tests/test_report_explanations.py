"""Explanations read in order of weight, add up in the open, and show no value of personal data."""

import pytest
from markup import read
from stage_outputs import audit, dependence, explanations, facts

from fairmark.explain import documents as docs
from fairmark.report.charts import dependence_picture as drawn
from fairmark.report.explanations import (
    by_group,
    decisions,
    dependences,
    importance,
    ranks,
    signed,
    stability,
)
from fairmark.report.inputs import Facts
from fairmark.report.labels import Table

TEAMS = {"team": {"blue": 400, "red": 600}}
MINUS = "\N{MINUS SIGN}"


def _explained(**changes: object) -> Facts:
    return facts(explanations=explanations(TEAMS, ("age", "job")).model_copy(update=changes))


def test_the_most_important_feature_stands_first() -> None:
    rows = importance(facts()).rows

    assert [(row[0], row[2]) for row in rows] == [("age", "0.510"), ("job", "0.170")]


def test_what_draws_groups_apart_adds_up() -> None:
    table = by_group(facts(), "team")

    assert [column.label for column in table.columns] == ["Feature", "blue (200)", "red (300)"]
    assert list(table.rows[-1]) == ["All features together", f"{MINUS}0.110", f"{MINUS}0.110"]


def test_a_group_without_explained_rows_is_left_out_of_the_means() -> None:
    table = by_group(facts({"team": {"blue": 90, "red": 0}}), "team")

    assert [column.label for column in table.columns] == ["Feature", "blue (45)"]


@pytest.mark.parametrize(("value", "shown"), [(0.5, "+0.500"), (-0.5, f"{MINUS}0.500"), (0.0001, "0.000")])
def test_moves_have_a_sign(value: float, shown: str) -> None:
    assert signed(value, 3) == shown


def test_numbers_are_drawn_and_names_are_listed() -> None:
    pictures, tables = dependences(facts())

    assert ["age" in each.caption for each in pictures] == [True]
    assert [row[0] for row in tables[0].rows] == ["smith", "baker"]
    assert "Where it is missing (0.050 of the rows): 0.270." in tables[0].caption


def test_the_values_of_personal_data_are_withheld() -> None:
    marked = audit(TEAMS, ("age", "job"), personal=[{"column": "age", "kind": "id-like", "share": 1.0}])
    found = facts(audit=marked)

    pictures, _ = dependences(found)
    case = decisions(found)[0]
    assert pictures == []
    assert case.reasons[0].value == "withheld"
    assert "age = withheld" in [row[0] for row in case.waterfall.rows]


def test_a_waterfall_runs_from_the_average_to_the_row() -> None:
    rows = decisions(facts())[0].waterfall.rows

    assert [(row[0], row[2]) for row in rows] == [
        ("average of all rows", f"{MINUS}1.200"),
        ("age = 41", f"{MINUS}0.800"),
        ("job = smith", "+0.200"),
        ("this row, log-odds", f"{MINUS}1.800"),
    ]


def test_many_features_end_in_one_line() -> None:
    moves = [docs.Contribution(feature=f"f{k}", value=None, shap=0.1) for k in range(15)]
    case = explanations(TEAMS, ("age", "job")).decisions[0]
    lime = case.lime.model_copy(update={"moves": {move.feature: 0.2 for move in moves}})
    long = case.model_copy(update={"contributions": moves, "base": 0.0, "lime": lime})

    rows = decisions(_explained(decisions=[long]))[0].waterfall.rows
    assert (rows[-2][0], *rows[-2][2:]) == ("5 other features", "+0.500", "+1.000")


def _opinion(**changes: object) -> str:
    case = explanations(TEAMS, ("age", "job")).decisions[0]
    lime = case.lime.model_copy(update=changes)
    return decisions(_explained(decisions=[case.model_copy(update={"lime": lime})]))[0].opinion


def test_a_second_opinion_says_how_well_it_fits_and_where_it_differs() -> None:
    told = _opinion(against=["age"], only_lime=["job"])

    assert "more than half of how the score varies near this row (0.520)" in told
    assert told.endswith("disagree in direction on age. Only LIME has job among its first three.")
    assert "no more than half" in _opinion(fidelity=0.2)
    assert "order" not in _opinion(agreement=None)
    assert "finds no made-up row" in _opinion(fidelity=None)


def test_the_second_opinion_stands_beside_the_waterfall() -> None:
    table = decisions(facts())[0].waterfall

    assert [column.label for column in table.columns[2:]] == ["SHAP", "LIME"]
    assert [row[3] for row in table.rows] == ["", f"{MINUS}0.700", "+0.300", ""]


def test_a_decision_says_which_answer_it_is() -> None:
    case = decisions(facts())[0]

    assert (case.yes, case.answer, case.score) == (False, "no", "0.140")


def test_a_curve_has_a_line_for_the_mean_and_one_for_each_row() -> None:
    found = read(drawn(dependence("numeric"), "age", 1.0, "words"))

    assert [it.attributes["class"] for it in found.all("path")] == ["behind", "behind", "curve"]
    assert found.all("svg")[0].attributes["aria-label"] == "words"
    assert len([it for it in found.all("rect") if it.attributes["class"] == "density"]) == 2


def test_a_name_longer_than_the_picture_is_cut_in_it_and_whole_in_its_caption() -> None:
    name = "n" * 99

    pictures, _ = dependences(facts(names=(name, "job")))
    drawn_name = read(pictures[0].svg).all("text")[-1].text
    assert drawn_name == "n" * 47 + "\N{HORIZONTAL ELLIPSIS}"
    assert name in pictures[0].caption


def test_a_column_of_one_value_mostly_has_an_axis_of_steps() -> None:
    entry = dependence("numeric", density=[0.95, 0.05], near=[0.95, 0.05])

    pictures, _ = dependences(_explained(dependence={"age": entry}))
    assert "a step for each drawn value" in pictures[0].caption


@pytest.mark.parametrize("crowd", [0.5, 0.95])
def test_dates_are_read_as_days(crowd: float) -> None:
    entry = dependence(
        "date",
        grid=["2020-01-01", "2020-03-01T12:00:00"],
        edges=[18262.0, 18300.0, 18322.5],
        density=[crowd, 1 - crowd],
    )

    assert "2020-" in read(drawn(entry, "since", 1.0, "words")).all("svg")[0].text


def test_a_feature_of_one_value_is_listed_and_not_drawn() -> None:
    entry = dependence("numeric", grid=[3.0], mean=[0.2], ice=[[0.1], [0.3]], near=[1.0])

    pictures, tables = dependences(_explained(dependence={"age": entry}))
    assert pictures == []
    assert isinstance(tables[0], Table)


def test_a_feature_without_any_value_is_passed_over() -> None:
    empty = dependence("numeric", grid=[], mean=[], ice=[[], []], edges=[], density=[], near=[])

    assert dependences(_explained(dependence={"age": empty})) == ([], [])


def test_the_page_says_of_how_many_refits_explanations_are_said_to_hold() -> None:
    found = facts()

    said, table = stability(found), ranks(found)
    assert said[0].startswith(
        "Learnt again 2 times, from train rows drawn with replacement and with other seeds"
    )
    assert said[0].endswith(f"{MINUS}1.000 at least; 0.050 of 60 rows are decided otherwise.")
    assert "0.900 of the principal reasons come again, the first one in 0.800, and all in 0.700." in said[1]
    assert table is not None
    assert list(table.rows) == [("age", "1", "1", "2"), ("job", "2", "2", "1")]
