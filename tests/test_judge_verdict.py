"""The verdict passes only what is shown, fails what is shown to miss, and asks for more rows in between."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from confusion_rows import FAIR, FOUR_FIFTHS, MODEL, UNFAIR, about, document, limit, plain, policy, unread
from gates import boundary, chance, edges, point_rule, window
from scipy.stats import beta

from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict, judge, judge_document, tails
from fairmark.params.policy import Waiver

NEAR = {"Female": (60, 32, 20, 500), "Male": (120, 60, 40, 900)}
"""A ratio of 0.935 on few rows: nothing is shown."""
WHOLE = document()
DAY = dt.date(2026, 11, 23)
QUALITY = (limit("roc_auc", at_least=0.7), limit("roc_auc", at_most=0.95, name="auc-ceiling"))


def _waiver(**changes: Any) -> Waiver:
    known = {"limit": FOUR_FIFTHS.name, "groups": None, "decided_by": "A. Person", "reason": "Few rows."}
    days = {"decided": dt.date(2026, 11, 1), "expires": dt.date(2026, 12, 31)}
    return Waiver(**(known | days | changes))


# ------------------------------------------------------------------ three outcomes


@pytest.mark.parametrize(
    ("counts", "outcome"), [(FAIR, "pass"), (UNFAIR, "fail"), (NEAR, "insufficient evidence")]
)
def test_a_ratio_has_three_outcomes(counts: Any, outcome: str) -> None:
    verdict = judge(document(counts), policy(), None)

    assert verdict.outcome == outcome
    assert [finding.outcome for finding in verdict.findings] == [outcome]


def test_a_finding_says_what_was_found_by_hand() -> None:
    finding = judge(document(UNFAIR), policy(), None).findings[0]

    assert (finding.group, finding.groups, finding.rows) == ("Female / Male", ("Female", "Male"), 15300)
    assert finding.value == pytest.approx((400 / 5100) / (2600 / 10200))
    assert (finding.limit_value, finding.at, finding.gate) == (0.8, "at_least", True)
    assert finding.text.startswith(
        "selection rate ratio by sex, Female / Male, is 0.30769 on 5,100 and 10,200 "
    )


def test_what_is_undecided_names_the_rows_that_would_decide() -> None:
    finding = judge(document(NEAR), policy(), None).findings[0]

    assert finding.more_rows is not None
    assert sum(finding.more_rows.values()) > 100
    assert "would decide with chance 0.8, if these rates are the true ones" in finding.text


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (limit("accuracy", at_least=0.85), "pass"),
        (limit("accuracy", at_least=0.95), "fail"),
        (limit("accuracy", at_least=0.88), "insufficient evidence"),
        (limit("accuracy", at_most=0.9), "pass"),
        (limit("accuracy", at_most=0.85), "fail"),
        (limit("recall", "sex", at_least=0.5), "pass"),
        (limit("recall", "sex", at_least=0.7), "fail"),
        (limit("balanced_accuracy", at_least=0.75), "pass"),
        (limit("f1", at_least=0.9), "fail"),
        (limit("brier", at_most=0.5), "pass"),
        (limit("log_loss", at_most=0.01), "fail"),
        (limit("pr_auc", at_least=0.2, gate=False), "insufficient evidence"),
        (limit("calibration_error", at_most=0.9), "pass"),
        (limit("selection_rate_difference", "sex", at_most=0.05), "pass"),
        (limit("equalized_odds_difference", "sex", at_most=0.05), "pass"),
        (limit("equalized_odds_difference", "sex", at_most=0.001), "insufficient evidence"),
    ],
)
def test_every_kind_of_limit_is_judged(given: Any, outcome: str) -> None:
    assert judge(WHOLE, policy(given), None).outcome == outcome


def test_the_worst_finding_makes_the_outcome() -> None:
    unsure, missed = limit("accuracy", at_least=0.88), limit("recall", at_least=0.9)

    assert judge(WHOLE, policy(FOUR_FIFTHS, unsure), None).outcome == "insufficient evidence"
    assert judge(WHOLE, policy(FOUR_FIFTHS, unsure, missed), None).outcome == "fail"
    assert judge(WHOLE, policy(unsure, missed), None).limits == {
        "accuracy": "insufficient evidence",
        "recall": "fail",
    }


def test_a_limit_that_is_only_reported_stops_nothing() -> None:
    reported = limit("recall", at_least=0.9, gate=False)
    verdict = judge(WHOLE, policy(FOUR_FIFTHS, reported), None)

    assert verdict.outcome == "pass"
    assert verdict.limits["recall"] == "fail"


def test_a_policy_that_gates_nothing_shows_nothing() -> None:
    verdict = judge(WHOLE, policy(limit("recall", at_least=0.1, gate=False)), None)

    assert verdict.outcome == "insufficient evidence"
    assert verdict.guarantee == "The policy gates nothing, so nothing is shown."


# ------------------------------------------------------------------ error level


def test_levels_are_shared_as_stated() -> None:
    assert tails(4, 0.05, "bonferroni").clear == pytest.approx(0.0125)
    assert tails(4, 0.05, "intersection-union").clear == 0.05
    assert tails(4, 0.05, "intersection-union").miss == pytest.approx(0.0125)


def test_reported_limits_cost_the_gate_nothing() -> None:
    alone = judge(WHOLE, policy(), None).findings[0]
    beside = judge(WHOLE, policy(FOUR_FIFTHS, limit("recall", "sex", at_least=0.1, gate=False)), None)

    assert beside.findings[0].bound == alone.bound
    assert beside.comparisons == 1


def test_more_gated_comparisons_widen_the_bounds_of_bonferroni_alone() -> None:
    others = (FOUR_FIFTHS, limit("recall", "sex", at_least=0.1))
    bounds = {
        correction: [judge(WHOLE, policy(*given, correction=correction), None).findings[0].bound or 0.0
                     for given in ((FOUR_FIFTHS,), others)]
        for correction in ("bonferroni", "intersection-union")
    }  # fmt: skip

    assert bounds["bonferroni"][1] < bounds["bonferroni"][0]
    assert bounds["intersection-union"][1] == bounds["intersection-union"][0]


@pytest.mark.parametrize("rows", [(30, 30), (30, 200), (200, 30), (200, 200)])
@pytest.mark.parametrize("base", [0.02, 0.1, 0.5])
def test_a_model_exactly_at_the_limit_passes_with_chance_at_most_the_level(
    rows: tuple[int, int], base: float
) -> None:
    # Summed over both binomials; `make prove` goes on to 10,000 rows, whole gates, and every interval.
    shares = (0.8 * base, base)
    hits = window(rows[0], shares[0])

    assert boundary(rows, shares, "ratio", 0.8, 0.05).chance(shares) <= 0.05
    assert chance(hits, edges(point_rule(0.8), hits, rows), rows, shares) > 0.35


# ------------------------------------------------------------------ negative controls


def test_an_unmitigated_model_of_adult_never_passes() -> None:
    # One LightGBM without protected or forbidden columns, on the published test rows.
    counts = {"Female": (326, 204, 264, 4627), "Male": (1660, 606, 1596, 6998)}
    verdict = judge(document(counts), policy(*QUALITY, FOUR_FIFTHS), None)

    assert verdict.limits[FOUR_FIFTHS.name] == "fail"
    assert verdict.outcome == "fail"


def test_random_scores_never_pass() -> None:
    from fairmark.evaluate.measure import measure

    draw = np.random.default_rng(3)
    label, score = (draw.random(4000) < 0.3).astype(np.int8), draw.random(4000)
    import pandas as pd

    sex = pd.DataFrame({"sex": draw.choice(["F", "M"], 4000)})
    found = measure(label, score, (score > 0.5).astype(np.int8), None, sex, {"sex": ["F", "M"]},
                    confidence=0.95, replicates=100, seed=1, bins=10)  # fmt: skip
    whole = Measurements.of(found, about(4000, int(label.sum())))

    assert judge(whole, policy(*QUALITY, FOUR_FIFTHS), None).limits["roc-auc"] == "fail"


def test_a_leaked_label_hits_the_ceiling() -> None:
    perfect = {"Female": (900, 2, 2, 4000), "Male": (1800, 3, 3, 8000)}
    verdict = judge(document(perfect), policy(*QUALITY, FOUR_FIFTHS), None)

    assert verdict.limits["auc-ceiling"] == "fail"
    assert "Too good to be true" in next(f.text for f in verdict.findings if f.limit == "auc-ceiling")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["overall"]["brier"].update(value=float("nan")),
            "overall.brier.value: must be a finite number",
        ),
        (lambda d: d["groups"]["sex"].pop("Female"), "must add up to the cells of all rows"),
        (
            lambda d: d["disparities"]["sex"].pop("selection_rate_ratio"),
            "selection_rate_ratio: must be measured",
        ),
        (lambda d: d["model"].update(sha256="c" * 64), "model.sha256: must be"),
        (lambda d: d["model"].update(threshold=0.4), "model.threshold: must be 0.5 of the model, got 0.4"),
        (lambda d: d.clear(), "measurements.model: must be given, got nothing"),
    ],
)
def test_measurements_that_are_broken_or_another_models_never_pass(change: Any, words: str) -> None:
    broken = plain()
    change(broken)
    verdict = judge_document(
        broken, policy(waivers=(_waiver(),)), DAY, expected_model=MODEL, expected_threshold=0.5
    )

    assert verdict.outcome == "fail"
    assert words in verdict.findings[0].text
    assert verdict.findings[0].waived_by is None


def test_a_group_that_the_schema_knows_must_be_measured() -> None:
    verdict = judge(WHOLE, policy(), None, expected_groups={"sex": ["Female", "Male", "missing"]})

    assert verdict.outcome == "fail"
    assert "must be the groups ['Female', 'Male', 'missing']" in verdict.faults[0]


@pytest.mark.parametrize(
    "given",
    [
        unread("kindness", at_least=0.1),
        limit("accuracy", "race", at_least=0.1),
        unread("accuracy_ratio", at_least=0.1),
    ],
)
def test_a_limit_on_what_is_not_measured_fails(given: Any) -> None:
    named = policy().model_copy(update={"limits": [FOUR_FIFTHS, given]})

    verdict = judge(WHOLE, named, None)

    assert verdict.outcome == "fail"
    assert "No verdict on this limit, so it fails: policy.limits." in verdict.findings[1].text


# ------------------------------------------------------------------ small groups, waivers


def test_a_small_group_is_judged_as_any_other_and_flagged() -> None:
    counts = dict(FAIR) | {"Other": (6, 4, 3, 47)}
    verdict = judge(document(counts), policy(), None)
    small = [finding for finding in verdict.findings if finding.small]

    assert verdict.outcome == "insufficient evidence"
    assert {frozenset(each.groups) for each in small} == {frozenset(("Other", sex)) for sex in FAIR}
    assert all("Few test rows: Other has 60, below the policy's 100." in finding.text for finding in small)


def test_a_group_without_rows_is_insufficient_evidence() -> None:
    verdict = judge(document(dict(FAIR) | {"Other": (0, 0, 0, 0)}), policy(), None)

    assert verdict.outcome == "insufficient evidence"
    assert "can't be computed: no rows in Other" in verdict.findings[1].text


@pytest.mark.parametrize(
    ("waiver", "outcome"),
    [
        (_waiver(), "pass"),
        (_waiver(groups=["Female"]), "pass"),
        (_waiver(groups=["Other"]), "insufficient evidence"),
        (_waiver(expires=DAY), "pass"),
        (_waiver(decided=DAY), "pass"),
        (_waiver(expires=DAY - dt.timedelta(days=1)), "insufficient evidence"),
        (_waiver(decided=DAY + dt.timedelta(days=1)), "insufficient evidence"),
    ],
)
def test_a_waiver_stands_for_its_groups_and_its_days(waiver: Waiver, outcome: str) -> None:
    assert judge(document(NEAR), policy(waivers=(waiver,)), DAY).outcome == outcome


def test_a_waived_finding_says_who_and_why() -> None:
    finding = judge(document(NEAR), policy(waivers=(_waiver(),)), DAY).findings[0]

    assert finding.outcome == "insufficient evidence"
    assert finding.waived_by == "A. Person until 2026-12-31: Few rows."
    assert "Waived by A. Person (2026-11-01 to 2026-12-31): Few rows. It lets a true value" in finding.text


def test_without_a_day_a_waiver_is_shown_and_not_applied() -> None:
    verdict = judge(document(NEAR), policy(waivers=(_waiver(),)), None)

    assert verdict.outcome == "insufficient evidence"
    assert "is on record; the day says whether it stands" in verdict.findings[0].text


def test_a_waiver_never_turns_a_fail() -> None:
    verdict = judge(document(UNFAIR), policy(waivers=(_waiver(),)), DAY)

    assert verdict.outcome == "fail"
    assert verdict.findings[0].waived_by is None


# ------------------------------------------------------------------ overrides


@pytest.mark.parametrize(
    ("override", "outcome"),
    [
        (_waiver(), "pass"),
        (_waiver(groups=["Female"]), "pass"),
        (_waiver(groups=["Other"]), "fail"),
        (_waiver(expires=DAY), "pass"),
        (_waiver(decided=DAY), "pass"),
        (_waiver(expires=DAY - dt.timedelta(days=1)), "fail"),
        (_waiver(decided=DAY + dt.timedelta(days=1)), "fail"),
    ],
)
def test_an_override_lets_a_failure_through_for_its_groups_and_its_days(
    override: Waiver, outcome: str
) -> None:
    assert judge(document(UNFAIR), policy(overrides=(override,)), DAY).outcome == outcome


def test_a_failure_let_through_stays_a_failure_and_says_who() -> None:
    verdict = judge(document(UNFAIR), policy(overrides=(_waiver(),)), DAY)
    finding = verdict.findings[0]

    assert (finding.outcome, finding.overridden, finding.met) == ("fail", True, True)
    assert finding.waived_by == "override: A. Person until 2026-12-31: Few rows."
    assert "A failure let through by A. Person (2026-11-01 to 2026-12-31): Few rows." in finding.text
    assert verdict.limits == {FOUR_FIFTHS.name: "fail"}


def test_an_override_never_stands_for_a_waiver() -> None:
    verdict = judge(document(NEAR), policy(overrides=(_waiver(),)), DAY)

    assert verdict.outcome == "insufficient evidence"
    assert verdict.findings[0].waived_by is None


def test_one_override_leaves_the_other_failures_standing() -> None:
    missed = limit("recall", at_least=0.9)
    verdict = judge(document(UNFAIR), policy(FOUR_FIFTHS, missed, overrides=(_waiver(),)), DAY)

    assert verdict.outcome == "fail"


def test_without_a_day_an_override_is_shown_and_not_applied() -> None:
    verdict = judge(document(UNFAIR), policy(overrides=(_waiver(),)), None)

    assert verdict.outcome == "fail"
    assert "An override by A. Person (2026-11-01 to 2026-12-31) is on record;" in verdict.findings[0].text


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["overall"]["brier"].update(value=float("nan")),
        lambda d: d["groups"]["sex"].pop("Female"),
        lambda d: d["model"].update(sha256="c" * 64),
        lambda d: d["disparities"].clear(),
        lambda d: d.clear(),
    ],
)
def test_what_is_malformed_can_not_be_overridden(change: Any) -> None:
    broken = plain(UNFAIR)
    change(broken)
    verdict = judge_document(broken, policy(overrides=(_waiver(),)), DAY, expected_model=MODEL)

    assert (verdict.outcome, verdict.findings[0].waived_by) == ("fail", None)


def test_a_limit_on_what_is_not_measured_can_not_be_overridden() -> None:
    given = unread("kindness", at_least=0.1)
    written = {"limits": [FOUR_FIFTHS, given], "overrides": [_waiver(limit="kindness")]}

    verdict = judge(WHOLE, policy().model_copy(update=written), DAY)

    assert verdict.outcome == "fail"
    assert verdict.findings[1].waived_by is None


# ------------------------------------------------------------------ on paper


def test_json_gives_the_verdict_back() -> None:
    verdict = judge(document(NEAR), policy(*QUALITY, FOUR_FIFTHS, waivers=(_waiver(),)), DAY)
    written = json.loads(json.dumps(verdict.to_json()))

    assert Verdict.from_json(written, "verdict.json").to_json() == verdict.to_json()
    assert Verdict.from_json(written, "verdict.json").outcome == verdict.outcome
    assert written["judged_on"] == "2026-11-23"


def test_the_same_measurements_give_the_same_verdict() -> None:
    assert judge(WHOLE, policy(*QUALITY), DAY) == judge(document(), policy(*QUALITY), DAY)


def test_weighted_measurements_are_judged_by_effective_rows() -> None:
    weight = np.random.default_rng(5).gamma(0.5, 1.0, sum(map(sum, FAIR.values())))
    plain, heavy = judge(WHOLE, policy(), None), judge(document(weight=weight), policy(), None)

    assert heavy.faults == ()
    assert (heavy.findings[0].bound or 1) < (plain.findings[0].bound or 0)


# ------------------------------------------------------------------ many groups


def _states(count: int) -> Measurements:
    draw = np.random.default_rng(count)
    return document({f"s{k:02d}": (60 + int(draw.integers(40)), 20, 20, 300) for k in range(count)})


def test_pairs_of_many_groups_take_no_test_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked = _states(30), list[Any]()

    def counted(*given: Any) -> Any:
        asked.append(given)
        return None

    def refused(*_: Any) -> float:
        raise AssertionError("a pair was tested by itself")

    monkeypatch.setattr("fairmark.judge.comparisons.lower", refused)
    monkeypatch.setattr("fairmark.judge.comparisons.rejects", refused)
    monkeypatch.setattr("fairmark.judge.verdict.rows_needed", counted)
    verdict = judge(found, policy(), None)

    assert len(verdict.findings) == 30 * 29 // 2
    assert len(asked) <= 12


def test_judging_again_decides_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    found, rules = _states(31), policy(waivers=(_waiver(),))
    first = judge(found, rules, None)

    def refused(*_: Any) -> None:
        raise AssertionError("decided twice")

    monkeypatch.setattr("fairmark.judge.verdict.planned", refused)
    again = judge(Measurements.model_validate_json(found.model_dump_json(exclude_unset=True)), rules, DAY)

    assert [each.outcome for each in again.findings] == [each.outcome for each in first.findings]
    with pytest.raises(AssertionError, match="decided twice"):
        judge(_states(32), rules, None)


def test_bounds_of_groups_share_the_level_and_not_their_pairs() -> None:
    verdict = judge(_states(30), policy(), None)
    worst = min(verdict.findings, key=lambda each: each.bound or 0)
    cells = {name: dict(each.cells.each()) for name, each in _states(30).groups["sex"].items()}
    low, high = (cells[name] for name in worst.groups)

    def share(of: Mapping[Any, int]) -> tuple[int, int]:
        return of["tp"] + of["fp"], sum(of.values())

    tail = 0.05 / 60  # 30 groups, two bounds each
    (hits, rows_), (more, others) = share(low), share(high)
    by_hand = beta.ppf(tail, hits, rows_ - hits + 1) / beta.ppf(1 - tail, more + 1, others - more)
    assert worst.bound == pytest.approx(by_hand, rel=1e-6)


# ------------------------------------------------------------------ one word for one state


def test_a_pass_that_rests_on_a_waiver_is_called_so_and_says_on_whom() -> None:
    open_ = document(NEAR)
    waived = judge(open_, policy(waivers=(_waiver(),)), DAY)

    assert (waived.outcome, waived.state) == ("pass", "pass with waiver")
    assert len(waived.stands_on) == 1
    assert waived.stands_on[0].startswith("selection-rate-ratio (")
    assert judge(open_, policy(), DAY).state == "insufficient evidence"
    assert judge(WHOLE, policy(), DAY).state == "pass"
    assert judge(document(UNFAIR), policy(), DAY).state == "fail"
    assert waived.to_json()["state"] == "pass with waiver"


def test_a_waiver_of_a_group_that_nobody_is_in_is_a_fault() -> None:
    misspelt = policy(waivers=(_waiver(groups=["Femal"]),))

    assert misspelt.strangers({"sex": ["Female", "Male"]}) == [
        "policy.waivers of selection-rate-ratio: must name groups of sex, ['Female', 'Male'], got ['Femal']"
    ]
    assert policy(waivers=(_waiver(groups=["Female"]),)).strangers({"sex": ["Female", "Male"]}) == []


@pytest.mark.parametrize(
    ("measure", "bounds", "words"),
    [
        ("roc_auc", {"at_least": 85}, "at_least must be in 0..1"),
        ("accuracy", {"at_most": -0.1}, "at_most must be in 0..1"),
        ("roc_auc", {"at_most": 1}, "must be one that roc_auc can miss, where it gates"),
        ("kindness", {"at_least": 0.5}, "measure must be one of"),
        ("accuracy_ratio", {"at_least": 0.8}, "attribute must be named"),
    ],
)
def test_a_limit_that_can_not_be_judged_or_missed_is_a_fault_of_params(
    measure: str, bounds: dict[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        limit(measure, None, **bounds)
