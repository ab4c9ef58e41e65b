"""Stage `evaluate`: how good and how fair the model is on test rows, each number with an interval.

Reads `table`, `evidence`, `schema` and `summary` of `prepare`, the `audit`, `rows` and `summary` of `split`,
and the folder `model` of `train`. Writes `metrics` (JSON: the headline, for `dvc metrics`), `measurements`
(JSON: every measure overall, by group and by intersection, with the cells behind it, and the findings of
earlier stages; what `judge` reads), the folder `plots` (CSV: roc, precision_recall, calibration, groups) and
`further` (JSON: the experiments beside, `evaluate.experiments`) and `reference` (JSON: histograms of
features, scores and decisions, by which the release is served and watched, `data.reference`) and
`alternatives` (JSON: rivals on the search's frontier, learnt again from what the `searched` summary of `tune`
says, beside the chosen model).
Read by `document` and the release. Test rows are measured on here, and nowhere decided by.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmark.data.roles import LABEL, ROW_ID, WEIGHT
from fairmark.data.split import read_parts
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.entry import run
from fairmark.evaluate import curves
from fairmark.evaluate import measure as measuring
from fairmark.evaluate.alternatives import alternatives as rival_models
from fairmark.evaluate.clusters import clusters
from fairmark.evaluate.experiments import Experiment, checks, leakage
from fairmark.evaluate.leakage import signs
from fairmark.evaluate.reference import reference as counted
from fairmark.evaluate.refits import Fits
from fairmark.files import write_csv
from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows, Measurements
from fairmark.learn.summaries import SearchSummary
from fairmark.model.model import Model, digest
from fairmark.params.evaluate import Evaluate
from fairmark.params.learn import Train
from fairmark.params.policy import Policy
from fairmark.params.prepare import Privacy
from fairmark.terminal import Steps


def evaluate(  # noqa: PLR0913, PLR0917 - it names every path that it reads and writes
    table: Path,
    evidence: Path,
    schema: Path,
    prepared: Path,
    audit: Path,
    rows: Path,
    parted: Path,
    model: Path,
    searched: Path,
    metrics: Path,
    measurements: Path,
    plots: Path,
    further: Path,
    reference: Path,
    alternatives: Path,
    params: Evaluate,
    base: Train,
    policy: Policy,
    privacy: Privacy,
) -> None:
    """Write what the model comes to on test rows, at its own threshold or thresholds.

    Raises
    ------
    InputError
        When the files don't fit together, or the evidence holds a group that the schema does not.
    """
    step = Steps("evaluate")
    parts = read_parts(table, evidence, schema, rows)
    test, proof = parts.part("test")
    scorer = Model.load(model)
    label, score, weight = test[LABEL].to_numpy(), scorer.score(test), test[WEIGHT].to_numpy()
    # Bounds of weighted rows must know how heavy a unit can be that the test part happens not to hold.
    whose = clusters(parts, params.cluster)
    person = whose.of((parts.belongs == "test").to_numpy())
    groups = proof[parts.attributes]
    known = {name: parts.schema.groups[name] for name in parts.attributes}
    step(f"measurements of {len(test):,} test rows")
    measured = measuring.measure(
        label,
        score,
        (score >= scorer.cut(proof)).astype("int8"),
        weight if parts.weighted else None,
        groups,
        known,
        confidence=params.confidence,
        replicates=params.replicates,
        seed=params.seed,
        bins=params.calibration_bins,
        person=person,
        heaviest=whose.heaviest,
    )
    tail, bins, points = (1 - params.confidence) / 2, params.calibration_bins, params.curve_points
    pictures = {
        "roc": curves.roc(label, score, weight, points),
        "precision_recall": curves.precision_recall(label, score, weight, points),
        "calibration": curves.calibrations(label, score, weight, groups, bins, tail, person),
        "groups": measuring.table(measured),
    }
    earlier = (DataAudit.read(audit), PrepareSummary.read(prepared), SplitSummary.read(parted))
    experiment = Experiment(parts, scorer, params)
    step("signs of leakage")
    leaks = leakage(experiment)
    persons: dict[str, Any] = {} if person is None else {"persons": len(np.unique(person))}
    if params.cluster is not None:
        persons["units"] = whose.units
    if person is None and not parts.schema.weighted and earlier[2].sampled_by is not None:
        persons["sampled_by"] = earlier[2].sampled_by
    sha256, smallest, fits = digest(model), privacy.smallest_cell, Fits(base, policy)
    rivals = rival_models(experiment, sha256, SearchSummary.read(searched), person, fits, smallest, step)
    about = About(
        MeasuredModel.from_json({"sha256": sha256, **scorer.stated}, "model.json"),
        MeasuredRows(
            part="test",
            rows=len(test),
            positives=int(label.sum()),
            weighted=measured.cells.weighted is not None,
            rows_sha256=rows_digest(test[ROW_ID]),
            **persons,
        ),
        params.confidence,
        signs(*earlier, leaks),
        None if params.alternatives is None else rivals.judged,
    )
    rivals.write(alternatives)
    checks(experiment, base, policy, about, leaks, step).write(further)
    own = None if scorer.own is None else scorer.own.groups
    measuring.headline(measured, scorer.threshold, own).write(metrics)
    document = Measurements.of(measured, about)
    document.write(measurements)
    counted(
        parts.part("train")[0],
        test,
        [feature for feature in parts.schema.features if feature.name in scorer.encoder.names],
        score,
        document,
        bins=params.reference_bins,
        most=base.max_categories,
        smallest=smallest,
    ).write(reference)
    for name, picture in pictures.items():
        write_csv(plots / f"{name}.csv", picture)


def rows_digest(ids: pd.Series) -> str:
    """Return the SHA-256 of the sorted row ids, joined by line feeds."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


if __name__ == "__main__":
    run(evaluate, sys.argv)
