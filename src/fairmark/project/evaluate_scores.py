"""The stage that measures scores or decisions which were made elsewhere, on every row of the table.

Reads `table`, `evidence`, `schema` and the summary `prepared` of `prepare`, and the file `scores`, which says
what is judged. Writes `metrics`, `measurements` and the folder `plots`, as `stages.evaluate` writes them for
a model; what only a model or its training rows could answer stands there as unanswered.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.roles import LABEL, ROW_ID, WEIGHT, WITHHELD
from fairmark.data.schema import Schema
from fairmark.data.split import Parts
from fairmark.data.summaries import PrepareSummary
from fairmark.entry import run
from fairmark.errors import InputError
from fairmark.evaluate import curves
from fairmark.evaluate import measure as measuring
from fairmark.evaluate.by_probability import counted, refuse_units
from fairmark.evaluate.clusters import clusters
from fairmark.evaluate.leakage import repeated_rows
from fairmark.files import read_parquet, write_csv
from fairmark.judge.by_probability import AttributeByProbability
from fairmark.judge.findings import NAMES, Strongest
from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows, Measurements
from fairmark.params.evaluate import Evaluate
from fairmark.params.scores import Scores
from fairmark.stats.arrays import Floats

UNSEEN = "scores were given, not the model or the rows that it learnt from"


def evaluate_scores(  # noqa: PLR0913, PLR0917 - it names every path that it reads and writes
    table: Path,
    evidence: Path,
    schema: Path,
    prepared: Path,
    scores: Scores,
    metrics: Path,
    measurements: Path,
    plots: Path,
    params: Evaluate,
) -> None:
    """Write what the decisions of a table come to.

    Raises
    ------
    InputError
        When a score lies outside 0..1, or the files don't fit together.
    """
    rows, proof, described = read_parquet(table), read_parquet(evidence), Schema.read(schema)
    score, decision = decisions(rows, scores)
    label = rows[LABEL].to_numpy(np.int8)
    weight = rows[WEIGHT].to_numpy(np.float64)
    whose = clusters(Parts(described, rows, proof, pd.Series("test", index=rows.index)), params.cluster)
    person = whose.of(np.ones(len(rows), dtype=bool))
    known = described.groups
    groups = proof[list(known)]
    measured = measuring.measure(
        label,
        score,
        decision,
        weight if described.weighted else None,
        groups,
        known,
        confidence=params.confidence,
        replicates=params.replicates,
        seed=params.seed,
        bins=params.calibration_bins,
        person=person,
    )
    probable = _by_probability(proof, described, label, decision)
    if probable:
        weighs, several = measured.cells.weighted is not None, measured.cells.units is not None
        refuse_units(f"by_probability.{min(probable)}", weighted=weighs, persons=several)
    threshold = scores.measured_threshold
    persons: dict[str, Any] = {} if person is None else {"persons": len(np.unique(person))}
    if params.cluster is not None:
        persons["units"] = whose.units
    about = About(
        MeasuredModel(sha256=_digest(rows[ROW_ID], score, decision), threshold=threshold),
        MeasuredRows(
            part="test",
            rows=len(rows),
            positives=int(label.sum()),
            weighted=measured.cells.weighted is not None,
            rows_sha256=hashlib.sha256("\n".join(sorted(rows[ROW_ID])).encode()).hexdigest(),
            **persons,
        ),
        params.confidence,
        {name: Strongest(value=None, each=(), why=UNSEEN) for name in NAMES}
        | {"repeated_rows": repeated_rows(PrepareSummary.read(prepared))},
        by_probability=probable,
    )
    tail, bins, points = (1 - params.confidence) / 2, params.calibration_bins, params.curve_points
    measuring.headline(measured, threshold).write(metrics)
    Measurements.of(measured, about).write(measurements)
    for name, picture in {
        "roc": curves.roc(label, score, weight, points),
        "precision_recall": curves.precision_recall(label, score, weight, points),
        "calibration": curves.calibrations(label, score, weight, groups, bins, tail, person),
        "groups": measuring.table(measured),
    }.items():
        write_csv(plots / f"{name}.csv", picture)


def _by_probability(
    proof: pd.DataFrame, schema: Schema, label: NDArray[np.int8], decision: NDArray[np.int8]
) -> dict[str, AttributeByProbability]:
    """Return the attributes that no row states: their columns are withheld, as all that is protected."""
    found = {}
    for name, each in (schema.by_probability or {}).items():
        cells = {
            group: pd.to_numeric(proof[f"{WITHHELD}{column}"], errors="coerce").to_numpy(np.float64)
            for group, column in each.columns.items()
        }
        found[name] = counted(label, decision, cells, each, f"prepare.protected.{name}")
    return found


def decisions(rows: pd.DataFrame, scores: Scores) -> tuple[Floats, NDArray[np.int8]]:
    """Return [n] scores in 0..1 and [n] decisions, 1 = positive; without scores decisions stand for them.

    Raises
    ------
    InputError
        When a column is not in the table, a score lies outside 0..1, or a row has no decision or a third one.
    """
    absent = [name for name in (scores.score, scores.decision) if name is not None and name not in rows]
    if absent:
        raise InputError(f"scores: must name columns that prepare keeps, got {', '.join(absent)}")
    score = None
    if scores.score is not None:
        score = pd.to_numeric(rows[scores.score], errors="coerce").to_numpy(np.float64)
        odd = score[~((score >= 0) & (score <= 1))]
        if len(odd):
            found, way = f"{len(odd)} others such as {odd[0]:g}", "map points to chances first"
            raise InputError(f"scores.score: must be chances in 0..1, one in every row, got {found} ({way})")
    if scores.decision is not None:
        decision = _decided(rows[scores.decision], scores)
        return decision.astype(np.float64) if score is None else score, decision
    if score is None or scores.threshold is None:
        raise InputError("scores: must have a decision, or a score and its threshold, got neither")
    return score, (score >= scores.threshold).astype(np.int8)


def _decided(cells: pd.Series, scores: Scores) -> NDArray[np.int8]:
    """Return [n] decisions, 1 = selected: each row has one of two values, and one of them is the selected."""
    faults = []
    if lacking := int(cells.isna().sum()):
        faults.append(f"scores.decision: must be given in every row, got none in {lacking} rows")
    there = sorted({*cells.dropna().astype(str)})
    if scores.selected not in there:
        listed = ", ".join(map(repr, there[:3]))
        faults.append(
            f"scores.selected: must be a value of {scores.decision}, {listed}, got {scores.selected!r}"
        )
    if len(there) > 2:  # a pending or a withdrawn one is no refusal
        faults.append(f"scores.decision: must have two values, got {len(there)}, such as {there[2]!r}")
    if faults:
        raise InputError(*faults)
    return (cells.astype(str) == scores.selected).to_numpy().astype(np.int8)


def _digest(ids: "pd.Series[str]", score: Floats, decision: NDArray[np.int8]) -> str:
    """Return the SHA-256 of every row's id, score and decision, in the order of the ids."""
    lines = sorted(
        f"{row}\t{value!r}\t{chosen}"
        for row, value, chosen in zip(ids, score.tolist(), decision, strict=True)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    run(evaluate_scores, sys.argv)
