"""Stage 5: the model.

Reads `table`, `evidence` and `schema` of `prepare`, `rows` of `split`, and the params file of `tune` with the
section `chosen`. Writes the folder `model` (three plain files: model.json, encoder.json, and
booster.txt or logistic.json) and `summary` (JSON: family, rows, rounds, threshold, those of groups' own where
there are any, quality on validation rows). Read by `evaluate`, `explain`, `document` and the release. Test
rows are not looked at.
"""

import sys
from pathlib import Path

import numpy as np

from fairmark.data.dataset import read_parts
from fairmark.entry import run
from fairmark.files import write_json
from fairmark.learn.fit import Fitted, fitted
from fairmark.learn.group_threshold_search import none_found
from fairmark.learn.training_data import Ready, ready
from fairmark.model.model import Model, probability
from fairmark.params.learn import Chosen, Train
from fairmark.params.policy import Policy
from fairmark.stats.auc import roc_auc


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
    """
    known = ready(read_parts(table, evidence, schema, rows), base)
    made = fitted(known, chosen, base, policy)
    found = _found(made.model, known) | _common(made, base, policy)
    made.model.save(model)
    size = sum(path.stat().st_size for path in model.iterdir())
    write_json(summary, found | {"size_bytes": size})


def _found(made: Model, known: Ready) -> dict[str, object]:
    rows = known.valid
    score = probability(made.margin_of(rows.matrix))
    decided = score >= made.cut(known.valid_groups)
    auc = roc_auc(rows.label, score, rows.weight)
    return {
        "family": made.family,
        "rows": {"train": len(known.train.label), "valid": len(rows.label)},
        "rounds": made.scorer.rounds,
        **made.stated,
        "valid": {
            "roc_auc": None if auc is None else auc.value,
            "accuracy": float(np.average(decided == rows.label, weights=rows.weight)),
            "selection_rate": float(np.average(decided, weights=rows.weight)),
        },
    }


def _common(made: Fitted, base: Train, policy: Policy) -> dict[str, object]:
    """Return why every group has the common threshold where params ask for others."""
    by = base.threshold.by
    if by is None or made.model.own is not None:
        return {}
    return {"thresholds": None, "why": none_found(by, policy, made.model.chosen.margin, made.held.rows)}


if __name__ == "__main__":
    run(train, sys.argv)
