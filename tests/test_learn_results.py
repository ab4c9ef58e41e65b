"""The chosen trial is the best that keeps every limit, and the table and the summary say what there was."""

import json
from pathlib import Path

import pandas as pd
import pytest
from people_table import chosen, limit, policy
from search_formula import outcome, tune

from fairmark.files import write_csv
from fairmark.learn.ranking import Trial
from fairmark.learn.search_results import SearchResults
from fairmark.learn.search_summary import note, summary
from fairmark.learn.summaries import Role
from fairmark.learn.trial import IntermediateValue

POINTS = [(0.9, -0.4), (0.85, -0.1), (0.84, 0.02), (0.83, 0.01), (0.80, 0.3), (0.70, 0.3)]


def result(points: list[tuple[float, float]], failed: int = 0) -> SearchResults:
    roles: list[Role] = ["baseline", "unmitigated", *["searched"] * len(points)]  # type: ignore[list-item]
    trials = [Trial(k, roles[k], chosen(strength=0.1 * k), outcome(*point)) for k, point in enumerate(points)]
    broken = outcome(0.99, 0.99, failure="nothing to learn")
    more = [Trial(len(points) + k, "searched", chosen("logistic"), broken) for k in range(failed)]
    return SearchResults(tune(), policy(), "accuracy", [*trials, *more])


def test_the_best_of_those_that_keep_every_limit_is_chosen() -> None:
    found = result(POINTS, failed=1)

    assert found.best.number == 2
    assert len(found.feasible) == 4
    assert note(found) == (
        "Trial 2 has the best accuracy of the 4 of 6 trials that keep every gated limit on validation rows, "
        "those on groups with a margin of 0.05."
    )


def test_where_none_keeps_them_the_nearest_is_chosen_and_says_so() -> None:
    found = result(POINTS[:2])

    assert found.best.number == 1
    assert "None of 2 trials keeps every gated limit" in note(found)
    assert note(found).endswith("Trial 1 is the nearest: it misses selection-rate-ratio by 0.1.")
    assert summary(found).nearest == found.row(found.best)


def test_of_equals_the_first_is_chosen() -> None:
    assert result([(0.8, 0.1), (0.8, 0.2)]).best.number == 0
    assert result([(0.8, -0.1), (0.9, -0.1)]).best.number == 1


def test_the_frontier_holds_what_no_other_trial_beats() -> None:
    assert [trial.number for trial in result(POINTS, failed=2).frontier] == [4, 2, 1, 0]


def test_the_table_has_a_line_for_every_trial(tmp_path: Path) -> None:
    write_csv(tmp_path / "trials.csv", result(POINTS, failed=1).table())
    table = pd.read_csv(tmp_path / "trials.csv")

    assert table["number"].tolist() == list(range(7))
    assert table["state"].tolist() == ["complete"] * 6 + ["failed"]
    assert table.loc[table["chosen"], "number"].tolist() == [2]
    assert table["strength.side.demographic_parity"].tolist() == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0]
    )
    assert table["limit.selection-rate-ratio"].tolist()[:3] == pytest.approx([0.4, 0.7, 0.82])
    assert {"logistic.c", "boosted.num_leaves", "boosted.extra_trees", "failure"} <= set(table.columns)


def test_the_summary_is_plain_json_that_names_the_plain_models(tmp_path: Path) -> None:
    summary(result(POINTS, failed=1)).write(tmp_path / "summary.json")
    written = json.loads((tmp_path / "summary.json").read_text())

    assert (written["trials"], written["failed"], written["feasible"], written["chosen"]) == (7, 1, 4, 2)
    assert (written["baseline"]["number"], written["unmitigated"]["number"]) == (0, 1)
    assert [row["number"] for row in written["frontier"]] == [4, 2, 1, 0]
    assert written["nearest"] is None


def test_the_summary_says_how_far_inside_a_limit_the_rows_had_to_be() -> None:
    by_rows = tune(margin={"chance": 0.9, "room": 0.5})
    plain = result(POINTS)
    found = SearchResults(by_rows, policy(), "accuracy", plain.trials, brackets={("boosted", 0): (0.5, 1.5)})

    told = summary(found)

    assert told.margins is not None
    assert told.margins["selection-rate-ratio"] == pytest.approx(0.82 - 0.8 - 0.02)
    assert told.brackets is not None
    assert [(each.family, each.attribute, each.low, each.high) for each in told.brackets] == [
        ("boosted", "side", 0.5, 1.5)
    ]
    assert (told.of_use, told.over_plain) == (None, None)


def test_a_limit_that_the_search_cannot_measure_is_named() -> None:
    strange = limit("calibration_error", None, at_most=0.1)
    found = SearchResults(tune(), policy(strange), "accuracy", result(POINTS).trials)

    assert summary(found).not_searched == ["calibration-error"]


def test_a_pruned_trial_is_in_the_table_and_nowhere_else(tmp_path: Path) -> None:
    mark = IntermediateValue(rounds=60, quality=0.95, fairness=0.2)
    gone = outcome(0.95, 0.5).model_copy(update={"pruned": True, "rungs": [mark], "rounds": 60})
    plain = result(POINTS)
    search = tune(pruning={"rungs": [60, 90], "quality": 0.01, "fairness": 0.05})
    found = SearchResults(search, policy(), "accuracy", [*plain.trials, Trial(6, "searched", chosen(), gone)])

    assert (found.best.number, found.frontier) == (plain.best.number, plain.frontier)
    assert (summary(found).pruned, summary(found).failed) == (1, 0)
    write_csv(tmp_path / "trials.csv", found.table())
    table = pd.read_csv(tmp_path / "trials.csv")
    row = table.iloc[6]
    assert (row["state"], row["rounds"]) == ("pruned", 60)
    assert (row["rung_60_quality"], row["rung_60_fairness"]) == (0.95, 0.2)
    assert row[["quality", "fairness", "rung_90_quality", "failure"]].isna().all()
    assert not row["feasible"]
    assert not row["chosen"]


def test_one_of_the_finalists_is_chosen_where_there_are_any() -> None:
    final = chosen(strength=0.3, folds=4)
    search = tune(finalists={"trials": 2, "folds": 4, "near": []})
    rounds = [Trial(6, "finalist", final, outcome(0.79, 0.1)), Trial(7, "finalist", final, outcome(0.8, 0.1))]
    found = SearchResults(search, policy(), "accuracy", [*result(POINTS).trials, *rounds])

    assert found.best.number == 7
    assert note(found) == (
        "Trial 7 has the best accuracy of the 2 of 2 finalists that keep every gated limit on train and "
        "validation rows held out in turn, those on groups with a margin of 0.05."
    )
    assert found.table()["folds"].tolist() == [*[pd.NA] * 6, 4, 4]


def test_where_fairness_could_not_be_measured_quality_decides_and_the_note_says_so() -> None:
    found = result([(0.7, 0.0), (0.9, 0.0)])
    blind = [
        Trial(
            each.number,
            each.role,
            each.chosen,
            each.outcome.model_copy(update={"slacks": {}, "measures": {"selection-rate-ratio": None}}),
        )
        for each in found.trials
    ]
    unseen = SearchResults(found.tune, found.policy, "accuracy", blind)

    assert unseen.best.number == 1
    assert note(unseen).startswith("Not measured by the search: selection-rate-ratio, because too few groups")
    assert "by 1" not in note(unseen)
    assert unseen.row(unseen.best).fairness is None
    assert summary(unseen).not_measured == ["selection-rate-ratio"]
