"""Where rows follow each other in time, a limit is told stretch by stretch, by hand counts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from people_table import chosen, limit, policy
from search_formula import outcome, tune

from fairmark.learn.policy_limits import Limits, Rows
from fairmark.learn.ranking import Trial
from fairmark.learn.search_results import SearchResults
from fairmark.learn.search_summary import note, summary
from fairmark.learn.summaries import OverTime
from fairmark.learn.training_data import HeldOut
from fairmark.params.learn import Assurance

RATIO = limit("selection_rate_ratio", "side", at_least=0.8)
GAP = limit("selection_rate_difference", "side", at_most=0.2)
SELECTED = [(50, 50), (20, 50), (45, 50)]
"""Of each stretch, how many of 100 rows a side are selected."""


def stretched() -> tuple[np.ndarray, Rows]:
    score = np.concatenate([np.arange(100) < count for pair in SELECTED for count in pair]).astype(float)
    side = pd.DataFrame({"side": np.tile(np.repeat(["left", "right"], 100), len(SELECTED))})
    label = np.tile([0, 1], 300).astype(np.int8)
    return score, Rows(label, np.ones(600), side, stretch=np.repeat(range(3), 200))


def test_each_stretch_has_its_own_measure_and_a_miss_beyond_chance_is_counted() -> None:
    score, rows = stretched()
    limits = Limits(policy(RATIO, GAP, min_group_rows=50), rows, Assurance(chance=0.9, room=0.5))

    found = limits.over_time(score, 0.5)

    assert found["selection-rate-ratio"].stretches == pytest.approx([1.0, 0.4, 0.9])
    assert found["selection-rate-difference"].stretches == pytest.approx([0.0, 0.3, 0.05])
    # (0.3 - 0.2) / sqrt(0.2 * 0.8 / 100 + 0.5 * 0.5 / 100) = 1.56 is less than the 1.645 of the level.
    assert [found[name].missed for name in ("selection-rate-ratio", "selection-rate-difference")] == [1, 0]
    assert Limits(limits.policy, replace(rows, stretch=None), 0.0).over_time(score, 0.5) == {}


def test_rows_held_out_in_turn_are_numbered_by_time_with_validation_rows_last() -> None:
    _, rows = stretched()
    part = HeldOut(np.zeros(600), replace(rows, stretch=None))

    joined = part.joined(part, part, in_time=True).rows.stretch

    assert joined is not None
    assert joined.tolist() == [2] * 600 + [0] * 600 + [1] * 600
    assert part.joined(part).rows.stretch is None


@pytest.mark.parametrize(
    ("missed", "said"), [(0, "all of them together."), (2, "missed in 2, a drift that no")]
)
def test_the_note_says_what_holds_over_time_in_figures(missed: int, said: str) -> None:
    over = {"selection-rate-ratio": OverTime(stretches=[0.9, None, 0.61, 0.55], missed=missed)}
    found = outcome(0.8, 0.1).model_copy(update={"over_time": over})
    results = SearchResults(
        tune(margin={"chance": 0.9, "room": 0.5}),
        policy(),
        "accuracy",
        [Trial(0, "searched", chosen(), found)],
    )

    assert "Over time selection-rate-ratio is 0.55 to 0.9 in 4 stretches" in note(results)
    assert "0.55 in the latest, and 0.9 in all of them" in note(results)
    assert said in note(results)
    assert summary(results).over_time == over
