"""The page of a self-assessment: one HTML file, which asks for nothing and runs nothing."""

import datetime as dt
from collections.abc import Sequence

import jinja2

from fairmark.governance.assessment import DESIGN, Answer, Item, counted, questionnaire
from fairmark.report.rendering import html

STYLES = {"evidence": "pass", "answered": "pass", "stale": "unsure", "open": "fail"}
LOW = 3
"""Below it an answer says that little or nothing was done."""


def assessment_page(project: str, release: str | None, items: Sequence[Item], today: dt.date) -> str:
    """Return the page as HTML; the same answers on the same day give the same text.

    Parameters
    ----------
    release
        The release whose evidence is shown; None where there is none.
    """
    refusing = sum(item.refuses for item in items)
    titles = list(dict.fromkeys(item.requirement for item in items if item.requirement != DESIGN))
    return html(
        "assessment.html.j2",
        more=jinja2.PackageLoader("fairmark.governance"),
        project=project,
        release=release,
        day=today.isoformat(),
        counts=counted(items),
        refusing=refusing,
        style_="fail" if refusing else "pass",
        asked=questionnaire(),
        styles=STYLES,
        low=[item.id for item in items if isinstance(item.answer, Answer) and (item.answer.scale or 5) < LOW],
        parts=[(title, [item for item in items if item.requirement == title]) for title in titles],
        design=[item for item in items if item.requirement == DESIGN],
    )
