"""Abstaining and signs of leakage are told in numbers and words."""

from stage_outputs import checks, facts, with_check

from fairmark.evaluate import documents as docs
from fairmark.report.checks import abstention, checks_view, leakage_text, single_feature_aucs
from fairmark.report.comparisons import comparisons_view
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


def _compared(within: float, low: float, high: float) -> Facts:
    one = docs.Stratified(
        strata=1, rows=1000, odds_ratio=0.5, odds_low=0.4, odds_high=0.7,
        difference=-0.1, difference_low=-0.15, difference_high=-0.05, p=0.0004,
    )  # fmt: skip
    inside = one.model_copy(
        update={"strata": 3, "difference": within, "difference_low": low, "difference_high": high, "p": 0.25}
    )
    group = docs.GroupComparison(
        rows=400, overall=one, within=inside, standardised=None,
        scores=docs.MeanDifference(value=-0.3, low=-0.4, high=-0.2),
        ratios=[docs.RatioAtShare(share=0.5, ratio=0.8), docs.RatioAtShare(share=0.9, ratio=None)],
    )  # fmt: skip
    team = docs.ConditionalDisparity(reference="red", groups={"blue": group})
    found = docs.GroupComparisons(level=0.05, strata=["job"], why=None, attributes={"team": team})
    return facts(checks=FOUND.model_copy(update={"comparisons": found}))


def test_a_difference_within_strata_is_told_beside_the_whole_one() -> None:
    view = comparisons_view(_compared(0.02, -0.01, 0.05))

    assert view is not None
    (sentence,) = view.sentences
    assert "\N{MINUS SIGN}0.100 against red, and +0.020 within strata, which chance may make. It" in sentence
    assert sentence.endswith("It points the other way there.")


def test_tables_of_comparisons_hold_rates_odds_and_scores() -> None:
    view = comparisons_view(_compared(-0.05, -0.08, -0.02))

    assert view is not None
    (tables,) = view.attributes
    assert [cell.split(" (")[0] for cell in tables.rates.rows[0][1:]] == [
        "\N{MINUS SIGN}0.100", "\N{MINUS SIGN}0.050", "0.500", "0.500", "0.250",
    ]  # fmt: skip
    assert list(tables.scores.rows[0][2:]) == ["0.800", "not measured"]


def test_checks_of_before_hold_no_comparisons() -> None:
    assert comparisons_view(facts()) is None
