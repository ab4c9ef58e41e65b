"""Numbers and measures read the same everywhere, and what was not measured says why."""

import pytest

from fairmark.judge.measured import Measured
from fairmark.report.labels import count, interval, listed, measured, number, setting
from fairmark.stats.measures import MEASURED, meaning
from fairmark.stats.measures import label as title

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345, "0.123"),
        (1.0, "1.000"),
        (-0.5, f"{MINUS}0.500"),
        (-0.0001, "0.000"),
        (0.0, "0.000"),
        (None, "not measured"),
    ],
)
def test_a_number_has_its_decimals_and_a_real_minus_sign(value: float | None, shown: str) -> None:
    assert number(value, 3) == shown


def test_counts_have_their_thousands_set_apart() -> None:
    assert (count(999), count(16281), count(1234567)) == ("999", "16,281", "1,234,567")


def test_a_measurement_by_hand() -> None:
    assert measured(Measured(value=0.5, low=0.25, high=0.75), 2) == "0.50 (0.25 to 0.75)"


def test_a_measurement_without_an_interval_stands_alone() -> None:
    assert measured(Measured(value=0.5, low=None, high=None), 2) == "0.50"
    assert interval(None, 0.5, 2) == ""


def test_what_was_not_measured_says_why() -> None:
    entry = Measured(value=None, low=None, high=None, why="no rows")

    assert measured(entry, 3) == "not measured: no rows"
    assert measured(Measured(value=None, low=None, high=None), 3) == "not measured: no reason was given"
    assert measured(None, 3) == "not measured"


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("recall", "True positive rate"),
        ("selection_rate_ratio", "Selection rate ratio"),
        ("true_positive_rate_difference", "True positive rate difference"),
        ("equalized_odds_difference", "Equalized odds difference"),
        ("pr_auc_gain", "PR AUC gain"),
        ("something_new", "Something new"),
    ],
)
def test_every_measure_has_a_name(measure: str, words: str) -> None:
    assert title(measure) == words


def test_every_headline_measure_has_a_meaning() -> None:
    assert all(meaning(name) for name in MEASURED)
    assert meaning("accuracy_ratio") == "lowest group over highest; 1 is parity"
    assert meaning("accuracy_difference") == "highest group less lowest; 0 is parity"
    assert meaning("f1_gain").endswith("0 is no better")
    assert meaning("something_new") == ""


def test_names_are_listed_as_in_a_sentence() -> None:
    assert (listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == (
        "",
        "a",
        "a and b",
        "a, b and c",
    )


def test_settings_are_short() -> None:
    assert [setting(each) for each in (0.0774597, 31, True, "gbdt")] == ["0.07746", "31", "yes", "gbdt"]
