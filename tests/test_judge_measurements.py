"""A document that is malformed, incomplete, at odds with itself, or about something else is found out."""

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from confusion_rows import FAIR, MODEL, plain

from fairmark.errors import InputError
from fairmark.files import canonical_floats
from fairmark.judge.measurements import Expected, faults, read_measurements

WHOLE = plain()
WEIGHTED = plain(weight=np.random.default_rng(2).gamma(2.0, 1.0, sum(map(sum, FAIR.values()))))
Change = Callable[[dict[str, Any]], object]


def _faults(change: Change, expected: Expected = Expected(), whole: dict[str, Any] = WHOLE) -> str:  # noqa: B008
    changed = copy.deepcopy(whole)
    change(changed)
    return "; ".join(_found(changed, expected))


def _found(value: Any, expected: Expected) -> list[str]:
    """Return what is wrong with the shape of a document, or else what is at odds in it."""
    try:
        return faults(read_measurements(value), expected)
    except InputError as error:
        return list(error.faults)


@pytest.mark.parametrize("whole", [WHOLE, WEIGHTED, plain({"F": (0, 0, 0, 0), "M": (9, 2, 3, 30)})])
def test_what_evaluate_writes_has_no_fault(whole: dict[str, Any]) -> None:
    assert _found(whole, Expected(MODEL, 0.5)) == []
    assert _found(canonical_floats(whole), Expected(MODEL, 0.5)) == []


def test_a_document_read_and_written_again_is_the_same() -> None:
    for whole in (WHOLE, WEIGHTED):
        assert read_measurements(canonical_floats(whole)).to_json() == canonical_floats(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["overall"]["roc_auc"].update(value=float("nan")),
            "overall.roc_auc.value: must be a finite number, got NaN",
        ),
        (
            lambda d: d["overall"]["log_loss"].update(high=float("inf")),
            "overall.log_loss.high: must be a finite number, got Infinity",
        ),
        (lambda d: d["overall"].pop("recall"), "overall.recall: must be measured, got None"),
        (lambda d: d["overall"].pop("brier"), "overall.brier: must be measured, got None"),
        (
            lambda d: d["overall"]["accuracy"].update(value=0.99),
            "overall.accuracy: must be 0.882353 by its cells",
        ),
        (
            lambda d: d["overall"]["accuracy"].update(value="high"),
            'overall.accuracy.value: must be a valid number, got "high"',
        ),
        (
            lambda d: d["overall"]["accuracy"].update(low=0.9),
            "overall.accuracy: must lie within its interval",
        ),
        (lambda d: d["overall"]["brier"].update(value=1.5, high=2.0), "overall.brier: must be in 0..1"),
        (
            lambda d: d["overall"]["roc_auc"].update(se=-1.0),
            "overall.roc_auc.se: must be greater than or equal to 0, got -1.0",
        ),
        (
            lambda d: d["overall"]["roc_auc"].pop("positives"),
            "overall.roc_auc.positives: must be given",
        ),
        (
            lambda d: d["overall"]["calibration_error"].update(gaps=[0.0]),
            "overall.calibration_error: must be what its units come to",
        ),
        (lambda d: d["cells"].update(tp=1), "data.rows: must be the sum of its cells"),
        (lambda d: d["cells"].update(tp=-1), "cells.tp: must be greater than or equal to 0, got -1"),
        (lambda d: d["data"].update(rows=True), "data.rows: must be a valid integer, got true"),
        (lambda d: d["data"].update(part="valid"), "data.part: must be test, got 'valid'"),
        (
            lambda d: d["data"].update(rows_sha256="x"),
            "data.rows_sha256: must hold: string should match pattern '^[0-9a-f]{64}$', got \"x\"",
        ),
        (lambda d: d["data"].update(weighted=True), "data.weighted: must agree with the cells"),
        (lambda d: d["model"].update(sha256=None), "model.sha256: must be a valid string, got null"),
        (lambda d: d["model"].update(threshold=None), "model.threshold: must be a valid number, got null"),
        (lambda d: d.pop("model"), "measurements.model: must be given, got nothing"),
        (lambda d: d["groups"]["sex"].pop("Female"), "groups.sex: must add up to the cells of all rows"),
        (lambda d: d["groups"]["sex"].clear(), "got an attribute without groups"),
        (
            lambda d: d["groups"]["sex"]["Male"].update(positives=0),
            "groups.sex.Male.positives: must be the sum",
        ),
        (
            lambda d: d["groups"]["sex"]["Male"]["measures"]["recall"].update(value=0.9),
            "groups.sex.Male.recall: must be 0.625 by its cells",
        ),
        (
            lambda d: d["groups"]["sex"]["Male"]["measures"]["recall"].update(value=None),
            "groups.sex.Male.recall: must be numbers, as its cells hold rows for it",
        ),
        (
            lambda d: d["disparities"]["sex"]["selection_rate_ratio"].update(value=0.95, high=1.0),
            "disparities.sex.selection_rate_ratio: must be 1 by its cells",
        ),
        (
            lambda d: d["disparities"]["sex"]["precision_ratio"].update(lowest="Other"),
            "must name groups of the attribute, got ['Other']",
        ),
        (
            lambda d: d["disparities"]["sex"].pop("equalized_odds_difference"),
            "equalized_odds_difference: must be measured",
        ),
        (lambda d: d["disparities"].clear(), "disparities: must speak of ['sex'], got []"),
        (lambda d: d.update(groups=[]), "measurements.groups: must be an object, got []"),
    ],
)
def test_a_fault_is_named(change: Change, words: str) -> None:
    assert words in _faults(change)


@pytest.mark.parametrize("other", [None, 3, [], "measurements", {}])
def test_what_is_no_document_has_a_fault(other: Any) -> None:
    assert re.match(r"measurements[.:].*must be", _found(other, Expected())[0])


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(model="c" * 64), "model.sha256: must be cccc"),
        (Expected(threshold=0.4), "model.threshold: must be 0.4 of the model, got 0.5"),
        (
            Expected(groups={"sex": ["Female", "Male", "missing"]}),
            "groups.sex: must be the groups ['Female', 'Male', 'missing'], got ['Female', 'Male']",
        ),
        (Expected(groups={"race": ["A"]}), "groups.race: must be the groups ['A'], got []"),
    ],
)
def test_a_document_about_something_else_is_named(expected: Expected, words: str) -> None:
    assert words in "; ".join(_found(WHOLE, expected))


def test_weights_that_do_not_add_up_are_named() -> None:
    def change(whole: dict[str, Any]) -> None:
        whole["groups"]["sex"]["Male"]["cells"]["weighted"]["tn"] *= 0.9

    assert "must add up to the cells of all rows" in _faults(change, whole=WEIGHTED)


def test_a_value_where_the_cells_hold_no_rows_is_named() -> None:
    whole = plain({"F": (0, 0, 0, 0), "M": (9, 2, 3, 30)})

    def change(changed: dict[str, Any]) -> None:
        changed["groups"]["sex"]["F"]["measures"]["recall"] = {"value": 1.0, "low": 0.9, "high": 1.0}

    assert "F.recall: must be null and say why" in _faults(change, whole=whole)
