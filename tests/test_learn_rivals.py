"""Rivals of the search: measured as Fairlearn measures them, told apart, and never taken."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from fairlearn.metrics import demographic_parity_ratio
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from people_table import TRAIN, limit, policy, written
from sklearn.metrics import accuracy_score

from fairmark.data.split import read_parts
from fairmark.learn.rivals import PlainTrees, rivals
from fairmark.learn.summaries import RivalRow
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import Ready, ready
from fairmark.params.learn import Mitigation, Rivals
from fairmark.stats.arrays import Floats

ASKED = Rivals(
    methods=["exponentiated_gradient", "grid_search", "threshold_optimizer"], bound=0.02, iterations=8, grid=6
)
STEP = Mitigation(attribute="age", constraint="demographic_parity", strength="auto")
POLICY = policy(limit("selection_rate_ratio", "age", at_least=0.8))
GOAL = Goal("accuracy")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    folder: Path = tmp_path_factory.mktemp("people")
    return ready(read_parts(*written(folder, 900)), TRAIN)


@pytest.fixture(scope="module")
def found(rows: Ready) -> dict[str, RivalRow]:
    return {each.method: each for each in rivals(rows, ASKED, STEP, TRAIN, POLICY, GOAL, 20)}


def test_each_says_whether_it_draws_lots_or_reads_the_group(found: dict[str, RivalRow]) -> None:
    facts = {name: (each.randomised, each.reads_group) for name, each in found.items()}

    mixture = found["ExponentiatedGradient"].models > 1
    assert facts == {
        "ExponentiatedGradient": (mixture, False),
        "GridSearch": (False, False),
        "ThresholdOptimizer": (True, True),
    }
    assert "must be told the age" in found["ThresholdOptimizer"].why


def test_a_lottery_is_measured_by_the_mean_over_its_draws(rows: Ready, found: dict[str, RivalRow]) -> None:
    # The same mixture learnt here by Fairlearn, decided 400 times by its own lots, and measured by Fairlearn.
    coded = [k for k, kind in enumerate(rows.encoder.kinds) if kind == "categorical"]
    mixture = ExponentiatedGradient(
        PlainTrees(coded, 20, TRAIN.seed), DemographicParity(difference_bound=0.02), max_iter=8
    )
    group = rows.train_groups["age"].astype(str)
    mixture.fit(rows.train.matrix, rows.train.label.astype(int), sensitive_features=group)
    drawn = np.mean([mixture.predict(rows.valid.matrix, random_state=k) for k in range(400)], axis=0)
    right = np.where(rows.valid.label == 1, drawn, 1 - drawn).mean()

    ours = found["ExponentiatedGradient"]

    assert ours.quality == pytest.approx(right, abs=0.01)
    assert ours.selection_rate == pytest.approx(drawn.mean(), abs=0.01)


def test_one_model_is_measured_as_fairlearn_and_scikit_learn_do(
    rows: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = (np.arange(len(rows.valid.label)) % 3 == 0).astype(int)

    def predict(_: PlainTrees, x: Floats) -> npt.NDArray[np.int_]:
        return decided if len(x) == len(decided) else np.ones(len(x), dtype=int)

    monkeypatch.setattr(PlainTrees, "predict", predict)
    asked = ASKED.model_copy(update={"methods": ["grid_search"]})

    (ours,) = rivals(rows, asked, STEP, TRAIN, POLICY, GOAL, 5)

    assert ours.quality == pytest.approx(accuracy_score(rows.valid.label, decided))
    ratio = demographic_parity_ratio(rows.valid.label, decided, sensitive_features=rows.valid_groups["age"])
    assert ours.limits == {"selection-rate-ratio": pytest.approx(ratio)}
    assert ours.keeps == (ratio >= 0.8)


def test_a_limit_without_a_value_is_not_kept(rows: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainTrees, "predict", lambda _, x: np.zeros(len(x), dtype=int))
    asked = ASKED.model_copy(update={"methods": ["grid_search"]})
    unknown = policy(limit("calibration_error", "age", at_most=0.1))

    (nobody,) = rivals(rows, asked, STEP, TRAIN, POLICY, GOAL, 5)
    (unmeasured,) = rivals(rows, asked, STEP, TRAIN, unknown, GOAL, 5)

    assert (nobody.limits, nobody.keeps) == ({"selection-rate-ratio": None}, False)
    assert not unmeasured.keeps


def test_the_same_rows_give_the_same_rivals(rows: Ready, found: dict[str, RivalRow]) -> None:
    asked = ASKED.model_copy(update={"methods": ["threshold_optimizer"]})

    assert rivals(rows, asked, STEP, TRAIN, POLICY, GOAL, 20) == [found["ThresholdOptimizer"]]
