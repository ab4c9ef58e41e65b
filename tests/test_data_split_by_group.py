"""Test shares by group: more rows of a small group are measured, and weights give the shares back."""

import numpy as np
import pandas as pd
import pytest
from confusion_rows import limit, policy
from pydantic import ValidationError

from fairmark.data.split import design_weights
from fairmark.evaluate.measure import measure
from fairmark.judge.findings import Strongest
from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows, Measurements
from fairmark.judge.verdict import judge
from fairmark.params.prepare import ByGroup, Split

ROWS = 4000
RATIO = limit("selection_rate_ratio", "race", at_least=0.8)


def drawn(share_of_small: float) -> tuple[pd.DataFrame, "pd.Series[str]"]:
    draw = np.random.default_rng(3)
    evidence = pd.DataFrame({"race": np.where(draw.random(ROWS) < 0.1, "small", "large")})
    share = np.where(evidence["race"] == "small", share_of_small, 0.25)
    part = pd.Series(np.where(draw.random(ROWS) < share, "test", "train"))
    return evidence, part


def test_each_part_weighs_its_groups_as_all_rows_have_them() -> None:
    evidence, part = drawn(0.9)
    weight = design_weights(evidence, part, "race")

    for name in ("train", "test"):
        here = (part == name).to_numpy()
        small = weight[here & (evidence["race"] == "small").to_numpy()]
        assert small.sum() / weight[here].sum() == pytest.approx((evidence["race"] == "small").mean())
        assert weight[here].mean() == pytest.approx(1)
        assert len(np.unique(small)) == 1


def _judged(share_of_small: float) -> tuple[Measurements, float]:
    evidence, part = drawn(share_of_small)
    here = (part == "test").to_numpy()
    weight = design_weights(evidence, part, "race")[here]
    race = evidence.loc[here, "race"].reset_index(drop=True)
    decision = (np.arange(here.sum()) % 2).astype(np.int8)
    found = measure(
        decision, decision.astype(float), decision, weight, pd.DataFrame({"race": race}),
        {"race": ["small", "large"]}, confidence=0.95, replicates=100, seed=1, bins=2,
    )  # fmt: skip
    data = MeasuredRows(part="test", rows=len(race), positives=int(decision.sum()), weighted=True,
                        rows_sha256="b" * 64, sampled_by="race")  # fmt: skip
    ours = policy(RATIO)
    nothing = Strongest(value=None, each=(), why="Not looked for.")
    findings = dict.fromkeys(type(ours.findings).model_fields, nothing)
    document = Measurements.of(
        found, About(MeasuredModel(sha256="a" * 64, threshold=0.5), data, 0.95, findings)
    )
    return document, float(judge(document, ours, None).findings[0].bound or 0)


def test_more_rows_of_a_small_group_show_more_of_it_by_counts_alone() -> None:
    (plain, bound), (lifted, better) = _judged(0.25), _judged(0.9)

    assert lifted.groups["race"]["small"].rows > 3 * plain.groups["race"]["small"].rows
    assert better > bound
    assert lifted.evidence.groups["race"]["small"].cells.units is None
    said = judge(lifted, policy(RATIO), None).guarantee
    assert "weighted back, and those by race count rows" in said


def test_shares_by_group_are_refused_where_the_order_is_time() -> None:
    by = ByGroup(attribute="race", groups={"small": 0.9}, others=0.2)

    with pytest.raises(ValidationError, match="test_share must be one for all groups where order is time"):
        Split(seed=1, order="time", alike="spread", gap_days=None, test_share=by, valid_share=0.2,
              tolerance=0.1, shift=0.05)  # fmt: skip


def test_weights_that_differ_within_a_group_are_refused() -> None:
    lifted, _ = _judged(0.9)
    small = lifted.groups["race"]["small"]
    squares = small.cells.squared
    assert squares is not None
    cells = small.cells.model_copy(update={"squared": squares.model_copy(update={"tp": squares.tp * 2})})
    wrong = lifted.groups | {
        "race": lifted.groups["race"] | {"small": small.model_copy(update={"cells": cells})}
    }

    found = judge(lifted.model_copy(update={"groups": wrong}), policy(RATIO), None)

    assert found.outcome == "fail"
    assert any("must leave all rows of race small with one weight" in fault for fault in found.faults)
