"""The data card says of every column what it is, which are personal, and what is shown of single people."""

import pytest
from data_summaries import READ
from stage_outputs import PREPARE, PRIVACY, RELEASE, TEAMS, audit, facts, prepared

from fairmark.params.prepare import Csv, Privacy
from fairmark.report.data import data_card, data_card_page, trimmed

FOUND = facts()


def rows(text: str) -> dict[str, list[str]]:
    """Return the rows of the card's tables by their first cell."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in reversed(lines)}


def test_every_column_has_its_kind_role_missing_share_and_whether_it_is_personal() -> None:
    told = rows(data_card(FOUND, PREPARE, PRIVACY, RELEASE))

    assert told["age"] == ["numeric", "feature", "0.000", "yes"]
    assert told["job"] == ["categorical", "feature", "0.125", "no"]
    assert told["team"] == ["categorical", "protected", "0.000", "yes"]
    assert told["paid"] == ["two classes", "label", "", "no"]
    assert told["note"] == ["not read", "dropped", "", "yes"]


def test_columns_stand_in_the_order_of_the_file_where_params_name_them() -> None:
    form = Csv(
        type="csv",
        separator=",",
        decimal=".",
        header=["paid", "id", "age"],
        missing=[],
        thousands=None,
        units=[],
        encoding="utf-8",
    )
    text = data_card(FOUND, PREPARE.model_copy(update={"format": form, "row_id": "id"}), PRIVACY, RELEASE)

    assert [name for name in rows(text) if name in {"paid", "id", "age"}][::-1] == ["paid", "id", "age"]
    assert rows(text)["id"][:2] == ["not read", "id"]


@pytest.mark.parametrize(
    ("role", "told"), [("row_id", "id"), ("person", "person"), ("time", "time"), ("weight", "weight")]
)
@pytest.mark.parametrize("header", [None, ["paid", "other", "age", "job", "team", "note"]])
def test_no_column_is_called_a_feature_but_those_that_the_model_sees(
    role: str, told: str, header: list[str] | None
) -> None:
    form = PREPARE.format
    if header is not None:
        form = Csv.model_validate(
            {"type": "csv", "separator": ",", "decimal": ".", "header": header, "missing": []}
            | {"thousands": None, "units": [], "encoding": "utf-8"}
        )
    text = data_card(FOUND, PREPARE.model_copy(update={role: "other", "format": form}), PRIVACY, RELEASE)

    assert rows(text)["other"][:2] == ["not read", told]
    assert {name for name, cells in rows(text).items() if "feature" in cells} == {"age", "job"}


def test_what_the_file_itself_calls_an_index_is_named_with_its_role() -> None:
    found = facts(prepared=prepared(index=["__index_level_0__"]))
    told = rows(data_card(found, PREPARE, PRIVACY, RELEASE))

    assert told[r"\_\_index\_level\_0\_\_"][:2] == ["not read", "index of the file"]


def test_what_looks_personal_and_is_not_declared_is_a_finding() -> None:
    looks = audit(TEAMS, ("age", "job"), personal=[{"column": "job", "kind": "e-mail", "share": 0.97}])
    text = data_card(facts(audit=looks), PREPARE, PRIVACY, RELEASE)

    assert "- **job looks like e-mail in 0.970 of its cells and is not declared personal.**" in text
    assert rows(text)["job"][-1] == "no, looks like e-mail in 0.970 of its cells"


def test_a_declared_column_that_is_found_too_is_no_finding() -> None:
    looks = audit(TEAMS, ("age", "job"), personal=[{"column": "age", "kind": "id-like", "share": 1.0}])

    assert "**Findings.**" not in data_card(facts(audit=looks), PREPARE, PRIVACY, RELEASE)


def test_a_declared_column_that_the_data_does_not_have_is_a_finding() -> None:
    text = data_card(FOUND, PREPARE, PRIVACY.model_copy(update={"personal": ["salary"]}), RELEASE)

    assert "salary is declared personal, and the data has no such column" in text


def test_governance_times_rows_and_groups_stand_on_it() -> None:
    text = data_card(FOUND, PREPARE, PRIVACY, RELEASE)
    told = rows(text)

    assert {"- Owner: O.", "- Custodian, who keeps it: C."} <= set(text.splitlines())
    assert (told["A version of the data"], told["A release"]) == (["365"], ["730"])
    assert "630 rows (0.300) are yes" in text
    assert told["blue"] == ["800", "0.400", "0.310", "0.020"]


@pytest.mark.parametrize(("most", "decisions", "lines"), [(0, 0, 0), (1, 1, 0), (2, 1, 1), (9, 1, 2)])
def test_no_more_people_are_shown_than_allowed_decisions_first(most: int, decisions: int, lines: int) -> None:
    kept = trimmed(FOUND.explanations, most)

    assert len(kept.decisions) == decisions
    assert len(kept.dependence["age"].ice) == lines
    assert kept.dependence["age"].mean == FOUND.explanations.dependence["age"].mean


def test_a_name_in_the_data_is_no_markup() -> None:
    odd = "a | <b>*c*"
    text = data_card(facts(names=(odd, "job")), PREPARE, PRIVACY, RELEASE)

    assert "<b>" not in data_card_page(FOUND, text)
    assert len([line for line in text.splitlines() if line.startswith("| a ")]) == 1


def test_the_same_facts_give_the_same_card_which_asks_for_nothing() -> None:
    text = data_card(FOUND, PREPARE, PRIVACY, RELEASE)
    page = data_card_page(FOUND, text)

    assert text == data_card(FOUND, PREPARE, Privacy.model_validate(PRIVACY.model_dump()), RELEASE)
    assert not {"<script", "http://", "https://", "src="} & set(page.split())


def test_what_was_done_before_anything_else_is_told() -> None:
    dropped = {"column": "job", "when": "is missing", "reason": "Nobody asked.", "rows": 1200}
    done = prepared(
        excluded=[dropped],
        respelt={"team": 7},
        unread={"note": "list<element: string>"},
        columns={"job": READ | {"said": False}, "age": READ},
    )

    text = data_card(facts(prepared=done), PREPARE, PRIVACY, RELEASE)

    assert "- Left out before anything else: 1,200 rows whose job is missing. Nobody asked." in text
    assert "- Texts taken for another spelling of them: 7 rows of team." in text
    assert "note holds no single values (list&lt;element: string&gt;), and was not read." in text.replace(
        "\\", ""
    )
    assert (
        "Nobody said of what kind these columns are; it was read off the data, of which every cell fits: job."
        in text
    )
