"""The chosen trial is the best that keeps every limit, and the table and the summary say what there was."""

import json
from pathlib import Path

import pandas as pd
import pytest
from people import chosen, limit, policy
from searching import outcome, tune

from fairmark.files import write_csv, write_json
from fairmark.learn.result import Result
from fairmark.learn.search import Role, Trial

POINTS = [(0.9, -0.4), (0.85, -0.1), (0.84, 0.02), (0.83, 0.01), (0.80, 0.3), (0.70, 0.3)]


def result(points: list[tuple[float, float]], failed: int = 0) -> Result:
    roles: list[Role] = ["baseline", "unmitigated", *["searched"] * len(points)]  # type: ignore[list-item]
    trials = [Trial(k, roles[k], chosen(strength=0.1 * k), outcome(*point)) for k, point in enumerate(points)]
    broken = outcome(0.99, 0.99, failure="nothing to learn")
    more = [Trial(len(points) + k, "searched", chosen("logistic"), broken) for k in range(failed)]
    return Result(tune(), policy(), "accuracy", [*trials, *more])


def test_the_best_of_those_that_keep_every_limit_is_chosen() -> None:
    found = result(POINTS, failed=1)

    assert found.best.number == 2
    assert len(found.feasible) == 4
    assert found.note() == (
        "Trial 2 has the best accuracy of the 4 of 6 trials that keep every gated limit on validation rows, "
        "those on groups with a margin of 0.05."
    )


def test_where_none_keeps_them_the_nearest_is_chosen_and_says_so() -> None:
    found = result(POINTS[:2])

    assert found.best.number == 1
    assert "None of 2 trials keeps every gated limit" in found.note()
    assert found.note().endswith("Trial 1 is the nearest: it misses selection-rate-ratio by 0.1.")
    assert found.summary()["nearest"] == found.row(found.best)


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
    write_json(tmp_path / "summary.json", result(POINTS, failed=1).summary())
    summary = json.loads((tmp_path / "summary.json").read_text())

    assert (summary["trials"], summary["failed"], summary["feasible"], summary["chosen"]) == (7, 1, 4, 2)
    assert (summary["baseline"]["number"], summary["unmitigated"]["number"]) == (0, 1)
    assert [row["number"] for row in summary["frontier"]] == [4, 2, 1, 0]
    assert summary["nearest"] is None


def test_a_limit_that_the_search_cannot_measure_is_named() -> None:
    strange = limit("calibration_error", None, at_most=0.1)
    found = Result(tune(), policy(strange), "accuracy", result(POINTS).trials)

    assert found.summary()["not_searched"] == ["calibration-error"]
