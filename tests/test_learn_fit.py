"""One function makes every model: learnt from train rows, cut on validation rows, blind to groups."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from people_table import TRAIN, chosen, limit, policy, written

from fairmark.data.split import Parts, read_parts
from fairmark.errors import InputError
from fairmark.learn.fit import fit, fit_model, mitigated
from fairmark.learn.mitigation import joined
from fairmark.learn.policy_limits import Limits
from fairmark.learn.training_data import Ready, ready
from fairmark.model.model import Model

BOTH = pytest.mark.parametrize("family", ["boosted", "logistic"])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return read_parts(*written(tmp_path_factory.mktemp("people"), 3000))


@pytest.fixture(scope="module")
def rows(parts: Parts) -> Ready:
    return ready(parts, TRAIN)


def text_of(model: Model, folder: Path) -> str:
    model.save(folder)
    return "".join(path.read_text() for path in sorted(folder.iterdir()))


@BOTH
@pytest.mark.parametrize("strength", [0.0, 0.8])
def test_twice_gives_the_same_model(rows: Ready, tmp_path: Path, family: str, strength: float) -> None:
    texts = [text_of(fit(rows, chosen(family, strength), TRAIN, policy()), tmp_path / k) for k in "ab"]

    assert texts[0] == texts[1]


@BOTH
def test_test_rows_have_no_say(parts: Parts, tmp_path: Path, family: str) -> None:
    table = parts.table.copy()
    turned = parts.belongs == "test"
    table.loc[turned, "_label"] = 1 - table.loc[turned, "_label"]
    table.loc[turned, "skill"] = 1e6

    models = [
        fit_model(each, chosen(family), TRAIN, policy()) for each in (parts, replace(parts, table=table))
    ]

    assert len({text_of(model, tmp_path / str(k)) for k, model in enumerate(models)}) == 1


@BOTH
def test_a_decision_takes_no_protected_attribute(parts: Parts, rows: Ready, family: str) -> None:
    model = fit(rows, chosen(family, 0.8), TRAIN, policy())
    test, _ = parts.part("test")

    assert model.score(test[model.features]).shape == (600,)
    assert not {"side", "age", "side_age"} & set(model.features)


def test_validation_rows_are_charged_and_weighed_as_train_rows_are(rows: Ready) -> None:
    train, valid = mitigated(rows, chosen(strength=0.8, reweighing=True))

    for kind in ("cost", "weight"):
        tables = [
            pd.DataFrame({"y": part.label, "x": getattr(part, kind).round(9)})
            .groupby([joined(groups, ["side", "age"]), "y"])["x"]
            .unique()
            for part, groups in ((train, rows.train_groups), (valid, rows.valid_groups))
        ]
        same = tables[1].map(lambda values: values.tolist())
        assert (tables[0].map(lambda values: values.tolist()).loc[same.index] == same).all(), kind


def ratio(rows: Ready, **kwargs: Any) -> float:
    """The ratio of selection rates by side among train rows, decided at even odds."""
    model = fit(rows, chosen(**kwargs), TRAIN, policy())
    selected = model.scorer.raw(rows.train.matrix) > 0
    side = rows.train_groups["side"].to_numpy()
    return float(selected[side == "left"].mean() / selected[side == "right"].mean())


@BOTH
def test_a_stronger_mitigation_draws_the_groups_closer(rows: Ready, family: str) -> None:
    ratios = [ratio(rows, family=family, strength=strength) for strength in (0.0, 0.3, 0.6, 0.9)]

    assert ratios == sorted(ratios)
    assert ratios[-1] > ratios[0] + 0.2


@BOTH
def test_reweighing_draws_the_groups_closer(rows: Ready, family: str) -> None:
    assert ratio(rows, family=family, reweighing=True) > ratio(rows, family=family) + 0.05


@BOTH
@pytest.mark.parametrize("balance", ["weights", "up", "down"])
def test_scores_stay_probabilities_of_the_label(rows: Ready, family: str, balance: str) -> None:
    model = fit(rows, chosen(family, 0.5, balance=balance), TRAIN, policy())
    scores = 1 / (1 + np.exp(-model.margin_of(rows.valid.matrix)))

    assert scores.mean() == pytest.approx(rows.valid.label.mean(), abs=0.01)


def test_the_unit_of_the_weights_changes_nothing(rows: Ready, tmp_path: Path) -> None:
    train, valid = (replace(part, weight=part.weight * 8) for part in (rows.train, rows.valid))
    heavy = replace(rows, train=train, valid=valid)

    one, two = (fit(each, chosen(), TRAIN, policy()) for each in (rows, heavy))

    assert text_of(one, tmp_path / "one") == text_of(two, tmp_path / "two")


def test_with_a_margin_the_threshold_keeps_the_limits(rows: Ready) -> None:
    given = policy(limit("selection_rate_ratio", "side", at_least=0.6))
    slacks = []
    for margin in (None, 0.05):
        model = fit(rows, chosen(strength=0.9, margin=margin), TRAIN, given)
        score = 1 / (1 + np.exp(-model.margin_of(rows.valid.matrix)))
        slacks.append(Limits(given, rows.rows, 0.05).slacks(score, model.threshold)["selection-rate-ratio"])

    assert slacks[0] < 0 <= slacks[1]


def test_a_part_with_one_label_is_refused(parts: Parts) -> None:
    table = parts.table.copy()
    table.loc[parts.belongs == "valid", "_label"] = 1

    with pytest.raises(InputError, match=r"rows.parquet: part valid must hold both labels, got one"):
        ready(replace(parts, table=table), TRAIN)
