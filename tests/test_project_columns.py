"""What each column of a table is proposed to be, and what a person is asked of it, known by hand."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairmark.errors import UsageError
from fairmark.project import candidates
from fairmark.project.choices import Options, chosen, questions
from fairmark.project.file_format import Overrides
from fairmark.project.table import Table, read_table
from fairmark.project.words import protected_hint, words_of

ROWS = 400


def people(folder: Path) -> Table:
    """Return a table in which every column plays another part, as a person would say."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "case_id": np.arange(ROWS),
            "customer_id": draw.integers(10_000, 10_150, ROWS),
            "applied": pd.date_range("2024-01-01", periods=ROWS, freq="h").strftime("%Y-%m-%d %H:%M:%S"),
            "birth_date": pd.date_range("1960-01-01", periods=ROWS, freq="D").strftime("%Y-%m-%d"),
            "Gender": draw.choice(["F", "M", "f"], ROWS, p=[0.4, 0.5, 0.1]),
            "age": draw.integers(18, 80, ROWS),
            "zip": draw.choice(["01234", "99999"], ROWS),
            "email": [f"p{k}@example.org" for k in range(ROWS)],
            "survey_weight": draw.random(ROWS).round(3) + 0.1,
            "constant": "x",
            "nothing": "",
            "grade": draw.choice(["1", "2", "3+"], ROWS),
            "granted": draw.choice(["yes", "no"], ROWS),
        }
    )
    frame.loc[::50, "granted"] = None
    frame.to_csv(folder / "people.csv", index=False)
    return read_table(folder / "people.csv", Overrides())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return people(tmp_path_factory.mktemp("people"))


def test_kinds_and_ranges_are_those_of_the_rows(table: Table) -> None:
    kinds = {name: column.kind_name for name, column in table.columns.items()}

    assert kinds["age"] == "numeric"
    assert kinds["applied"] == kinds["birth_date"] == "date"
    assert kinds["zip"] == kinds["grade"] == kinds["Gender"] == "categorical"
    assert table.columns["age"].said["min"] == table.columns["age"].cells.min()
    assert "do not ('3+')" in table.columns["grade"].why


def test_parts_are_chosen_with_their_reasons(table: Table) -> None:
    made = chosen(table, Options(target="granted", positive=("yes",), protect=("Gender", "age=30,50")), None)

    assert (made.row_id, made.person, made.time) == ("case_id", "customer_id", "applied")
    assert set(made.why) == {"row_id", "person", "time"}
    assert set(made.drop) == {"email", "constant", "nothing"}
    assert "e-mail" in made.drop["email"]
    assert made.unlabelled == ROWS // 50
    assert made.spellings == {"Gender": {"f": "F"}}
    assert made.protect[1].edges == (30.0, 50.0)


def test_what_could_be_meant_is_asked_and_never_taken(table: Table) -> None:
    made = chosen(table, Options(target="granted", positive=("yes",), protect=("Gender",)), None)
    asked = "\n".join(questions(table, made))

    assert "age: protected too, or withheld?" in asked
    assert "zip: may a model see it?" in asked
    assert "survey_weight: is it the weight of a row?" in asked
    assert made.weight is None
    assert made.forbid == ()


def test_what_was_not_read_as_it_seems_to_be_is_asked(tmp_path: Path) -> None:
    account = [2**53 + 1 + 2 * (k % 50) for k in range(ROWS)]
    when = ["2024-01-05", "05/01/2024"] * (ROWS // 2)
    amount = ["Total", *(str(k % 90) for k in range(1, ROWS))]
    frame = pd.DataFrame(
        {"account": account, "when": when, "amount": amount, "sex": ["f", "m"] * (ROWS // 2)}
    )
    frame["paid"] = ["yes", "no", "no", "no"] * (ROWS // 4)
    frame.to_csv(tmp_path / "odd.csv", index=False)
    found = read_table(tmp_path / "odd.csv", Overrides())
    made = chosen(found, Options(target="paid", positive=("yes",), protect=("sex",)), None)

    asked = {line.partition(":")[0]: line for line in questions(found, made) if "as it is meant" in line}
    assert [*asked] == ["account", "when", "amount"]
    assert "--keep account takes it as texts" in asked["account"]
    assert "written in several ways" in asked["when"]
    assert "do not ('Total')" in asked["amount"]
    assert "2^53" in made.drop["account"]


def test_none_says_that_there_is_no_such_column(table: Table) -> None:
    said = Options(
        target="granted", positive=("yes",), protect=("Gender",), time="none", person="none", row_id="none"
    )
    made = chosen(table, said, None)

    assert (made.row_id, made.person, made.time) == (None, None, None)


@pytest.mark.parametrize(
    ("options", "must"),
    [
        (
            Options(),
            ["--target: must name", "--target granted --positive yes", "its name is that of an outcome"],
        ),
        (Options(target="granted"), ["--positive: must say", "yes (", "of the rows"]),
        (
            Options(target="granted", positive=("yes",)),
            [
                "--protect: must name",
                "--protect Gender",
                "its name holds the word 'gender'",
                "--protect age=",
            ],
        ),
        (Options(target="grantd"), ["--target: must name a column", "did you mean 'granted'?"]),
        (Options(target="granted", positive=("maybe",), protect=("Gender",)), ["must be a value of granted"]),
        (Options(target="granted", positive=("yes",), protect=("age",)), ["by edges", "--protect age="]),
        (Options(target="granted", positive=("yes",), protect=("Gender=1",)), ["edges for numbers alone"]),
        (Options(target="granted", positive=("yes",), protect=("granted",)), ["must not be the target"]),
        (Options(target="granted", positive=("yes", "no"), protect=("age=30",)), ["must leave a value"]),
        (Options(target="constant", positive=("x",), protect=("age=30",)), ["two values or more"]),
        (Options(target="granted", positive=("yes",), protect=("age=a,b",)), ["numbers as edges"]),
        (Options(target="granted", drop=("granted",), protect=("age=30",)), ["--drop: must not name"]),
    ],
)
def test_without_a_terminal_nothing_is_guessed(table: Table, options: Options, must: list[str]) -> None:
    with pytest.raises(UsageError) as fault:
        chosen(table, options, None)

    for part in must:
        assert part in str(fault.value)


def test_on_a_terminal_the_same_is_asked(table: Table) -> None:
    asked: list[str] = []
    answers = iter(["granted", "yes", "Gender; age=30,50"])

    def ask(question: str, proposed: Mapping[str, str]) -> str:
        asked.append(f"{question} {dict(proposed)}")
        return next(answers)

    made = chosen(table, Options(), ask)

    assert made.target == "granted"
    assert made.positive == ("yes",)
    assert [each.name for each in made.protect] == ["gender", "age"]
    assert len(asked) == 3
    assert "sex: its name holds the word 'gender'" in asked[2]


def test_a_number_above_which_the_label_is_positive(table: Table) -> None:
    made = chosen(table, Options(target="age", positive=(">40",), protect=("Gender",)), None)

    assert made.positive == 40.0
    assert made.negative is None


def test_several_values_leave_the_others_negative(table: Table) -> None:
    made = chosen(table, Options(target="grade", positive=("3+",), protect=("Gender",)), None)

    assert made.positive == ("3+",)
    assert made.negative == ("1", "2")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ageOFocc", ["age", "ofocc"]),
        ("MaritalStatus", ["marital", "status"]),
        ("senior_citizen", ["senior", "citizen"]),
        ("TARGET", ["target"]),
    ],
)
def test_words_of_a_name(name: str, words: list[str]) -> None:
    assert words_of(name)[0] == words[0]


@pytest.mark.parametrize(
    ("name", "values", "what"),
    [
        ("sex", None, "sex"),
        ("q7", ["male", "female", "diverse"], "sex"),
        ("colour", ["White", "Black"], "race or ethnic origin"),
        ("x1", ["cauc", "afam", "other"], "race or ethnic origin"),
        ("Geschlecht", None, "sex"),
        ("a", ["männlich", "weiblich"], "sex"),
        ("paint", ["red", "white"], None),
        ("language", ["m", "s"], None),
        ("average_price", None, None),
        ("stage", None, None),
    ],
)
def test_a_protected_attribute_is_known_by_words_of_its_name_or_its_values(
    name: str, values: list[str] | None, what: str | None
) -> None:
    hint = protected_hint(name, values)

    assert (hint.what if hint else None) == what


def test_edges_are_round_and_inside_the_range(table: Table) -> None:
    edges = [float(edge) for edge in candidates.edges(table.columns["age"]).split(",")]

    assert edges == sorted(edges)
    assert all(edge % 5 == 0 for edge in edges)
    assert 18 < edges[0] < edges[-1] < 80
