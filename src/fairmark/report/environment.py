"""Templates: every value is escaped, a missing name is an error, and the style sheet is known by its hash."""

import base64
import hashlib
import re
from typing import Any

import jinja2
from markupsafe import Markup

OPTIONS: dict[str, Any] = {
    "autoescape": True,
    "undefined": jinja2.StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Signs that no HTML may hold, and those that would turn the direction of the text around them."""


def html(template: str, **values: Any) -> str:
    """Return an HTML template filled with `values`, each escaped unless it is Markup, and the style sheet."""
    room = jinja2.Environment(loader=jinja2.PackageLoader("fairmark.report"), **OPTIONS)  # noqa: S701 - it is on
    style = Markup(room.get_template("style.css").render())  # noqa: S704 - our own file
    return _clean(room.get_template(template).render(style=style, style_hash=_hash(style), **values))


def markdown(template: str, **values: Any) -> str:
    """Return a Markdown template filled with `values`, in each of which nothing is markup any more."""
    loader = jinja2.PackageLoader("fairmark.report")
    room = jinja2.Environment(loader=loader, finalize=literal, **OPTIONS)  # noqa: S701 - it is on
    text = _clean(room.get_template(template).render(**values))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n")))


def literal(value: Any) -> Any:
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
