"""Personal data is found by column, told by kind and share, and never shown."""

import pandas as pd
import pytest

from fairmark.data.pii import personal

FIRST = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Ken", "Radia", "Tony"]
LAST = [
    "Lovelace",
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Allen",
    "Thompson",
    "Perlman",
    "Hoare",
]
PEOPLE = [f"{first} {last}" for first in FIRST for last in LAST]
CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"


def kinds(name: str, values: list[object], kind: str = "categorical") -> list[str]:
    return [found.kind for found in personal(name, pd.Series(values), kind, least=0.5)]


def numbered(pattern: str, count: int = 100) -> list[object]:
    return [pattern.format(k) for k in range(count)]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("contact", numbered("ada{}@example.org"), "e-mail"),
        ("contact", numbered("+49 170 12345{:02}"), "phone"),
        ("contact", numbered("(555) 123-45{:02}"), "phone"),
        ("contact", numbered("555-123-45{:02}"), "phone"),
        ("mobile", numbered("01701234{:03}"), "phone"),
        ("column 7", list(PEOPLE), "name"),
        ("Kunde", [person.replace(" ", ", ") for person in PEOPLE], "name"),
        ("last_name", [person.split()[1] for person in PEOPLE * 2] + numbered("Mc{}", 10)[:10], "name"),
        ("surname", numbered("O'Brien {}")[:0] + [f"{a}{b.lower()}" for a in LAST for b in FIRST], "name"),
        ("x", numbered("123-45-67{:02}"), "national id"),
        ("x", numbered("AB 12 34 {:02} C"), "national id"),
        ("x", numbered("10.0.3.{}"), "ip address"),
        ("x", numbered("2001:db8:0:0:0:0:0:{:x}"), "ip address"),
        ("x", [CARD] * 60, "card number"),
        ("x", [IBAN] * 60, "bank account"),
        ("home address", numbered("{} High Street"), "address"),
        ("born", numbered("{:02}.01.1980"), "birth date"),
        ("case", numbered("C-{:04}"), "id-like"),
    ],
)
def test_personal_data_is_found(name: str, values: list[object], kind: str) -> None:
    assert kinds(name, values) == [kind]


def test_numbers_that_count_rows_are_ids() -> None:
    assert kinds("key", [float(k) for k in range(100, 200)], "numeric") == ["id-like"]
    assert kinds("key", [100000.0 + 8999 * k for k in range(100)], "numeric") == ["id-like"]


def test_a_date_of_birth_is_told_by_its_name() -> None:
    days = [pd.Timestamp("1980-01-01")]

    assert kinds("dateOfBirth", list(days), "date") == ["birth date"]
    assert kinds("opened", list(days), "date") == []


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        (
            "native-country",
            ["United-States", "Outlying-US(Guam-USVI-etc)", "Puerto-Rico", "Trinadad&Tobago"] * 50,
            "categorical",
        ),
        ("education", ["Bachelors", "HS-grad", "11th", "Some-college"] * 50, "categorical"),
        ("city", ["New York", "San Francisco", "Los Angeles", "Las Vegas"] * 50, "categorical"),
        ("product name", ["Small Loan", "Big Loan"] * 50, "categorical"),
        ("product name", [f"Loan {chr(97 + k % 26)}" for k in range(500)], "categorical"),
        ("town", [f"New {chr(65 + k % 26)}ork" for k in range(500)], "categorical"),
        ("bracket", ["10000-20000", "20000-50000"] * 50, "categorical"),
        ("day", [f"2020-01-{k:02}" for k in range(1, 29)] * 5, "categorical"),
        ("capital-gain", [float(k % 7) * 1000 for k in range(200)], "numeric"),
        ("income", [1000.5 + 37.25 * k for k in range(200)], "numeric"),
        ("income", [float(k * k + 900) for k in range(200)], "numeric"),
        ("owner", [True, False] * 50, "boolean"),
        ("rare", ["a", "b", "c"], "categorical"),
        ("empty", [None] * 5, "categorical"),
    ],
)
def test_ordinary_columns_are_left_alone(name: str, values: list[object], kind: str) -> None:
    assert kinds(name, values, kind) == []


def test_the_share_counts_given_cells_and_a_small_one_is_not_told() -> None:
    cells = pd.Series(["a@b.org"] * 3 + ["none"] * 1 + [None] * 96)

    assert personal("note", cells, "categorical", least=0.5)[0].share == 0.75
    assert personal("note", cells, "categorical", least=0.8) == []


def test_a_card_number_needs_its_check_digit() -> None:
    assert kinds("x", [CARD[:-1] + "2"] * 60) == []


def test_an_account_number_needs_its_check_digits() -> None:
    assert kinds("x", [IBAN.replace("89", "88", 1)] * 60) == []
