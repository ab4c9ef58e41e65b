"""What was measured about leaks is consulted: above its number a sign must be answered before a release."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from confusion_rows import NOTHING, document, plain, policy
from data_summaries import AUDITED, NO_TEST, PARTED, PREPARED, changed
from scorecard_table import rows

from fairmark.data.summaries import SplitSummary
from fairmark.evaluate import documents as docs
from fairmark.evaluate.leakage import feature_pair_auc, signs
from fairmark.judge.findings import NAMES, TEXTS, Shown, Strongest
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge, judge_document
from fairmark.model.model_file import Column
from fairmark.params.policy import Findings, Policy, Waiver

DAY = dt.date(2026, 11, 27)
SHARES = docs.DuplicateShares(share=0.1, same_label=0.1)
NONE = docs.SummaryMetrics(rows=0, roc_auc=None, accuracy=None, selection_rate=None, selection_rate_ratio={})
LEAKAGE = docs.Leakage(
    alone={"age": 0.7, "spent": 0.6},
    pairs=[docs.PairAuc(columns=["age", "spent"], auc=0.72)],
    concentration=docs.Concentration(rows=9, feature="age", share=0.4),
    look_ahead=docs.LookAheadFeatures(dates={"paid": docs.LookAheadDate(rows=9, share=0.2)}),
    duplicates=docs.Duplicates(train=SHARES, valid=SHARES, valid_in_train=SHARES, without=NONE),
    shared_persons=None,
)


def _rules(*waivers: Waiver, **findings: float | None) -> Policy:
    known = Findings(**(dict.fromkeys(NAMES) | findings))
    return policy().model_copy(update={"findings": known, "waivers": list(waivers)})


def _document(**found: Strongest) -> Measurements:
    return document().model_copy(update={"findings": NOTHING | found})


def _entry(*each: tuple[str, float]) -> Strongest:
    parts_ = tuple(Shown(of=(name,) if name else (), value=value) for name, value in each)
    return Strongest(value=parts_[0].value, each=parts_)


SPENT = _document(column_auc=_entry(("spent", 0.99), ("total", 0.97), ("age", 0.7)))


def test_every_sign_that_params_may_name_is_measured_and_worded() -> None:
    assert set(signs(AUDITED, PREPARED, PARTED, LEAKAGE)) == set(NAMES) == set(TEXTS)


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
        known = {name: each.to_json() for name, each in NOTHING.items()}
        assert judge_document(plain(findings=known | {"column_auc": entry}), _rules(), DAY).faults
    without = {key: value for key, value in SPENT.to_json().items() if key != "findings"}
    assert judge_document(without, _rules(), DAY).outcome == "fail"


# ------------------------------------------------------------------ how they are gathered


def test_the_larger_auc_of_the_audit_and_of_test_rows_counts() -> None:
    found = signs(
        changed(AUDITED, label_power={"age": 0.5, "spent": 0.99, "gone": 1.0}), PREPARED, PARTED, LEAKAGE
    )

    assert found["column_auc"] == _entry(("spent", 0.99), ("age", 0.7))


def test_a_pair_counts_only_where_it_knows_more_than_its_better_column() -> None:
    assert signs(AUDITED, PREPARED, PARTED, LEAKAGE)["pair_auc"].value == 0.72
    apart = signs(changed(AUDITED, label_power={"spent": 0.99}), PREPARED, PARTED, LEAKAGE)["pair_auc"]
    assert apart == _entry(("", 0.5))


def test_rows_shared_with_the_train_part_count_beyond_what_chance_explains() -> None:
    assert signs(AUDITED, PREPARED, PARTED, LEAKAGE)["shared_rows"].value == 0
    repeated = docs.DuplicateShares(share=0.9, same_label=0.85)
    duplicates = LEAKAGE.duplicates.model_copy(update={"train": repeated})
    shared = LEAKAGE.model_copy(update={"duplicates": duplicates})
    assert signs(AUDITED, PREPARED, PARTED, shared)["shared_rows"].value == pytest.approx(0.75)


def test_a_test_file_that_is_the_train_file_shares_all_of_it() -> None:
    main = PREPARED.files.main.to_json()
    twice = changed(PREPARED, files={"main": main, "test": main})

    assert signs(AUDITED, twice, PARTED, LEAKAGE)["shared_rows"].value == 1


def test_two_columns_that_know_the_label_together_alone_are_found() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
    label = (one ^ two).astype(np.int8)
    columns = [Column(name=name, kind="categorical", categories=["n", "y"]) for name in ("one", "two")]
    matrix = np.column_stack([one, two]).astype(float)
    seen = rows(label[400:].tolist(), ["red"] * 400)

    train = (matrix[:400], label[:400], np.ones(400))
    found = feature_pair_auc(columns, ["one", "two"], train, matrix[400:], seen)

    assert found == [docs.PairAuc(columns=["one", "two"], auc=1.0)]


@pytest.mark.parametrize("how", [np.add, np.multiply])
def test_an_answer_in_the_difference_or_ratio_of_two_numbers_is_found(how: Any) -> None:
    """A balance and what is due of it: bins of each alone hold hundreds of both labels."""
    draw = np.random.default_rng(3)
    label, total = draw.integers(0, 2, 900, dtype=np.int8), draw.uniform(100, 1100, 900)
    due = how(total, np.where(label == 1, 1.02, 0.98) if how is np.multiply else 18 * label - 9)
    matrix = np.column_stack([total, due])
    columns = [Column(name=name, kind="numeric", categories=None) for name in ("total", "due")]
    train = (matrix[:600], label[:600], np.ones(600))
    seen = rows(label[600:].tolist(), ["red"] * 300)
    (found,) = feature_pair_auc(columns, ["total", "due"], train, matrix[600:], seen)

    # One bin of fifty may hold both labels.
    assert (found.auc or 0) > 0.99


# ------------------------------------------------------------------ persons, parts and shift


def _parted(**distance: float) -> SplitSummary:
    label = distance | {"train": 0.36, "here": 0.65}
    shifted = {"label": label, "groups": {"sex": distance}, "features": {"age": distance}}
    return changed(PARTED, shift=PARTED.shift.to_json() | {"test": shifted, "valid": shifted})


def _signs(audit: Any = AUDITED, split: Any = PARTED, leakage: Any = LEAKAGE) -> dict[str, Strongest]:
    return signs(audit, PREPARED, split, leakage)


def test_a_label_rate_that_moved_between_the_parts_stops_until_somebody_answers() -> None:
    """Train 36% positive, test 65%: the table of the decisions of police in time."""
    found = _signs(split=_parted(distance=0.29, p=1e-9))
    shifted = _document(label_shift=found["label_shift"])
    waiver = _waiver("finding-label-shift", ["test", "valid"])

    verdict = judge(shifted, _rules(label_shift=0.1), DAY)
    assert verdict.outcome == "insufficient evidence"
    assert "measured where the label is another thing" in verdict.findings[-1].text
    assert judge(shifted, _rules(waiver, label_shift=0.1), DAY).state == "pass with waiver"


def test_a_distance_that_chance_explains_is_no_shift() -> None:
    found = _signs(split=_parted(distance=0.29, p=0.01))

    assert [found[f"{kind}_shift"].value for kind in ("label", "group", "feature")] == [0, 0, 0]


def test_rows_that_look_like_several_of_a_person_stop_while_nobody_says_whose_they_are() -> None:
    looks = {"columns": ["age", "income"], "repeated": 1.0, "by_chance": 0.02}
    looks |= {"patterns": 30, "rows_each": 3.0, "label_constant": 1.0}
    found = _signs(changed(AUDITED, clusters=looks))["persons"]

    assert found.each == (Shown(of=("age", "income"), value=1),)
    assert judge(_document(persons=found), _rules(persons=0.8), DAY).outcome == "insufficient evidence"
    assert judge(_document(persons=_signs()["persons"]), _rules(persons=0.8), DAY).outcome == "pass"


def test_a_panel_of_few_people_is_asked_about_although_shuffled_rows_would_repeat_too() -> None:
    """595 people of seven years each: every row repeats, and by chance three in ten would."""
    looks = {"columns": ["id", "school"], "repeated": 0.93, "by_chance": 0.3}
    looks |= {"patterns": 595, "rows_each": 7.0, "label_constant": 0.7}

    assert _signs(changed(AUDITED, clusters=looks))["persons"].value == pytest.approx(0.9)


def test_one_person_in_two_parts_is_too_many() -> None:
    one = _signs(leakage=LEAKAGE.model_copy(update={"shared_persons": 0.001}))["shared_persons"]

    assert judge(_document(shared_persons=one), _rules(shared_persons=0), DAY).outcome != "pass"


def test_parts_that_know_the_label_are_a_sign_in_parts_by_hash_alone() -> None:
    known = changed(PARTED, independence=NO_TEST | {"p": 0.001})

    assert _signs(split=known)["part_label"].value == pytest.approx(0.999)
    assert _signs(split=changed(known, order="time"))["part_label"].value == 0


# ------------------------------------------------------------------ what a waiver names


def _waiver(of: str, groups: list[str] | None) -> Waiver:
    return Waiver(limit=of, groups=groups, decided_by="Ada", reason="Known.", decided=DAY, expires=DAY)


@pytest.mark.parametrize("name", NAMES)
def test_a_waiver_of_what_a_sign_does_not_speak_of_is_a_fault_whichever_sign_it_is(name: str) -> None:
    wrong = _waiver(f"finding-{name.replace('_', '-')}", ["agee"])
    none = wrong.model_copy(update={"groups": None})

    faults = _rules(wrong, **{name: 0.5}).strangers({"sex": ["F", "M"]}, ["age"])
    assert len(faults) == 1
    assert "got ['agee']" in faults[0]
    assert _rules(none, **{name: 0.5}).strangers({"sex": ["F", "M"]}, ["age"]) == []


def test_a_waiver_of_a_finding_that_is_none_is_a_fault_of_the_params() -> None:
    plain = _rules(column_auc=0.9).model_dump(mode="json")
    wrong = _waiver("finding-colum-auc", None).model_dump(mode="json")

    with pytest.raises(ValueError, match="waivers must name a limit"):
        Policy.model_validate_json(json.dumps(plain | {"waivers": [wrong]}))
