"""Text is split into lines by one reader, at line feeds alone, as git does."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import InputError
from fairmark.files import OTHER_BREAKS, lines_of, plain_lines, read_json

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "flows").rglob("*.py")])


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))))
def test_lines_written_are_the_lines_read(each: list[str]) -> None:
    assert lines_of("".join(f"{line}\n" for line in each)) == each


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_plain_lines_are_what_every_reader_sees(text: str) -> None:
    """The oracle: Python's own `splitlines`, and bytes split as git splits them."""
    try:
        found = plain_lines(text, "it")
    except InputError:
        assert OTHER_BREAKS.search(text)
        return
    assert found == text.splitlines()
    assert "\n".join(found).encode() == text.encode().removesuffix(b"\n")


def test_every_sign_at_which_python_ends_a_line_is_known() -> None:
    ends = {chr(code) for code in range(0x110000) if len(f"a{chr(code)}b".splitlines()) == 2}

    assert {sign for sign in ends if OTHER_BREAKS.fullmatch(sign)} == ends - {"\n"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reads_lines_in_a_way_of_its_own(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    odd = [
        f"{path.name}:{node.lineno}: {node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("splitlines", "readlines")
    ]

    assert odd == []


def test_what_a_stranger_wrote_is_decoded_from_bytes() -> None:
    """`read_text` and text pipes turn a carriage return into a line feed: git and signed files are bytes."""
    house = ROOT / "src" / "fairmark"
    for path in (house / "repo/git.py", house / "repo/untrusted.py", *(house / "signing").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                words = {word.arg for word in node.keywords}
                name = getattr(node.func, "attr", "")
                assert not (name == "run" and words & {"text", "encoding", "universal_newlines"}), path
                assert name != "read_text" or path.name == "key_store.py", path  # the user's own key folder


def test_json_that_gives_a_key_twice_is_none(tmp_path: Path) -> None:
    path = tmp_path / "measurements.json"
    path.write_text('{"confidence": 0.5, "confidence": 0.95}')

    with pytest.raises(InputError, match=r"measurements\.json: must be JSON, got a key given twice"):
        read_json(path)
