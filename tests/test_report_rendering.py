"""Nothing that stands in the data is ever markup on a page."""

import base64
import hashlib

import jinja2
import pytest
from markdown_it import MarkdownIt
from markupsafe import Markup
from stage_outputs import PROJECT

from fairmark.report.rendering import html, literal

HOSTILE = [
    "<script>alert(1)</script>",
    "a | b",
    "**bold** _it_ `code`",
    "[link](javascript:alert(1))",
    "![pic](http://example.com/x.png)",
    "# heading",
    "&lt;already&gt;",
    "back\\slash",
    "~~gone~~ $x$ !",
    "1 < 2 > 0",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_text_as_it_is(text: str) -> None:
    shown = MarkdownIt("commonmark").enable("table").render(f"x {literal(text)}\n")

    assert shown == f"<p>x {Markup.escape(text)}</p>\n".replace("&#39;", "'").replace("&#34;", "&quot;")


def test_a_name_of_many_lines_stays_on_one() -> None:
    assert literal("a\n\n# b") == r"a \# b"


def test_markup_is_left_alone() -> None:
    assert literal(Markup("<b>")) == "<b>"
    assert literal(3) == 3


def _card(body: str) -> str:
    return html("model-card.html.j2", project=PROJECT, body=body)


def test_html_escapes_every_value() -> None:
    assert "&lt;script&gt;alert(1)" in _card("<script>alert(1)</script>")


def test_signs_that_no_page_may_hold_are_replaced() -> None:
    found = _card("a\x00b\u202ec")

    assert "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c" in found


def test_the_style_sheet_is_the_one_that_the_page_allows() -> None:
    found = _card("")
    style = found.split("<style>")[1].split("</style>")[0]

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in found


def test_a_missing_value_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'body' is undefined"):
        html("model-card.html.j2", project=PROJECT)
