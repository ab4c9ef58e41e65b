"""Stage `explain`: what moves the score, by group, along each feature, and in single decisions.

Reads the table and the evidence (prepare, split) and the model folder (train); test rows are explained, and
train and validation rows make the refits that say whether explanations hold. Writes
importance.csv (`feature,mean_abs_shap`, falling) and explanations.json: importance over a seeded sample of
test rows, the same by group, dependence for the first features, single decisions with reasons in words and
LIME's opinion beside each (and the threshold, where groups have their own), `stability` over refits, and
`additivity`, the largest gap between a margin and the sum of its contributions; and shapley.npz, the Shapley
values and the values of the sample, for `shap.Explanation`. No row id is written: row numbers count within
the sample. The first two are read by document; the third is for people at work on the data, and no release
takes it along.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fairmark.data.roles import WEIGHT
from fairmark.data.split import read_parts
from fairmark.entry import run
from fairmark.explain.decisions import (
    above_threshold,
    coverage,
    decisions,
    in_words,
    require_texts,
    second_opinions,
    with_thresholds,
)
from fairmark.explain.dependence import dependence
from fairmark.explain.documents import Explanations
from fairmark.explain.shapley import (
    additivity,
    group_importance,
    importance,
    sample_positions,
    shapley_values,
    write_shapley,
)
from fairmark.explain.stability import stability
from fairmark.files import write_csv
from fairmark.model.model import Model
from fairmark.params.evaluate import Explain
from fairmark.params.learn import Train
from fairmark.params.policy import Policy
from fairmark.terminal import Steps


def explain(  # noqa: PLR0913, PLR0917 - it names every path that it reads and writes
    table: Path,
    evidence: Path,
    schema: Path,
    rows: Path,
    model: Path,
    ranking: Path,
    explanations: Path,
    shapley: Path,
    params: Explain,
    base: Train,
    policy: Policy,
) -> None:
    """Explain a seeded sample of test rows.

    Raises
    ------
    ParamsError
        When the reasons library lacks a feature of the model, or names another column.
    """
    step = Steps("explain")
    parts = read_parts(table, evidence, schema, rows)
    scorer = Model.load(model)
    require_texts(scorer.features, params.texts)
    frame, groups = parts.part("test")
    chosen = sample_positions(len(frame), params.sample, params.seed)
    frame, groups = frame.iloc[chosen], groups.iloc[chosen]

    step(f"Shapley values of {len(frame):,} of the test rows")
    contributions = shapley_values(scorer, frame)  # [n, p + 1]
    gap = additivity(contributions, scorer.margin(frame))
    values = contributions[:, :-1]  # [n, p]
    weight = frame[WEIGHT].to_numpy(dtype=np.float64)
    ranked = importance(values, scorer.features, weight)

    described = {feature.name: feature for feature in parts.schema.features}
    background = frame.iloc[sample_positions(len(frame), params.background, params.seed)]
    features = [described[name] for name in scorer.features]
    decided = scorer.decide(frame, groups)
    single = decisions(
        frame,
        features,
        contributions,
        scorer.score(frame),
        decided,
        params.decisions,
        above_threshold(scorer, scorer.margin(frame), groups),
    )
    single = with_thresholds(scorer, single, groups)
    step("refits, and what they explain")
    # In an order of its own, so that the first rows are a sample of the sample.
    mixed = frame.iloc[np.random.default_rng([params.seed, 5]).permutation(len(frame))]
    held = stability(parts, scorer, mixed, params.stability, base, policy, params.top)
    step("dependence, and LIME beside single decisions")
    explained = Explanations(
        rows=len(frame),
        background=len(background),
        base=float(contributions[0, -1]),
        additivity=gap,
        importance=ranked,
        by_group=group_importance(values, scorer.features, weight, groups, parts.schema.groups),
        dependence={
            each.feature: dependence(scorer.score, background, frame, described[each.feature], params.grid)
            for each in ranked[: params.top]
        },
        decisions=in_words(second_opinions(scorer, frame, contributions, single, params.seed), params.texts),
        reasons=coverage(contributions, decided),
        stability=held,
    )
    write_csv(ranking, pd.DataFrame([dict(each) for each in ranked]))
    explained.write(explanations)
    write_shapley(shapley, scorer, frame, features, contributions)


if __name__ == "__main__":
    run(explain, sys.argv)
