"""Decisions of no use are never chosen, however they keep the limits; without others tune says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_table import chosen, limit, policy, written
from search_formula import TUNE, outcome, tune

from fairmark.errors import InputError, ParamsError
from fairmark.files import read_json
from fairmark.learn.search import SearchResults, Trial, ranked
from fairmark.learn.trial import Outcome
from fairmark.params.learn import ByBaseRate, Threshold, Train, Tune
from fairmark.params.parse import typed
from fairmark.params.policy import Policy
from fairmark.stages.tune import tune as stage

USEFUL = {"margin": 0.05, "selected": [0.01, 0.9]}
TRIALS = st.lists(
    st.tuples(st.floats(0.3, 1), st.floats(-0.5, 0.5), st.floats(0.5, 1), st.booleans()),
    min_size=1,
    max_size=12,
)


def trial(number: int, quality: float, slack: float, auc: float, *, useless: bool) -> Trial:
    found = outcome(quality, slack)
    more = {
        "overall": {**found.overall, "roc_auc": auc},
        "error": 0.01,
        "gain": quality - 0.5,
        "useless": ["0.98 of the rows are selected, more than 0.9"] if useless else [],
    }
    return Trial(number, "searched", chosen(), Outcome.model_validate(found.model_dump() | more))


def results(trials: list[Trial]) -> SearchResults:
    return SearchResults(tune(useful=USEFUL, tie=1.0), policy(), "balanced_accuracy", trials)


@settings(max_examples=200, deadline=None)
@given(rows=TRIALS)
def test_what_is_of_no_use_is_never_chosen_beside_what_is(
    rows: list[tuple[float, float, float, bool]],
) -> None:
    found = results([trial(k, *row[:3], useless=row[3]) for k, row in enumerate(rows)])

    best, useful = found.best.outcome, found.useful

    assert bool(useful) == any(not row[3] for row in rows)
    if useful:
        assert not best.useless
        assert best.violation == min(each.outcome.violation for each in useful)
        alike = [each.outcome for each in useful if each.outcome.violation == best.violation]
        assert best.quality >= max(each.quality for each in alike) - 0.01
        assert not found.best.outcome.feasible or best.violation == 0


@settings(max_examples=100, deadline=None)
@given(rows=TRIALS)
def test_of_trials_as_good_the_one_that_ranks_best_is_chosen(
    rows: list[tuple[float, float, float, bool]],
) -> None:
    trials = [trial(k, 0.8, 0.1, row[2], useless=False) for k, row in enumerate(rows)]

    assert ranked(trials, 1.0)[0].outcome.area == max(row[2] for row in rows)
    assert ranked(trials)[0].number == 0


def test_a_useful_trial_that_misses_a_limit_says_by_how_much() -> None:
    found = results([trial(0, 0.7, -0.1, 0.8, useless=False), trial(1, 0.5, 0.2, 0.6, useless=True)])

    assert found.best.number == 0
    assert found.note().endswith(
        "Trial 0 is the nearest of those that are of use: it misses selection-rate-ratio by 0.1."
    )
    assert found.summary().useful == 1
    assert found.table()["useful"].tolist() == [True, False]


def test_a_useful_trial_goes_before_finalists_that_lost_their_use() -> None:
    lost = replace(trial(2, 0.51, 0.1, 0.7, useless=True), role="finalist")
    found = results([trial(0, 0.8, -0.4, 0.8, useless=False), trial(1, 0.7, 0.1, 0.8, useless=False), lost])

    assert found.useful
    assert found.best.number == 1
    assert "Trial 1 has the best balanced_accuracy of the 1 of 3 trials" in found.note()


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    return written(tmp_path_factory.mktemp("people"), 800)


def searched(
    paths: tuple[Path, ...], out: Path, base: Train, rules: Policy | None = None, **changes: object
) -> dict[str, Any]:
    files = [out / name for name in ("tuned.yaml", "trials.csv", "summary.json")]
    rules = rules or policy(limit("selection_rate_ratio", "side", at_least=0.5))
    search = typed(Tune, TUNE | {"trials": 6} | changes, "tune")
    stage(*paths, *files, search, base, rules)  # type: ignore[call-arg,arg-type]
    found: dict[str, Any] = read_json(files[2])
    return found


def base_for(**threshold: object) -> Train:
    kept = {"by": None, **threshold}
    return Train(
        seed=3,
        max_categories=9,
        max_rounds=15,
        patience=5,
        smallest_leaf=1,
        monotone={},
        threshold=Threshold(**kept),  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FAIRMARK_WORKERS", "1")


@pytest.mark.parametrize(("finalists", "trials"), [(None, 6), ({"trials": 1, "folds": 2, "near": []}, 7)])
def test_where_nothing_is_of_use_tune_ends_with_what_there_is(
    paths: tuple[Path, ...], tmp_path: Path, finalists: dict[str, object] | None, trials: int
) -> None:
    with pytest.raises(InputError) as told:
        searched(
            paths,
            tmp_path / "out",
            base_for(maximise="accuracy"),
            useful={"margin": 0.9, "selected": [0.01, 0.99]},
            finalists=finalists,
        )

    lines = list(told.value.faults)
    assert (
        lines[0] == f"tune: must find decisions of use (tune.useful), got none in {trials} trials: no model"
    )
    assert [line.split(":")[0] for line in lines[1:]] == [
        "nearest to being of use",
        "nearest to the limits",
        "selection-rate-ratio",
        "to talk about",
    ]
    assert not (tmp_path / "out").exists()


def test_a_limit_on_the_goal_is_searched_with_pruning_and_with_rivals(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    ratio, floor = limit("selection_rate_ratio", "age", at_least=0.8), limit("goal", None, at_least=0.5)
    step = {"attribute": "age", "constraint": "demographic_parity", "strength": "auto"}

    found = searched(
        paths,
        tmp_path / "out",
        base_for(maximise="balanced_accuracy"),
        rules=policy(ratio, floor),
        mitigation=[step],
        pruning={"rungs": [5, 10], "quality": 0.01, "fairness": 0.05},
        rivals={"methods": ["threshold_optimizer"], "bound": 0.02, "iterations": 2, "grid": 2},
    )

    assert found["best"]["limit.goal"] == found["best"]["quality"]
    assert [each["method"] for each in found["rivals"]] == ["ThresholdOptimizer"]


def test_strengths_are_bracketed_and_the_margin_follows_from_the_rows(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    step = {"attribute": "side", "constraint": "demographic_parity", "strength": "auto"}

    found = searched(
        paths,
        tmp_path / "out",
        base_for(maximise=ByBaseRate(common="accuracy", rare="f1", below=0.1)),
        margin={"chance": 0.8, "room": 0.5},
        mitigation=[step],
        useful={"margin": 0.01, "selected": [0.01, 0.9]},
        crossfit={"folds": 3, "below": 10_000},
        trials=10,
    )

    assert found["maximise"] == "accuracy"
    assert found["assurance"] == {"chance": 0.8, "room": 0.5}
    assert found["margin"] is None
    assert "Every trial is cross-fitted, because" in str(found["note"])
    assert set(found["expected"]) == {"selection-rate-ratio"}


def test_accuracy_is_refused_before_any_trial_where_one_label_is_rare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairmark.params.learn.RARER", 0.49)
    paths = written(tmp_path / "people", 400)

    with pytest.raises(ParamsError, match="must be another measure than accuracy"):
        searched(paths, tmp_path / "out", base_for(maximise="accuracy"))
