"""Every change of a policy is told by its way, and what has no known way counts as loosened."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixed_keys import ADA, BOB, approver, key
from hypothesis import given
from hypothesis import strategies as st

from fairmark.governance.approvers import approver_changes, read_approvers
from fairmark.judge import policy_diff
from fairmark.judge.policy_diff import SECTIONS, Change, changes
from fairmark.params.policy import Policy
from fairmark.params.prepare import Privacy
from fairmark.params.release import Release

WHOLE = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
PARAMS: dict[str, Any] = {name: WHOLE[name] for name in SECTIONS}
PARAMS["policy"]["correction"] = "bonferroni"  # the stricter of the two, so that it can be loosened from here
PRIVACY, FORBIDDEN = PARAMS["privacy"], PARAMS["release"]["licences"]["forbidden"]
WAIVER = PARAMS["policy"]["waivers"][0]


def moved(*steps: tuple[str, Any]) -> list[Change]:
    """Return the changes when values are set at places such as `policy.limits.0.gate`."""
    after = copy.deepcopy(PARAMS)
    for place, value in steps:
        part: Any = after
        *path, last = place.split(".")
        for name in path:
            part = part[int(name) if isinstance(part, list) else name]
        part[int(last) if isinstance(part, list) else last] = value
    return changes(PARAMS, after)


def ways(found: list[Change]) -> list[str]:
    return [each.way for each in found]


def test_the_same_policy_did_not_move() -> None:
    assert changes(PARAMS, copy.deepcopy(PARAMS)) == []


@pytest.mark.parametrize(
    ("place", "value", "way"),
    [
        ("policy.level", 0.1, "loosened"),
        ("policy.level", 0.01, "tightened"),
        ("policy.correction", "intersection-union", "loosened"),
        ("policy.min_group_rows", 100, "loosened"),
        ("policy.min_group_rows", 300, "tightened"),
        ("policy.protected_at_prediction", ["sex"], "loosened"),
        ("policy.goal", "Another.", "neutral"),
        ("policy.price", "Another.", "neutral"),
        ("policy.limits.0.at_least", 0.84, "loosened"),
        ("policy.limits.0.at_least", 0.86, "tightened"),
        ("policy.limits.1.at_most", 0.95, "loosened"),
        ("policy.limits.1.at_most", 0.9, "tightened"),
        ("policy.limits.0.gate", False, "loosened"),
        ("policy.limits.5.gate", True, "tightened"),
        ("policy.limits.0.measure", "accuracy", "loosened"),
        ("policy.limits.3.attribute", "race", "loosened"),
        ("policy.limits.3.attribute", None, "loosened"),
        ("policy.limits.0.reason", "Another.", "neutral"),
        ("release.approvals.plain", 0, "loosened"),
        ("release.approvals.waived", 1, "loosened"),
        ("release.approvals.waived", 3, "tightened"),
        ("release.licences.unknown", "allow", "loosened"),
        ("release.licences.forbidden", ["SSPL-1.0"], "loosened"),
        ("release.licences.forbidden", [*FORBIDDEN, "GPL-3.0-only"], "tightened"),
        ("release.governance", {"owner": "x", "steward": "y", "custodian": "z"}, "neutral"),
        ("privacy.personal", PRIVACY["personal"][1:], "loosened"),
        ("privacy.personal", [*PRIVACY["personal"], "another"], "tightened"),
        ("privacy.decisions_shown", PRIVACY["decisions_shown"] + 1, "loosened"),
        ("privacy.decisions_shown", PRIVACY["decisions_shown"] - 1, "tightened"),
        ("privacy.smallest_leaf", PRIVACY["smallest_leaf"] - 1, "loosened"),
        ("privacy.smallest_leaf", PRIVACY["smallest_leaf"] + 1, "tightened"),
        ("privacy.smallest_cell", PRIVACY["smallest_cell"] - 1, "loosened"),
        ("privacy.smallest_cell", PRIVACY["smallest_cell"] + 1, "tightened"),
        ("privacy.retention.data_days", 9999, "loosened"),
        ("privacy.retention.data_days", 1, "tightened"),
        ("privacy.retention.releases_days", 1, "loosened"),
        ("privacy.retention.releases_days", 9999, "loosened"),
        ("privacy.retention.trail_days", 1, "loosened"),
        ("policy.novelty", 7, "neutral"),
    ],
)  # fmt: skip
def test_one_change_has_one_way(place: str, value: Any, way: str) -> None:
    found = moved((place, value))

    assert set(ways(found)) == {way}
    assert all(each.heavy is False for each in found)


def test_the_way_back_is_the_other_way() -> None:
    after = copy.deepcopy(PARAMS)
    after["policy"]["correction"] = "intersection-union"
    after["release"]["licences"]["unknown"] = "allow"
    after["policy"]["protected_at_prediction"] = ["sex"]

    assert ways(changes(PARAMS, after)) == ["loosened"] * 3
    assert ways(changes(after, PARAMS)) == ["tightened"] * 3


def test_a_limit_put_in_or_taken_out() -> None:
    fewer = copy.deepcopy(PARAMS)
    gone = fewer["policy"]["limits"].pop(0)
    reported = gone | {"gate": False}

    assert [(c.way, c.where) for c in changes(PARAMS, fewer)] == [("loosened", "policy.limits.auc-floor")]
    assert ways(changes(fewer, PARAMS)) == ["tightened"]
    more = copy.deepcopy(fewer)
    more["policy"]["limits"].append(reported)
    assert ways(changes(fewer, more)) == ["neutral"]
    assert ways(changes(more, fewer)) == ["loosened"]


def test_a_limit_of_another_name_is_one_less_and_one_more() -> None:
    assert sorted(ways(moved(("policy.limits.0.name", "auc-least")))) == ["loosened", "tightened"]


def test_a_floor_that_becomes_a_ceiling_has_no_known_way() -> None:
    found = moved(("policy.limits.0.at_least", None), ("policy.limits.0.at_most", 0.85))

    assert ways(found) == ["loosened", "loosened"]


@pytest.mark.parametrize("kind", ["waivers", "overrides"])
@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ([], [WAIVER], "loosened"),
        ([WAIVER], [], "tightened"),
        ([WAIVER], [WAIVER | {"expires": "2028-01-01"}], "loosened"),
        ([WAIVER], [WAIVER | {"expires": "2027-01-01"}], "tightened"),
        ([WAIVER], [WAIVER | {"decided": "2026-01-01"}], "loosened"),
        ([WAIVER], [WAIVER | {"decided": "2026-12-01"}], "tightened"),
        ([WAIVER], [WAIVER | {"groups": ["Other"]}], "tightened"),
        ([WAIVER], [WAIVER | {"groups": ["Other", "White"]}], "loosened"),
        ([WAIVER], [WAIVER | {"groups": None}], "loosened"),
        ([WAIVER], [WAIVER | {"limit": "auc-floor"}], "loosened"),
        ([WAIVER], [WAIVER | {"decided_by": "Another"}], "loosened"),
        ([WAIVER], [WAIVER | {"reason": "Another."}], "tightened"),
    ],
)
def test_a_waiver_that_reaches_further_is_looser(kind: str, old: Any, new: Any, way: str) -> None:
    before, after = (
        copy.deepcopy(PARAMS) | {"policy": PARAMS["policy"] | {kind: value}} for value in (old, new)
    )
    found = changes(before, after)
    worst = "loosened" if "loosened" in ways(found) else "tightened"

    assert worst == way
    assert all(each.heavy for each in found if each.way == "loosened")


def test_a_waiver_that_becomes_an_override_is_looser() -> None:
    found = moved(("policy.waivers", []), ("policy.overrides", [WAIVER]))

    assert [(each.where, each.way) for each in found] == [
        ("policy.waivers", "tightened"),
        ("policy.overrides", "loosened"),
    ]


def test_licence_exceptions_are_looser_when_they_are_put_in() -> None:
    one = [{"name": "x", "reason": "y"}]
    before, after = copy.deepcopy(PARAMS), copy.deepcopy(PARAMS)
    before["release"]["licences"]["exceptions"] = []
    after["release"]["licences"]["exceptions"] = one

    assert ways(changes(before, after)) == ["loosened"]
    assert ways(changes(after, before)) == ["tightened"]
    other = copy.deepcopy(after)
    other["release"]["licences"]["exceptions"] = [{"name": "x", "reason": "z"}]
    assert ways(changes(after, other)) == ["neutral"]


def test_a_section_that_is_new_sets_and_loosens_nothing() -> None:
    found = changes({"policy": PARAMS["policy"]}, PARAMS)

    assert found
    assert "loosened" not in [each.way for each in found if "exceptions" not in each.where]


def test_what_is_taken_away_is_loosened() -> None:
    after = copy.deepcopy(PARAMS)
    del after["privacy"]
    del after["policy"]["level"]

    assert {each.way for each in changes(PARAMS, after)} == {"loosened"}


def test_every_number_and_word_of_the_sections_has_a_known_way() -> None:
    # A setting that is added to params.py must be put into a table, or stand here as one that has none.
    def leaves(kind: Any, where: str) -> list[str]:
        found = []
        for name, field in kind.model_fields.items():
            inner = getattr(field.annotation, "model_fields", None)
            found += leaves(field.annotation, f"{where}.{name}") if inner else [f"{where}.{name}"]
        return found

    every = {x for kind in (Policy, Release, Privacy) for x in leaves(kind, kind.__name__.lower())}
    known = set().union(
        policy_diff.LOOSER_UP, policy_diff.LOOSER_DOWN, policy_diff.LOOSER_LONG, policy_diff.LOOSER_SHORT,
        policy_diff.LOOSER_WORD, policy_diff.WORDS, policy_diff.NAMED, policy_diff.WAIVING,
        {policy_diff.OVERLAYS},
    )  # fmt: skip
    words = {place for place in every if place.startswith("release.governance.")}

    assert every - known - words == {
        "policy.alternatives",  # its numbers stand in the tables; of another limit somebody should look
        "policy.budget",  # fewer verdicts or more, or another test set: somebody should look at it
        "policy.constant_answer.not_required",
        "privacy.retention.releases_days",
        "privacy.retention.trail_days",
    }


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_of_two_floors_the_lower_one_is_looser(one: float, other: float) -> None:
    before, after = copy.deepcopy(PARAMS), copy.deepcopy(PARAMS)
    before["policy"]["limits"][0]["at_least"], after["policy"]["limits"][0]["at_least"] = one, other

    expected = [] if one == other else ["loosened" if other < one else "tightened"]
    assert ways(changes(before, after)) == expected


# ------------------------------------------------------------------ approvers


def people(*lines: str) -> Any:
    return read_approvers("\n".join(lines))


ADA_BOTH = approver("ada", ADA)


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ([], [ADA_BOTH], "neutral"),
        ([approver("bob", BOB, "git")], [approver("bob", BOB, "git"), ADA_BOTH], "loosened"),
        ([approver("bob", BOB, "git")],
         [approver("bob", BOB, "git"), approver("ada", ADA, "fairmark-approval")], "neutral"),
        ([ADA_BOTH], [ADA_BOTH, approver("bob", BOB)], "loosened"),
        ([ADA_BOTH], [ADA_BOTH, approver("ada", BOB)], "loosened"),
        # Whoever is named after nobody would be the first, and need nobody's approval.
        ([ADA_BOTH], [], "loosened"),
        ([ADA_BOTH], [approver("ada", ADA, "git")], "loosened"),
        ([ADA_BOTH, approver("bob", BOB)], [approver("bob", BOB)], "tightened"),
        ([ADA_BOTH, approver("bob", BOB)], [approver("ada", ADA, "git"), approver("bob", BOB)], "tightened"),
        ([approver("ada", ADA, "git"), approver("bob", BOB)], [ADA_BOTH, approver("bob", BOB)], "loosened"),
        ([ADA_BOTH], [approver("ada", ADA, more=',valid-before="20270101Z"')], "tightened"),
        ([approver("ada", ADA, more=',valid-before="20270101Z"')], [ADA_BOTH], "loosened"),
        ([approver("ada", ADA, more=',valid-before="20270101Z"')],
         [approver("ada", ADA, more=',valid-before="20270201Z"')], "loosened"),
        ([approver("ada", ADA, more=',valid-after="20270101Z"')], [ADA_BOTH], "loosened"),
        ([ADA_BOTH], [approver("ada", ADA, more=',valid-after="20270101Z"')], "tightened"),
        ([ADA_BOTH, approver("bob", BOB)], [approver("bob", BOB), ADA_BOTH], None),
        ([ADA_BOTH], ["# a comment", ADA_BOTH], None),
        ([ADA_BOTH, approver("bob", BOB)], [ADA_BOTH, approver("carl", BOB)], "loosened"),
        ([ADA_BOTH, approver("bob", BOB)], [ADA_BOTH, approver("bob", key("new"))], "loosened"),
    ],
)  # fmt: skip
def test_who_may_sign_more_is_looser(old: list[str], new: list[str], way: str | None) -> None:
    found = approver_changes(people(*old), people(*new))
    told = ways(found)
    worst = next((each for each in ("loosened", "neutral", "tightened") if each in told), None)

    assert worst == way
    assert all(each.heavy for each in found if each.way == "loosened")


SERVED: list[tuple[str, Any, Any, str]] = [
    ("oversight.mode", "in_the_loop", "on_the_loop", "loosened"),
    ("oversight.mode", "in_the_loop", "in_command", "loosened"),
    ("oversight.mode", "on_the_loop", "in_the_loop", "tightened"),
    ("oversight.refer.adverse", True, False, "loosened"),
    ("oversight.refer.sparse", False, True, "tightened"),
    ("oversight.refer.confidence_below", 0.6, 0.5, "loosened"),
    ("oversight.review_days", 5, 9, "loosened"),
    ("oversight.overturn_days", 14, 30, "tightened"),
    ("oversight.adverse_decision", 0, 1, "loosened"),
    ("limits.rows", 5000, 50_000, "loosened"),
    ("canary.shadow", 1000, 10, "loosened"),
    ("canary.level", 0.05, 0.01, "tightened"),
    ("journal.days", 1825, 3650, "loosened"),
    ("contact", "A", "B", "neutral"),
]


@pytest.mark.parametrize(("where", "old", "new", "way"), SERVED)
def test_a_change_of_how_it_is_served_is_told_by_what_it_leaves_to_people(
    where: str, old: Any, new: Any, way: str
) -> None:
    def section(value: Any) -> dict[str, Any]:
        for name in reversed(f"serve.{where}".split(".")):
            value = {name: value}
        return dict(value)

    (change,) = changes(section(old), section(new))

    assert (change.where, change.way) == (f"serve.{where}", way)
