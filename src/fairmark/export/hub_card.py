"""A model card as Hugging Face reads it: README.md, YAML above, the release's own card below.

https://huggingface.co/docs/hub/model-cards and its specification of metadata (`modelcard.md` of hub-docs):
`model-index` holds one model, whose results are one task, one data set, and measured metrics.
"""

import re

from fairmark.errors import UsageError
from fairmark.release.folder import ReleaseFolder
from fairmark.stats.measures import label as title
from fairmark.yaml12 import format_yaml

OTHER = "other"
"""What Hugging Face calls a licence that is none of its list."""
TASK = "tabular-classification"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")


def hub_card(release: ReleaseFolder, licence: str = OTHER) -> str:
    """Return the README of a model repository, its metrics rounded as the release's own pages round them.

    Parameters
    ----------
    licence
        Under which the model is published, by the name that Hugging Face has for it: a choice of whoever
        publishes, which no file of the release holds.

    Raises
    ------
    UsageError
        When the licence is no such name.
    """
    if not _LICENCE.fullmatch(licence):
        raise UsageError(
            f"--licence: must be a name of Hugging Face's list, such as apache-2.0, got {licence[:80]!a}"
        )
    params, seen = release.params, release.measurements
    decimals, tag = params.document.decimals, release.statement.tag
    measured = [(name, title(name), entry.value) for name, entry in seen.overall.items()]
    measured += [
        (name, f"{title(name)} by {attribute}", entry.value)
        for attribute, gaps in seen.disparities.items()
        for name, entry in gaps.items()
    ]
    metrics = [
        {"type": kind, "name": name, "value": round(value, decimals)}
        for kind, name, value in measured
        if value is not None
    ]
    head = {
        "license": licence,
        **({"license_name": "not-stated", "license_link": "LICENSE"} if licence == OTHER else {}),
        "language": "en",
        "pipeline_tag": TASK,
        "tags": [TASK, "fairness", "fairmark"],
        "model-index": [
            {
                "name": params.project.name,
                "results": [
                    {
                        "task": {"type": TASK},
                        "dataset": {
                            "type": params.project.name,
                            "name": params.project.data,
                            "split": "test",
                        },
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }
    card, verdict = release.text("model-card.md"), release.verdict
    on = f", which stands on {'; '.join(verdict.stands_on)}" if verdict.stands_on else ""
    note = (
        f"Release `{tag}` of fairmark, verdict **{verdict.state}**{on}. The metrics above are those of its "
        f"test rows, rounded to {decimals} decimals; data licence: {params.project.data_licence}."
    )
    first, _, rest = card.partition("\n")
    return f"---\n{format_yaml(head)}---\n\n{first}\n\n{note}\n{rest}"
