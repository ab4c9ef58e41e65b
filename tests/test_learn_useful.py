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
from fairmark.learn.ranking import Trial, ranked
from fairmark.learn.search_results import SearchResults
from fairmark.learn.search_summary import note, report, summary
from fairmark.learn.space import Aim, Space
from fairmark.learn.summaries import read_trials
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
        kept = [each.outcome.quality for each in useful if each.outcome.violation == 0]
        assert not best.useless
        assert (best.violation == 0) == bool(kept)
        assert best.quality >= max(kept) - 0.01 if kept else True


@settings(max_examples=100, deadline=None)
@given(rows=TRIALS, price=st.sampled_from([0.0, 0.2, 1.0, 1e6]))
def test_where_none_keeps_the_limits_nearer_costs_no_more_than_its_price(
    rows: list[tuple[float, float, float, bool]], price: float
) -> None:
    trials = [trial(k, row[0], -abs(row[1]) - 0.01, 0.8, useless=False) for k, row in enumerate(rows)]

    best = ranked(trials, price=price)[0].outcome

    for other in (each.outcome for each in trials):
        nearer = best.violation - other.violation
        assert other.quality <= best.quality - price * nearer + 1e-9 * (1 + price)
    if price == 1e6:  # quality, which is within 0.7, buys no more than a millionth of a unit
        assert best.violation <= min(each.outcome.violation for each in trials) + 1e-6


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
    assert note(found).endswith(
        "Trial 0 is the nearest of those that are of use: it misses selection-rate-ratio by 0.1."
    )
    assert summary(found).useful == 1
    assert found.table()["useful"].tolist() == [True, False]


def test_a_useful_trial_goes_before_finalists_that_lost_their_use() -> None:
    lost = replace(trial(2, 0.51, 0.1, 0.7, useless=True), role="finalist")
    found = results([trial(0, 0.8, -0.4, 0.8, useless=False), trial(1, 0.7, 0.1, 0.8, useless=False), lost])

    assert found.useful
    assert found.best.number == 1
    assert "Trial 1 has the best balanced_accuracy of the 1 of 3 trials" in note(found)


@pytest.mark.parametrize(
    ("goal", "positives", "answer"),
    [
        ("accuracy", 0.05, '"no" to everybody'),
        ("f1", 0.95, '"yes" to everybody'),
        ("accuracy", 0.5, None),
        ("balanced_accuracy", 0.05, None),
    ],
)
def test_where_one_label_is_rare_and_nothing_of_use_balanced_accuracy_is_proposed(
    goal: str, positives: float, answer: str | None
) -> None:
    trials = [trial(0, 0.51, 0.1, 0.8, useless=True)]
    lines = report(SearchResults(tune(useful=USEFUL), policy(), goal, trials), positives)

    proposed = [line for line in lines if "{maximise: balanced_accuracy, by: null}" in line]
    assert len(proposed) == (answer is not None)
    assert answer is None or f"so that {answer} is hard to beat by {goal}" in proposed[0]


def test_where_only_the_share_selected_makes_it_useless_that_is_what_can_be_done() -> None:
    lines = report(results([trial(0, 0.8, 0.1, 0.8, useless=True)]), 0.5)

    assert lines[-1].startswith("what can be done: let another share be selected than 0.01 to 0.9")


def test_decisions_that_may_be_better_by_chance_alone_are_of_no_use(
    paths: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So many standard errors as no table of this size shows.
    monkeypatch.setattr("fairmark.learn.trial.SHOWN", 50.0)

    with pytest.raises(InputError) as told:
        searched(
            paths,
            tmp_path / "out",
            base_for(maximise="accuracy"),
            useful={"margin": 0.0, "selected": [0.0, 1.0]},
        )

    assert "which may be chance of so few rows (a standard error of " in told.value.faults[1]
    assert told.value.faults[-1].startswith("what can be done: get more rows")


DOCS = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
PRICED = {"A": (0.84, 0.50), "B": (0.82, 0.62), "C": (0.74, 0.78)}
"""Accuracy and ratio of the three trials of the worked example, under a ratio of at least 0.8."""


@pytest.mark.parametrize(("price", "best"), [(0.1, "A"), (0.25, "B"), (1.0, "C")])
def test_the_price_chooses_as_the_worked_example_says(price: float, best: str) -> None:
    names = [*PRICED]
    trials = [
        trial(k, quality, ratio - 0.8, 0.8, useless=False)
        for k, (quality, ratio) in enumerate(PRICED.values())
    ]
    found = SearchResults(tune(useful=USEFUL, price=price), policy(), "accuracy", trials)

    assert names[found.best.number] == best
    # By hand: accuracy less the price of what is missing to 0.8.
    worth = {name: quality - price * (0.8 - ratio) for name, (quality, ratio) in PRICED.items()}
    assert max(worth, key=lambda name: worth[name]) == best
    told = " | ".join(f"**{worth[name]:.3f}**" if name == best else f"{worth[name]:.3f}" for name in names)
    assert f"| {price:g} | {told} |" in DOCS
    if best != "C":
        assert f"one unit nearer may cost {price:g} of the accuracy (tune.price)" in note(found)
        assert "The nearest, trial 2, misses selection-rate-ratio by 0.02" in note(found)


SPACE = Space(tune())
PLAIN = SPACE.chosen(SPACE.none("logistic"), Aim(margin=0.05))


def beside_plain(best: tuple[float, float, float], plain: tuple[float, float, float]) -> SearchResults:
    """Return results of a mitigated trial 0 and of plain trial 1: quality, slack and AUC of each."""
    trials = [trial(0, *best, useless=False), replace(trial(1, *plain, useless=False), chosen=PLAIN)]
    return SearchResults(
        tune(useful={**USEFUL, "plain": 0.02}, tie=0.0), policy(), "balanced_accuracy", trials
    )


@pytest.mark.parametrize(
    ("best", "plain", "taken"),
    [
        ((0.81, 0.1, 0.80), (0.80, 0.2, 0.80), 1),  # ahead by a hundredth, less than two
        ((0.83, 0.1, 0.80), (0.80, 0.2, 0.80), 0),
        ((0.81, 0.1, 0.85), (0.80, 0.2, 0.80), 0),  # ranks better
        ((0.70, 0.1, 0.70), (0.90, -0.1, 0.90), 0),  # the plain one misses the limit
        ((0.81, -0.1, 0.80), (0.80, -0.1, 0.80), 1),  # both miss it by as much
        ((0.80, -0.1, 0.80), (0.81, -0.3, 0.80), 0),  # nearer by 0.2, which is worth 0.05
    ],
)
def test_a_plain_model_within_the_same_limits_goes_before_one_that_is_hardly_better(
    best: tuple[float, float, float], plain: tuple[float, float, float], taken: int
) -> None:
    assert beside_plain(best, plain).best.number == taken


@pytest.mark.parametrize(
    ("gain", "area", "errors", "taken"),
    [
        (0.03, 0.0, (0.02, 0.02), 0),
        (0.03, 0.0, (0.04, 0.04), 1),  # within a standard error of the gain
        (0.03, 0.05, (0.04, 0.06), 1),  # and within that of the AUC
        (0.03, 0.05, (0.04, 0.04), 0),
        (0.01, 0.0, (0.0, 0.0), 1),  # no error is known, and less than is asked for
    ],
)
def test_a_plain_model_goes_before_one_that_is_better_by_no_more_than_chance(
    gain: float, area: float, errors: tuple[float, float], taken: int
) -> None:
    found = beside_plain((0.80 + gain, 0.1, 0.80 + area), (0.80, 0.2, 0.80))
    known = {"gain_error": errors[0], "area_error": errors[1]}
    trials = [replace(each, outcome=each.outcome.model_copy(update=known)) for each in found.trials]
    noisy = replace(found, trials=trials)

    assert noisy.best.number == taken
    if taken and gain > 0.02:
        assert note(noisy).endswith("within a standard error of so few rows, and trial 1 is taken.")


def test_of_plain_models_that_decide_as_well_the_one_that_ranks_best_is_taken() -> None:
    boosted = SPACE.chosen(SPACE.none("boosted"), Aim(margin=0.05))
    plain = [
        replace(trial(0, 0.80, 0.1, 0.80, useless=False), chosen=boosted),
        replace(trial(1, 0.799, 0.1, 0.86, useless=False), chosen=PLAIN),
    ]

    found = SearchResults(
        tune(useful={**USEFUL, "plain": 0.02}, tie=1.0), policy(), "balanced_accuracy", plain
    )

    assert found.plain is plain[1]


@pytest.mark.parametrize(("error", "groups", "taken"), [(0.03, False, 1), (0.01, False, 0), (0.03, True, 0)])
def test_without_limits_on_groups_the_smaller_plain_model_is_taken_unless_it_ranks_worse_beyond_chance(
    error: float, groups: bool, taken: int
) -> None:
    boosted = SPACE.chosen(SPACE.none("boosted"), Aim(margin=0.05))
    first, second = (trial(k, 0.8 - 0.01 * k, 0.1, 0.82 - 0.02 * k, useless=False) for k in range(2))
    known = first.outcome.model_copy(update={"area_error": error})
    plain = [replace(first, chosen=boosted, outcome=known), replace(second, chosen=PLAIN)]
    rules = policy() if groups else policy(limit("accuracy", None, at_least=0.5))

    found = SearchResults(tune(useful=USEFUL, tie=0.0), rules, "balanced_accuracy", plain)

    assert found.plain is plain[taken]


def test_a_trial_has_to_be_better_than_the_best_plain_model_not_than_the_simplest() -> None:
    boosted = SPACE.chosen(SPACE.none("boosted"), Aim(margin=0.05))
    trees, line, best = (
        trial(k, 0.8 + each, 0.1, 0.8, useless=False) for k, each in enumerate((0.04, 0, 0.05))
    )
    plain = [replace(trees, chosen=boosted), replace(line, chosen=PLAIN)]
    rules, asked = policy(limit("accuracy", None, at_least=0.5)), {**USEFUL, "plain": 0.02}

    found = SearchResults(tune(useful=asked, tie=0.0), rules, "balanced_accuracy", [*plain, best])

    assert found.top is best
    assert found.best is plain[1]


@pytest.mark.parametrize(("groups", "auc", "taken"), [(False, 0.79, 1), (False, 0.8, 0), (True, 0.79, 0)])
def test_without_limits_on_groups_a_trial_that_ranks_worse_than_a_plain_model_is_not_taken(
    groups: bool, auc: float, taken: int
) -> None:
    found = beside_plain((0.85, 0.1, auc), (0.8, 0.1, 0.8))
    rules = policy() if groups else policy(limit("accuracy", None, at_least=0.5))

    free = replace(found, policy=rules)

    assert free.best.number == taken
    assert note(free).endswith("and ranks worse: trial 1 is taken.") == bool(taken)


def test_the_summary_says_what_a_plain_model_would_have_done() -> None:
    ahead = note(beside_plain((0.83, 0.1, 0.80), (0.80, 0.2, 0.80)))
    behind = note(beside_plain((0.81, 0.1, 0.80), (0.80, 0.2, 0.80)))

    assert "0.03 better than a plain model with one threshold for all (trial 1, logistic)" in ahead
    assert behind.endswith("less than 0.02 (tune.useful.plain), and trial 1 is taken.")


def test_plain_models_are_held_to_the_limits_where_a_lead_over_them_is_asked_for(
    paths: tuple[Path, ...], tmp_path: Path
) -> None:
    base = base_for(maximise="accuracy")
    useful = {"margin": 0.0, "selected": [0.0, 1.0], "plain": 0.0}

    for name, asked in (("asked", useful), ("not", {**useful, "plain": None})):
        searched(paths, tmp_path / name, base, trials=5, useful=asked)

    rows = {name: read_trials(tmp_path / name / "trials.csv") for name in ("asked", "not")}
    assert [row.family for row in rows["asked"]][2:4] == ["boosted", "logistic"]
    assert [row.number_in("strength.side.demographic_parity") for row in rows["asked"]][2:4] == [0.0, 0.0]
    assert rows["not"][2].number_in("strength.side.demographic_parity") != 0.0


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
        "what can be done",
    ]
    assert "features that say more of the label" in lines[-1]
    assert "tune.useful.margin, now 0.9" in lines[-1]
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
