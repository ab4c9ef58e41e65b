"""Templates and Markdown to HTML: every value escaped, a missing name an error, the style known by its hash.

HTML made of Markdown can be followed by a screen reader: captions, scopes, no HTML of its own, no styles.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it.token import Token

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Signs that no HTML may hold, and those that would turn the direction of the text around them."""
CAPTION = "Table: "
"""A paragraph that begins so, right before a table, is its caption (as in Pandoc)."""


OURS = jinja2.PackageLoader("fairmark.report")


def _environment(
    finalize: Callable[[object], object] | None = None, loader: jinja2.BaseLoader = OURS
) -> jinja2.Environment:
    """Return the templates, in which `finalize` sees each value before it is written."""
    return jinja2.Environment(
        loader=loader,
        finalize=finalize,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def html(template: str, *, more: jinja2.BaseLoader | None = None, **values: object) -> str:
    """Return an HTML template filled with `values`, each escaped unless it is Markup, and the style sheet.

    Templates of another room are found by `more`, and the macros and the style sheet beside them.
    """
    room = _environment(loader=OURS if more is None else jinja2.ChoiceLoader([more, OURS]))
    style = Markup(room.get_template("style.css").render())  # noqa: S704 - our own file
    return _clean(room.get_template(template).render(style=style, style_hash=_hash(style), **values))


def markdown(template: str, **values: object) -> str:
    """Return a Markdown template filled with `values`, in each of which nothing is markup any more."""
    text = _clean(_environment(literal).get_template(template).render(**values))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n")))


def literal(value: object) -> object:
    r"""Return text so that Markdown shows it as it is: one line, `\` before every sign that Markdown knows.

    `<`, `>` and `&` become entities, so that no reader of the Markdown takes them for HTML.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    line = re.sub(r"([\\`*_{}\[\]#|~!$])", r"\\\1", re.sub(r"\s+", " ", value))
    for sign, name in (("&", "amp"), ("<", "lt"), (">", "gt")):
        line = line.replace(sign, f"&{name};")
    return Markup(line)  # noqa: S704 - escaped right here


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _hash(style: str) -> str:
    """Return the source expression of CSP for an inline style (W3C CSP Level 3, section 6.7.3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def rendered(text: str) -> Markup:
    """Return Markdown as HTML; HTML within it is shown as text."""
    from markdown_it import MarkdownIt  # here: the watch makes pages without Markdown

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    tokens = _captioned(reader.parse(text))
    _scoped(tokens)
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704 - the reader escapes


def _captioned(tokens: "Sequence[Token]") -> "list[Token]":
    """Return the tokens with each caption moved from the paragraph before a table into the table."""
    kept: list[Token] = []
    for token in tokens:
        if token.type == "table_open" and len(kept) > 2 and kept[-2].content.startswith(CAPTION):
            token.meta["caption"] = _plain(kept[-2].children or []).removeprefix(CAPTION)
            del kept[-3:]
        kept.append(token)
    return kept


def _plain(tokens: "Sequence[Token]") -> str:
    return "".join(
        token.content if token.type.startswith("text") else " " * (token.type == "softbreak")
        for token in tokens
    )


def _scoped(tokens: "Sequence[Token]") -> None:
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


def _closed(tokens: "Sequence[Token]") -> None:
    opened: list[Token] = []
    for token in tokens:
        if token.type in {"th_open", "td_open"}:
            opened.append(token)
        elif token.type in {"th_close", "td_close"}:
            token.tag = opened.pop().tag


def _table_open(
    _reader: object, tokens: "Sequence[Token]", index: int, _options: object, _env: object
) -> str:
    caption = escape(tokens[index].meta.get("caption", "Table"))
    head = f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">\n<table class="tight">'
    return f"{head}\n<caption>{caption}</caption>\n"


def _table_close(
    _reader: object, _tokens: "Sequence[Token]", _index: int, _options: object, _env: object
) -> str:
    return "</table>\n</div>\n"
