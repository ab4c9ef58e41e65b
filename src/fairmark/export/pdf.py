"""A paper as a PDF (1.4), the same bytes from the same paper and the same ReportLab.

Its font is DejaVu Sans, embedded: Latin, Greek, Cyrillic, Arabic signs and more. A sign that it does not have
is written as Python escapes it, so that it is seen and not an empty box; the Word file has the sign itself.
"""

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from fairmark.errors import StateError
from fairmark.export.paper import Block, Figure, Grid, Heading, Paper, Paragraph, Run
from fairmark.files import written_whole

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Flowable

FONTS = {"": "DejaVuSans.ttf", "-Bold": "DejaVuSans-Bold.ttf", "-Mono": "DejaVuSansMono.ttf"}
INK, SOFT, RULE, PANEL = "#1b1f23", "#545c64", "#d9dde1", "#f6f7f8"
"""Colours of the pages (`report/templates/style.css`)."""
ROOM = 100.0
"""Points that must be left on a page for a heading or a table to begin on it (1 point is 1/72 inch)."""


def write_pdf(paper: Paper, path: Path) -> None:
    """Write a paper as a PDF with an outline, page numbers, and tables whose header is repeated.

    Raises
    ------
    StateError
        When the fonts are not there.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    shown = _styles()

    class Template(BaseDocTemplate):  # type: ignore[misc]
        """Puts each heading into the outline."""

        deepest = 0

        def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 - ReportLab's name
            level = getattr(flowable, "outline_level", None)
            if level is not None:
                # A card may leave out a level of headings; an outline may not.
                level = min(level, self.deepest)
                self.deepest = level + 1
                self.canv.bookmarkPage(flowable.key)
                self.canv.addOutlineEntry(flowable.getPlainText(), flowable.key, level, level > 0)

    def foot(canvas: Any, document: Any) -> None:
        canvas.setFont("DejaVu", 7.5)
        canvas.setFillColor(SOFT)
        canvas.drawString(18 * mm, 10 * mm, in_font(paper.title)[:110])
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"page {document.page}")

    with written_whole(path) as draft:
        document = Template(
            str(draft), pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm,
            bottomMargin=18 * mm, title=paper.title, author="fairmark", subject=paper.subtitle, invariant=1,
            lang="en", pageCompression=1,
        )  # fmt: skip
        frame = Frame(document.leftMargin, document.bottomMargin, document.width, document.height, id="page")
        document.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=foot)])
        document.build([*_flowables(paper, shown, document.width)])


def _flowables(paper: Paper, shown: "dict[str, ParagraphStyle]", width: float) -> "Iterator[Flowable]":
    from reportlab.platypus import Paragraph as Lines

    yield Lines(_markup(paper.title), shown["title"])
    if paper.subtitle:
        yield Lines(_markup(paper.subtitle), shown["subtitle"])
    for number, block in enumerate(paper.blocks):
        yield from _block(block, number, shown, width)


def _block(
    block: Block, number: int, shown: "dict[str, ParagraphStyle]", width: float
) -> "Iterator[Flowable]":
    from reportlab.platypus import CondPageBreak
    from reportlab.platypus import Paragraph as Lines

    match block:
        case Heading(level, text):
            made = Lines(_markup(text), shown[f"heading-{min(level, 3)}"])
            made.outline_level, made.key = min(level, 3) - 1, f"part-{number}"
            yield CondPageBreak(ROOM)
            yield made
        case Paragraph(runs, item):
            text = "".join(map(_run, runs))
            yield Lines(text, shown["item"], bulletText="\u2022") if item else Lines(text, shown["text"])
        case Grid():
            yield from _table(block, shown, width)
        case Figure():
            yield _figure(block, shown, width)


def _table(block: Grid, shown: "dict[str, ParagraphStyle]", width: float) -> "Iterator[Flowable]":
    from reportlab.platypus import CondPageBreak, Spacer, Table
    from reportlab.platypus import Paragraph as Lines

    def cells(row: tuple[str, ...], kind: str) -> list[Any]:
        return [
            Lines(_markup(t), shown[f"{kind}-number" if at in block.numbers else kind])
            for at, t in enumerate(row)
        ]

    yield CondPageBreak(ROOM)
    yield Lines(_markup(block.caption), shown["caption"])
    made = Table(
        [cells(block.header, "head"), *(cells(row, "cell") for row in block.rows)],
        colWidths=_widths(block, width),
        repeatRows=1,
        splitInRow=1,
    )
    made.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE),
            ("BACKGROUND", (0, 0), (-1, 0), PANEL),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    yield made
    yield Spacer(1, 8)


def _figure(block: Figure, shown: "dict[str, ParagraphStyle]", width: float) -> "Flowable":
    from reportlab.platypus import Image, KeepTogether, Spacer
    from reportlab.platypus import Paragraph as Lines

    size = width * block.width
    picture = Image(io.BytesIO(block.png), width=size, height=size * block.height, hAlign="LEFT")
    return KeepTogether([picture, Lines(_markup(block.caption), shown["caption"]), Spacer(1, 8)])


def _widths(block: Grid, width: float) -> list[float]:
    """Return the widths of columns, by their longest texts within bounds, together those of the page."""
    longest = [max(len(row[at]) for row in (block.header, *block.rows)) for at in range(len(block.header))]
    wanted = [min(max(each, 11), 44) for each in longest]
    return [width * each / sum(wanted) for each in wanted]


@cache
def _styles() -> "dict[str, ParagraphStyle]":
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    _register()
    plain = {"fontName": "DejaVu", "textColor": INK, "splitLongWords": 1}
    text = ParagraphStyle("text", fontSize=9, leading=13, spaceAfter=5, **plain)
    found = {
        "text": text,
        "title": ParagraphStyle("title", text, fontName="DejaVu-Bold", fontSize=17, leading=21, spaceAfter=4),
        "subtitle": ParagraphStyle("subtitle", text, fontSize=7.5, leading=10, textColor=SOFT, spaceAfter=10),
        "item": ParagraphStyle("item", text, leftIndent=12, bulletIndent=2, spaceAfter=3),
        "caption": ParagraphStyle("caption", text, fontName="DejaVu-Bold", fontSize=8.5, spaceBefore=4),
        "cell": ParagraphStyle("cell", text, fontSize=7.5, leading=10, spaceAfter=0),
        "head": ParagraphStyle("head", text, fontSize=7.5, leading=10, spaceAfter=0, textColor=SOFT),
    }
    for level, size in ((1, 13), (2, 10.5), (3, 9.5)):
        found[f"heading-{level}"] = ParagraphStyle(
            f"heading-{level}", text, fontName="DejaVu-Bold", fontSize=size, leading=size * 1.3,
            spaceBefore=10,
        )  # fmt: skip
    for kind in ("cell", "head"):
        found[f"{kind}-number"] = ParagraphStyle(f"{kind}-number", found[kind], alignment=TA_RIGHT)
    return found


@cache
def _register() -> frozenset[int]:
    """Register the fonts, and return the signs that the plain one has."""
    import matplotlib as mpl
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    if absent := [name for name in FONTS.values() if not (folder / name).is_file()]:
        raise StateError(f"matplotlib: must have its DejaVu fonts for a PDF, got none of {', '.join(absent)}")
    for kind, name in FONTS.items():
        pdfmetrics.registerFont(TTFont(f"DejaVu{kind}", str(folder / name)))
    return frozenset(pdfmetrics.getFont("DejaVu").face.charToGlyph)


def _run(run: Run) -> str:
    text = _markup(run.text)
    if run.code:
        return f'<font name="DejaVu-Mono">{text}</font>'
    return f'<font name="DejaVu-Bold">{text}</font>' if run.bold else text


def _markup(text: str) -> str:
    """Return a text in ReportLab's markup: escaped, and in signs that the font has."""
    return escape(in_font(text))


def in_font(text: str) -> str:
    """Return a text in signs that the font has; another is written as Python escapes it."""
    signs = _register()
    return "".join(
        each if ord(each) in signs else each.encode("unicode_escape").decode("ascii") for each in text
    )
