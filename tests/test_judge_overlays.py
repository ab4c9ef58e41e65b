"""One build judged by several policies: each overlay has a verdict of its own, and none can be dropped."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from confusion_rows import FAIR, FOUR_FIFTHS, UNFAIR, document, limit, policy

from fairmark.errors import InputError, ParamsError
from fairmark.judge.policy_diff import changes
from fairmark.judge.verdict import Verdict, judge, judge_document
from fairmark.params.parse import typed
from fairmark.params.policy import Limit, Overlay, Policy, Waiver
from fairmark.params.read import parse_params, read_params

ROOT = Path(__file__).parents[1]
DAY = dt.date(2026, 11, 23)
LAW = {
    "jurisdiction": "Elsewhere", "citation": "Act 1, section 2", "checked": "2026-11-01", "term_days": 30,
    "note": None,
}  # fmt: skip
NEAR = {"Female": (430, 258, 300, 4112), "Male": (1000, 600, 600, 8000)}
"""Selection rates 688 / 5,100 and 1,600 / 10,200: a ratio of 0.86."""


def overlay(*limits: Limit, **changed: Any) -> Overlay:
    """Return an overlay of these limits, that a release waits for."""
    said = {
        "name": "elsewhere", "jurisdiction": "Elsewhere", "must_pass": True, "stages": [], "level": None,
        "protected_at_prediction": None, "limits": [_lawful(one) for one in limits], "waivers": [],
        "overrides": [],
    }  # fmt: skip
    return typed(Overlay, said | changed, "overlay")


def _lawful(one: Limit) -> dict[str, Any]:
    return one.model_dump(exclude={"after", "weight"}) | {"law": LAW}


def ratio(at_least: float) -> Limit:
    """Return the default policy's limit with another number."""
    return FOUR_FIFTHS.model_copy(update={"at_least": at_least})


def waiver(**changed: Any) -> Waiver:
    """Return a waiver of the four-fifths rule."""
    said = {"limit": FOUR_FIFTHS.name, "groups": None, "decided_by": "A. Person", "reason": "Few rows."}
    return Waiver(**(said | {"decided": DAY, "expires": DAY} | changed))


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(
    ("counts", "asked", "own", "elsewhere", "word"),
    [
        (FAIR, 0.9, "pass", "pass", "pass"),
        (NEAR, 0.6, "pass", "pass", "pass"),
        (NEAR, 0.95, "pass", "fail", "fail"),
        (NEAR, 0.87, "pass", "insufficient evidence", "insufficient evidence"),
        (UNFAIR, 0.1, "fail", "pass", "fail"),
    ],
)
def test_each_policy_has_its_own_word_and_the_worst_stands(
    counts: Any, asked: float, own: str, elsewhere: str, word: str
) -> None:
    verdict = judge(document(counts), policy(overlays=(overlay(ratio(asked)),)), None)

    assert (verdict.own, verdict.overlays[0].verdict.state) == (own, elsewhere)
    assert (verdict.outcome, verdict.state) == (word, word)


def test_an_overlay_that_no_release_waits_for_is_shown_and_stops_nothing() -> None:
    verdict = judge(document(NEAR), policy(overlays=(overlay(ratio(0.95), must_pass=False),)), None)

    assert (verdict.outcome, verdict.overlays[0].verdict.outcome) == ("pass", "fail")
    assert verdict.lines[1] == "elsewhere (Elsewhere): fail; shown, and no release waits for it"


def test_an_overlay_says_what_a_whole_policy_of_its_limits_says() -> None:
    added = limit("accuracy", at_least=0.5)
    found = judge(document(NEAR), policy(overlays=(overlay(ratio(0.6), added),)), None).overlays[0].verdict
    alone = judge(document(NEAR), policy(ratio(0.6), added), None)

    assert {one.limit: (one.outcome, one.bound) for one in found.findings} == {
        one.limit: (one.outcome, one.bound) for one in alone.findings
    }


def test_an_overlay_takes_nothing_of_the_level_of_the_default_policy() -> None:
    more = [limit("accuracy", at_least=0.5, name=f"floor-{k}") for k in range(20)]
    with_it = judge(document(NEAR), policy(overlays=(overlay(*more),)), None)

    assert with_it.findings == judge(document(NEAR), policy(), None).findings
    assert (with_it.comparisons, with_it.overlays[0].verdict.comparisons) == (1, 21)


def test_an_overlay_is_judged_at_its_own_level() -> None:
    strict = judge(document(NEAR), policy(overlays=(overlay(ratio(0.8), level=1e-6),)), None)
    bound = strict.overlays[0].verdict.findings[0].bound

    assert strict.overlays[0].verdict.level == 1e-6
    assert bound is not None
    assert strict.findings[0].bound is not None
    assert bound < strict.findings[0].bound


def test_a_waiver_of_a_limit_does_not_waive_the_one_in_its_place() -> None:
    rules = policy(ratio(0.87), waivers=(waiver(),), overlays=(overlay(ratio(0.88)),))
    verdict = judge(document(NEAR), rules, DAY)

    assert (verdict.own, verdict.overlays[0].verdict.state) == ("pass with waiver", "insufficient evidence")
    assert verdict.state == "insufficient evidence"


def test_what_rests_on_a_waiver_of_an_overlay_is_a_pass_with_waiver_that_names_it() -> None:
    kept = waiver().model_dump(mode="json")
    verdict = judge(document(NEAR), policy(overlays=(overlay(ratio(0.87), waivers=[kept]),)), DAY)

    assert (verdict.own, verdict.state) == ("pass", "pass with waiver")
    said = "elsewhere/selection-rate-ratio (Female / Male) by A. Person until 2026-11-23: Few rows."
    assert verdict.stands_on == (said,)
    assert [name for name, _ in verdict.let_through] == ["elsewhere/selection-rate-ratio"]


def test_measurements_with_faults_fail_under_every_policy() -> None:
    verdict = judge_document({"rows": 1}, policy(overlays=(overlay(ratio(0.6)),)), None)

    assert (verdict.outcome, verdict.overlays[0].verdict.outcome) == ("fail", "fail")


def test_an_overlay_may_forbid_decisions_by_a_group_that_the_default_policy_allows() -> None:
    own = {
        "attribute": "sex", "constraint": "demographic_parity", "groups": {"Female": 0.4, "Male": 0.5},
        "origins": [],
    }  # fmt: skip
    found = document(NEAR).to_json()
    found["model"]["thresholds"] = own
    rules = policy(overlays=(overlay(protected_at_prediction=[]),))
    verdict = judge_document(found, rules.model_copy(update={"protected_at_prediction": ["sex"]}), None)

    assert (verdict.own, verdict.outcome) == ("pass", "fail")
    assert (
        "must be by an attribute of policy.protected_at_prediction" in verdict.overlays[0].verdict.faults[0]
    )


# ------------------------------------------------------------------ forgery of the document


def _stated() -> dict[str, Any]:
    return judge(document(NEAR), policy(overlays=(overlay(ratio(0.95)),)), None).to_json()


def test_a_verdict_is_read_as_it_was_written() -> None:
    assert Verdict.from_json(_stated(), "verdict.json").to_json() == _stated()


@pytest.mark.parametrize(
    "forged",
    [
        {"overlays": []},
        {"own": "fail"} | {"outcome": "pass", "state": "pass"},
        {"outcome": "pass", "state": "pass"},
        {"outcome": "pass", "state": "pass", "own": None},
    ],
)
def test_a_verdict_at_odds_with_its_overlays_is_no_verdict(forged: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"must be|Input should"):
        Verdict.from_json(_stated() | forged, "verdict.json")


# ------------------------------------------------------------------ refusal before training


def _params(**changed: Any) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    one = overlay(ratio(0.9)).model_dump(mode="json") | changed
    written["policy"]["overlays"] = [one]
    return written


def _limits(**changed: Any) -> list[dict[str, Any]]:
    return [_lawful(ratio(0.9)) | {"law": LAW} | changed]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"limits": _limits(measure="kindness")}, r"limits\.0.*measure must be one of"),
        ({"limits": _limits(attribute="age")}, r"overlays\.elsewhere\.limits\..*attribute must be one of"),
        ({"limits": _limits(law=None)}, "must name the law"),
        ({"limits": []}, "must have limits or protected_at_prediction"),
        ({"protected_at_prediction": ["age"]}, r"overlays\.elsewhere\.protected_at_prediction must be of"),
        ({"name": "default"}, "name must be another"),
        ({"waivers": [waiver(limit="nothing").model_dump(mode="json")]}, "waivers must name a limit"),
        ({"level": 0.7}, "less than 0.5"),
    ],
)
def test_an_overlay_that_can_not_be_judged_is_refused_with_the_params(changed: Any, words: str) -> None:
    with pytest.raises(ParamsError, match=words) as refused:
        parse_params(_params(**changed), "params.yaml")

    assert len(refused.value.faults) == 1


def test_an_overlay_is_named_once() -> None:
    written = _params()
    written["policy"]["overlays"] *= 2

    with pytest.raises(ParamsError, match="must name each overlay once"):
        parse_params(written, "params.yaml")


def test_a_citation_of_an_overlay_grows_stale() -> None:
    rules = policy(overlays=(overlay(ratio(0.9)),))

    assert rules.stale_citations(dt.date(2026, 12, 1)) == []
    assert rules.stale_citations(dt.date(2026, 12, 2))[0].startswith("overlay elsewhere, limit")


# ------------------------------------------------------------------ which way a policy moved


def _moved(before: dict[str, Any] | None, after: dict[str, Any] | None, **now: Any) -> list[tuple[str, str]]:
    sides = []
    for one, rest in ((before, {}), (after, now)):
        rules = policy(overlays=() if one is None else (typed(Overlay, one, "overlay"),))
        sides.append({"policy": rules.model_dump(mode="json") | rest})
    return [(each.way, each.where.rpartition("elsewhere")[2]) for each in changes(*sides)]


def _written(*limits: Limit, **changed: Any) -> dict[str, Any]:
    return overlay(*limits, **changed).model_dump(mode="json")


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        (_written(ratio(0.9)), None, [("loosened", "")]),
        (None, _written(ratio(0.9)), [("tightened", "")]),
        (_written(ratio(0.9)), _written(ratio(0.7)), [("loosened", ".limits.selection-rate-ratio.at_least")]),
        (_written(ratio(0.9)), _written(ratio(0.9), must_pass=False), [("loosened", ".must_pass")]),
        (_written(ratio(0.9), stages=["production"]), _written(ratio(0.9)), [("loosened", ".stages")]),
        (_written(ratio(0.9), level=0.01), _written(ratio(0.9), level=0.05), [("loosened", ".level")]),
        (
            _written(ratio(0.9)),
            _written(ratio(0.9), waivers=[waiver().model_dump(mode="json")]),
            [("loosened", ".waivers")],
        ),
    ],
)  # fmt: skip
def test_which_way_an_overlay_moved_is_told(before: Any, after: Any, moved: list[tuple[str, str]]) -> None:
    assert _moved(before, after) == moved


def test_a_looser_limit_in_the_place_of_the_default_one_loosens_the_overlay() -> None:
    added, only = limit("accuracy", at_least=0.5), limit("accuracy", at_least=0.5)
    before, after = _written(added), _written(only, ratio(0.5))

    assert _moved(before, after) == [
        ("loosened", ".limits.selection-rate-ratio.at_least"), ("neutral", ".limits.selection-rate-ratio.law")
    ]  # fmt: skip


def test_the_projects_own_params_have_overlays_that_can_be_judged() -> None:
    assert isinstance(read_params(ROOT / "params.yaml").policy, Policy)
