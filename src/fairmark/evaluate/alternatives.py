"""Measure less discriminatory alternatives: rivals on the search's frontier beside the chosen model.

Each rival is learnt again as it was tried, its threshold from validation rows, and decides the same test rows
as the chosen model. How steady its gain is, is told by two kinds of change. Refits: both models are learnt
again from train rows drawn with replacement and with another seed (Efron and Tibshirani 1993, section 6.2),
thresholds from validation rows alone. Resamples: test rows, or persons and clusters, are drawn with
replacement, the models as they are, so that ranges are percentiles of paired values (section 13.3). Test rows
are measured on and choose nothing: the rivals and their order come from the search.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairmark.data.split import Parts, sampled
from fairmark.errors import InputError
from fairmark.evaluate.experiments import Experiment
from fairmark.evaluate.refits import Fits
from fairmark.evaluate.summary_metrics import Rows
from fairmark.files import canonical_floats
from fairmark.judge.alternatives import (
    Alternatives,
    Beside,
    GroupCalibration,
    Range,
    Reached,
    Resampled,
    Rival,
    SwapBand,
    SwappedGroup,
    Unmeasured,
    gains,
    mean_of,
)
from fairmark.learn.fit import aimed, fit
from fairmark.learn.policy_limits import Limits
from fairmark.learn.policy_limits import Rows as HeldRows
from fairmark.learn.summaries import Alternative, SearchSummary
from fairmark.learn.threshold import Goal
from fairmark.learn.training_data import Ready, drawn, ready
from fairmark.model.model import Model
from fairmark.params.evaluate import Evaluate, RivalModels
from fairmark.params.learn import Chosen
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats, Labels, Places
from fairmark.stats.measures import QUANTITIES
from fairmark.stats.rates import values_of, values_over_groups
from fairmark.stats.score_measures import bin_scores
from fairmark.terminal import silent


@dataclass(frozen=True)
class Decided:
    """A model's scores and decisions on rows, [n] each."""

    score: Floats
    threshold: float | Floats

    @property
    def decision(self) -> Labels:
        """1 for yes and 0 for no, [n]."""
        return (self.score >= self.threshold).astype(np.int8)


@dataclass(frozen=True)
class Judged:
    """Rows that models are compared on, by the policy's limits on groups and by what thresholds are for."""

    rows: Rows
    policy: Policy
    goal: Goal

    @cached_property
    def limits(self) -> Limits:
        """The policy's limits on these rows, without a margin."""
        rows = self.rows
        groups = rows.groups.astype("str").reset_index(drop=True)
        return Limits(self.policy, HeldRows(rows.label, rows.weight, groups), 0.0)

    def decided(self, model: Model) -> Decided:
        """Return what a model makes of these rows."""
        return Decided(model.score(self.rows.table), model.cut(self.rows.groups))

    def reached(self, by: Decided) -> Reached:
        """Return what decisions come to."""
        held = self.limits.held(by.score, by.threshold)
        on_groups = {limit.name for limit in self.policy.limits if limit.attribute is not None}
        values = {name: value for name, value in held.measures.items() if name in on_groups}
        return Reached(
            quality=canonical_floats(float(self.goal.reached(held.table))),
            limits={
                name: None if value is None else canonical_floats(value) for name, value in values.items()
            },
        )

    def values(self, decision: Labels, weights: Floats) -> tuple[Floats, dict[str, Floats]]:
        """Return quality and each counted limit on groups under other weights of rows, [resamples] each.

        Parameters
        ----------
        decision
            1 for yes and 0 for no, [n].
        weights
            [resamples, n].
        """
        label, limits = self.rows.label, self.limits
        everybody = np.zeros(len(label), dtype=np.intp)
        quality = self.goal.reached(_tables(label, decision, everybody, 1, weights)[:, 0])
        found: dict[str, Floats] = {}
        tables: dict[str, Floats] = {}
        for limit in limits.known:
            if limit.attribute is None or QUANTITIES[limit.measure].measure.scored:
                continue
            if limit.attribute not in tables:
                code, names = limits.codes(*limits.compared(limit))
                tables[limit.attribute] = _tables(label, decision, code, len(names), weights)
            found[limit.name] = _value(limit, tables[limit.attribute])
        return quality, found


def alternatives(
    experiment: Experiment,
    digest: str,
    searched: SearchSummary,
    person: Places | None,
    fits: Fits,
    smallest: int,
    step: Callable[[str], None] = silent,
) -> Alternatives:
    """Return the chosen model beside its rivals.

    Parameters
    ----------
    digest
        The SHA-256 of the model.
    person
        The unit of each test row, [n]; None where each row is one of its own.
    smallest
        Fewest rows that a count may stand for (`privacy.smallest_cell`).
    """
    params, parts, model = experiment.params, experiment.parts, experiment.model
    asked, most = params.alternatives, params.checks.most_rows
    if asked is None:
        return nothing(digest, searched.goal, smallest, "params ask for none (evaluate.alternatives)")
    seen = sampled(parts, most, asked.seed)
    known = ready(seen, fits.base)
    goal = Goal.of(aimed(known, model.chosen, fits.base).threshold.maximise)
    if seen is not parts:
        # Models of as many rows are compared: the chosen one is learnt anew from the sample too.
        step("rivals: the chosen model from a sample")
        model = fit(known, model.chosen, fits.base, fits.policy)
        person = None if person is None else _kept(person, parts, seen)
    followed = fits.policy.following(goal.measure)
    test, valid = (Judged(Rows.of(seen, name), followed, goal) for name in ("test", "valid"))
    comparing = _Comparing(known, model, test, valid, person, fits, params, asked, smallest)
    offered, held = searched.alternatives or [], _held(searched, followed)
    rivals: list[Rival] = []
    unmeasured: list[Unmeasured] = []
    for each in offered[: asked.rivals]:
        step(f"rivals: {_name(each)}")
        try:
            rivals.append(comparing.rival(each))
        except InputError as error:  # settings may suit drawn rows no more: a finding, not a fault
            unmeasured.append(_unmeasured(each, f"{each.why} {error}", held))
    return Alternatives(
        model_sha256=digest,
        goal=searched.goal,
        confidence=params.confidence,
        refits=asked.refits,
        resamples=asked.resamples,
        smallest_cell=smallest,
        rows=len(test.rows.label),
        sampled=seen is not parts,
        valid=valid.reached(valid.decided(model)),
        test=comparing.reached,
        calibration=calibration(test.rows, comparing.chosen.score, params.calibration_bins, smallest),
        rivals=tuple(rivals),
        unmeasured=(*unmeasured, *_left(offered[asked.rivals :], asked, held), *_lotteries(searched)),
        why="" if rivals else "no other trial stands on the search's frontier",
    )


def nothing(digest: str, goal: str, smallest: int, why: str) -> Alternatives:
    """Return the document of a model without rivals."""
    return Alternatives(
        model_sha256=digest,
        goal=goal,
        confidence=0.0,
        refits=0,
        resamples=0,
        smallest_cell=smallest,
        rows=0,
        sampled=False,
        valid=None,
        test=None,
        calibration={},
        rivals=(),
        unmeasured=(),
        why=why,
    )


Held = Callable[[Alternative], Beside]
"""Says how a rival stands beside the chosen trial on the search's held-out rows."""


def _held(searched: SearchSummary, policy: Policy) -> Held:
    best = searched.best

    def beside(each: Alternative) -> Beside:
        own = Reached(quality=best.quality or 0.0, limits={name: best.limit(name) for name in each.limits})
        return gains(policy, own, Reached(quality=each.quality, limits=dict(each.limits)))

    return beside


def _left(offered: Sequence[Alternative], asked: RivalModels, held: Held) -> list[Unmeasured]:
    why = f"Not learnt again: params ask for {asked.rivals} rivals (evaluate.alternatives.rivals)."
    return [_unmeasured(each, f"{each.why} {why}", held) for each in offered]


def _unmeasured(each: Alternative, why: str, held: Held) -> Unmeasured:
    limits = dict(each.limits)
    return Unmeasured(name=_name(each), quality=each.quality, limits=limits, why=why, beside=held(each))


def _lotteries(searched: SearchSummary) -> list[Unmeasured]:
    return [
        Unmeasured(name=each.method, quality=each.quality, limits=dict(each.limits), why=each.why)
        for each in searched.rivals or ()
    ]


def _name(each: Alternative) -> str:
    return f"trial-{each.number}"


def _kept(person: Places, parts: Parts, seen: Parts) -> Places:
    """Return the units of the test rows that a sample keeps."""
    ids = parts.part("test")[0]["_row_id"].to_numpy()
    return person[np.isin(ids, seen.part("test")[0]["_row_id"].to_numpy())]


@dataclass(frozen=True)
class _Comparing:
    """The chosen model, and what every rival is compared with it on."""

    known: Ready
    model: Model
    test: Judged
    valid: Judged
    person: Places | None
    fits: Fits
    params: Evaluate
    asked: RivalModels
    smallest: int

    @cached_property
    def chosen(self) -> Decided:
        """The chosen model's scores and decisions of test rows."""
        return self.test.decided(self.model)

    @cached_property
    def reached(self) -> Reached:
        """What the chosen model comes to on test rows."""
        return self.test.reached(self.chosen)

    def rival(self, offered: Alternative) -> Rival:
        """Return one rival, learnt again and measured.

        Raises
        ------
        InputError
            When its choices leave nothing to learn from rows that were drawn anew.
        """
        base, policy, asked = self.fits.base, self.fits.policy, self.asked
        rival = fit(self.known, offered.chosen, base, policy)
        decided = self.test.decided(rival)
        reached = self.test.reached(decided)
        both = [
            gains(self.test.policy, one, two)
            for one, two in zip(
                [self.reached, *self._again], [reached, *self._refits(offered.chosen)], strict=True
            )
        ]
        rows, bins = self.test.rows, self.params.calibration_bins
        return Rival(
            name=_name(offered),
            what=what(offered.chosen),
            why=offered.why,
            valid=self.valid.reached(self.valid.decided(rival)),
            test=reached,
            beside=both[0],
            refits=tuple(both[1:]),
            mean=mean_of(both),
            steady={name: sum((one.gained[name] or 0.0) > 0 for one in both) for name in both[0].gained},
            resampled=self._resampled(decided),
            calibration=calibration(rows, decided.score, bins, self.smallest),
            swaps={
                # Not of crossings, whose counts would tell those that are withheld.
                name: swaps(rows, name, self.chosen, decided.decision, asked.bands, self.smallest)
                for name in self.known.single
            },
        )

    @cached_property
    def _again(self) -> list[Reached]:
        return self._refits(self.model.chosen)

    def _refits(self, chosen: Chosen) -> list[Reached]:
        """Return what choices come to on test rows when learnt again, one entry a refit."""
        found = []
        # The threshold from validation rows alone: with folds a row and its copy would be in both.
        alone = chosen.model_copy(update={"folds": None})
        for number in range(1, self.asked.refits + 1):
            base = self.fits.base.model_copy(update={"seed": (self.fits.base.seed + number) % 2**31})
            again = fit(drawn(self.known, self.asked.seed, number), alone, base, self.fits.policy)
            found.append(self.test.reached(self.test.decided(again)))
        return found

    @cached_property
    def _weights(self) -> Floats:
        asked = self.asked
        return resampled_weights(self.test.rows.weight, self.person, asked.resamples, asked.seed)

    @cached_property
    def _chosen_values(self) -> tuple[Floats, dict[str, Floats]]:
        return self.test.values(self.chosen.decision, self._weights)

    def _resampled(self, decided: Decided) -> Resampled:
        confidence = self.params.confidence
        tails = ((1 - confidence) / 2, (1 + confidence) / 2)
        (quality, before), (other, after) = (
            self._chosen_values,
            self.test.values(decided.decision, self._weights),
        )
        at_least = {limit.name: limit.at_least is not None for limit in self.test.policy.limits}
        gained: dict[str, Range | None] = {}
        fairer: dict[str, float] = {}
        for name, values in before.items():
            gain = after[name] - values if at_least[name] else values - after[name]
            # A resample without a positive of a group defines no rate of it: it says nothing either way.
            gain = gain[~np.isnan(gain)]
            gained[name] = _range(gain, tails) if len(gain) else None
            fairer[name] = float((gain > 0).mean()) if len(gain) else 0.0
        return Resampled(lost=_range(quality - other, tails), gained=gained, fairer=fairer)


def _value(limit: Limit, table: Floats) -> Floats:
    """Return a limit's measure of confusion matrices [resamples, groups, 2, 2], [resamples]."""
    if QUANTITIES[limit.measure].over_groups:
        return values_over_groups(table, limit.measure)
    worst = np.fmin if limit.at_least is not None else np.fmax
    return np.asarray(worst.reduce(values_of(table, limit.measure), axis=-1, initial=np.nan))


def _tables(label: Labels, decision: Labels, code: Places, groups: int, weights: Floats) -> Floats:
    """Return confusion matrices of weights, [resamples, groups, 2, 2], without rows of a code below 0."""
    # A row without a group belongs to none here: these ranges are for the reader, and gate nothing.
    inside = code >= 0
    cell = (code * 4 + label * 2 + decision)[inside]
    sums = [np.bincount(cell, one[inside], minlength=groups * 4) for one in weights]
    return np.stack(sums).reshape(len(weights), groups, 2, 2).astype(np.float64)


def _range(values: Floats, tails: tuple[float, float]) -> Range:
    low, high = np.quantile(values, tails)
    return Range(low=float(low), high=float(high))


def resampled_weights(weight: Floats, person: Places | None, resamples: int, seed: int) -> Floats:
    """Return the weights of rows when units are drawn with replacement, [resamples, n]."""
    unit = np.arange(len(weight)) if person is None else np.unique(person, return_inverse=True)[1]
    size = int(unit.max()) + 1
    draw = np.random.default_rng([seed, 3])
    # Units and not rows are drawn: rows of one person say less than as many rows of others.
    counts = [np.bincount(draw.integers(0, size, size), minlength=size)[unit] for _ in range(resamples)]
    return np.stack(counts) * weight


def what(chosen: Chosen) -> str:
    """Return in words what tells a model: its family, and what was done for fairness."""
    steps = [
        f"{step.constraint.replace('_', ' ')} by {step.attribute} at strength {step.strength:.3g}"
        for step in chosen.mitigation
    ]
    steps += ["reweighing"] if chosen.reweighing else []
    held = "a threshold within the limits" if chosen.margin is not None else "a threshold for quality alone"
    return ", ".join([chosen.family, *steps, held])


def calibration(
    rows: Rows, score: Floats, bins: int, smallest: int
) -> dict[str, dict[str, GroupCalibration]]:
    """Return how scores are calibrated within each group of each attribute.

    A group of fewer rows, or fewer of one label, than a count may stand for is left out.
    """
    found: dict[str, dict[str, GroupCalibration]] = {}
    for attribute, names in rows.known.items():
        code, found[attribute] = rows.codes(attribute), {}
        for place, name in enumerate(names):
            own = code == place
            label, weight = rows.label[own], rows.weight[own]
            # A share of positives tells both counts, so that either of them has to be large enough.
            if min(int((label == 0).sum()), int((label == 1).sum())) < smallest or not weight.sum() > 0:
                continue
            binned = bin_scores(label, score[own], weight, bins)
            found[attribute][name] = GroupCalibration(
                mean_score=float(np.average(score[own], weights=weight)),
                positive_share=float(np.average(label, weights=weight)),
                error=min(binned.error(), 1.0),
            )
    return found


def swaps(
    rows: Rows, attribute: str, chosen: Decided, rival: Labels, bands: int, smallest: int
) -> dict[str, SwappedGroup]:
    """Return whom of each group a rival decides otherwise, in bands of the chosen model's score.

    No count, nor what is left where others are taken off a total, is of fewer rows than `smallest`: bands of
    a group are joined first, then groups are withheld, two at least.
    """
    code, edges = rows.codes(attribute), np.linspace(0, 1, bands + 1)
    band = np.clip((chosen.score * bands).astype(np.intp), 0, bands - 1)
    before = chosen.decision
    counts = {}
    for place, name in enumerate(rows.known[attribute]):
        own = code == place
        each = [
            np.bincount(band[own & (before == side) & (rival == 1 - side)], minlength=bands)
            for side in (0, 1)
        ]
        counts[name] = np.stack(each, axis=-1)  # [bands, into and out]
    kept = _disclosed({name: table.sum(axis=0) for name, table in counts.items()}, smallest)
    return {
        name: SwappedGroup(bands=_joined(table, edges, smallest) if name in kept else None)
        for name, table in counts.items()
    }


def _disclosed(totals: Mapping[str, Places], smallest: int) -> set[str]:
    """Return the groups whose totals may be told; those withheld are two at least, and of enough rows."""
    hidden = [name for name, total in totals.items() if _is_small(total, smallest)]
    rest = sorted(set(totals) - set(hidden), key=lambda name: (int(totals[name].sum()), name))
    # The totals of all groups follow from another attribute: one withheld group would be what is missing.
    while hidden and rest and (len(hidden) < 2 or _is_small(sum(totals[name] for name in hidden), smallest)):
        hidden.append(rest.pop(0))
    return set(totals) - set(hidden)


def _is_small(counts: object, smallest: int) -> bool:
    each = np.asarray(counts)
    return bool(((each > 0) & (each < smallest)).any())


def _joined(table: Places, edges: Floats, smallest: int) -> tuple[SwapBand, ...]:
    """Return the bands of one group [bands, 2], neighbours joined until each count is 0 or large enough."""
    found: list[tuple[int, int]] = []
    start = 0
    for stop in range(1, len(table) + 1):
        if not _is_small(table[start:stop].sum(axis=0), smallest):
            found.append((start, stop))
            start = stop
    # What is left above the last band is too small for one of its own: it joins the bands before it.
    while start < len(table) and found:
        start, _ = found.pop()
        if not _is_small(table[start:].sum(axis=0), smallest):
            found.append((start, len(table)))
            start = len(table)
    return tuple(
        SwapBand(
            low=float(edges[one]),
            high=float(edges[two]),
            into=int(table[one:two, 0].sum()),
            out=int(table[one:two, 1].sum()),
        )
        for one, two in found
    )
