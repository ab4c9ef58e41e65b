"""A paper as a Word file (.docx, ECMA-376), the same bytes from the same paper."""

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.export.paper import Figure, Grid, Heading, Paper, Paragraph
from fairmark.files import written_whole

if TYPE_CHECKING:
    from docx.document import Document

EPOCH = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
"""The time in every file: a zip can hold no earlier one (APPNOTE 4.4.6)."""


def write_word(paper: Paper, path: Path) -> None:
    """Write a paper as a Word file: headings by their styles, and tables whose header is repeated."""
    import docx

    document = docx.Document()
    known = document.core_properties
    known.title, known.author, known.comments, known.language = paper.title, "fairmark", "", "en"
    known.created = known.modified = EPOCH
    document.add_heading(paper.title, 0)
    if paper.subtitle:
        document.add_paragraph(paper.subtitle, style="Subtitle")
    for block in paper.blocks:
        match block:
            case Heading(level, text):
                document.add_heading(text, min(level, 9))
            case Paragraph():
                _paragraph(document, block)
            case Grid():
                _table(document, block)
            case Figure():
                _figure(document, block)
    stream = io.BytesIO()
    document.save(stream)
    with written_whole(path) as draft:
        draft.write_bytes(_timeless(stream.getvalue()))


def _paragraph(document: "Document", block: Paragraph) -> None:
    made = document.add_paragraph(style="List Bullet" if block.item else None)
    for run in block.runs:
        piece = made.add_run(run.text)
        piece.bold = run.bold or None
        if run.code:
            piece.font.name = "Courier New"


def _table(document: "Document", block: Grid) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.shared import Pt

    document.add_paragraph(block.caption, style="Caption").paragraph_format.keep_with_next = True
    made = document.add_table(rows=1, cols=len(block.header), style="Light List Accent 1")
    # The header of a table that goes over pages stands on each of them (ECMA-376 part 1, 17.4.78).
    made.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001 - no public way
    for _ in block.rows:
        made.add_row()
    # By the cells once: `row.cells` counts them anew each time, which takes minutes for wide tables.
    cells = iter(made._cells)  # noqa: SLF001 - the same
    for row in (block.header, *block.rows):
        for at, text in enumerate(row):
            lines = next(cells).paragraphs[0]
            run = lines.add_run(text)
            run.font.size = Pt(8.5)
            if at in block.numbers:
                lines.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    document.add_paragraph()


def _figure(document: "Document", block: Figure) -> None:
    page = document.sections[0]
    margins = (page.left_margin or 0) + (page.right_margin or 0)
    room = (page.page_width or 0) - margins
    shape = document.add_picture(io.BytesIO(block.png), width=round(room * block.width))
    document.paragraphs[-1].paragraph_format.keep_with_next = True
    # What a screen reader says of it (ECMA-376 part 1, 20.4.2.5).
    shape._inline.docPr.set("descr", block.caption)  # noqa: SLF001 - no public way
    document.add_paragraph(block.caption, style="Caption")


def _timeless(content: bytes) -> bytes:
    """Return the same package with one time for all of its parts, which Word's format does not need."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            part = zipfile.ZipInfo(name, EPOCH.timetuple()[:6])
            part.compress_type, part.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            new.writestr(part, old.read(name))
    return stream.getvalue()
