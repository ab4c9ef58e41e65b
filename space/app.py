"""A page over one verified release: a row in, its decision and reasons out; groups, card, contests.

A Hugging Face Space runs it as it stands (`flows/publish.py` pushes it); `python space/app.py` runs it on
loopback. It keeps nothing that is entered and asks nothing of the network; nothing is loaded before it is
verified.
"""

import datetime as dt
import html
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fairmark.api import load_release
from fairmark.errors import FairmarkError
from fairmark.explain.counterfactuals import Counterfactual, counterfactuals
from fairmark.explain.decisions import reasons
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import Contribution
from fairmark.release.folder import ReleaseFolder
from fairmark.release.handover import release_at
from fairmark.report.labels import count, measured
from fairmark.report.verdict import state, summary
from fairmark.stats.measures import CARD
from fairmark.stats.measures import label as title
from fairmark.terminal import plain, stopped

if TYPE_CHECKING:
    import gradio as gr

    from fairmark.model.estimator import Estimator

HERE = Path(__file__).parent
NOT_KNOWN = "missing"  # no part of it is a value that somebody would type to find his own
HYPOTHETICAL = (
    "Hypothetical: what the model would answer to another row. It does not say that the change can be made, "
    "that it would cause anything, or that it would be right to ask for it."
)
# Gradio's own greys are below a contrast of 4.5 to 1 in places; its footer speaks of itself.
CSS = """
footer { display: none !important }
.wide { overflow-x: auto }
:root, .dark {
  --body-text-color-subdued: var(--body-text-color); --block-info-text-color: var(--body-text-color);
  --block-label-text-color: var(--body-text-color); --input-placeholder-color: #595959;
  --button-primary-background-fill: #1d4ed8; --button-primary-background-fill-hover: #1e40af;
  --button-primary-text-color: #fff; --button-primary-text-color-hover: #fff;
  --color-accent: #1d4ed8; --link-text-color: #1d4ed8 }
.dark { --input-placeholder-color: #c9c9c9; --link-text-color: #93c5fd; --color-accent: #93c5fd }
button[role=tab] { color: var(--body-text-color) !important; opacity: 1 !important }
"""


@dataclass(frozen=True)
class Shown:
    """One release as the page shows it.

    Parameters
    ----------
    model
        The verified model.
    release
        Its folder: verdict, measurements, policy and card.
    name
        Its tag.
    """

    model: "Estimator"
    release: ReleaseFolder
    name: str

    def decide(self, row: Mapping[str, object]) -> str:
        """Return decision, confidence, reasons and counterfactuals of a row as Markdown, or its faults."""
        frame = pd.DataFrame([{name: row.get(name) for name in self.model.columns}]).astype(object)
        if faults := self.model.faults(frame):
            # There is one row on the page, and its fields bear the columns' names.
            told = (each.removeprefix("rows: row 1: column ") for each in faults)
            return "\n".join(["**No decision: mend the row.**", "", *(f"- {_text(each)}" for each in told)])
        scored = self.model.scored(frame)
        score, decision = float(scored["score"].iloc[0]), int(scored["decision"].iloc[0])
        label, right = self.release.schema.label, score if decision else 1 - score
        answer = label.positive if decision else label.negative
        lines = [
            f"## Decision: {_text(label.column)} {_text(answer)}",
            "",
            f"Score {score:.3f}; {self._threshold()}.",
            f"Confidence: by the calibrated score, {_share(right)} of decisions like this are right.",
            "",
            "### Reasons",
            "",
            *self._reasons(frame, decision),
            "",
            "### What would change it",
            "",
            *self._counterfactuals(frame),
        ]
        return "\n".join(lines)

    def _threshold(self) -> str:
        if self.model.model.own is not None:
            return f"decided by a threshold of the group of {self.model.model.own.attribute}"
        return f"decided by the threshold {self.model.model.threshold:.3f}"

    def _reasons(self, frame: pd.DataFrame, decision: int) -> Sequence[str]:
        known = self.model.read(frame)
        moves = self.model.model.contributions(known)[0]
        features = [each for each in self.release.schema.features if each.name in self.model.model.features]
        named = {each.name: each.kind for each in features}
        contributions = [
            Contribution(feature=name, value=cell_value(known[name].iloc[0], named[name]), shap=float(move))
            for name, move in zip(self.model.model.features, moves, strict=False)
        ]
        said = [
            f"{k}. {_text(each.feature)} ({_text(each.value)}) {each.effect}"
            for k, each in enumerate(reasons(contributions, decision), 1)
        ]
        return said or ["No feature moved the score in the direction of this decision."]

    def _counterfactuals(self, frame: pd.DataFrame) -> Sequence[str]:
        mutable = self.release.params.explain.mutable
        if not mutable:
            return ["This release names no feature that a person can change: none is shown."]
        read = {name: way for name, way in mutable.items() if name in self.model.model.features}
        nearest = counterfactuals(self.model, frame, read)
        if not nearest:
            return [f"No change of {_listed(read)} alone, within what it allows, would turn it."]
        label = self.release.schema.label
        lines = [f"*{HYPOTHETICAL}*", ""]
        for each in nearest:
            answer = label.positive if each.decision else label.negative
            lines.append(f"- {_changes(each)}: {_text(answer)}, score {each.score:.3f}")
        return lines

    def groups(self) -> str:
        """Return how each group fares on test rows, as tables with intervals."""
        found, decimals = self.release.measurements, 3
        confidence = f"{found.confidence:g}"
        rows = count(found.data.rows)
        tables = [f"<p>On {rows} test rows, with intervals of {confidence}; those of few rows are wide.</p>"]
        for attribute, groups in found.groups.items():
            heads = "".join(f'<th scope="col">{html.escape(title(name))}</th>' for name in CARD)
            body = "".join(
                f'<tr><th scope="row">{html.escape(group)}</th><td>{count(entry.rows)}</td>'
                + "".join(
                    f"<td>{html.escape(measured(entry.measures.get(name), decimals))}</td>" for name in CARD
                )
                + "</tr>"
                for group, entry in groups.items()
            )
            name = html.escape(attribute)
            top = f'<thead><tr><th scope="col">Group</th><th scope="col">Rows</th>{heads}</tr></thead>'
            # A table that is wider than a phone is scrolled, by keyboard too.
            tables.append(
                f'<div class="wide" tabindex="0" role="region" aria-label="By {name}"><table>'
                f"<caption>By {name}</caption>{top}<tbody>{body}</tbody></table></div>"
            )
        return "\n".join(tables)

    def about(self) -> str:
        """Return what is shown, its verdict and what that stands on, as Markdown."""
        verdict, policy, project = (
            self.release.verdict,
            self.release.params.policy,
            self.release.params.project,
        )
        said = " ".join([*(f"It stands on {each}." for each in verdict.stands_on), summary(verdict, policy)])
        return (
            f"# {_text(project.title)}\n\n{_text(project.summary)}\n\n"
            f"Release **{_text(self.name)}**, verified when this page started. Verdict: "
            f"**{state(verdict, policy)}**. {_text(said)}\n\n"
            f"Intended use: {_text(project.intended_use)} Out of scope: {_text(project.out_of_scope)}\n\n"
            "What is entered here is scored and forgotten: a demonstration, which decides about nobody."
        )

    def contest(self, what: str, why: str, wanted: str) -> str:
        """Return the text of an objection, for its writer to send; nothing is sent or kept."""
        asked = {"the decision": what, "why it is wrong": why}
        if lacking := [name for name, text in asked.items() if not (text or "").strip()]:
            return f"Please say {_listed(lacking)}."
        day = dt.datetime.now(tz=dt.UTC).date()
        return "\n".join([
            f"To: {self.release.params.project.owner}",
            f"Objection of {day} to a decision by {self.name}",
            "",
            f"The decision: {what.strip()}",
            f"Why it is wrong: {why.strip()}",
            f"What I ask for: {(wanted or '').strip() or 'that a person decides again'}",
        ])  # fmt: skip


def _share(share: float) -> str:
    """Return a share in percent; what rounds to all or none is said as a bound, for no score is certain."""
    return "more than 99%" if share > 0.99 else "less than 1%" if share < 0.01 else f"{share:.0%}"


def _changes(each: Counterfactual) -> str:
    words = [f"{_text(name)} {_value(old)} to {_value(new)}" for name, (old, new) in each.changes.items()]
    return _listed(words)


def _value(value: float | str | None) -> str:
    return NOT_KNOWN if value is None else f"{value:g}" if isinstance(value, float) else _text(value)


def _text(value: object) -> str:
    """Return a text of the release or of a visitor, with nothing in it that Markdown or HTML would act on."""
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]<>#!|~&@" else c for c in plain(str(value)))


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    each = list(names)
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


def shown(release: Path, key: Path) -> Shown:
    """Return a release whose every claim was checked.

    Raises
    ------
    FairmarkError
        When it is not what was released, or that can't be told.
    """
    model = load_release(release, key)
    with release_at(str(release), None) as target:
        folder = ReleaseFolder(target.folder)
        # Read while they are there: an archive is unpacked for the length of this block alone.
        _ = folder.verdict, folder.measurements, folder.params, folder.schema, folder.text("model-card.md")
        return Shown(model, folder, folder.statement.tag)


def page(of: Shown) -> "gr.Blocks":
    """Return the page: a form with its answer, the groups, the card, and how to object."""
    import gradio as gr

    with gr.Blocks(title=f"{of.release.params.project.title}: {of.name}", analytics_enabled=False) as blocks:
        gr.Markdown(of.about())
        with gr.Tab("One decision"):
            inputs = [_input(of, name) for name in of.model.columns]
            names = list(of.model.columns)

            def decide(*cells: object) -> str:
                given = {name: _given(cell) for name, cell in zip(names, cells, strict=True)}
                return _told(lambda: of.decide(given))

            button = gr.Button("Decide", variant="primary", elem_id="decide")
            answer = gr.Markdown("Fill in the row and decide.", elem_id="answer")
            button.click(decide, inputs, answer, api_name="decide", show_progress="hidden")
        with gr.Tab("How groups fare"):
            gr.HTML(of.groups())
        with gr.Tab("Model card"):
            gr.Markdown(of.release.text("model-card.md"))
        with gr.Tab("Contest a decision"):
            gr.Markdown(
                "You may ask for a person to decide again, for the reasons, and for a wrong entry to be put "
                "right. This page sends and keeps nothing: it makes the text, and you send it to the address "
                "that the decision named."
            )
            fields = [
                gr.Textbox(label=label, lines=2)
                for label in ("Which decision (its id and day)", "Why it is wrong", "What you ask for")
            ]
            button = gr.Button("Make the text", variant="primary", elem_id="contest")
            text = gr.Textbox(label="Your objection", lines=7, interactive=False, elem_id="objection")
            button.click(of.contest, fields, text, api_name="contest", show_progress="hidden")
    return blocks


def _told(decide: Callable[[], str]) -> str:
    try:
        return decide()
    except FairmarkError as error:
        return "\n".join(["**No decision.**", "", *(f"- {_text(each)}" for each in error.faults)])


def _given(cell: object) -> object:
    return None if cell in ("", None) else cell


def _input(of: Shown, name: str) -> Any:
    import gradio as gr

    kind, rule = of.model.reader.kinds[name], of.model.reader.params.columns.get(name)
    asked = f"{name} (required)" if rule is not None and rule.missing == 0 else name
    if kind.name == "numeric":
        low, high = getattr(rule, "min", None), getattr(rule, "max", None)
        between = f", {low:g} to {high:g}" if low is not None and high is not None else ""
        return gr.Number(label=f"{asked}{between}", value=None)
    values = kind.pair if kind.name == "boolean" else kind.categories
    if values:
        # A value apart from its text: a category of the table may be called like what stands for none.
        choices = [(NOT_KNOWN, ""), *((value, value) for value in values)]
        return gr.Dropdown(choices, value="", label=asked)
    return gr.Textbox(label=asked, placeholder=kind.form or "YYYY-MM-DD")


def main() -> None:
    """Serve the page on the port that Gradio's own environment variables name, by default on loopback."""
    release = Path(
        os.environ.get("FAIRMARK_RELEASE") or next(iter(sorted(HERE.glob("*.tar.gz"))), HERE / "release")
    )
    key = Path(os.environ.get("FAIRMARK_KEY_PUB") or HERE / "key.pub.pem")
    try:
        of = shown(release, key)
    except FairmarkError as error:
        stopped("space", error.faults)
        sys.exit(error.exit_code)
    blocks = page(of)
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    blocks.launch(server_name=host, share=False, ssr_mode=False, css=CSS, footer_links=[])


if __name__ == "__main__":
    main()
