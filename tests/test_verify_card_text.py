"""A card is read by its structure, and what another reader would show otherwise is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from fairmark.errors import FairmarkError, VerificationError
from fairmark.report.rendering import literal
from fairmark.verify.card_text import BAR, CardTable, Heading, Line, blocks, shown

CARD = "# A card\n\nText \\| of it.\n\n| a | b |\n|---|---:|\n| x \\| y | 1 |\n\n- an item &lt;b&gt;\n"


def test_headings_tables_and_lines_come_in_order() -> None:
    assert [*blocks(CARD, "card")] == [
        Heading(1, "A card"),
        Line(f"Text {BAR} of it."),
        CardTable(("a", "b"), ((f"x {BAR} y", "1"),)),
        Line("- an item <b>"),
    ]


@pytest.mark.parametrize(
    ("text", "must"),
    [
        ("a | b\n---|---\nROC AUC | 1.0\n", "a bar must begin a row of a table"),
        ("> | a | b |\n> |---|---|\n> | ROC AUC | 1.0 |\n", "a bar must begin"),
        ("  | a | b |\n  |---|---|\n", "a bar must begin"),
        ("| a | b |\n| ROC AUC | 1.0 |\n", "must have its line of dashes"),
        ("| a | b |\n|---|---|\n| ROC AUC | 1.0 | better |\n", "must have 2 cells in each row, got 3"),
        ("| a | b |\n|---|---|\n| ROC AUC | 1.0\n", "must end with a bar"),
        ("<table><tr><td>1.0</td></tr></table>\n", "must hold no HTML"),
        ("| a | b |\n|---|---|\n| <b>x</b> | 1.0 |\n", "must hold no HTML"),
        ("```\nROC AUC 1.0\n```\n", "must be a heading, a table, an item or a text"),
        ("    ROC AUC 1.0\n", "must be a heading"),
        ("Verdict: pass\n===\n", "must be a heading"),
        ("[x]: https://example.org\n", "must be a heading"),
    ],
)
def test_what_another_reader_shows_and_this_does_not_is_refused(text: str, must: str) -> None:
    with pytest.raises(VerificationError, match=must):
        [*blocks(text, "card")]


LINES = st.lists(st.text("ab|-\\`<>#*: \n&", max_size=12), max_size=6)


@given(LINES)
def test_every_table_that_a_real_reader_finds_is_found(lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    try:
        found = [*blocks(text, "card")]
    except FairmarkError:
        return

    assert sum(isinstance(block, CardTable) for block in found) >= sum(t.type == "table_open" for t in tokens)
    assert not any(token.type in {"html_block", "fence", "code_block", "blockquote_open"} for token in tokens)


@given(st.text("ab|-\\`<>#*: &;~", max_size=20).filter(str.strip))
def test_any_text_comes_back_from_a_cell_as_it_was(text: str) -> None:
    card = f"| a | b |\n|---|---|\n| x | {literal(text)} |\n"

    (table,) = blocks(card, "card")
    assert isinstance(table, CardTable)
    assert table.rows == (("x", shown(text)),)
