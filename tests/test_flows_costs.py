"""Costs are what was timed and metered, and the baseline is the search's first trial."""

import time
from types import SimpleNamespace
from typing import Any

import costs
import pytest


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


def test_the_baseline_has_the_settings_of_its_trial() -> None:
    trial = {
        "family": "logistic",
        "logistic.c": 0.3,
        "boosted.num_leaves": None,
        "balance": "none",
        "reweighing": False,
        "strength.sex.demographic_parity": 0.0,
    }

    found = costs.baseline(trial)

    assert (found.family, found.settings, found.mitigation) == ("logistic", {"c": 0.3}, [])


def test_the_line_names_both_models() -> None:
    one = {"one_row_ms": 1.0, "one_row_p99_ms": 2.0, "train_s": 3.0, "train_wh": 0.04, "size_bytes": 2048.0}

    line = costs.told({"chosen": one, "baseline": {**one, "one_row_ms": 0.5}})

    assert line.startswith("one decision 1 ms (0.5), training 3 s (3) and about 0.04 Wh (0.04), 2 KiB (2)")


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "CALLS", 20)
