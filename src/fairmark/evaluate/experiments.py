"""The experiments beside the measurements, in one document, checks.json; none of them chooses anything.

Learning curves, the random probe and re-inclusion learn again, and are measured on validation rows. Slices,
stress, abstention and leakage look at test rows with the model as it is.

Stress asks for the verdict once for every feature that is disturbed alone. A bound is found by many tests,
and the number of rows that would decide by more of them; whether a limit is met takes one or two
(`quick_verdict`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairmark.data.split import Parts, sampled, sizes
from fairmark.evaluate.conditional import comparisons
from fairmark.evaluate.curves import ScoredRows, abstention_bands
from fairmark.evaluate.documents import (
    Abstention,
    CheckResults,
    Leakage,
    LimitOutcome,
    MonotoneFeature,
    QuickVerdict,
)
from fairmark.evaluate.leakage import (
    concentration,
    duplicates,
    feature_pair_auc,
    look_ahead_features,
    shared_persons,
    single_feature_auc,
)
from fairmark.evaluate.measure import UNSEEN, EvaluationRows, measure, scored
from fairmark.evaluate.monotone import monotone_features
from fairmark.evaluate.refits import Fits, excluded_features, learning_curves, probe
from fairmark.evaluate.slices import Binning, axes, worst_slices
from fairmark.evaluate.stress import StressHarness, stress, swapped_evidence
from fairmark.evaluate.summary_metrics import Rows
from fairmark.evaluate.units import of_rates
from fairmark.judge.findings import Sign, Strongest
from fairmark.judge.limits import Aim, Compared, shown
from fairmark.judge.measurements import About, ConfusionCounts, Evidence, GroupMeasures, Measurements
from fairmark.judge.verdict import MET, MISSED, UNSURE, Outcome, Tails, own, planned, shared
from fairmark.model.model import Model
from fairmark.model.monotone import require_ordered
from fairmark.params.evaluate import Evaluate
from fairmark.params.learn import Train
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats
from fairmark.stats.measures import QUANTITIES
from fairmark.terminal import silent

REPLICATES = 100
"""Of the bootstrap in stressed measurements: the gate does not use it, and the report shows nothing of it."""


@dataclass(frozen=True)
class Experiment:
    """A model on its parts: what every experiment on test rows works with, worked out once."""

    parts: Parts
    model: Model
    params: Evaluate

    @cached_property
    def train(self) -> Rows:
        """Train rows, [m]."""
        return Rows.of(self.parts, "train")

    @cached_property
    def valid(self) -> Rows:
        """Validation rows."""
        return Rows.of(self.parts, "valid")

    @cached_property
    def test(self) -> Rows:
        """Test rows, [n]."""
        return Rows.of(self.parts, "test")

    @cached_property
    def train_matrix(self) -> Floats:
        """Train rows, encoded, [m, p]."""
        return self.model.encoder.transform(self.train.table)

    @cached_property
    def test_matrix(self) -> Floats:
        """Test rows, encoded, [n, p]."""
        return self.model.encoder.transform(self.test.table)

    @cached_property
    def score(self) -> Floats:
        """The scores of the test rows, [n]."""
        return self.model.score(self.test.table)

    @cached_property
    def threshold(self) -> float | Floats:
        """The threshold of all test rows, or of each, [n]."""
        return self.model.cut(self.test.groups)

    @cached_property
    def sample(self) -> Rows:
        """A sample of validation rows, in order."""
        checks, rows = self.params.checks, len(self.valid.label)
        # A stream of its own for each use of the seed, so that one experiment more moves no other's numbers.
        order = np.random.default_rng([checks.seed, 5]).permutation(rows)
        return self.valid.take(np.sort(order[: checks.sample]))

    @cached_property
    def contributions(self) -> Floats:
        """The Shapley values of the sample, the base value in the last column, [sample, p + 1]."""
        return self.model.contributions(self.sample.table)

    @cached_property
    def leading(self) -> list[str]:
        """The features that move the score most over the sample, the first first; ties by name."""
        names = self.model.features
        means = self.sample.weight @ np.abs(self.contributions[:, :-1])
        order = sorted(range(len(means)), key=lambda k: (-means[k], names[k]))
        return [names[k] for k in order[: self.params.checks.leading]]


def leakage(experiment: Experiment) -> Leakage:
    """Return the signs on test rows that the model knows what it could not know when it decides."""
    parts, model, test = experiment.parts, experiment.model, experiment.test
    columns = model.encoder.columns
    learnt = (experiment.train_matrix, experiment.train.label, experiment.train.weight)
    whole = model.encoder.transform(parts.table)
    return Leakage(
        alone=single_feature_auc(columns, learnt, experiment.test_matrix, test),
        pairs=feature_pair_auc(columns, experiment.leading, learnt, experiment.test_matrix, test),
        concentration=concentration(experiment.contributions, model.features, experiment.sample.weight),
        look_ahead=look_ahead_features(parts),
        duplicates=duplicates(parts, whole, test, experiment.score, experiment.threshold),
        shared_persons=shared_persons(parts),
    )


def monotone(experiment: Experiment, base: Train) -> list[MonotoneFeature]:
    """Return what was found of each monotone constraint of `base`.

    Raises
    ------
    InputError, ParamsError
        When the model does not keep one; when one is on a column that is no ordered feature.
    """
    require_ordered(experiment.parts.schema, base.monotone)
    model, params = experiment.model, experiment.params.checks
    rows, train = experiment.test_matrix, experiment.train_matrix
    return monotone_features(model, base.monotone, rows, train, params.sample, params.seed)


def checks(
    experiment: Experiment,
    base: Train,
    policy: Policy,
    about: About,
    leaks: Leakage,
    step: Callable[[str], None] = silent,
) -> CheckResults:
    """Return what artifacts/evaluate/checks.json holds; no row id and no row is in it.

    Beyond `params.checks.most_rows` rows of a part, what learns again or disturbs rows looks at a sample.
    Then the model is learnt anew from the sample as well, so that models of as many rows are compared.

    Parameters
    ----------
    experiment
        Table, evidence and split, and the model that was made from them with `base` and `policy`.
    base, policy
        How models are learnt again.
    about
        What the measurements of this model say beside what was measured, which the stressed ones take over.
    leaks
        The signs of `leakage`, for the record.
    step
        Called with what begins, in words.

    Raises
    ------
    InputError
        When the model does not keep a monotone constraint.
    ParamsError
        When `references` name what is no group or feature.
    """
    parts, model, params = experiment.parts, experiment.model, experiment.params.checks
    test, score, threshold = experiment.test, experiment.score, experiment.threshold
    level, fits = 1 - experiment.params.confidence, Fits(base, policy)
    fewer = sampled(parts, params.most_rows, params.seed)
    again, looked = model, experiment
    if fewer is not parts:
        step("a model of the sample")
        again, looked = fits.model(fewer, model.chosen), Experiment(fewer, model, experiment.params)
    # Train rows of the whole table, not of the sample: they only say how far a number spreads.
    harness = StressHarness(
        model, looked.test, looked.test_matrix, experiment.train_matrix, experiment.leading
    )
    valid = experiment.valid
    chosen_on = ScoredRows(model.score(valid.table), valid.weight, model.cut(valid.groups))
    sliced = axes(
        model.encoder.columns,
        experiment.train_matrix,
        experiment.test_matrix,
        test,
        Binning(params.bins, experiment.leading),
    )
    decision = (score >= threshold).astype(np.int8)
    # Before the experiments that take minutes: a model that breaks its constraint ends the stage here.
    kept = monotone(experiment, base)
    step("learning curves")
    learning = learning_curves(fewer, again, params, fits)
    step("the random probe")
    probed = probe(fewer, again, params, fits, level)
    step("forbidden columns included again")
    excluded = excluded_features(fewer, again, fits)
    step("slices")
    slices = worst_slices(test, decision, sliced, params.min_slice_rows, params.worst, level)
    step("disturbed rows")
    stressed = stress(
        harness,
        params,
        lambda scores: _measurements(harness, scores, experiment.params, policy, about),
        lambda scores: _verdict(harness, scores, experiment.params, policy, about),
        swapped_evidence(fewer, model),
    )
    step("groups against a reference group")
    compared = comparisons(test, score, decision, sliced, experiment.params.references, level)
    step("abstaining")
    bands = abstention_bands(chosen_on, test, score, threshold, params.bands, level)
    results = CheckResults(
        learning=learning,
        probe=probed,
        excluded=excluded,
        slices=slices,
        stress=stressed,
        abstention=Abstention(level=level, bands=bands),
        leakage=leaks,
        comparisons=compared,
    )
    # Keys that are absent from the document where there is nothing to say of them.
    more = ({} if fewer is parts else {"sample": sizes(fewer, parts)}) | ({"monotone": kept} if kept else {})
    return results.model_copy(update=more)


def _verdict(
    harness: StressHarness, score: Floats, params: Evaluate, policy: Policy, about: About
) -> QuickVerdict:
    """Return how stressed scores would be judged by the gated limits, on no day."""
    decision = harness.decide(score).astype(np.int8)
    bins, goal = params.calibration_bins, about.model.goal
    policy = policy.following(None if goal is None else goal.measure)
    seen = gated_measurements(harness.rows, score, decision, policy, bins, about.findings)
    return quick_verdict(replace(seen, goal=goal), policy)


def _measurements(
    harness: StressHarness, score: Floats, params: Evaluate, policy: Policy, about: About
) -> Measurements:
    """Return the measurements of stressed scores, of the attributes that the policy has limits on."""
    gated = {limit.attribute for limit in policy.limits}
    rows = harness.rows
    measured = measure(
        rows.label,
        score,
        harness.decide(score).astype(np.int8),
        rows.weight,
        rows.groups,
        {name: groups for name, groups in rows.known.items() if name in gated},
        # No interval of these is shown, and the gate makes its own. Not 0: near the mean a bound of weighted
        # rows has few digits that every processor agrees on.
        confidence=0.5,
        replicates=REPLICATES,
        seed=params.seed,
        bins=params.calibration_bins,
        person=rows.person,
    )
    return Measurements.of(measured, about)


def quick_verdict(document: Evidence, policy: Policy) -> QuickVerdict:
    """Return the outcome of the gated limits together, and the outcome and the value of each.

    Law: the outcomes are those of `judge` on no day, of the policy with its gated limits alone. A value is
    that of the comparison nearest to breaking the limit, None where nothing could be measured.

    Parameters
    ----------
    document
        Measurements, or what `gated_measurements` says; whether they are whole is not looked at.
    policy
        Whose gated limits are judged by.
    """
    gates = [limit for limit in policy.required if limit.gate]
    plans = [(limit, planned(limit, document, policy)) for limit in gates]
    each = [one for _, plan in plans for one in plan if isinstance(one, Compared)]
    shares = shared(each, policy, policy.spent_level)
    limits = {
        limit.name: LimitOutcome(
            outcome=_worst([_outcome(one, limit, shares, policy) for one in plan]), value=_value(limit, plan)
        )
        for limit, plan in plans
    }
    outcomes = [each.outcome for each in limits.values()]
    # No gated limit is no pass.
    return QuickVerdict(outcome=_worst(outcomes) if outcomes else UNSURE, limits=limits)


def gated_measurements(
    rows: Rows,
    score: Floats,
    decision: NDArray[np.integer],
    policy: Policy,
    bins: int,
    signs: Mapping[str, Strongest],
    heaviest: float | None = None,
) -> Evidence:
    """Return as much of measurements as `quick_verdict` reads, for a policy's gated limits."""
    gates = [limit for limit in policy.required if limit.gate]
    measures = {limit.attribute: set[str]() for limit in gates}
    for limit in gates:
        if limit.measure in QUANTITIES and (measure := QUANTITIES[limit.measure].measure).scored:
            measures[limit.attribute].add(measure.name)
    # Neither bounds nor a bootstrap are looked at here: the counts alone, from which the gate makes its own.
    whole = EvaluationRows.of(
        rows.label, score, rows.weight, rows.person, heaviest, bins=bins, tail=UNSEEN, replicates=2, seed=0
    )
    every = np.ones(len(rows.label), dtype=bool)
    return Evidence(
        overall={name: scored(whole, name) for name in measures.get(None, ())},
        cells=ConfusionCounts.of(
            rows.confusion(decision), 0, of_rates(rows.label, decision, whole.units, every)
        ),
        groups={
            attribute: dict(_groups(rows, decision, whole, attribute, names))
            for attribute, names in measures.items()
            if attribute is not None and attribute in rows.known
        },
        findings=signs,
    )


def _groups(
    rows: Rows, decision: NDArray[np.integer], whole: EvaluationRows, attribute: str, names: set[str]
) -> Iterator[tuple[str, GroupMeasures]]:
    matrices, code = rows.confusion(decision, attribute), rows.codes(attribute)
    for k, group in enumerate(rows.known[attribute]):
        units = of_rates(rows.label, decision, whole.units, code == k)
        counts = ConfusionCounts.of(matrices.group(k), 0, units)
        scores = {name: scored(whole.only(code == k), name) for name in names}
        one = GroupMeasures(rows=counts.rows, positives=counts.positives, cells=counts, measures=scores)
        yield group, one


def _outcome(each: Compared | Sign | str, limit: Limit, shares: Tails, policy: Policy) -> Outcome:
    """Return how one comparison of a limit comes out: a text says why it could not be made."""
    if isinstance(each, str):
        return MISSED
    if isinstance(each, Sign):
        return UNSURE if each.shown else MET
    if each.comparison.value is None:
        return UNSURE
    at = limit.at_least if limit.at_least is not None else float(limit.at_most or 0.0)
    tail = own(each, shares, policy)
    aim = Aim(at, limit.at_least is not None, tail.clear, tail.miss)
    # Two one-sided tests: shown to be met, and shown to be missed. Neither, or both where the tails are so
    # wide that they cross, leaves it open.
    clears, misses = (shown(each.comparison, aim, good=good) for good in (True, False))
    return UNSURE if clears == misses else MET if clears else MISSED


def _value(limit: Limit, plan: Sequence[Compared | Sign | str]) -> float | None:
    values = [one.comparison.value for one in plan if isinstance(one, Compared)]
    values += [one.value for one in plan if isinstance(one, Sign)]
    known = [value for value in values if value is not None]
    return None if not known else min(known) if limit.at_least is not None else max(known)


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    return MISSED if MISSED in outcomes else UNSURE if UNSURE in outcomes else MET
