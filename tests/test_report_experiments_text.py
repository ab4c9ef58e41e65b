"""The sentence of each check follows from its numbers, whichever way they fall."""

import pytest
from stage_outputs import audit, checks, facts, measurements, summary, with_check

from fairmark.evaluate import documents as docs
from fairmark.report.checks import abstention_text, duplicates_text
from fairmark.report.experiments import excluded_text, history_text, learning_text, probe_text, slices_text
from fairmark.report.inputs import Facts

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))
WHOLE = measurements(TEAMS).overall["roc_auc"]
LOW, HIGH = WHOLE.low or 0.0, WHOLE.high or 0.0
NOISE = (HIGH - LOW) / 2


def _with(part: str, **changes: object) -> Facts:
    return facts(checks=with_check(part, FOUND, **changes))


def _grown(change: float) -> str:
    first, last = FOUND.learning.families["boosted"].points
    assert isinstance(first, docs.LearningPoint)
    assert first.roc_auc is not None
    curve = docs.FamilyCurve(
        plain=False, points=[first, last.model_copy(update={"roc_auc": first.roc_auc + change})]
    )
    return learning_text(_with("learning", families={"boosted": curve}))


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.1, "more rows would still help"), (0.9, "would bring little"), (-1.1, "made it worse")],
)
def test_more_rows_help_when_they_brought_more_than_noise(share: float, words: str) -> None:
    assert words in _grown(share * NOISE)


def test_the_last_two_points_are_compared() -> None:
    assert learning_text(facts()).startswith("From 400 to 800 rows, ROC AUC went from 0.870 to 0.900")


def test_one_point_is_no_curve() -> None:
    points = FOUND.learning.families["boosted"].points[:1]
    one = _with("learning", families={"boosted": docs.FamilyCurve(plain=False, points=points)})

    assert learning_text(one).startswith("Too few points")
    assert learning_text(_with("learning", families={})).startswith("Too few points")


def test_the_best_length_of_history_is_told() -> None:
    ends = {0.5: 0.88, 1: 0.86}
    points = [
        docs.LearningPoint(share=share, train_rows=9, **dict(summary(TEAMS, roc_auc=auc)))
        for share, auc in ends.items()
    ]

    said = history_text(_with("learning", history=points))
    assert said is not None
    assert "the latest 0.5 of the train rows ranks validation rows best: ROC AUC 0.880, against 0.860" in said
    assert history_text(facts()) is None
    assert (
        history_text(_with("learning", history=[docs.FailedPoint(share=1, train_rows=9, why="one label")]))
        is None
    )


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.001, 0.002, "better off without it"),
        (-0.002, -0.001, "may stay"),
        (-0.001, 0.001, "may go"),
    ],
)
def test_what_dropping_costs_follows_from_its_interval(low: float, high: float, words: str) -> None:
    change = docs.AucChange(value=0.0, low=low, high=high)
    assert FOUND.probe.dropped is not None
    dropped = FOUND.probe.dropped.model_copy(update={"roc_auc_change": change})

    said = probe_text(_with("probe", dropped=dropped))
    assert said.startswith("No better than a column of pure chance: job. Learnt again without it, ROC AUC is")
    assert words in said


def test_features_that_are_all_of_use_are_told_so() -> None:
    assert probe_text(_with("probe", indistinct=[])).startswith("Every feature does more")


def test_features_that_could_not_be_left_out_are_named_alone() -> None:
    assert probe_text(_with("probe", dropped=None)).endswith("pure chance: job.")


def test_the_worst_slice_is_told_with_its_kind_of_error() -> None:
    said = slices_text(facts())

    assert "errs most where age: <30: 0.420 of 70 test rows, at least 0.270, against 0.190 of all" in said
    assert said.endswith("Of its errors there, 20 of 29 are wrongly decided yes.")


def test_a_slice_that_may_be_as_good_as_the_rest_is_not_called_worse() -> None:
    worst = FOUND.slices.worst[0].model_copy(update={"above_overall": False})

    assert "shown to err more" in slices_text(facts())
    assert "shown" not in slices_text(_with("slices", worst=[worst]))
    assert slices_text(_with("slices", worst=[])).startswith("No slice had enough rows")


def test_the_value_of_a_personal_column_is_withheld() -> None:
    marked = audit(TEAMS, ("age", "job"), personal=[{"column": "age", "kind": "id-like", "share": 1.0}])

    assert "age: withheld" in slices_text(facts(audit=marked))


def _band(**changes: object) -> str:
    band = FOUND.abstention.bands[0]
    return abstention_text(_with("abstention", bands=[band.model_copy(update=changes)]))


def test_abstaining_is_told_by_its_widest_band() -> None:
    said = _band()

    assert said.startswith("When the 0.100 of rows nearest to the threshold go to a human, the error of the")
    assert "is 0.110 instead of 0.190" in said
    assert said.endswith("blue is sent more often than red, by 0.040 (at least 0.010).")


def test_groups_that_drift_apart_are_owed_to_whoever_decides_the_rest() -> None:
    def drifted(ratio: float | None) -> str:
        kept = FOUND.abstention.bands[0].kept
        return _band(kept=kept.model_copy(update={"selection_rate_ratio": {"team": ratio}}))

    assert "draw the groups together" in drifted(0.5)
    assert "draw the groups together" not in drifted(1.0)
    assert "is not measured instead" in drifted(None)


def test_nobody_is_said_to_be_sent_more_often_by_luck() -> None:
    gap = docs.DeferralGap(value=0.04, low=0.0, high=0.07, lowest="red", highest="blue")

    assert _band(deferral_gap={"team": gap}).endswith("No group is shown to be sent more often than another.")
    assert "sent more often" not in _band(deferral_gap={"team": None})
    assert _band(decided=1.0) == "No row is sent to a human."


@pytest.mark.parametrize(
    ("auc", "words"),
    [(LOW, "does not rest on rows"), (LOW - 0.01, "is memory of rows"), (None, "Too few")],
)
def test_quality_on_new_rows_tells_whether_the_model_remembers(auc: float | None, words: str) -> None:
    without = summary(TEAMS, roc_auc=auc)
    duplicates = FOUND.leakage.duplicates.model_copy(update={"without": without})

    assert words in duplicates_text(_with("leakage", duplicates=duplicates))


def test_what_withholding_costs_is_told_with_all_given_back() -> None:
    assert excluded_text(facts()).startswith(
        "Learnt again with the same settings and town among the features, ROC AUC is 0.910 instead of 0.870"
    )
    assert excluded_text(
        _with("excluded", re_included=[docs.FailedReInclusion(columns=["town"], why="no")])
    ).startswith("No col")
