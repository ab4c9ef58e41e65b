"""Learning curves, useless features and worst slices are told as they were found."""

from markup import read
from stage_outputs import audit, checks, facts, with_check

from fairmark.report.experiments import learning, probe, slices
from fairmark.report.inputs import Facts

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))


def _with(part: str, **changes: object) -> Facts:
    return facts(checks=with_check(part, FOUND, **changes))


def test_quality_and_fairness_have_a_curve_each() -> None:
    found = learning(facts())

    assert ["ROC AUC" in found[0].caption, "Selection rate ratio by team" in found[1].caption] == [True, True]
    assert "with the most rows: boosted 0.900" in found[0].caption


def test_a_point_without_a_model_is_left_out() -> None:
    found = read(learning(facts())[0].svg)

    assert len([it for it in found.all("circle") if it.attributes["class"] == "dot"]) == 2
    assert not [it for it in found.all("circle") if it.attributes["class"] == "dot other"]


def test_history_has_curves_of_its_own() -> None:
    points = FOUND.learning.families["boosted"].points

    assert len(learning(_with("learning", history=points))) == 4


def test_nothing_learnt_is_nothing_drawn() -> None:
    assert learning(_with("learning", families={})) == []


def test_a_feature_without_use_is_named_so() -> None:
    rows = probe(facts()).rows

    assert [(row[0], row[3]) for row in rows] == [("age", "useful"), ("job", "no better than chance")]


def test_slices_stand_with_their_error_its_bound_and_their_rows() -> None:
    table = slices(facts())

    assert table is not None
    assert [table.rows[0][k] for k in (0, 2, 3, 4)] == ["age: <30", "0.420", "0.270", "70"]


def test_the_value_of_a_personal_column_is_withheld() -> None:
    marked = audit(TEAMS, ("age", "job"), personal=[{"column": "age", "kind": "id-like", "share": 1.0}])

    table = slices(facts(audit=marked))
    assert table is not None
    assert table.rows[0][0] == "age: withheld"


def test_no_slice_is_no_table() -> None:
    assert slices(_with("slices", worst=[])) is None
