"""Each limit of the policy is asked whether it is missed and whether it is met, by the rows that it is on."""

from dataclasses import replace

import numpy as np
import pytest
from canaries import cells, counts, limit, rules, terms, waiver

from fairmark.serve.canary.evidence import ALL, Decisions, Family, families, total_evidence, weights
from fairmark.stats.e_process import Margin, Prior, against_within

LOG20 = np.log(20)


def named(found: list[Family], name: str) -> Family:
    return next(each for each in found if each.name == name)


def test_equal_groups_are_shown_to_be_met_both_ways() -> None:
    found, left = families(counts(), terms())
    ratio = named(found, "selection-rate-ratio")

    assert [part.groups for part in ratio.parts] == [("Female", "Male"), ("Male", "Female")]
    assert ratio.ready(0.05)
    assert not left


def test_a_group_far_below_is_missed_and_never_shown() -> None:
    found, _ = families(counts((0.15, 0.3)), terms())
    ratio = named(found, "selection-rate-ratio")

    assert ratio.missed[-1] > LOG20
    assert [part.met(0.05) for part in ratio.parts] == [False, True]


def test_the_evidence_against_a_ratio_is_the_e_process_of_all_groups_at_once() -> None:
    rates = {"Female": 0.2, "Male": 0.3}
    found, _ = families(counts((0.2, 0.3)), terms(rates=rates))
    given = counts((0.2, 0.3)).decisions["sex"]
    prior = Prior.at((np.array([200, 300]) + 2 * 0.25) / 1002)
    peer = against_within(given.selected, given.rows, Margin("ratio", 0.8), prior)

    np.testing.assert_allclose(named(found, "selection-rate-ratio").missed, peer, rtol=1e-3, atol=1e-3)


def test_limits_on_groups_have_half_of_the_weight() -> None:
    found, _ = families(counts((0.15, 0.3)), terms())
    ratio = named(found, "selection-rate-ratio")
    others = [each for each in found if not each.of_groups]
    mean = np.mean([np.exp(each.missed[-1]) for each in others])

    total = total_evidence(found)[-1]

    np.testing.assert_allclose(np.exp(total), (np.exp(ratio.missed[-1]) + mean) / 2)


def test_a_limit_on_errors_counts_only_the_labels_that_came() -> None:
    of = limit("true_positive_rate_difference", 0.2)
    came = np.stack([[[[80, 20], [30, 10]], [[80, 20], [5, 35]]]]).astype(float)  # recall 0.25 and 0.875
    given = counts(outcomes={ALL: came.sum(axis=1, keepdims=True), "sex": came})
    found, _ = families(given, terms([of]))
    difference = named(found, of.name)

    assert difference.missed[-1] > LOG20
    np.testing.assert_array_equal(difference.rows[-1], [40, 40])


def test_outcomes_for_the_selected_alone_identify_no_error_rate() -> None:
    of = limit("true_positive_rate_difference", 0.2)
    _, left = families(counts(), terms([of], labels="selected"))

    assert "not identified where outcomes come for the selected alone" in left[0].why


def test_precision_is_identified_for_the_selected() -> None:
    of = limit("precision_difference", 0.2)
    found, left = families(counts(), terms([of], labels="selected"))

    assert not left
    assert named(found, "quality").rate == "precision"


def test_a_limit_on_scores_is_told_as_not_judged() -> None:
    of = limit("roc_auc", 0.8, attribute=None)
    _, left = families(counts(), terms([of]))

    assert left[0].why == "ROC AUC is no share of decisions"


@pytest.mark.parametrize(("wrong", "missed"), [(0.1, False), (0.4, True)])
def test_quality_is_that_of_the_champion_less_the_margin(wrong: float, missed: bool) -> None:
    arms = np.stack([[cells(0.3, 1 - wrong, 800), cells(0.3, 0.9, 800)]])
    found, _ = families(counts(arms=arms), terms())

    assert bool(named(found, "quality").missed[-1] > LOG20) is missed


def test_quality_is_asked_for_only_once_enough_outcomes_came() -> None:
    arms = np.stack([[cells(0.3, 0.9, 400), cells(0.3, 0.9, 400)]])
    asked = [families(counts(arms=arms), terms(rules=rules(outcomes_from=n)))[0] for n in (400, 401)]

    assert [named(found, "quality").required for found in asked] == [True, False]
    assert "400 outcomes of the canary came, and at least 401 are required" in named(asked[1], "quality").why


def test_a_promotion_that_waits_for_outcomes_asks_for_quality_before_they_came() -> None:
    waiting = rules(outcomes_from=400, wait_for_outcomes=True)
    found, _ = families(counts(), terms([limit(), limit("accuracy", 0.6, attribute=None)], rules=waiting))

    assert named(found, "quality").required
    assert not named(found, "quality").ready(0.05)


@pytest.mark.parametrize(("column", "name"), [(1, "faults"), (2, "latency")])
def test_too_many_faults_and_slow_answers_are_missed(column: int, name: str) -> None:
    operation = np.tile([50.0, 0.0, 0.0], (100, 1))
    operation[:, column] = 10
    found, _ = families(counts(operation=operation), terms())

    assert named(found, name).missed[-1] > LOG20


def test_a_group_that_loses_by_the_change_is_missed_on_the_rows_that_both_decided() -> None:
    given = counts()
    lost = np.tile([[1.0, 18, 6], [3, 19, 3]], (20, 1, 1))
    paired = replace(given.decisions["sex"], paired=np.concatenate([lost, np.zeros((80, 2, 3))]))
    found, _ = families(
        replace(given, decisions={**given.decisions, "sex": paired}), terms(rules=rules(group_margin=0.05))
    )

    assert named(found, "group-margin sex").missed[-1] > LOG20
    assert named(found, "group-margin").missed[-1] == 0


def test_a_waived_pair_is_not_needed_and_still_returns() -> None:
    of = limit()
    found, _ = families(counts((0.15, 0.3)), terms(waivers=(waiver(of, ["Female"]),)))
    ratio = named(found, of.name)

    assert ratio.ready(0.05)
    assert ratio.missed[-1] > LOG20


def test_an_override_lets_its_group_miss_the_limit() -> None:
    of = limit()
    found, _ = families(counts((0.15, 0.3)), terms(overrides=(waiver(of, ["Female"]),)))

    assert named(found, of.name).missed[-1] == 0


def test_a_group_without_a_decision_is_not_shown() -> None:
    given = counts()
    alone = given.decisions["sex"]
    none = Decisions(alone.groups, alone.rows * [1, 0], alone.selected * [1, 0], alone.paired)
    found, _ = families(replace(given, decisions={**given.decisions, "sex": none}), terms())

    assert not named(found, "selection-rate-ratio").ready(0.05)


def test_before_the_first_block_there_is_no_evidence() -> None:
    found, _ = families(counts(looks=0), terms())

    np.testing.assert_array_equal(total_evidence(found), [0.0])
    assert not any(each.ready(0.05) for each in found if each.required)


def test_a_promotion_waits_for_outcomes_where_a_limit_needs_them() -> None:
    waiting = rules(outcomes_from=400, wait_for_outcomes=True)

    assert not terms(rules=waiting).waits
    assert terms([limit("true_positive_rate_difference", 0.2)], rules=waiting).waits
    assert not terms([limit("true_positive_rate_difference", 0.2)], rules=rules(outcomes_from=400)).waits


def test_the_weights_of_all_limits_sum_to_1_and_those_on_groups_have_half() -> None:
    found, _ = families(counts(), terms())

    assert weights(found).sum() == pytest.approx(1)
    assert weights(found)[[each.of_groups for each in found]].sum() == pytest.approx(0.5)
