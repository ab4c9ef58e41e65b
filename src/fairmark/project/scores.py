"""A project that judges scores or decisions made elsewhere: which columns count, its stages and its params.

Its stages are those that a table of scores can have: prepare, audit, evaluate, document. No part is learnt
from, so that every row is a test row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fairmark.errors import UsageError
from fairmark.params.parse import typed
from fairmark.params.policy import Findings
from fairmark.params.scores import Scores
from fairmark.project.candidates import Candidate, quoted
from fairmark.project.choices import Ask, Choices, Options, Probable, chosen
from fairmark.project.columns import Column
from fairmark.project.table import Table
from fairmark.project.words import words_of
from fairmark.project.yaml_text import comment, entry, with_entry
from fairmark.yaml12 import format_yaml, parse_yaml

SCORED = frozenset(
    {"score", "scores", "prob", "proba", "probability", "p", "pd", "risk", "pred", "prediction"}
    | {"predicted", "yhat", "propensity"}
)
"""Words that a column of scores is called by."""

UNUSED = "an evaluation reads scores, decisions, outcomes and groups alone"


@dataclass(frozen=True)
class ScoreOptions:
    """What was said of the scores on the command line; None where nothing was."""

    score: str | None = None
    threshold: float | None = None
    decision: str | None = None
    selected: str | None = None
    made_by: str | None = None
    version: str | None = None
    probabilities: tuple[str, ...] = ()
    """Attributes that no row states, each as `ATTRIBUTE=GROUP:COLUMN,GROUP:COLUMN`."""
    proxy: str | None = None
    proxy_version: str | None = None
    proxy_error: float | None = None


def scores_of(table: Table, given: ScoreOptions, ask: Ask | None) -> Scores:
    """Return what is judged.

    Raises
    ------
    UsageError
        When it is not said and can't be asked, with the candidates; or when it is not in the table.
    """
    score, decision = given.score, given.decision
    if score is None and decision is None:
        score = _asked(table, ask)
    faults = [
        f"{option}: must name a column of {table.path.name}, got {name!r}"
        for option, name in (("--score", score), ("--decision", decision))
        if name is not None and name not in table.columns
    ]
    if faults:
        raise UsageError(*faults)
    if score is not None:
        faults += _of_score(table.columns[score])
    if decision is not None:
        faults += _of_decision(table.columns[decision], given.selected)
        if given.threshold is not None:
            faults.append("--threshold: must not be given beside --decision, which says what was decided")
    elif given.threshold is None:
        faults.append(
            "--threshold: must say from which score on a decision is positive, or --decision which column"
        )
    elif not 0 <= given.threshold <= 1:
        faults.append(f"--threshold: must be in 0..1, as the scores are, got {given.threshold:g}")
    if faults:
        raise UsageError(*faults)
    said = {
        "score": score,
        "threshold": given.threshold,
        "decision": decision,
        "selected": given.selected,
        "made_by": given.made_by or "TODO: say who made the model, and by what",
        "version": given.version or "TODO: say which version of it",
    }
    return typed(Scores, said, "scores")


def probable_of(table: Table, given: ScoreOptions) -> tuple[Probable, ...]:
    """Return the attributes that are known by probability alone.

    Raises
    ------
    UsageError
        When they are said in another form or name no column of the table, or nobody says what gives them.
    """
    if not given.probabilities:
        said = {
            "--proxy": given.proxy,
            "--proxy-version": given.proxy_version,
            "--proxy-error": given.proxy_error,
        }
        if alone := [name for name, value in said.items() if value is not None]:
            raise UsageError(f"{alone[0]}: must come with --probabilities, got it alone")
        return ()
    if given.proxy is None or given.proxy_version is None:
        raise UsageError(
            "--proxy, --proxy-version: must say what gives the probabilities, and which version, got nothing"
        )
    if given.proxy_error is not None and not 0 <= given.proxy_error < 1:
        raise UsageError(f"--proxy-error: must be in 0..1, below 1, got {given.proxy_error:g}")
    found = []
    for said_so in given.probabilities:
        name, _, parts = said_so.partition("=")
        columns = dict(part.rsplit(":", 1) for part in parts.split(",") if ":" in part)
        strange = [column for column in columns.values() if column not in table.columns]
        if not name or len(columns) < 2 or len(columns) != len(parts.split(",")) or strange:
            got = f"{said_so!r}" if not strange else f"no column {strange[0]!r} in {table.path.name}"
            raise UsageError(
                "--probabilities: must be ATTRIBUTE=GROUP:COLUMN,GROUP:COLUMN with columns of the table, "
                f"got {got}"
            )
        error = given.proxy_error or 0.0
        found.append(Probable(name, columns, given.proxy, given.proxy_version, error))
    return tuple(found)


def _asked(table: Table, ask: Ask | None) -> str:
    found = candidates(table)
    if ask is None:
        lines = [f"  {one.line()}" for one in found] or ["  no column of numbers in 0..1 is called a score"]
        raise UsageError(
            ("--score: must name the column of scores, or --decision that of decisions; got none:"), *lines
        )
    return ask("Which column holds the scores?", {one.column: one.why for one in found})


def candidates(table: Table) -> list[Candidate]:
    """Return the columns that may hold scores: numbers in 0..1 that are called so, or of many values."""
    found = []
    for name, column in table.columns.items():
        if column.kind_name != "numeric" or _of_score(column):
            continue
        called = bool({*words_of(name)} & SCORED)
        if called or column.different > 20:
            why = "numbers in 0..1" + ("; its name is that of a score" if called else "")
            found.append((not called, Candidate(name, why, f"--score {quoted(name)} --threshold NUMBER")))
    # A stable sort: those called scores first, each part in the order of the file.
    return [one for _, one in sorted(found, key=lambda each: each[0])]


def _of_score(column: Column) -> list[str]:
    if column.kind_name != "numeric" or column.missing > 0:
        lacking = f", and none in {column.missing:.1%} of the rows" if column.missing > 0 else ""
        found = f"{column.kind_name} values{lacking}"
        return [f"--score: must name numbers, one in every row, got {column.name!r} of {found}"]
    cells = column.cells.to_numpy(np.float64)
    if cells.min() < 0 or cells.max() > 1:
        found = f"{cells.min():g} to {cells.max():g} in {column.name!r}"
        way = "map points to chances first, or give the decisions by --decision"
        return [f"--score: must be chances in 0..1, got {found} ({way})"]
    return []


def _of_decision(column: Column, selected: str | None) -> list[str]:
    values = [*map(str, column.values or ())]
    if column.missing > 0 or len(values) != 2:
        return [
            (f"--decision: must name two values, one in every row, got {column.different} in {column.name!r}")
        ]
    if selected not in values:
        return [
            (
                f"--selected: must be the positive value of {column.name!r}, {' or '.join(values)}, got "
                f"{selected!r}"
            )
        ]
    return []


def parts_of(table: Table, given: Options, scores: Scores, ask: Ask | None) -> tuple[Table, Choices]:
    """Return the table with its columns of scores as the stages read them, and the parts of all columns."""
    probable = {column for each in given.probable for column in each.columns.values()}
    kept = tuple(name for name in (scores.score, scores.decision, *sorted(probable)) if name is not None)
    # By no time and with nothing dropped: nothing is split or learnt here.
    made = chosen(table, replace(given, time="none", keep=kept, drop=()), ask)
    used = {
        *kept,
        made.target,
        made.row_id,
        made.person,
        made.weight,
        *(each.column for each in made.protect),
    }
    drop = {name: UNUSED for name in table.columns if name not in used}
    columns = dict(table.columns)
    # What the file held until now says less than what a chance may be: the next file may hold 0 or 1.
    if scores.score is not None:
        said = {"kind": "numeric", "min": 0, "max": 1, "missing": 0}
        columns[scores.score] = replace(columns[scores.score], said=said, why="", left_out=None)
    for name in probable:
        chance = {"kind": "numeric", "min": 0, "max": 1, "missing": 0}
        columns[name] = replace(columns[name], said=chance, why="", left_out=None)
    if scores.decision is not None:
        said = {
            "kind": "categorical",
            "values": [*map(str, columns[scores.decision].values or ())],
            "missing": 0,
        }
        columns[scores.decision] = replace(columns[scores.decision], said=said, why="", left_out=None)
    if clash := sorted(
        {*kept} & {made.target, made.row_id, *(each.column for each in made.protect)} - {None}
    ):
        raise UsageError(
            f"--score, --decision: must name columns of their own, got {', '.join(map(str, clash))}"
        )
    return replace(table, columns=columns), replace(made, drop=drop, forbid=())


def copied(table: Table, made: Choices, scores: Scores) -> list[str]:
    """Return a sentence where what is judged is the outcome itself: then all is perfect, and says nothing."""
    texts = table.texts[made.target].replace(dict(made.spellings.get(made.target, {})))
    known = texts.notna().to_numpy()
    if isinstance(made.positive, float):
        label = (table.columns[made.target].cells > made.positive).to_numpy()
    else:
        label = texts.isin(list(made.positive)).to_numpy()
    lines = []
    if scores.decision is not None:
        decided = (table.texts[scores.decision].astype(str) == scores.selected).to_numpy()
        for same, how in ((decided == label, "equal"), (decided != label, "opposite")):
            if same[known].all():
                lines.append(f"{scores.decision}: is {how} to the outcome {made.target} in every row")
    if scores.score is not None:
        cells = table.columns[scores.score].cells.to_numpy(np.float64)
        apart = cells[known & label].min() > cells[known & ~label].max()
        if apart:
            lines.append(f"{scores.score}: is higher in every positive row than in every negative one")
    why = "was it made from the outcome, or after it? Every measure of it is perfect, and none says anything"
    return [f"{line}: {why}" for line in lines]


def scores_text(scores: Scores) -> str:
    """Return the text of scores.yaml."""
    lines = comment(
        ("Written by `fairmark init --scores`: whose scores or decisions are judged, and how they decide."), 0
    )
    lines += [
        "scores:",
        *(line for key, value in scores.model_dump().items() for line in entry(key, value, 2)),
    ]
    return "\n".join(lines) + "\n"


TOLD = ("repeated_rows",)
"""The findings that rows alone tell, without the model that they were scored by."""


def params_of_scores(text: str) -> str:
    """Return a params.yaml that asks of scores only what scores can answer."""
    why = (
        "Signs of leakage and of persons in several parts come from the model and the rows that it "
        "learnt from, which are not here: null leaves them open, and the report says so. Copies of rows "
        "(repeated_rows) are told of these rows too; where no column tells most rows apart they say nothing."
    )
    known = parse_yaml(text, "params.yaml")["policy"]["findings"]
    kept = {name: known[name] if name in TOLD else None for name in Findings.model_fields}
    lines = [*comment(why, 2), "  findings:", *(line for item in kept.items() for line in entry(*item, 4))]
    text = with_entry(text, "policy", "findings", lines)
    return text.replace(
        "\naudit:\n",
        "\n# Of the sections below only audit, evaluate, document and policy are read here.\naudit:\n",
        1,
    )


def pipeline(default: Mapping[str, Any]) -> str:
    """Return the dvc.yaml of a project of scores, from the parsed one of the default project.

    `prepare` and `audit` are its own; what measures and shows scores depends on all of the package's code.
    """
    said = "--params params.yaml"
    measured = "artifacts/evaluate"
    stages = {name: default["stages"][name] for name in ("prepare", "audit")}
    stages["evaluate"] = {
        "cmd": (
            f"${{exact}} python -m fairmark.project.evaluate_scores {said} ${{tables}} "
            f"--prepared artifacts/prepare/summary.json --scores scores.yaml "
            f"--metrics {measured}/metrics.json --measurements {measured}/measurements.json "
            f"--plots {measured}/plots"
        ),
        "deps": [
            "artifacts/prepare/table.parquet",
            "artifacts/prepare/evidence.parquet",
            "artifacts/prepare/schema.json",
            "artifacts/prepare/summary.json",
            "src/fairmark",
        ],
        "params": ["evaluate", {"scores.yaml": ["scores"]}],
        "outs": [
            {f"{measured}/measurements.json": {"cache": False}},
            {f"{measured}/plots": {"cache": False}},
        ],
        "metrics": [{f"{measured}/metrics.json": {"cache": False}}],
    }
    stages["document"] = {
        "cmd": (
            f"${{exact}} python -m fairmark.project.document_scores {said} --artifacts artifacts "
            "--scores scores.yaml "
            "--out artifacts/document"
        ),
        "deps": [
            "artifacts/prepare/schema.json",
            "artifacts/prepare/summary.json",
            "artifacts/audit/audit.json",
            f"{measured}/measurements.json",
            f"{measured}/plots",
            "src/fairmark",
        ],
        "params": ["document", "project", "policy", {"scores.yaml": ["scores"]}],
        "outs": ["artifacts/document/evaluation-card.md", "artifacts/document/report.html"],
    }
    head = (
        "# Written by `fairmark init --scores`: the stages that a table of scores can have; no model is "
        "made here.\n"
    )
    return head + format_yaml({"vars": default["vars"], "stages": stages})
