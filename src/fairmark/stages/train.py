"""Stage `train`: fit the model with the hyperparameters that the search chose.

Reads `table`, `evidence` and `schema` of `prepare`, `rows` of `split`, and the params file of `tune` with the
section `chosen`. Writes the folder `model` (three plain files: model.json, encoder.json, and
booster.txt or logistic.json) and `summary` (JSON: family, rows, rounds, threshold, those of groups' own where
there are any, quality on validation rows). Read by `evaluate`, `explain`, `document` and the release. Test
rows are not looked at.
"""

import sys
from pathlib import Path

import numpy as np

from fairmark.data.split import read_parts
from fairmark.entry import run
from fairmark.learn.fit import Fitted, fitted
from fairmark.learn.group_threshold_search import none_found
from fairmark.learn.summaries import PartRows, TrainSummary, ValidMetrics
from fairmark.learn.training_data import Ready, ready
from fairmark.model.model import probability
from fairmark.model.monotone import require_ordered
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy
from fairmark.stats.score_measures import roc_auc
from fairmark.terminal import Steps


def train(  # noqa: PLR0913, PLR0917 - it names every path and section that it reads
    table: Path,
    evidence: Path,
    schema: Path,
    rows: Path,
    chosen: Chosen,
    model: Path,
    summary: Path,
    base: Train,
    policy: Policy,
) -> None:
    """Write the model of what was chosen.

    Raises
    ------
    InputError
        When the files don't fit together, or the choices leave nothing to learn.
    ParamsError
        When a monotone constraint is on a column without an order.
    """
    step = Steps("train")
    parts = read_parts(table, evidence, schema, rows)
    require_ordered(parts.schema, base.monotone)
    known = ready(parts, base)
    step(f"learning from {len(known.train.label):,} rows")
    made = fitted(known, chosen, base, policy)
    made.model.save(model)
    _summary(made, known, base, policy, model).write(summary)


def _summary(made: Fitted, known: Ready, base: Train, policy: Policy, folder: Path) -> TrainSummary:
    """Return what is written of the fitted model, saved in `folder`, and its quality on validation rows."""
    model, valid = made.model, known.valid
    score = probability(model.margin_of(valid.matrix))
    decided = score >= model.cut(known.valid_groups)
    auc = roc_auc(valid.label, score, valid.weight)
    by = base.threshold.by
    own: dict[str, object] = {}
    if model.own is not None:
        own = {"thresholds": model.own}
    elif by is not None:
        own = {"thresholds": None, "why": none_found(by, policy, model.chosen.margin, made.held.rows)}
    summary = TrainSummary(
        family=model.chosen.family,
        rows=PartRows(train=len(known.train.label), valid=len(valid.label)),
        rounds=model.scorer.rounds,
        threshold=model.threshold,
        valid=ValidMetrics(
            roc_auc=None if auc is None else auc.value,
            accuracy=float(np.average(decided == valid.label, weights=valid.weight)),
            selection_rate=float(np.average(decided, weights=valid.weight)),
        ),
        size_bytes=sum(path.stat().st_size for path in folder.iterdir()),
    )
    # What is not given is left out of the document, which says that no group was asked for a threshold.
    return summary.model_copy(update=own)


if __name__ == "__main__":
    run(train, sys.argv)
