"""What a release flow decides follows from plain values alone."""

from types import SimpleNamespace
from typing import Any

import pytest
from confusion_rows import document

from fairmark.errors import RefusedError, StateError
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Disparity
from fairmark.release import plan


def goal(asked: str | None = None, tags: list[str] | None = None, here: tuple[str, ...] = ()) -> plan.Goal:
    return plan.goal(asked, tags or [], "loans", here.__contains__, lambda: "v0.3.0")


def finding(**changed: Any) -> Any:
    plain = {
        "limit": "four-fifths",
        "measure": "selection_rate_ratio",
        "attribute": "sex",
        "group": None,
        "outcome": "fail",
        "value": 0.5,
        "bound": 0.4,
        "limit_value": 0.8,
        "at": "at_least",
        "rows": 10,
        "text": "0.40 is below 0.80: mitigate more",
        "waived_by": None,
        "gate": True,
    }
    return SimpleNamespace(**{**plain, **changed})


def verdict(outcome: str, *findings: SimpleNamespace, faults: tuple[str, ...] = ()) -> Any:
    found = SimpleNamespace(outcome=outcome, state=outcome, findings=findings, faults=faults, lines=())
    found.deciding = (("", found),)
    return found


def test_a_commit_without_a_release_gets_the_next_free_version() -> None:
    found = goal(tags=["v9.9.9", "other@v5.0.0", "loans@latest"])

    assert found == plan.Goal("v0.3.0", tagged=False, present=False)


def test_a_version_asked_for_is_taken() -> None:
    assert goal(asked="v1.0.0", tags=["loans@v0.1.0"]) == plan.Goal("v1.0.0", tagged=False, present=False)


def test_a_folder_that_a_killed_run_left_is_seen() -> None:
    assert goal(here=("v0.3.0",)) == plan.Goal("v0.3.0", tagged=False, present=True)


def test_a_released_commit_keeps_its_release() -> None:
    assert goal(tags=["loans@v0.1.0"], here=("v0.1.0",)) == plan.Goal("v0.1.0", tagged=True, present=True)


def test_of_several_releases_of_a_commit_the_highest_that_is_here_counts() -> None:
    tags = ["loans@v0.10.0", "loans@v0.9.0", "loans@v0.2.0"]

    assert goal(tags=tags, here=("v0.2.0", "v0.9.0")).version == "v0.9.0"
    assert goal(tags=tags) == plan.Goal("v0.10.0", tagged=True, present=False)


def test_the_latest_release_is_found_by_number_not_by_text() -> None:
    assert plan.latest(["loans@v0.9.0", "loans@v0.10.0", "cars@v2.0.0"], "loans") == "loans@v0.10.0"
    assert plan.latest(["cars@v2.0.0"], "loans") is None


def test_results_that_are_not_committed_are_refused_by_name() -> None:
    plan.refuse_changed([])

    with pytest.raises(StateError, match=r"got changes in dvc\.lock, params\.yaml; .*commit them.*run again"):
        plan.refuse_changed(["dvc.lock", "params.yaml"])


def test_a_pass_goes_on() -> None:
    plan.refuse_unless_passed(verdict("pass", finding(gate=False)), "report.html")


@pytest.mark.parametrize("outcome", ["fail", "insufficient evidence", ""])
def test_anything_but_a_pass_is_refused_with_what_was_found_and_what_to_do(outcome: str) -> None:
    with pytest.raises(RefusedError, match=f"must be pass, got {outcome}") as refusal:
        plan.refuse_unless_passed(verdict(outcome, finding(), finding(outcome="pass")), "report.html")

    assert refusal.value.exit_code == 3
    assert refusal.value.faults[1:] == (
        "four-fifths: 0.40 is below 0.80: mitigate more",
        "report: report.html",
    )


def test_a_refusal_names_what_is_wrong_with_the_measurements_and_does_not_go_on_for_ever() -> None:
    with pytest.raises(RefusedError, match="must be pass") as refusal:
        plan.refuse_unless_passed(
            verdict("fail", *[finding() for _ in range(20)], faults=("auc: must be finite",)), "r"
        )

    assert refusal.value.faults[1] == "auc: must be finite"
    # Twenty comparisons of one limit are one line: the one that decides, and what the others are of.
    assert len(refusal.value.faults) == 4
    assert refusal.value.faults[2].endswith("and 14 more.")
    assert refusal.value.faults[-1] == "report: r"


@pytest.mark.parametrize("changed", [{"outcome": "pass"}, {"gate": False}, {"waived_by": "A. Person"}])
def test_a_pass_a_report_and_a_waived_limit_are_not_in_the_way(changed: dict[str, Any]) -> None:
    assert plan.blocks(finding())
    assert not plan.blocks(finding(**changed))


def test_the_table_has_a_row_for_each_finding_those_in_the_way_first() -> None:
    rows = plan.table(verdict("fail", finding(limit="a", outcome="pass"), finding(limit="b", group="Female")))

    assert [row["limit"] for row in rows] == ["b", "a"]
    assert rows[0]["group"] == "sex Female"
    assert rows[0]["limit value"] == "at least 0.8"


def test_the_summary_shows_what_was_measured_whatever_the_attributes_are_called() -> None:
    found = plan.figures(
        document().model_copy(
            update={
                "overall": {
                    "roc_auc": Measured(value=0.9114, low=0.9, high=0.92),
                    "accuracy": Measured(value=None, low=None, high=None),
                },
                "disparities": {
                    "region & age": {"selection_rate_ratio": Disparity(value=0.8, low=None, high=None)}
                },
            }
        )
    )

    assert list(found) == [
        ("AUC", "0.911 (0.900 to 0.920)"),
        ("accuracy", "not known"),
        ("region & age", "selection rate ratio 0.800"),
    ]


def test_a_rebuild_differs_by_changed_missing_and_new_outputs() -> None:
    assert plan.differences({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == []
    assert plan.differences({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == [
        "a: must have MD5 1 as released, got none",
        "b: must have MD5 2 as released, got 3",
        "c: must have MD5 none as released, got 4",
    ]
