"""A trial is fitted and held against the policy in whatever process it runs, text in and text out."""

from pathlib import Path

import numpy as np
import pytest
from people import TRAIN, chosen, limit, policy, written
from sklearn import metrics

from fairmark.learn.fit import fit, ready
from fairmark.learn.limits import Limits
from fairmark.learn.parts import read_parts
from fairmark.learn.trial import Outcome, Setup, attempt
from fairmark.params import Chosen

GIVEN = policy(limit("selection_rate_ratio", "side", at_least=0.5), limit("roc_auc", None, at_least=0.6))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, Path]:
    return written(tmp_path_factory.mktemp("people"), 1500)


def setup(paths: tuple[Path, Path, Path, Path], stamp: str = "1") -> Setup:
    return Setup.of(paths, TRAIN, GIVEN, 0.05, stamp)


def tried(paths: tuple[Path, Path, Path, Path], choices: Chosen, stamp: str = "1") -> Outcome:
    return Outcome.model_validate_json(attempt(setup(paths, stamp), choices.model_dump_json()))


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
