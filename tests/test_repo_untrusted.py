"""A file written by a stranger is read as plain values, or refused in one line; it never ends the process."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import InputError
from fairmark.repo import untrusted
from fairmark.repo.untrusted import foreign_bytes, foreign_json, foreign_yaml, strict_yaml

DEEP = 100_000


def test_plain_values_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, 2.5, null, true, "ü"]}', encoding="utf-8")
    (tmp_path / "a.yaml").write_text("a: [1, 2.5, null, true, ü]\nb: 2024-02-29\n", encoding="utf-8")

    assert foreign_json(tmp_path / "a.json") == {"a": [1, 2.5, None, True, "ü"]}
    assert foreign_yaml(tmp_path / "a.yaml") == {"a": [1, 2.5, None, True, "ü"], "b": "2024-02-29"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1, "a": 2}',
        "[NaN]",
        "[-Infinity]",
        "[1e999]",
        "1" * 5000,
        "[" * DEEP,
        "[" * 70 + "]" * 70,
        '{"a":' * 70 + "1" + "}" * 70,
    ],
)
def test_json_that_is_not_strict_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)

    with pytest.raises(InputError, match=r"a\.json: must be"):
        foreign_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: 1\na: 2",
        "a: &x [*x]",
        "\n".join(["a0: &a0 [1]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 20))]),
        "a: !!python/object/apply:os.system ['true']",
        "a: .nan",
        "a: 2024-13-45",
        "? [a]\n: b",
        "[" * DEEP,
        "- " * DEEP + "a",
        "? " * DEEP,
        "{a: " * 70 + "1" + "}" * 70,
    ],
)
def test_yaml_that_is_not_plain_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)

    with pytest.raises(InputError, match=r"a\.yaml: must be plain YAML"):
        foreign_yaml(tmp_path / "a.yaml")


def test_an_alias_within_bounds_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &x [1]\nb: *x")

    assert foreign_yaml(tmp_path / "a.yaml") == {"a": [1], "b": [1]}


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'"\xff"')

    with pytest.raises(InputError, match="must be UTF-8"):
        foreign_json(tmp_path / "a.json")


def test_links_pipes_folders_and_nothing_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("link", "pipe", "folder"):
        with pytest.raises(InputError, match="must be a regular file"):
            foreign_bytes(tmp_path / name)
    with pytest.raises(InputError, match="must exist"):
        foreign_bytes(tmp_path / "absent")


def test_a_file_past_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "LIMIT_BYTES", 10)
    (tmp_path / "a.json").write_text("1" * 11)

    with pytest.raises(InputError, match="must have at most 10 bytes, got 11"):
        foreign_json(tmp_path / "a.json")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(PLAIN)
def test_what_json_writes_comes_back(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.json").write_text(json.dumps(value))
        assert foreign_json(Path(folder) / "a.json") == value


def test_a_yaml_of_very_many_values_is_refused_before_it_is_built() -> None:
    with pytest.raises(InputError, match="more than 200000 values"):
        strict_yaml("- a\n" * 1_000_000, "x.yaml")
