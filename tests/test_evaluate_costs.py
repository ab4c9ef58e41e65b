"""Costs are what was timed and metered, and the baseline is the search's first trial."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from people_table import SCHEMA, TRAIN, chosen, frames, policy

from fairmark.data.split import Parts
from fairmark.evaluate import costs
from fairmark.learn.training_data import ready
from fairmark.params.learn import ByGroup, Threshold


def test_the_latency_is_that_of_the_call() -> None:
    found = costs.latency(lambda: time.sleep(0.002))

    assert 2.0 <= found["one_row_ms"] <= found["one_row_p99_ms"]


def test_what_is_metered_is_what_was_made_with_its_seconds_and_energy() -> None:
    made: Any = SimpleNamespace()

    def work() -> Any:
        time.sleep(0.05)
        return made

    found, seconds, watt_hours = costs.metered(work)

    assert found is made
    assert seconds >= 0.05
    assert 0 <= watt_hours < 1


def test_the_line_names_both_models() -> None:
    one = {"one_row_ms": 1.0, "one_row_p99_ms": 2.0, "train_s": 3.0, "train_wh": 0.04, "size_bytes": 2048.0}

    line = costs.costs_line({"chosen": one, "baseline": {**one, "one_row_ms": 0.5}})

    assert line.startswith("one decision 1 ms (0.5), training 3 s (3) and about 0.04 Wh (0.04), 2 KiB (2)")


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CALLS", 20)


def test_a_decision_that_reads_the_group_is_timed_with_it() -> None:
    by = ByGroup(attribute="side", constraint="demographic_parity")
    base = TRAIN.model_copy(update={"threshold": Threshold(maximise="accuracy", by=by)})
    rules = policy().model_copy(update={"protected_at_prediction": ["side"]})
    table, evidence, belongs = frames()
    parts = Parts(SCHEMA, table, evidence, belongs["part"])
    one, groups = (frame.head(1) for frame in parts.part("test"))
    params: Any = SimpleNamespace(train=base, policy=rules)

    found = costs.cost(ready(parts, base), chosen("logistic", margin=0.1), (one, groups), params)

    assert found["one_row_ms"] > 0
