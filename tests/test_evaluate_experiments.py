"""The checks work on any table, choose nothing by test rows, give nobody away, and are the same twice."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import about
from loans_table import make_second
from pipeline import run_stage
from schemas import attribute, changed
from scorecard_table import CHECKS, CHOSEN, GROUPS, ODD, POLICY, TRAIN, limit, parts, scorecard

from fairmark.data.split import Parts, read_parts
from fairmark.errors import InputError
from fairmark.evaluate.documents import CheckResults, LearningPoint
from fairmark.evaluate.experiments import Experiment, checks, leakage
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.measurements import About, Measurements
from fairmark.judge.verdict import judge
from fairmark.learn.fit import fit_model
from fairmark.model.model import Model
from fairmark.params.evaluate import Evaluate
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.params.read import read_params

EVALUATE = Evaluate(
    seed=1,
    confidence=0.95,
    replicates=100,
    calibration_bins=5,
    curve_points=10,
    reference_bins=5,
    cluster=None,
    checks=CHECKS,
    references=None,
    alternatives=None,
)
BOOSTED = CHOSEN.model_copy(
    update={"family": "boosted", "settings": {"num_leaves": 4, "min_child_samples": 5}}
)


def _about(made: Parts, model: Model) -> About:
    test = Rows.of(made, "test")
    weighted = bool((test.weight != 1).any())
    return about(len(test.label), int(test.label.sum()), threshold=model.threshold, weighted=weighted)


# Of tables of every shape it is asked whether each experiment copes with them, not how it goes on from there.
ONCE = EVALUATE.model_copy(
    update={
        "checks": CHECKS.model_copy(
            update={"sizes": [1], "history": [1], "repeats": 1, "missing_shares": [0.5], "nudges": [1]}
        )
    }
)
ACCURATE = POLICY.model_copy(update={"limits": [limit("accuracy", None, 0.5)]})


def _checked(
    made: Parts, chosen: Chosen = CHOSEN, policy: Policy = POLICY, params: Evaluate = EVALUATE
) -> CheckResults:
    model = fit_model(made, chosen, TRAIN, policy)
    experiment = Experiment(made, model, params)
    return checks(experiment, TRAIN, policy, _about(made, model), leakage(experiment))


@cache
def _found() -> CheckResults:
    """Return what is found of the table as it is, never to be changed."""
    return _checked(parts())


def _documents(found: CheckResults) -> dict[str, Measurements]:
    each = ((f"{one.kind} {one.amount}", one.measurements) for one in found.stress.scenarios)
    return {name: measured for name, measured in each if measured is not None}


def test_every_experiment_has_its_part() -> None:
    found = _found()

    parts_ = {"learning", "probe", "withheld", "slices", "stress", "abstain", "leakage", "comparisons"}
    assert set(found.to_json()) == parts_
    assert found.leakage.concentration.feature == "x"
    assert found.stress.swapped.same is True
    assert isinstance(found.learning.families["logistic"].points[-1], LearningPoint)


def test_what_is_written_is_read_as_the_same_document(tmp_path: Path) -> None:
    found = _checked(parts(_time=pd.Timestamp("2021-01-01")))
    found.write(tmp_path / "checks.json")

    assert CheckResults.read(tmp_path / "checks.json").to_json() == found.to_json()


def test_stressed_measurements_are_judged_like_any_others() -> None:
    outcomes = {
        name: judge(document, POLICY, None) for name, document in _documents(_checked(parts(1500))).items()
    }

    assert {name: verdict.faults for name, verdict in outcomes.items() if verdict.faults} == {}
    assert outcomes["missing 0.1"].outcome == "pass"
    assert set(outcomes) >= {"missing 0.5", "shift -0.1", "shift 0.1", "unseen 0.5", "nudge 0.1"}


def test_a_stress_that_ruins_the_model_fails_a_verdict_that_it_passed() -> None:
    made = parts(1500)
    strict = POLICY.model_copy(update={"limits": [limit("roc_auc", None, 0.86)]})

    found = _documents(_checked(made, policy=strict))

    assert judge(found["shift 0.1"], strict, None).outcome == "pass"
    assert judge(found["missing 0.5"], strict, None).outcome == "fail"


def test_measurements_speak_of_the_attributes_that_the_policy_names() -> None:
    gated = POLICY.model_copy(update={"limits": [limit("selection_rate_ratio", "team", 0.5)]})

    for document in _documents(_checked(parts(), policy=gated)).values():
        assert sorted(document.groups["team"]) == GROUPS
        assert judge(document, gated, None).faults == ()
    assert {len(document.groups) for document in _documents(_found()).values()} == {0}


def test_nothing_of_a_row_is_written() -> None:
    text = json.dumps(_found().to_json())

    assert "secret" not in text
    assert not any(repr(value) in text for value in parts().table["x"])


@pytest.mark.parametrize("chosen", [CHOSEN, BOOSTED])
def test_checking_twice_gives_the_same_bytes(chosen: Chosen, tmp_path: Path) -> None:
    (_found() if chosen is CHOSEN else _checked(parts(), chosen)).write(tmp_path / "one")
    _checked(parts(), chosen).write(tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_labels_of_test_rows_choose_nothing() -> None:
    made = parts()
    turned = made.table["_label"].where(made.belongs != "test", 1 - made.table["_label"]).astype("int8")

    one, two = _found(), _checked(replace(made, table=made.table.assign(_label=turned)))

    assert (one.learning, one.probe) == (two.learning, two.probe)
    assert one.slices.looked_at == two.slices.looked_at
    assert [b.width for b in one.abstention.bands] == [b.width for b in two.abstention.bands]
    assert [s.changed for s in one.stress.scenarios if s.kind != "nudge"] == [
        s.changed for s in two.stress.scenarios if s.kind != "nudge"
    ]


def test_features_of_test_rows_choose_nothing() -> None:
    made = parts()
    other = made.table.assign(x=made.table["x"].where(made.belongs != "test", made.table["noise"] / 9))

    one, two = _found(), _checked(replace(made, table=other))

    assert [b.width for b in one.abstention.bands] == [b.width for b in two.abstention.bands]
    assert one.leakage.concentration == two.leakage.concentration
    assert one.leakage.alone != two.leakage.alone


# ------------------------------------------------------------------ tables of every shape


@pytest.mark.parametrize("features", ["x", "job", "x noise", "job own", "own", "since", "x job own since"])
@pytest.mark.parametrize("chosen", [CHOSEN, BOOSTED], ids=["logistic", "boosted"])
def test_features_of_any_kinds_are_checked(features: str, chosen: Chosen) -> None:
    found = _checked(parts(150, features=features), chosen, ACCURATE, ONCE)

    assert len(found.probe.features) == len(features.split())


@pytest.mark.parametrize(
    "columns",
    [
        {"noise": 1.0},
        {"noise": np.nan},
        {"noise": 1.0, "x": 2.0},
        {ODD: pd.Series(["cook"] * 150, dtype="str")},
        {ODD: pd.Series([None] * 150, dtype="str")},
        {"_time": pd.Timestamp("2021-01-01")},
        {"_time": pd.Timestamp("2021-01-01") + pd.to_timedelta(np.arange(150), unit="h")},
        {"since": pd.NaT, "_time": pd.NaT},
    ],
    ids=[
        "constant",
        "empty",
        "two constants",
        "one job",
        "no job",
        "one time",
        "times",
        "no times",
    ],
)
@pytest.mark.parametrize("chosen", [CHOSEN, BOOSTED], ids=["logistic", "boosted"])
def test_odd_columns_are_checked(columns: dict[str, Any], chosen: Chosen) -> None:
    made = parts(150, **columns)
    table = made.table.astype({"since": "datetime64[us]"})

    found = _checked(replace(made, table=table), chosen, ACCURATE, ONCE)

    assert all(judge(document, ACCURATE, None).faults == () for document in _documents(found).values())
    assert (found.learning.history is None) == ("_time" not in columns)


@pytest.mark.parametrize("chosen", [CHOSEN, BOOSTED], ids=["logistic", "boosted"])
def test_weighted_rows_are_checked(chosen: Chosen) -> None:
    made = parts(150, _weight=np.linspace(0.1, 9, 150))
    schema = changed(made.schema, attributes={"team": attribute("team", ["blue", "red"])})

    found = _checked(replace(made, schema=schema), chosen, params=ONCE)

    assert all(judge(document, POLICY, None).faults == () for document in _documents(found).values())
    assert found.leakage.duplicates.train.share == 0


def test_one_group_alone_is_checked() -> None:
    made = parts(150)
    schema = changed(made.schema, attributes={"team": attribute("team", ["red"])})

    found = _checked(replace(made, schema=schema, evidence=made.evidence.assign(team="red")))

    assert found.stress.base.selection_rate_ratio == {"team": None}
    assert found.stress.swapped.same is True


def test_test_rows_of_one_label_are_checked() -> None:
    made = parts(150)
    label = made.table["_label"].where(made.belongs != "test", 1).astype("int8")

    found = _checked(replace(made, table=made.table.assign(_label=label)))

    assert set(found.leakage.alone.values()) == {None}


def test_a_model_of_other_features_than_those_of_the_table_is_refused() -> None:
    made, model = parts(150), scorecard()

    with pytest.raises(InputError, match="must hold every feature of the model"):
        leakage(Experiment(replace(made, table=made.table.drop(columns="x")), model, EVALUATE))


@pytest.mark.slow
def test_a_second_data_set_with_dates_and_weights_is_checked(tmp_path: Path) -> None:
    params = read_params(make_second(tmp_path))
    for stage in ("prepare", "split"):
        run_stage(stage, tmp_path)
    paths = ("prepare/table.parquet", "prepare/evidence.parquet", "prepare/schema.json", "split/rows.parquet")
    made = read_parts(*(tmp_path / "artifacts" / path for path in paths))
    chosen = BOOSTED.model_copy(update={"margin": 0.0})
    model = fit_model(made, chosen, params.train, params.policy)

    experiment = Experiment(made, model, params.evaluate)
    found = checks(experiment, params.train, params.policy, _about(made, model), leakage(experiment))

    assert all(judge(document, params.policy, None).faults == () for document in _documents(found).values())
    assert found.probe.features[0].feature in {"rating", "income", 'debt [€, "total"]'}
    assert "C-000" not in json.dumps(found.to_json())


def test_beyond_so_many_rows_experiments_look_at_a_sample_and_say_so() -> None:
    made = parts(1500)
    model = fit_model(made, CHOSEN, TRAIN, POLICY)
    few = EVALUATE.model_copy(update={"checks": CHECKS.model_copy(update={"most_rows": 200})})
    whole, small = (Experiment(made, model, params) for params in (EVALUATE, few))

    all_rows, sample = (
        checks(each, TRAIN, POLICY, _about(made, model), leakage(each)) for each in (whole, small)
    )

    counts = made.belongs.value_counts()
    assert "sample" not in all_rows.to_json()
    assert sample.to_json()["sample"] == {
        name: {"rows": 200, "of": int(counts[name])} for name in ("train", "valid", "test")
    }
    assert sample.learning.families["logistic"].points[-1].train_rows == 200
    assert (sample.probe.rows, sample.stress.base.rows, sample.excluded.without.rows) == (200, 200, 200)
    # Slices, abstaining and leakage are of all rows still.
    for part in ("slices", "abstain", "leakage"):
        assert sample.to_json()[part] == all_rows.to_json()[part]
