"""Test rows made from confusion counts, and the measurements document that `evaluate` would write of them."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.evaluate.measure import measure
from fairmark.judge.findings import Strongest
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows, Measurements
from fairmark.params.policy import Bounds, ConstantAnswer, Findings, Limit, Overlay, Policy, Waiver

MODEL = "a" * 64
Counts = Mapping[str, tuple[int, int, int, int]]
"""Rows of each group: true positive, false positive, false negative, true negative."""

NOTHING: dict[str, Strongest] = {
    name: Strongest(value=None, each=(), why="not looked for in this test") for name in Findings.model_fields
}
"""The findings of measurements that nobody looked for any in."""
FAIR: Counts = {"Female": (500, 300, 300, 4000), "Male": (1000, 600, 600, 8000)}
UNFAIR: Counts = {"Female": (250, 150, 300, 4400), "Male": (1800, 800, 600, 7000)}


def rows(counts: Counts) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.int8], NDArray[np.str_]]:
    """Return label, score, decision and group; rows decided positive score 0.5 and more."""
    sizes = [size for cells in counts.values() for size in cells]
    label = np.repeat(np.tile([1, 0, 1, 0], len(counts)), sizes).astype(np.int8)
    decision = np.repeat(np.tile([1, 1, 0, 0], len(counts)), sizes).astype(np.int8)
    group = np.repeat(np.repeat(list(counts), 4), sizes)
    drawn = np.random.default_rng(7).beta(1 + label, 2 - label)
    return label, drawn / 2 + decision / 2, decision, group


def document(counts: Counts = FAIR, weight: NDArray[np.float64] | None = None) -> Measurements:
    """Return measurements by `sex`; those of the same counts without weights are measured once."""
    return _unweighted(tuple(counts.items())) if weight is None else measured_anew(counts, weight)


@functools.cache
def _unweighted(counts: tuple[tuple[str, tuple[int, int, int, int]], ...]) -> Measurements:
    return measured_anew(dict(counts))


def measured_anew(counts: Counts, weight: NDArray[np.float64] | None = None) -> Measurements:
    """Return measurements by `sex`, measured anew."""
    label, score, decision, group = rows(counts)
    found = measure(
        label,
        np.minimum(score, 1.0),
        decision,
        weight,
        pd.DataFrame({"sex": group}),
        {"sex": sorted(counts)},
        confidence=0.95,
        replicates=200,
        seed=1,
        bins=10,
    )
    return Measurements.of(found, about(len(label), int(label.sum()), weighted=weight is not None))


def about(rows: int, positives: int, *, threshold: float = 0.5, weighted: bool = False) -> About:
    """Return what measurements say beside what was measured: a made-up model and its test rows."""
    data = MeasuredRows(part="test", rows=rows, positives=positives, weighted=weighted, rows_sha256="b" * 64)
    return About(MeasuredModel(sha256=MODEL, threshold=threshold), data, 0.95, NOTHING)


def plain(counts: Counts = FAIR, weight: NDArray[np.float64] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the same as read from JSON, with some top-level keys changed."""
    found: dict[str, Any] = json.loads(
        json.dumps(document(counts, weight).model_dump(exclude_unset=True) | changes)
    )
    return found


def known(entry: Measured) -> tuple[float, float, float]:
    """Return the value and the interval of what could be measured."""
    assert entry.value is not None
    assert entry.low is not None
    assert entry.high is not None
    return entry.value, entry.low, entry.high


def limit(measure_: str, attribute: str | None = None, **bounds: Any) -> Limit:
    """Return a gated limit named as its measure."""
    known: dict[str, Any] = {"at_least": None, "at_most": None, "gate": True, "reason": "A test."}
    known["name"] = measure_.replace("_", "-")
    return Limit(measure=measure_, attribute=attribute, **(known | bounds))


def unread(measure_: str, attribute: str | None = None, **bounds: Any) -> Limit:
    """Return a limit that params.yaml would be refused for, which `judge` must fail all the same."""
    known: dict[str, Any] = {"at_least": None, "at_most": None, "gate": True, "reason": "A test."}
    name = measure_.replace("_", "-")
    return Limit.model_construct(name=name, measure=measure_, attribute=attribute, **(known | bounds))


FOUR_FIFTHS = limit("selection_rate_ratio", "sex", at_least=0.8)


def policy(
    *limits: Limit,
    waivers: tuple[Waiver, ...] = (),
    overrides: tuple[Waiver, ...] = (),
    overlays: tuple[Overlay, ...] = (),
    correction: Any = "bonferroni",
) -> Policy:
    """Return a policy of these limits; of the four-fifths rule by sex, where none is given."""
    return Policy(
        goal="A test.",
        price="None.",
        level=0.05,
        correction=correction,
        budget=None,
        bounds=Bounds(losses="betting", auc="placements", rates="gaffke"),
        min_group_rows=100,
        limits=list(limits) or [FOUR_FIFTHS],
        waivers=list(waivers),
        overrides=list(overrides),
        overlays=list(overlays),
        protected_at_prediction=[],
        constant_answer=ConstantAnswer(measures=[], at_least=0, not_required="A test."),
        findings=Findings(**dict.fromkeys(Findings.model_fields)),
        alternatives=None,
    )
