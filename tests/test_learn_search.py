"""A search has the same trials however many work, and goes on where it was stopped as if it had not been."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import optuna
import pytest
from people_table import chosen, policy
from search_formula import TUNE, formula, outcome, strength_of, tune

from fairmark.learn.ranking import Trial, ranked
from fairmark.learn.search import Search
from fairmark.learn.trial import IntermediateValue, Outcome, TrialRequest, bars, is_dominated
from fairmark.learn.workers import Checkpoint, Here
from fairmark.params.learn import Pruning


def searched(
    folder: Path,
    attempt: Callable[[str], str] = formula,
    executor: Executor | None = None,
    report: Callable[[Sequence[Trial]], None] = lambda _: None,
    **changes: Any,
) -> list[Trial]:
    record = Checkpoint(folder / "record.jsonl")
    return Search(tune(**changes), policy(), attempt, executor or Here(), record, report).run()


SAMPLERS = pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])


@SAMPLERS
def test_the_same_seed_gives_the_same_trials(tmp_path: Path, sampler: str) -> None:
    one, two, other = (
        searched(tmp_path / str(k), sampler=sampler, seed=seed) for k, seed in enumerate((7, 7, 8))
    )

    assert one == two != other
    assert [trial.number for trial in one] == list(range(11))


@SAMPLERS
def test_many_workers_in_any_order_give_the_same_trials(tmp_path: Path, sampler: str) -> None:
    def later(choices: str) -> str:
        sleep(0.01 * (hash(choices) % 3))
        return formula(choices)

    with ThreadPoolExecutor(3) as pool:
        many = searched(tmp_path / "many", later, pool, sampler=sampler)

    assert many == searched(tmp_path / "one", sampler=sampler)


@SAMPLERS
@pytest.mark.parametrize("stop", [1, 2, 4, 6, 10])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(
    tmp_path: Path, sampler: str, stop: int
) -> None:
    class StoppedError(Exception):
        pass

    runs: list[str] = []

    def stopping(choices: str) -> str:
        if len(runs) == stop:
            raise StoppedError
        runs.append(choices)
        return formula(choices)

    with pytest.raises(StoppedError):
        searched(tmp_path / "a", stopping, sampler=sampler)
    done, runs[:] = list(runs), []
    record = Checkpoint(tmp_path / "a" / "record.jsonl", {choices: formula(choices) for choices in done})
    again: list[str] = []

    def noting(choices: str) -> str:
        again.append(choices)
        return formula(choices)

    resumed = Search(tune(sampler=sampler), policy(), noting, Here(), record, lambda _: None).run()

    assert resumed == searched(tmp_path / "b", sampler=sampler)
    assert not set(again) & set(done)


@SAMPLERS
def test_the_order_in_which_params_are_written_changes_nothing(tmp_path: Path, sampler: str) -> None:
    turned = {
        family: dict(reversed(settings.items())) for family, settings in reversed(TUNE["families"].items())
    }

    assert searched(tmp_path / "a", families=turned, sampler=sampler) == searched(
        tmp_path / "b", sampler=sampler
    )


def test_the_plain_models_come_first_and_the_ladder_next(tmp_path: Path) -> None:
    trials = searched(tmp_path)

    assert [trial.role for trial in trials[:3]] == ["unmitigated", "baseline", "searched"]
    assert [strength_of(trial.chosen) for trial in trials[:5]] == pytest.approx([0, 0, 0.4, 0.8, 1.2])
    assert {trial.chosen.margin for trial in trials[2:]} == {0.05}


def test_a_grid_ends_where_it_is_exhausted(tmp_path: Path) -> None:
    assert len(searched(tmp_path, sampler="grid", trials=100)) == 2 + 56


def test_a_search_may_be_shorter_than_its_plain_models(tmp_path: Path) -> None:
    assert [trial.role for trial in searched(tmp_path, trials=1)] == ["unmitigated"]


def test_one_family_alone_has_a_baseline_and_no_rival(tmp_path: Path) -> None:
    trials = searched(tmp_path, families={"logistic": TUNE["families"]["logistic"]}, trials=4)

    assert [trial.role for trial in trials] == ["baseline", "searched", "searched", "searched"]


def test_tpe_looks_where_limits_are_kept_at_little_cost(tmp_path: Path) -> None:
    best = {
        sampler: max(
            trial.outcome.quality for trial in searched(tmp_path / sampler, sampler=sampler, trials=40)
            if trial.outcome.feasible
        )
        for sampler in ("tpe", "random")
    }  # fmt: skip

    assert 0.85 >= best["tpe"] >= best["random"] - 0.002


def test_the_sampler_is_told_of_no_setting_that_a_trial_did_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rung of the bracket leaves `extra_trees` to its library: a drawn value must not stand in for it."""
    study = optuna.create_study(directions=["maximize", "maximize"])
    monkeypatch.setattr(optuna, "create_study", lambda **_: study)
    step = TUNE["mitigation"][0] | {"strength": "auto"}

    trials = searched(tmp_path, mitigation=[step], trials=14)

    settings = [
        {name.removeprefix("boosted."): value for name, value in each.params.items() if "boosted." in name}
        for each in study.trials
        if each.params["family"] == "boosted"
    ]
    assert any("extra_trees" not in one for one in settings)
    assert all(any(one.items() <= each.chosen.settings.items() for each in trials) for one in settings)


def test_a_trial_that_fails_is_kept_and_told_of(tmp_path: Path) -> None:
    def failing(choices: str) -> str:
        if TrialRequest.model_validate_json(choices).chosen.balance == "weights":
            return outcome(0.0, 0.0, failure="nothing to learn").model_dump_json()
        return formula(choices)

    trials = searched(tmp_path, failing)

    assert {t.outcome.failure for t in trials} == {None, "nothing to learn"}
    assert not any(t.outcome.feasible for t in trials if t.outcome.failure)


def test_progress_is_reported_after_each_batch(tmp_path: Path) -> None:
    seen: list[int] = []

    searched(tmp_path, report=lambda trials: seen.append(len(trials)))

    assert seen == [2, 5, 8, 11]


def test_the_sampler_is_told_what_misses_a_limit(tmp_path: Path) -> None:
    search = Search(tune(), policy(), formula, Here(), Checkpoint(tmp_path / "r.jsonl"), lambda _: None)
    study = optuna.create_study(directions=["maximize", "maximize"])

    for quality, slack in ((0.9, -0.1), (0.8, -0.2), (0.7, 0.1)):
        search.tell(study, study.ask(), Trial(0, "searched", chosen(), outcome(quality, slack)))

    assert [trial.values for trial in study.best_trials] == [[0.7, 0.1]]


PRUNING = {"rungs": [10], "quality": 0.01, "fairness": 0.05}


def watched(asked: str) -> str:
    """Return the outcome of an attempt that is looked at: half as good after ten rounds as at its end."""
    ask = TrialRequest.model_validate_json(asked)
    whole = Outcome.model_validate_json(formula(asked))
    if ask.bars is None or ask.chosen.family == "logistic":
        return whole.model_dump_json()
    mark = IntermediateValue(
        rounds=10, quality=whole.quality / 2, fairness=whole.slacks["selection-rate-ratio"]
    )
    beaten = is_dominated(mark, ask.bars, Pruning(rungs=[10], quality=0.01, fairness=0.05))
    changes = {"rungs": [mark], "pruned": beaten} | ({"quality": mark.quality} if beaten else {})
    return whole.model_copy(update=changes).model_dump_json()


@SAMPLERS
def test_pruned_trials_are_the_same_however_many_work(tmp_path: Path, sampler: str) -> None:
    def later(asked: str) -> str:
        sleep(0.01 * (hash(asked) % 3))
        return watched(asked)

    changes: dict[str, Any] = {"sampler": sampler, "pruning": PRUNING, "trials": 30}
    with ThreadPoolExecutor(3) as pool:
        many = searched(tmp_path / "many", later, pool, **changes)

    assert many == searched(tmp_path / "one", watched, **changes)
    assert any(trial.outcome.pruned for trial in many)


def test_a_trial_is_compared_with_trials_of_earlier_batches_alone(tmp_path: Path) -> None:
    seen: list[tuple[int, list[IntermediateValue] | None]] = []

    def noting(asked: str) -> str:
        seen.append((len(seen), TrialRequest.model_validate_json(asked).bars))
        return watched(asked)

    trials = searched(tmp_path, noting, pruning=PRUNING, families={"boosted": TUNE["families"]["boosted"]})

    for number, found in seen:
        told = 1 + 3 * ((number - 1) // 3) if number else 0  # the plain one, then batches of three
        assert found == bars(mark for trial in trials[:told] for mark in trial.outcome.rungs)


def test_the_plain_models_are_never_given_up(tmp_path: Path) -> None:
    trials = searched(tmp_path, watched, pruning=PRUNING)

    assert not any(trial.outcome.pruned for trial in trials[:2])


def test_without_pruning_nobody_looks(tmp_path: Path) -> None:
    def alone(asked: str) -> str:
        assert TrialRequest.model_validate_json(asked).bars is None
        return formula(asked)

    assert searched(tmp_path, alone) == searched(tmp_path / "again")


def test_the_best_trials_come_again_as_finalists(tmp_path: Path) -> None:
    final = {"trials": 2, "folds": 4, "near": [0.5, 1.5, 99]}

    trials = searched(tmp_path, finalists=final)

    plain, finalists = trials[:11], trials[11:]
    assert plain == searched(tmp_path / "without")
    assert {trial.role for trial in finalists} == {"finalist"}
    assert {trial.chosen.folds for trial in finalists} == {4}
    best = [trial.chosen.model_copy(update={"folds": 4}) for trial in ranked(plain)[:2]]
    assert [trial.chosen for trial in finalists[:2]] == best
    top = strength_of(ranked(finalists[:2])[0].chosen)
    nearby = [strength_of(trial.chosen) for trial in finalists[2:]]
    assert nearby == pytest.approx([0.5 * top, min(1.5 * top, 1.2), 1.2][: len(nearby)], rel=1e-5)


def test_no_finalist_is_run_twice(tmp_path: Path) -> None:
    trials = searched(tmp_path, finalists={"trials": 1, "folds": 3, "near": [1.0, 50.0, 60.0]})

    assert [trial.role for trial in trials].count("finalist") == 2
