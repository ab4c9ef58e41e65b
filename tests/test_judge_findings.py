"""What was measured about leaks is consulted: above its number a sign must be answered before a release."""

import copy
import datetime as dt
from typing import Any

import numpy as np
import pytest
from checked import rows
from measured import AUDITED, NOTHING, PREPARED, document, policy

from fairmark.judge.findings import ASKED, NAMES, SAID, signs
from fairmark.judge.leakage import together
from fairmark.judge.verdict import judge
from fairmark.learn.encode import Column
from fairmark.sections.policy import Findings, Policy, Waiver

DAY = dt.date(2026, 11, 27)
TWINS = {"train": {"same_label": 0.1}, "valid": {"same_label": 0.1}, "valid_in_train": {"same_label": 0.1}}
LEAKAGE: dict[str, Any] = {
    "alone": {"age": 0.7, "spent": 0.6},
    "together": [{"columns": ["age", "spent"], "auc": 0.72}],
    "concentration": {"rows": 9, "feature": "age", "share": 0.4},
    "later": {"dates": {"paid": {"rows": 9, "share": 0.2}}},
    "twins": TWINS,
}


def _rules(*waivers: Waiver, **findings: float | None) -> Policy:
    known = Findings(**(dict.fromkeys(NAMES) | findings))
    return policy().model_copy(update={"findings": known, "waivers": list(waivers)})


def _document(**found: Any) -> dict[str, Any]:
    return document() | {"findings": copy.deepcopy(NOTHING) | found}


def _entry(*each: tuple[str, float]) -> dict[str, Any]:
    parts_ = [{"of": [name] if name else [], "value": value} for name, value in each]
    return {"value": parts_[0]["value"], "each": parts_}


SPENT = _document(column_auc=_entry(("spent", 0.99), ("total", 0.97), ("age", 0.7)))


def test_every_sign_that_params_may_name_is_measured_and_worded() -> None:
    assert set(signs(AUDITED, PREPARED, LEAKAGE)) == set(NAMES) == set(SAID) == set(ASKED)


@pytest.mark.parametrize("name", NAMES)
def test_an_unanswered_sign_leaves_insufficient_evidence_whichever_it_is(name: str) -> None:
    strong, weak = (_document(**{name: _entry(("spent", value))}) for value in (0.9, 0.1))

    assert judge(strong, _rules(**{name: 0.5}), DAY).outcome == "insufficient evidence"
    assert judge(weak, _rules(**{name: 0.5}), DAY).outcome == "pass"
    assert judge(strong, _rules(), DAY).outcome == "pass"


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_measured_is_no_pass(name: str) -> None:
    assert judge(_document(), _rules(**{name: 0.5}), DAY).outcome == "insufficient evidence"


def test_each_column_above_the_limit_is_named_with_what_to_do() -> None:
    found = [each for each in judge(SPENT, _rules(column_auc=0.95), DAY).findings if not each.met]

    assert [each.groups for each in found] == [("spent",), ("total",)]
    assert "by spent alone is 0.99, above 0.95" in found[0].text
    assert "policy.waivers (limit finding-column-auc, groups [spent])" in found[0].text


def test_a_waiver_answers_the_columns_that_it_names_and_no_other() -> None:
    spent = Waiver(
        limit="finding-column-auc",
        groups=["spent"],
        decided_by="Ada",
        reason="Known when the decision is made.",
        decided=DAY,
        expires=DAY,
    )
    both = spent.model_copy(update={"groups": ["spent", "total"]})

    assert judge(SPENT, _rules(spent, column_auc=0.95), DAY).outcome == "insufficient evidence"
    assert judge(SPENT, _rules(both, column_auc=0.95), DAY).outcome == "pass"
    assert judge(SPENT, _rules(both, column_auc=0.95), None).outcome == "insufficient evidence"


def test_findings_that_contradict_themselves_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"value": 0.1, "each": [{"of": ["spent"], "value": 0.9}]},
        {"value": 2.0, "each": [{"of": ["spent"], "value": 2.0}]},
        {"value": None, "each": []},
    ]
    for entry in wrong:
        assert judge(_document(column_auc=entry), _rules(), DAY).faults
    assert judge({k: v for k, v in SPENT.items() if k != "findings"}, _rules(), DAY).outcome == "fail"


# ------------------------------------------------------------------ how they are gathered


def test_the_larger_auc_of_the_audit_and_of_test_rows_counts() -> None:
    found = signs({"label_power": {"age": 0.5, "spent": 0.99, "gone": 1.0}}, PREPARED, LEAKAGE)

    assert found["column_auc"]["each"] == [{"of": ["spent"], "value": 0.99}, {"of": ["age"], "value": 0.7}]


def test_a_pair_counts_only_where_it_knows_more_than_its_better_column() -> None:
    assert signs(AUDITED, PREPARED, LEAKAGE)["pair_auc"]["value"] == 0.72
    apart = signs({"label_power": {"spent": 0.99}}, PREPARED, LEAKAGE)["pair_auc"]
    assert apart == {"value": 0.5, "each": [{"of": [], "value": 0.5}]}


def test_rows_shared_with_the_train_part_count_beyond_what_chance_explains() -> None:
    assert signs(AUDITED, PREPARED, LEAKAGE)["shared_rows"]["value"] == 0
    shared = LEAKAGE | {"twins": TWINS | {"train": {"same_label": 0.85}}}
    assert signs(AUDITED, PREPARED, shared)["shared_rows"]["value"] == pytest.approx(0.75)


def test_a_test_file_that_is_the_train_file_shares_all_of_it() -> None:
    main = PREPARED["files"]["main"]
    assert signs(AUDITED, {"files": {"main": main, "test": main}}, LEAKAGE)["shared_rows"]["value"] == 1


def test_two_columns_that_know_the_label_together_alone_are_found() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
    label = (one ^ two).astype(np.int8)
    columns = [Column(name=name, kind="categorical", categories=["n", "y"]) for name in ("one", "two")]
    matrix = np.column_stack([one, two]).astype(float)
    seen = rows(label[400:].tolist(), ["red"] * 400)

    train = (matrix[:400], label[:400], np.ones(400))
    found = together(columns, ["one", "two"], train, matrix[400:], seen)

    assert found == [{"columns": ["one", "two"], "auc": 1.0}]
