"""A trial is fitted and held against the policy in whatever process it runs, text in and text out."""

from pathlib import Path

import numpy as np
import pytest
from people_table import TRAIN, chosen, limit, policy, written
from sklearn import metrics

from fairmark.data.split import read_parts
from fairmark.learn.fit import fit, fitted
from fairmark.learn.policy_limits import Limits
from fairmark.learn.training_data import ready
from fairmark.learn.trial import IntermediateValue, Outcome, Setup, TrialRequest, attempt
from fairmark.params.learn import Chosen, Pruning

GIVEN = policy(limit("selection_rate_ratio", "side", at_least=0.5), limit("roc_auc", None, at_least=0.6))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    return written(tmp_path_factory.mktemp("people"), 1500)


def setup(paths: tuple[Path, Path, Path, Path], stamp: str = "1") -> Setup:
    return Setup.of(paths, TRAIN, GIVEN, 0.05, stamp)


def tried(paths: tuple[Path, Path, Path, Path], choices: Chosen, stamp: str = "1") -> Outcome:
    return Outcome.model_validate_json(
        attempt(setup(paths, stamp), TrialRequest(chosen=choices, bars=None).model_dump_json())
    )


def test_an_outcome_is_measured_on_validation_rows_at_the_trials_own_threshold(
    paths: tuple[Path, Path, Path, Path],
) -> None:
    choices = chosen(strength=0.6, margin=0.05)
    parts = read_parts(*paths)
    known = ready(parts, TRAIN)
    model = fit(known, choices, TRAIN, GIVEN)
    rows, _ = parts.part("valid")
    limits = Limits(GIVEN, known.rows, 0.05)

    found = tried(paths, choices)

    label, score, decided = rows["_label"], model.score(rows), model.decide(rows)
    assert found.overall == pytest.approx(
        {
            "roc_auc": metrics.roc_auc_score(label, score),
            "accuracy": metrics.accuracy_score(label, decided),
            "selection_rate": decided.mean(),
        }
    )
    assert found.quality == pytest.approx(found.overall["accuracy"])
    assert found.threshold == model.threshold
    assert abs(model.threshold - 0.5) > 0.02
    assert found.slacks == pytest.approx(limits.slacks(score, model.threshold))
    assert found.measures == pytest.approx(limits.values(score, model.threshold))
    assert (found.rounds, found.size_bytes) == (model.scorer.rounds, len(model.scorer.dumps().encode()))


def test_choices_that_leave_nothing_to_learn_fail_with_a_reason(paths: tuple[Path, Path, Path, Path]) -> None:
    failed = tried(paths, chosen(settings={"num_leaves": 1}))

    assert "num_leaves" in (failed.failure or "")
    assert not failed.feasible


def test_violations_add_up_and_slack_makes_up_for_none() -> None:
    nothing = {
        "quality": 0.0,
        "measures": {},
        "overall": {},
        "threshold": 0.5,
        "rounds": None,
        "size_bytes": 0,
    }
    missed = Outcome(failure=None, slacks={"a": -0.25, "b": 0.9, "c": -0.5}, **nothing)  # type: ignore[arg-type]

    assert missed.violation == 0.75
    assert not missed.feasible


def test_other_files_under_the_same_paths_are_read_again(tmp_path: Path) -> None:
    paths = written(tmp_path, 600)
    before = tried(paths, chosen("logistic"))
    written(tmp_path, 600, seed=6)

    assert tried(paths, chosen("logistic"), stamp="2") != before
    assert np.isfinite(before.quality)


RUNGS = Pruning(rungs=[5, 12], quality=0.0, fairness=0.0)


def looked_at(paths: tuple[Path, Path, Path, Path], choices: Chosen, *bars: IntermediateValue) -> Outcome:
    given = Setup.of(paths, TRAIN, GIVEN, 0.05, "1", RUNGS)
    return Outcome.model_validate_json(
        attempt(given, TrialRequest(chosen=choices, bars=[*bars]).model_dump_json())
    )


SLOW = {"learning_rate": 0.05, "num_leaves": 7, "min_child_samples": 20}


@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_looking_at_the_rungs_changes_nothing(paths: tuple[Path, Path, Path, Path], strength: float) -> None:
    choices = chosen(strength=strength, margin=0.05, settings=SLOW)

    seen = looked_at(paths, choices)

    assert [mark.rounds for mark in seen.rungs] == [5, 12]
    assert seen.model_copy(update={"rungs": []}) == tried(paths, choices)


@pytest.mark.parametrize("strength", [0.0, 0.6])
def test_a_mark_is_what_a_model_of_so_many_rounds_would_come_to(
    paths: tuple[Path, Path, Path, Path], strength: float
) -> None:
    choices = chosen(strength=strength, margin=0.05, settings=SLOW)
    short = TRAIN.model_copy(update={"max_rounds": 12})
    asked = TrialRequest(chosen=choices, bars=None).model_dump_json()

    whole = Outcome.model_validate_json(attempt(Setup.of(paths, short, GIVEN, 0.05, "1"), asked))

    mark = looked_at(paths, choices).rungs[1]
    assert whole.rounds == 12
    assert mark.quality == pytest.approx(whole.quality)
    assert mark.fairness == pytest.approx(whole.slacks["selection-rate-ratio"])


def test_a_limit_on_the_goal_is_watched_as_one_on_its_measure(paths: tuple[Path, Path, Path, Path]) -> None:
    """`goal` is in the place of a measure, and none itself."""
    on_goal = limit("goal", None, at_least=0.5)
    named = on_goal.model_copy(update={"measure": "accuracy"})
    asked = TrialRequest(chosen=chosen(strength=0.6, margin=0.05, settings=SLOW), bars=[]).model_dump_json()

    found = [
        attempt(Setup.of(paths, TRAIN, policy(*GIVEN.limits, each), 0.05, "1", RUNGS), asked)
        for each in (on_goal, named)
    ]

    assert found[0] == found[1]
    assert Outcome.model_validate_json(found[0]).rungs


def test_a_beaten_trial_ends_at_its_rung(paths: tuple[Path, Path, Path, Path]) -> None:
    ended = looked_at(paths, chosen(settings=SLOW), IntermediateValue(rounds=12, quality=1.0, fairness=1.0))

    assert (ended.pruned, ended.rounds, ended.failure) == (True, 12, None)
    assert [mark.rounds for mark in ended.rungs] == [5, 12]
    assert ended.quality == ended.rungs[1].quality
    assert not ended.feasible


def test_a_family_without_rounds_is_never_given_up(paths: tuple[Path, Path, Path, Path]) -> None:
    ended = looked_at(
        paths, chosen("logistic"), *(IntermediateValue(rounds=k, quality=1.0, fairness=1.0) for k in (5, 12))
    )

    assert (ended.pruned, ended.rungs) == (False, [])


def test_a_finalist_is_measured_on_every_row_it_was_held_out_for(
    paths: tuple[Path, Path, Path, Path],
) -> None:
    choices = chosen(strength=0.6, margin=0.05, folds=4)
    made = fitted(ready(read_parts(*paths), TRAIN), choices, TRAIN, GIVEN)

    found = tried(paths, choices)

    score = made.decision.score(made.held.raw)
    assert len(score) == 1200
    assert found.overall["roc_auc"] == pytest.approx(metrics.roc_auc_score(made.held.rows.label, score))
    assert found.quality == pytest.approx(((score >= found.threshold) == made.held.rows.label).mean())
