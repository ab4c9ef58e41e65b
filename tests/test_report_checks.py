"""Abstaining and signs of leakage are told in numbers and words."""

from stage_outputs import checks, facts, with_check

from fairmark.evaluate import documents as docs
from fairmark.report.checks import abstention, checks_view, leakage_text, single_feature_aucs
from fairmark.report.experiments import re_included
from fairmark.report.inputs import Facts

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))


def _leaks(**changes: object) -> Facts:
    return facts(checks=with_check("leakage", FOUND, **changes))


def test_abstaining_tells_error_fairness_and_who_is_sent() -> None:
    table = abstention(facts())

    assert [column.label for column in table.columns[3:]] == ["Sent, blue", "Sent, red"]
    assert list(table.rows[0]) == ["0.900", "0.110", "0.830", "0.100", "0.100"]


def test_leakage_is_told_in_sentences() -> None:
    found = leakage_text(facts())

    assert found[0].startswith("The feature that moves scores most, age, makes 0.600")
    assert "0.160 of the test rows have an equal row" in found[1]
    assert found[2].endswith("not looked for: no time column.")


def test_columns_that_are_given_back_stand_below_the_model_as_it_is() -> None:
    table = re_included(facts())

    assert table is not None
    assert [row[:2] for row in table.rows] == [("none: as it is", "0.870"), ("town", "0.910")]


def test_what_could_not_be_learnt_says_why() -> None:
    given = [docs.FailedReInclusion(columns=["town", "area"], why="too many")]
    table = re_included(facts(checks=with_check("excluded", FOUND, re_included=given)))

    assert table is not None
    assert table.rows[1][:2] == ("town and area", "no model: too many")


def test_nothing_forbidden_is_nothing_given_back() -> None:
    assert re_included(facts(checks=with_check("excluded", FOUND, re_included=[]))) is None


def test_features_from_the_future_are_named() -> None:
    late = docs.LookAheadDate(rows=90, share=0.4)
    dates = docs.LookAheadFeatures(dates={"closed": late, "opened": docs.LookAheadDate(rows=90, share=0.0)})
    none = docs.LookAheadFeatures(dates={})

    assert leakage_text(_leaks(look_ahead=dates))[2] == "Dated after the row's own time: closed."
    assert leakage_text(_leaks(look_ahead=none))[2] == "No feature is dated after the row's own time."


def test_a_model_that_nothing_moves_names_no_feature() -> None:
    still = docs.Concentration(rows=500, feature=None, share=None)

    assert len(leakage_text(_leaks(concentration=still))) == 2


def test_features_are_ranked_by_what_they_know_alone() -> None:
    assert [(row[0], row[2]) for row in single_feature_aucs(facts()).rows] == [
        ("age", "0.710"),
        ("job", "not measured"),
    ]


def test_a_model_that_reads_what_it_must_not_is_shown() -> None:
    read = with_check("stress", FOUND, swapped=docs.SwappedEvidence(columns=["team"], same=False))

    swapped = checks_view(facts(checks=read))["stress"]["swapped"]

    assert isinstance(swapped, docs.SwappedEvidence)
    assert not swapped.same
