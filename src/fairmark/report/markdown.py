"""Markdown to HTML that a screen reader can follow: captions, scopes, no HTML of its own, no styles."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

CAPTION = "Table: "
"""A paragraph that begins so, right before a table, is its caption (as in Pandoc)."""


def rendered(text: str) -> Markup:
    """Return Markdown as HTML; HTML within it is shown as text."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    tokens = _captioned(reader.parse(text))
    _scoped(tokens)
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704 - the reader escapes


def _captioned(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with each caption moved from the paragraph before a table into the table."""
    kept: list[Token] = []
    for token in tokens:
        if token.type == "table_open" and len(kept) > 2 and kept[-2].content.startswith(CAPTION):
            token.meta["caption"] = _plain(kept[-2].children or []).removeprefix(CAPTION)
            del kept[-3:]
        kept.append(token)
    return kept


def _plain(tokens: Sequence[Token]) -> str:
    return "".join(
        token.content if token.type.startswith("text") else " " * (token.type == "softbreak")
        for token in tokens
    )


def _scoped(tokens: Sequence[Token]) -> None:
    """Say of every heading cell what it heads, and turn alignment into a class."""
    first = False
    for token in tokens:
        if token.type == "tr_open":
            first = True
        elif token.type in {"th_open", "td_open"}:
            if token.attrs.pop("style", "") == "text-align:right":
                token.attrs["class"] = "number"
            if token.type == "th_open":
                token.attrs["scope"] = "col"
            elif first:
                token.tag = "th"
                token.attrs["scope"] = "row"
            first = False
    _closed(tokens)


def _closed(tokens: Sequence[Token]) -> None:
    opened: list[Token] = []
    for token in tokens:
        if token.type in {"th_open", "td_open"}:
            opened.append(token)
        elif token.type in {"th_close", "td_close"}:
            token.tag = opened.pop().tag


def _table_open(_reader: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    caption = escape(tokens[index].meta.get("caption", "Table"))
    head = f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">\n<table class="tight">'
    return f"{head}\n<caption>{caption}</caption>\n"


def _table_close(_reader: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return "</table>\n</div>\n"
