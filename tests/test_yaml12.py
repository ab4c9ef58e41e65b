"""A YAML text means to fairmark what it means to DVC, or it is refused: both ways, for every text."""

import time
from typing import Any

import pytest
from dvc.utils.serialize._yaml import dumps_yaml
from dvc.utils.serialize._yaml import parse_yaml as dvc_reads
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import InputError
from fairmark.yaml12 import format_yaml, parse_yaml

TWO_WAYS = [
    *("YES", "yes", "Yes", "no", "NO", "on", "ON", "off", "y", "n", "Y", "N", "true", "True", "TRUE", "tRue"),
    *("1e-05", "1e5", "1E5", "1e+5", "1.e5", ".5", "5.", "+1", "-1", "+.5", "-0", "-0.0", "1_000", "1_0.5_0"),
    *("_", "_1", "1_", "-_1", "+_", "0x_", "0o_", "._", "016", "0o16", "0b11", "0x1F", "08", "09", "0o8"),
    *("12:30:45", "190:20:30", "190:20:30.15", "2020-01-01", "2020-1-1", "2020-13-45", "0000-01-01"),
    *("2020-01-01T10:00:00Z", "2020-01-01 10:00:00", "2020-01-01 10:00", "~", "null", "Null", "NULL", "nULL"),
    *(".inf", "-.inf", "+.Inf", ".nan", ".NaN", "nan", "inf", "Infinity", "=", "<<", "-", "?", "!", "&", "*"),
    *(
        "",
        " ",
        "#",
        "a #b",
        "a: b",
        "a:",
        ":a",
        "- a",
        "[a",
        "]",
        "{a",
        "}",
        ",",
        "'",
        '"',
        "%",
        "@",
        "`",
        "|",
        ">",
    ),
    *(
        "---",
        "...",
        "--- a",
        "\n",
        "a\n",
        "\na",
        "a\nb",
        "a\n\nb",
        "\t",
        "\ta",
        "a\t",
        "\x85",
        "a\x85b",
        "\u2028",
    ),
    *("\ufeff", "\x00", "\x07", "\x7f", "\xa0", "\U0001f600", "9" * 30, "0x" + "f" * 40),
]
"""What one reader of YAML takes for a text and another for something else."""

TEXTS = (
    st.sampled_from(TWO_WAYS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text("0123456789_.eE+-:oxb TZ", max_size=12)
    | st.text("ab \n\t#:-", max_size=120)
)
PLAIN = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def _read(text: str) -> tuple[bool, Any]:
    try:
        return True, parse_yaml(text, "x")
    except InputError:
        return False, None


def _alike(ours: Any, dvcs: Any) -> bool:
    """Whether two values are equal, whole numbers are not floats, and a day is the text of itself."""
    if isinstance(ours, dict) and isinstance(dvcs, dict):
        return list(ours) == list(dvcs) and all(_alike(ours[key], dvcs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(dvcs, list):
        return len(ours) == len(dvcs) and all(map(_alike, ours, dvcs))
    if type(ours) is str and type(dvcs).__name__ == "date":
        return ours == str(dvcs)
    return type(ours) is type(dvcs) and repr(ours) == repr(dvcs)


@given(st.lists(TEXTS, max_size=3), st.sampled_from(["a: {}", "{}: a", "- {}", "[{}, {}]", "{}", "{}: {}"]))
def test_a_text_as_a_person_types_it_is_read_as_dvc_reads_it_or_refused(texts: list[str], form: str) -> None:
    text = "\n".join(form.replace("{}", typed) for typed in texts)

    read, value = _read(text)

    assert not read or _alike(value or {}, dvc_reads(text, "x"))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.text("ab1&*!<>:-?|%'\"[]{},# \n", max_size=40)
)
def test_any_text_at_all_is_read_as_dvc_reads_it_or_refused(text: str) -> None:
    read, value = _read(text)

    assert not read or _alike(value or {}, dvc_reads(text, "x"))


@given(st.dictionaries(TEXTS, PLAIN, max_size=4))
def test_what_dvc_writes_is_read_as_what_it_was_or_refused(value: dict[str, Any]) -> None:
    read, back = _read(dumps_yaml(value))

    assert (read and (back or {}) == value) or "\\x85" in repr(value)


@given(st.dictionaries(TEXTS, PLAIN, min_size=1, max_size=4))
def test_what_fairmark_writes_is_read_by_dvc_as_what_it_was(value: dict[str, Any]) -> None:
    try:
        text = format_yaml(value)
    except InputError:
        assert "\\x85" in repr(value)
        return

    assert _alike(value, dvc_reads(text, "x"))


@pytest.mark.parametrize("text", ["YES", "yes", "no", "on", "off", "y", "n", "12:30:45", "1e", "0o8"])
def test_a_word_of_yaml_1_1_is_the_text_that_it_is(text: str) -> None:
    assert parse_yaml(f"positive: {text}", "x") == {"positive": text}


@pytest.mark.parametrize(
    ("text", "number"), [("1e-05", 1e-05), ("016", 16), ("0o16", 14), ("1_000", 1000), ("1e3", 1000.0)]
)
def test_a_number_of_yaml_1_2_is_the_number_that_it_is(text: str, number: float) -> None:
    assert parse_yaml(f"a: {text}", "x") == {"a": number}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: .inf", "line 1: '.inf', which must be a finite number, or a text in quotes"),
        ("a:\n  1990: x", "line 2: the key '1990', which is no text until it stands in quotes"),
        ("2020-01-01: x", "line 1: the key '2020-01-01', which is no text until it stands in quotes"),
        ("a: &x 2020-01-01\n*x : b", "line 2: the key *x, which is no text of its own"),
        ("a: &x 1\n*x : b", "line 2: the key *x, which is no text of its own"),
        ("true: x", "line 1: the key 'true', which is no text until it stands in quotes"),
        ("a: 2020-01-01 10:00:00", "line 1: '2020-01-01 10:00:00', a moment, which is no text until"),
        ("a: =", "line 1: '=', which is no text until it stands in quotes"),
        ("a: 1\na: 2", "line 2: the key 'a' a second time"),
        ("a: &x {b: 1}\nc: {<<: *x}", "line 2: '<<', which is no text"),
        ("%YAML 1.1\n---\na: yes", "line 1: a directive"),
        ("a: 1\n---\nb: 2", "line 2: a second document"),
        ("a: !!str 1", "line 1: a tag"),
        ("a: &x [*x]", "which stands for nothing, or for itself"),
        ("[" * 65 + "]" * 65, "more than 64 levels"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match="x: must be plain YAML, got ") as error:
        parse_yaml(text, "x")

    assert told in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1" + ":59" * 100_000,
        "a: 0x" + "f" * 1_000_000,
        "a: " + "9" * 1_000_000,
        "a: " + "1_" * 500_000,
        "a: 0." + "9" * 1_000_000,
        "\n".join(["a0: &a0 [1]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 30))]),
        "\n".join(
            [
                "a0: &a0 {b: 1}",
                *(f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}" for k in range(1, 30)),
            ]
        ),
        "{" + ", ".join(f"k{k}: 1" for k in range(50_000)) + "}",
        "- a\n" * 1_000_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_text_ends_soon(text: str) -> None:
    begun = time.process_time()

    _read(text)

    assert time.process_time() - begun < 10
