"""A self-assessment in which a person has answered everything today, and its signature."""

import datetime as dt
from pathlib import Path
from typing import Any

from fairmark.governance.approvals import keep, signed
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.assessment import questionnaire
from fairmark.governance.assessment_approval import assessment_request
from fairmark.signing.keys import SigningKey


def answered(project: str, day: dt.date | None = None) -> dict[str, Any]:
    """Return the value of assessment.yaml with every question and every choice answered on `day`."""
    asked, date = questionnaire(), (day or dt.datetime.now(tz=dt.UTC).date()).isoformat()
    design = dict.fromkeys(("decision", "performance", "bottleneck", "societal"), "As it is.")
    said = {"by": "A Tester", "date": date}
    return {
        "project": project,
        "answers": {each.id: {"scale": 3, "text": "So.", **said} for each in asked.questions},
        "decisions": {each.id: {**design, **said} for each in asked.decisions},
    }


def sign_assessment(root: Path, key: SigningKey) -> None:
    """Sign the self-assessment at HEAD by the key of somebody whom `approvers` lets approve."""
    request, now = assessment_request(root), dt.datetime.now(tz=dt.UTC)
    last = now.date() + dt.timedelta(days=90)
    keep(root, request, signed(request, read_approvers(root / FILE), key, "Our answers.", last, now))
