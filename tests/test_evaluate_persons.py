"""Several rows a person count as what they are: bounds keep their level however the rows hang together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import document, policy
from numpy.typing import NDArray
from scipy.special import ndtr

from fairmark.evaluate.curves import ScoredRows, abstention_bands, calibrations
from fairmark.evaluate.measure import EvaluationRows, measure, scored
from fairmark.evaluate.refits import auc_change, placements
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import RowMeasures
from fairmark.judge.verdict import judge
from fairmark.stats import intervals
from fairmark.stats.confusion import confusion_matrix, of_people
from fairmark.stats.rates import rate_of
from fairmark.stats.score_measures import mean_loss

TAIL = 0.05
KNOWN = {"sex": ["F", "M"]}


def measured(copies: int, *, persons: bool, rows: int = 300) -> RowMeasures:
    """Measure the same rows, each standing `copies` times."""
    draw = np.random.default_rng(5)
    label = draw.integers(0, 2, rows).astype(np.int8)
    score = np.clip(0.5 + 0.2 * (2 * label - 1) + draw.normal(0, 0.25, rows), 0, 1).round(2)
    sex = draw.choice(["F", "M"], rows, p=[0.4, 0.6])
    weight = draw.uniform(0.5, 2, rows)
    many = np.repeat(np.arange(rows), copies)
    return measure(
        label[many], score[many], (score[many] > 0.5).astype(np.int8), weight[many],
        pd.DataFrame({"sex": sex[many]}), KNOWN, confidence=0.9, replicates=50, seed=1, bins=5,
        person=many if persons else None,
    )  # fmt: skip


def bounds(found: RowMeasures) -> dict[str, tuple[float, float]]:
    parts: dict[str, Mapping[str, Measured]] = {"all": found.overall, "apart": found.disparities["sex"]}
    parts |= {group: entry.measures for group, entry in found.groups["sex"].items()}
    return {
        f"{part}.{name}": (e.low or 0.0, e.high or 0.0)
        for part, es in parts.items()
        for name, e in es.items()
    }


@pytest.mark.parametrize("copies", [2, 5, 10])
def test_copies_of_a_person_s_row_say_no_more_than_the_row(copies: int) -> None:
    """Law: every bound of every measure is that of one row a person, when a person's rows are all alike."""
    once, often = bounds(measured(1, persons=False)), bounds(measured(copies, persons=True))

    # The loss has n / (n - 1) in it, and effective rows are counted by weight: the same to nine digits.
    assert {name: pytest.approx(pair, rel=1e-9, abs=1e-9) for name, pair in once.items()} == often


def test_without_persons_copies_would_say_more() -> None:
    low, high = (bounds(measured(5, persons=known))["all.accuracy"] for known in (True, False))

    assert low[1] - low[0] > 2 * (high[1] - high[0])


def test_one_row_a_person_changes_nothing() -> None:
    assert measured(1, persons=True) == measured(1, persons=False)


def test_the_weight_of_a_person_by_hand() -> None:
    assert of_people(np.array([1.0, 2.0, 4.0]), np.array(["b", "a", "b"])).tolist() == [5.0, 2.0, 5.0]


def people(draw: np.random.Generator, count: int, size: int, uneven: bool) -> NDArray[np.intp]:
    sizes = draw.integers(1, 2 * size, count) if uneven else np.full(count, size)
    return np.repeat(np.arange(count), sizes)


@pytest.mark.parametrize("size", [2, 5, 10])
@pytest.mark.parametrize("alike", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("uneven", [False, True])
def test_a_model_at_a_limit_on_a_share_passes_at_most_at_the_level(
    size: int, alike: float, uneven: bool
) -> None:
    """1,000 tables of 80 persons whose true accuracy is the limit 0.8; `alike` rows follow their person."""
    draw = np.random.default_rng([size, int(alike * 10), uneven])
    passed = 0
    for _ in range(1000):
        person = people(draw, 80, size, uneven)
        follows = draw.random(len(person)) < np.sqrt(alike)
        right = np.where(follows, (draw.random(80) < 0.8)[person], draw.random(len(person)) < 0.8)
        label = np.ones(len(person), np.int8)
        cells = confusion_matrix(
            label, right, np.zeros(len(person)), 1, None, of_people(label.astype(float), person)
        )
        _, hits, rows = rate_of(cells, "accuracy")
        passed += float(intervals.clopper_pearson(hits, rows, TAIL)[0][0]) > 0.8

    # 0.05 of 1,000 is 50; 71 is passed by chance in 1 of 1,000.
    assert passed <= 71


@pytest.mark.parametrize(("size", "uneven"), [(4, False), (10, True)])
def test_a_model_at_a_limit_on_its_auc_passes_at_most_at_the_level(size: int, uneven: bool) -> None:
    """40 tables of 100 persons with a label and a score of their own; the true AUC is the limit."""
    draw = np.random.default_rng([size, uneven, 3])
    limit = float(ndtr(1.0 / np.sqrt(2)))
    passed = by_rows = 0
    for _ in range(40):
        person = people(draw, 100, size, uneven)
        label = (np.arange(100) < 40).astype(np.int8)
        score = (draw.standard_normal(100) + label)[person]
        passed += _auc_low(label[person], score, person) > limit
        by_rows += _auc_low(label[person], score, None) > limit

    assert passed <= 0.05 * 40 + 3.1 * np.sqrt(0.05 * 0.95 * 40)
    assert by_rows > 0.1 * 40


def _auc_low(label: NDArray[np.int8], score: NDArray[np.float64], person: NDArray[np.intp] | None) -> float:
    rows = EvaluationRows.of(
        label, ndtr(score), np.ones(len(label)), person, None, bins=5, tail=TAIL, replicates=2, seed=0
    )
    return scored(rows, "roc_auc").low or 0.0


def test_the_error_of_a_mean_loss_is_that_of_its_persons() -> None:
    draw = np.random.default_rng(0)
    loss = draw.random(50)
    many = np.repeat(np.arange(50), 4)

    found = mean_loss(loss[many], np.ones(200), of_people(np.ones(200), many))

    assert found.se == pytest.approx(loss.std(ddof=1) / np.sqrt(50))


# ------------------------------------------------------------------ beside the measurements


def _rows(copies: int, *, persons: bool) -> tuple[Rows, NDArray[np.float64]]:
    draw = np.random.default_rng(11)
    label = draw.integers(0, 2, 200).astype(np.int8)
    score = np.clip(0.5 + 0.15 * (2 * label - 1) + draw.normal(0, 0.2, 200), 0, 1)
    many = np.repeat(np.arange(200), copies)
    table = pd.DataFrame({"_person": many.astype(str)} if persons else {"x": many})
    groups = pd.DataFrame({"sex": draw.choice(["F", "M"], 200)[many]})
    return Rows(table, label[many], np.ones(len(many)), groups, KNOWN), score[many]


def _change(rows: Rows, score: NDArray[np.float64]) -> tuple[float, float]:
    noise = score + np.repeat(np.random.default_rng(2).normal(0, 0.2, 200), len(score) // 200)
    found = auc_change(rows, placements(rows, noise), placements(rows, score), 0.05)
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def _sent(rows: Rows, score: NDArray[np.float64]) -> list[tuple[float, float]]:
    band = abstention_bands(ScoredRows(score, rows.weight, 0.5), rows, score, 0.5, [0.8], 0.1)[0]
    return [(each.low, each.high) for each in band.deferred["sex"].values()]


def _curve(rows: Rows, score: NDArray[np.float64]) -> pd.DataFrame:
    found = calibrations(rows.label, score, rows.weight, rows.groups, 5, 0.05, rows.person)
    return found[["attribute", "group", "bin_low", "positive_share", "low", "high"]]


@pytest.mark.parametrize("bounded", [_change, _sent, _curve])
def test_ten_alike_rows_a_person_are_one_row_in_probe_abstaining_and_curves(bounded: Any) -> None:
    once, often, blind = (
        bounded(*_rows(n, persons=known)) for n, known in ((1, False), (10, True), (10, False))
    )

    if isinstance(once, pd.DataFrame):
        pd.testing.assert_frame_equal(once, often)
        assert not once.equals(blind)
    else:
        np.testing.assert_allclose(once, often, rtol=1e-9)
        assert not np.allclose(once, blind, rtol=0.05)


def test_a_group_is_small_by_its_persons_and_not_by_their_rows() -> None:
    counts = {"F": (50, 20, 10, 120), "M": (50, 20, 10, 120)}
    plain = document(counts)
    people = {name: each.model_copy(update={"persons": 20}) for name, each in plain.groups["sex"].items()}
    few = plain.model_copy(update={"groups": {"sex": people}})

    assert [each.small for each in judge(plain, policy(), None).findings] == [False]
    found = judge(few, policy(), None).findings
    assert [each.small for each in found] == [True]
    assert "Few persons in test rows: F has 20 and M has 20, below the policy's 100." in found[0].text
