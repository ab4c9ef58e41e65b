"""The evidence beside the measurements, in one document: seven experiments, none of which chooses anything.

Learning curves, the random probe and withheld columns learn again, and are measured on validation rows.
Slices, stress, abstaining and leakage look at test rows with the model as it is.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairmark.data.dataset import Parts
from fairmark.evaluate.abstention import Ranked, abstain
from fairmark.evaluate.findings import signs
from fairmark.evaluate.leakage import alone, concentration, later, shared_persons, together, twins
from fairmark.evaluate.learning_curve import Fits, learning, withheld
from fairmark.evaluate.measure import measure
from fairmark.evaluate.probe import probe
from fairmark.evaluate.quick_gate import bare, outlook
from fairmark.evaluate.slices import Cut, axes, slices
from fairmark.evaluate.stress import Rig, stress, swapped
from fairmark.evaluate.summary_metrics import Rows
from fairmark.model.model import Model
from fairmark.params.evaluate import Evaluate
from fairmark.params.learn import Train
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats

REPLICATES = 100
"""Of the bootstrap in stressed measurements: the gate does not use it, and the report shows nothing of it."""


def found_beforehand(
    parts: Parts,
    model: Model,
    params: Evaluate,
    audit: Mapping[str, Any],
    prepared: Mapping[str, Any],
    split: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the signs that the answer is known beforehand, and the experiments that show them on test rows.

    Parameters
    ----------
    audit, prepared, split
        What the stage `audit` wrote, and the summaries of `prepare` and `split`.

    Returns
    -------
    tuple
        The entry "findings" of the measurements, and the entry "leakage" of checks.json.
    """
    own = params.checks
    train, valid, rows = (Rows.of(parts, name) for name in ("train", "valid", "test"))
    seen, matrix = (model.encoder.transform(part.table) for part in (train, rows))
    sample = valid.take(_drawn(len(valid.label), own.sample, own.seed))
    moves = model.contributions(sample.table)
    learnt, columns = (seen, train.label, train.weight), model.encoder.columns
    leading = _leading(moves, model, sample.weight, own.leading)
    score, cutoff = model.score(rows.table), model.cut(rows.groups)
    leakage = {
        "alone": alone(columns, learnt, matrix, rows),
        "together": together(columns, leading, learnt, matrix, rows),
        "concentration": concentration(moves, model.features, sample.weight),
        "later": later(parts),
        "twins": twins(parts, model.encoder.transform(parts.table), rows, score, cutoff),
        "shared_persons": shared_persons(parts),
    }
    return signs(audit, prepared, split, leakage), leakage


def checks(
    parts: Parts,
    model: Model,
    params: Evaluate,
    base: Train,
    policy: Policy,
    about: Mapping[str, Any],
    leakage: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what artifacts/evaluate/checks.json holds; no row id and no row is in it.

    Parameters
    ----------
    parts
        Table, evidence and split.
    model
        The model that was made from them with `base` and `policy`.
    params
        `params.checks` says what is done, the rest how it is measured.
    about
        The entries "model", "data", "confidence" and "findings" of the measurements of this model, which the
        stressed measurements take over.
    leakage
        The experiments of `found_beforehand`, for the record.

    Returns
    -------
    dict
        `{"learning", "probe", "withheld", "slices", "stress", "abstain", "leakage"}`, each as its own module
        says.
    """
    own, level, fits = params.checks, 1 - params.confidence, Fits(base, policy)
    train, valid, rows = (Rows.of(parts, name) for name in ("train", "valid", "test"))
    seen, matrix = (model.encoder.transform(part.table) for part in (train, rows))
    score, cutoff = model.score(rows.table), model.cut(rows.groups)
    chosen_on = Ranked(model.score(valid.table), valid.weight, model.cut(valid.groups))
    sample = valid.take(_drawn(len(valid.label), own.sample, own.seed))
    moves = model.contributions(sample.table)
    rig = Rig(model, rows, matrix, seen, _leading(moves, model, sample.weight, own.leading))
    decision = (score >= cutoff).astype(np.int8)
    cut = axes(model.encoder.columns, seen, matrix, rows, Cut(own.bins, rig.leading))
    stressed = stress(
        rig,
        own,
        lambda scores: _document(rig, scores, params, policy, about),
        lambda scores: _verdict(rig, scores, params, policy, about),
    )
    return {
        "learning": learning(parts, model, own, fits),
        "probe": probe(parts, model, own, fits, level),
        "withheld": withheld(parts, model, fits),
        "slices": slices(rows, decision, cut, own.min_slice_rows, own.worst, level),
        "stress": stressed | {"swapped": swapped(parts, model)},
        "abstain": {
            "level": level,
            "bands": abstain(chosen_on, rows, score, cutoff, own.bands, level),
        },
        "leakage": dict(leakage),
    }


def _drawn(rows: int, size: int, seed: int) -> np.typing.NDArray[np.intp]:
    """Return the places of a sample of rows, in order."""
    return np.sort(np.random.default_rng([seed, 5]).permutation(rows)[:size])


def _leading(moves: Floats, model: Model, weight: Floats, count: int) -> list[str]:
    """Return the features that move the score most, the first first; ties by name."""
    means = weight @ np.abs(moves[:, :-1])
    order = sorted(range(len(means)), key=lambda k: (-means[k], model.features[k]))
    return [model.features[k] for k in order[:count]]


def _verdict(
    rig: Rig, score: Floats, params: Evaluate, policy: Policy, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how stressed scores would be judged by the gated limits, on no day."""
    decision = rig.decide(score).astype(np.int8)
    found = bare(rig.rows, score, decision, policy, params.calibration_bins)
    return outlook(found | {"findings": about["findings"]}, policy)


def _document(
    rig: Rig, score: Floats, params: Evaluate, policy: Policy, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the measurements of stressed scores, of the attributes that the policy has limits on."""
    gated = {limit.attribute for limit in policy.limits}
    rows = rig.rows
    return {
        **{name: about[name] for name in ("model", "data", "confidence", "findings")},
        **measure(
            rows.label,
            score,
            rig.decide(score).astype(np.int8),
            rows.weight,
            rows.groups,
            {name: groups for name, groups in rows.known.items() if name in gated},
            confidence=params.confidence,
            replicates=REPLICATES,
            seed=params.seed,
            bins=params.calibration_bins,
            person=rows.person,
        ),
    }
