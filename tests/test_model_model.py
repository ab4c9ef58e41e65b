"""A model is three plain files: what is loaded scores as what was saved, and nothing else is loaded."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people_table import FEATURES, TRAIN, chosen, frames

from fairmark.errors import InputError
from fairmark.files import sha256
from fairmark.learn.fit import FITS
from fairmark.learn.training_data import Sample
from fairmark.model.encoder import Encoder
from fairmark.model.model import FAMILIES, Model, digest, probability
from fairmark.model.model_file import Calibration

TABLE, _, _ = frames(400)


def made(family: str) -> Model:
    encoder = Encoder.fit(TABLE, FEATURES, 9)
    rows = Sample.plain(encoder.transform(TABLE), TABLE["_label"].to_numpy(), np.ones(400))
    choices = chosen(family)
    scorer = FITS[family](rows, rows, encoder.columns, choices.settings, TRAIN)
    return Model(encoder, scorer, Calibration(a=1.5, b=-0.25), 0.4321, TRAIN.seed, choices)


MODELS = {family: made(family) for family in FAMILIES}
each_family = pytest.mark.parametrize("family", FAMILIES)


@each_family
def test_what_is_loaded_scores_as_what_was_saved(tmp_path: Path, family: str) -> None:
    model = MODELS[family]
    model.save(tmp_path)

    again = Model.load(tmp_path)

    assert np.array_equal(again.score(TABLE), model.score(TABLE))
    assert np.array_equal(again.contributions(TABLE), model.contributions(TABLE))
    assert (again.threshold, again.features, again.chosen) == (0.4321, model.features, model.chosen)


@each_family
def test_twice_gives_the_same_bytes_and_one_digest(tmp_path: Path, family: str) -> None:
    MODELS[family].save(tmp_path / "one")
    made(family).save(tmp_path / "two")
    Model.load(tmp_path / "one").save(tmp_path / "three")

    assert len({digest(tmp_path / name) for name in ("one", "two", "three")}) == 1


@each_family
def test_contributions_add_up_to_the_margin(family: str) -> None:
    model = MODELS[family]

    np.testing.assert_allclose(model.contributions(TABLE).sum(axis=1), model.margin(TABLE), atol=1e-9)


@each_family
def test_it_decides_one_from_the_threshold_on(family: str) -> None:
    model = MODELS[family]

    assert np.array_equal(model.decide(TABLE) == 1, model.score(TABLE) >= 0.4321)
    assert np.allclose(model.score(TABLE), 1 / (1 + np.exp(-model.margin(TABLE))))


@each_family
def test_a_score_that_is_the_threshold_is_decided_one(family: str) -> None:
    score = MODELS[family].score(TABLE)
    exactly = replace(MODELS[family], threshold=float(np.median(score[:-1])))

    assert exactly.decide(TABLE)[score == exactly.threshold].tolist()[:1] == [1]


@each_family
def test_no_rows_are_no_scores(family: str) -> None:
    model = MODELS[family]

    assert model.score(TABLE[:0]).shape == (0,)
    assert model.contributions(TABLE[:0]).shape == (0, len(FEATURES) + 1)


def test_a_probability_never_overflows() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]


def test_saving_over_a_model_of_another_family_leaves_nothing_of_it(tmp_path: Path) -> None:
    MODELS["boosted"].save(tmp_path)
    MODELS["logistic"].save(tmp_path)

    assert Model.load(tmp_path).family == "logistic"


@pytest.mark.parametrize("name", ["model.json", "encoder.json", "logistic.json"])
def test_the_digest_speaks_for_every_file_and_its_name(tmp_path: Path, name: str) -> None:
    MODELS["logistic"].save(tmp_path)
    before = digest(tmp_path)
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\n")
    after = digest(tmp_path)
    (tmp_path / name).rename(tmp_path / "other.json")

    assert len({before, after, digest(tmp_path)}) == 3


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def renew(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text)
        files = json.loads((folder / "model.json").read_text())["files"]
        edit(files=files | {name: sha256(folder / name)})(folder)

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda folder: (folder / "model.pkl").write_text("x"), "must hold the three files of a model"),
        (lambda folder: (folder / "logistic.json").unlink(), "must hold the three files of a model"),
        (lambda folder: (folder / "model.json").unlink(), "must exist"),
        (lambda folder: (folder / "encoder.json").write_text("{"), "must be the file that model.json names"),
        (
            lambda folder: (folder / "logistic.json").write_bytes(b"\xff"),
            "must be the file that model.json names",
        ),
        (edit(files={}), "encoder.json: must be the file that model.json names"),
        (renew("encoder.json", "{"), "must be JSON"),
        (renew("logistic.json", "{"), "must be JSON"),
        (edit(format=2), "model.json: format"),
        (edit(family="neural"), "family must be one of .* got 'neural'"),
        (edit(family="boosted"), "family must be one of"),
        (edit(features=["a"]), "must speak of the features of model.json"),
        (edit(calibration={"a": -1.0, "b": 0.0}), "calibration.a"),
        (edit(threshold=None), "model.json: threshold"),
        (edit(hook="import os"), "hook: must be a known key"),
    ],
)
def test_a_folder_with_anything_else_in_it_is_refused(
    tmp_path: Path, change: Callable[[Path], None], match: str
) -> None:
    MODELS["logistic"].save(tmp_path)
    change(tmp_path)

    with pytest.raises(InputError, match=match):
        Model.load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must exist, got no such file"):
        Model.load(tmp_path / "none")


@pytest.mark.parametrize("cut", [100, 3000, -40])
def test_trees_that_were_cut_off_are_refused_before_lightgbm_sees_them(tmp_path: Path, cut: int) -> None:
    MODELS["boosted"].save(tmp_path)
    trees = tmp_path / "booster.txt"
    trees.write_text(trees.read_text()[:cut])

    with pytest.raises(InputError, match=r"booster.txt: must be the file that model.json names"):
        Model.load(tmp_path)
