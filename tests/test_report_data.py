"""The data section tells who is in the data, and shows no value of personal data."""

from typing import Any

import pytest
from data_summaries import changed
from stage_outputs import DIFFER, FAIR, audit, facts, split

from fairmark.report.data import groups, leakage, made, parts, personal, proxies, strongest, withheld
from fairmark.report.model_card import card
from fairmark.report.page import page

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = audit(TEAMS, ("age", "job"))


def test_the_parts_are_listed_in_their_order() -> None:
    assert [row[:2] for row in parts(facts()).rows] == [
        ("Train", "800"),
        ("Validation", "300"),
        ("Test", "1,000"),
    ]


def test_groups_stand_with_their_rows_and_label_rate() -> None:
    rows = groups(facts(), "team").rows

    assert (rows[0][1], rows[0][4]) == ("800", "0.310")


def test_a_proxy_says_what_became_of_it() -> None:
    table = proxies(facts())

    assert table is not None
    assert (table.rows[0][0], table.rows[0][3], table.rows[0][4]) == ("job", "0.770", "the model may use it")


def test_nothing_found_is_nothing_shown() -> None:
    clean = facts(audit=changed(FOUND, proxies=[], label_power={}))

    assert (proxies(clean), leakage(clean), personal(clean), strongest(clean)) == (None, None, None, None)


def test_the_strongest_column_is_named() -> None:
    assert strongest(facts()) == ("age", "0.660")


def test_findings_are_listed() -> None:
    marked = {
        "leakage": [{"column": "paid-on", "auc": 0.99, "withheld": False}],
        "personal": [{"column": "mail", "kind": "e-mail", "share": 0.9}],
    }
    found = facts(audit=changed(FOUND, **marked))

    assert [list(table.rows[0]) for table in (leakage(found), personal(found)) if table] == [
        ["paid-on", "0.990"],
        ["mail", "e-mail", "0.900"],
    ]


def test_what_the_model_never_sees_is_named() -> None:
    assert withheld(facts()) == ["team"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "Parts are drawn by a hash of each row's id within label and groups; the test part is a share."),
        ({"test_file": True}, "the test part is the published test file"),
        ({"alike": "together"}, "Rows alike in every feature are kept together."),
        (
            {"order": "time"},
            "Parts follow time: the test part is a share, the latest rows, and the validation",
        ),
        ({"order": "time", "gap_days": 30.0}, "Rows of the 30 days before a later part are in none."),
        (
            {"persons": {"train": 80, "valid": 30, "test": 1000}},
            "No person is in two parts: 80 in train, 30 in",
        ),
    ],
)
def test_the_split_is_told_as_it_was_made(changes: dict[str, Any], says: str) -> None:
    assert says in made(facts(split=split(TEAMS, **changes)))


def test_parts_that_differ_are_told_on_card_and_report() -> None:
    assert DIFFER in card(facts())
    assert DIFFER in page(facts())


@pytest.mark.parametrize(("persons", "says"), [(None, True), ({"train": 8, "valid": 3, "test": 9}, False)])
def test_persons_in_two_parts_are_not_known_where_nobody_said_whose_the_rows_are(
    persons: dict[str, int] | None, says: bool
) -> None:
    rules = FAIR.model_copy(update={"findings": FAIR.findings.model_copy(update={"shared_persons": 0.0})})
    found = facts(rules=rules, split=split(TEAMS, persons=persons))

    assert ("Whose a row is, is not known" in page(found)) == says
    assert ("| not known | not known |" in card(found)) == says
