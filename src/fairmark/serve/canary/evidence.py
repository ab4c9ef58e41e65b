"""What the counts of a canary show of each limit, by e-processes that may be looked at after every block.

Two questions are asked of each limit, and each errs with chance at most `level` over all looks together:

- Is it missed? One e-process against "it is met", for all pairs of groups at once; the processes of all
  limits and margins are averaged (half of the weight on the limits on groups), and evidence of 1 / level
  returns the canary.
- Is it met? An e-process against "it is missed" for each group, or ordered pair of groups; a promotion needs
  every one of them to have reached 1 / level, so that one at its limit passes with chance `level` at most
  (an intersection-union test: nothing is corrected for their number).

What needs outcomes is tested from counts alone, because outcomes come late and in any order. A row counts for
an attribute when its group is known for certain. Pure: no clock, no files, no journal.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np

from fairmark.judge.measurements import Measurements, by_group
from fairmark.judge.verdict import covers
from fairmark.params.policy import Limit, Waiver
from fairmark.params.read import Params
from fairmark.params.serve import Canary
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import (
    Margin,
    Prior,
    against_beyond,
    against_beyond_counts,
    against_paired,
    against_rate,
    against_rate_counts,
    against_within,
    against_within_counts,
    average,
)
from fairmark.stats.measures import (
    MEASURES,
    QUANTITIES,
    Larger,
    Quantity,
    Share,
    share,
    spoken,
    summed,
)

ALL = ""
"""In the place of an attribute: all rows, one group of the name `all rows`."""
EVERYBODY = ("all rows",)
PAIRED_PRIOR = (1.0, 18.0, 1.0)
"""Rows taken as seen before the first in which only one of two models decides for the person: one in ten."""


@dataclass(frozen=True)
class Decisions:
    """The challenger's decisions by group of one attribute, in blocks in the order in which they came.

    Parameters
    ----------
    groups
        Names, in the order of the last axis.
    rows, selected
        [blocks, groups]: decisions, and those of 1.
    paired
        [blocks, groups, 3], of rows that both models decided: only the challenger gave the better decision,
        both or neither, only the champion.
    """

    groups: tuple[str, ...]
    rows: Floats
    selected: Floats
    paired: Floats


@dataclass(frozen=True)
class Counts:
    """What a canary's decisions came to.

    Parameters
    ----------
    decisions
        By attribute, `ALL` among them.
    outcomes
        By attribute, [looks, groups, label, decision] of the challenger: outcomes that came before each look
        since the last. The groups are those of `decisions`.
    arms
        [looks, 2, label, decision]: of the rows that the challenger, and that the champion answered.
    operation
        [blocks, 3]: requests that the challenger was to answer, those that another had to, those too slow.
    """

    decisions: Mapping[str, Decisions]
    outcomes: Mapping[str, Floats]
    arms: Floats
    operation: Floats

    @property
    def rows(self) -> int:
        """How many decisions of the challenger are counted."""
        return int(self.decisions[ALL].rows.sum())


@dataclass(frozen=True)
class Terms:
    """What a canary is held to: its params, the policy's gated limits, and what is known beforehand.

    Parameters
    ----------
    rules
        `params.serve.canary`.
    limits
        The gated limits of the policy, those on the threshold's goal as the measure that it is.
    waivers, overrides
        Those of the policy that stand today.
    labels
        Whose outcomes come (`params.watch.labels`).
    adverse
        The decision that is worse for the person.
    expected
        By attribute, `ALL` among them, the confusion matrices of the test rows, [groups, label, decision].
    groups
        The groups of each attribute.
    """

    rules: Canary
    limits: tuple[Limit, ...]
    waivers: tuple[Waiver, ...]
    overrides: tuple[Waiver, ...]
    labels: Literal["all", "selected"]
    adverse: int
    expected: Mapping[str, Floats]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def waits(self) -> bool:
        """Whether a promotion waits for outcomes: params ask for it, and a limit of the policy needs them."""
        return self.rules.wait_for_outcomes and any(
            _needs_label(rate)
            for limit in self.limits
            if (quantity := QUANTITIES.get(limit.measure)) is not None and quantity.how != "gain"
            for name in _rates_of(quantity)
            if isinstance(rate := MEASURES[name].formula, Share)
        )

    @classmethod
    def of(cls, params: Params, measured: Measurements, today: dt.date) -> "Terms":
        """Return what the release that has these params and measurements is held to on a day.

        Raises
        ------
        InputError
            When its params serve nothing.
        """
        if params.serve is None:
            from fairmark.errors import InputError

            raise InputError("params.serve: must say how a canary is served, got null")
        goal = measured.evidence.goal
        policy = params.policy.following(goal.measure if goal is not None else None)

        def standing(each: Sequence[Waiver]) -> tuple[Waiver, ...]:
            return tuple(one for one in each if one.decided <= today <= one.expires)

        entries = {name: dict(groups) for name, groups in measured.groups.items()}
        matrices = {name: by_group(groups).count.astype(np.float64) for name, groups in entries.items()}
        return cls(
            rules=params.serve.canary,
            limits=tuple(each for each in policy.limits if each.gate),
            waivers=standing(policy.waivers),
            overrides=standing(policy.overrides),
            # Without a word on it nothing is taken as known of those who were not selected.
            labels=params.watch.labels if params.watch is not None else "selected",
            adverse=params.serve.oversight.adverse_decision,
            expected={ALL: measured.evidence.cells.matrix.count.astype(np.float64), **matrices},
            groups={ALL: EVERYBODY, **{name: tuple(groups) for name, groups in entries.items()}},
        )


@dataclass(frozen=True)
class Part:
    """One group, or ordered pair of groups, of a limit: the first is the one that must not be less.

    `shown` holds log e-values at each look, against "it misses the limit", and `against` those against "it
    keeps the limit", minus infinity where an override lets it miss it; `at` holds indices into the groups of
    the attribute.
    """

    groups: tuple[str, ...]
    at: tuple[int, ...]
    shown: Floats
    against: Floats
    waived: str | None = None

    def met(self, level: float) -> bool:
        """Return whether it was shown to be within its limit at any look."""
        return bool(self.shown.max(initial=0.0) >= -np.log(level))


@dataclass(frozen=True)
class Family:
    """The evidence on one limit or margin.

    Parameters
    ----------
    name
        Of the limit, or `quality`, `faults`, `latency`, `group-margin`.
    what
        What is compared, in words.
    kind
        `ratio` or `difference` of the two groups of a part, or `rate` of its one group.
    limit, at_least
        The limit, and which side of it is good.
    rate
        The measure of `stats.measures` whose rows these are; empty for what is not one.
    missed
        Log e-values at each look against "it is met", for all parts at once.
    parts
        What a promotion needs to be shown.
    hits, rows
        [looks, groups], not yet summed; [groups, 3] more for `group-margin`.
    required
        Whether a promotion needs it.
    why
        Why it is not judged, or not required; empty where it is.
    """

    name: str
    what: str
    kind: Literal["ratio", "difference", "rate", "paired"]
    limit: float
    at_least: bool
    rate: str
    of_groups: bool
    missed: Floats
    parts: tuple[Part, ...]
    hits: Floats
    rows: Floats
    prior: Prior
    blocks: bool
    required: bool = True
    why: str = ""

    def ready(self, level: float) -> bool:
        """Return whether a promotion has what it needs of this."""
        return not self.required or all(each.met(level) or each.waived for each in self.parts)


@dataclass(frozen=True)
class Unjudged:
    """A gated limit that the counts of a canary can't show anything of, and why."""

    name: str
    why: str


def families(counts: Counts, terms: Terms) -> tuple[list[Family], list[Unjudged]]:
    """Return the evidence on every limit and margin, and the gated limits that it can't speak of."""
    found: list[Family] = []
    left: list[Unjudged] = []
    for limit in terms.limits:
        for each in of_limit(limit, counts, terms):
            (found if isinstance(each, Family) else left).append(each)  # type: ignore[arg-type]
    found += [_quality(counts, terms), *_operation(counts, terms), *_group_margin(counts, terms)]
    return found, left


def total_evidence(found: Sequence[Family]) -> Floats:
    """Return the log e-process, at each look, against: every limit and margin is met.

    The limits on groups share one half of the weight, all else the other, whether it has rows yet or not:
    weights that followed the data would break the mean of 1.
    """
    from scipy.special import logsumexp

    looks = max(len(each.missed) for each in found)
    missed = np.stack([_until(each.missed, looks) for each in found], axis=-1)
    return np.asarray(logsumexp(missed + np.log(weights(found)), axis=-1))


def weights(found: Sequence[Family]) -> Floats:
    """Return the weight of each limit and margin in `total_evidence`; they sum to 1."""
    of_groups = sum(each.of_groups for each in found)
    sizes = [of_groups if each.of_groups else len(found) - of_groups for each in found]
    halves = 2 if 0 < of_groups < len(found) else 1
    return 1 / (halves * np.array(sizes, dtype=np.float64))


def deciding(found: Sequence[Family]) -> Family:
    """Return the limit or margin that most of the total evidence of harm comes from, at the last look."""
    last = [float(each.missed[-1]) if len(each.missed) else -np.inf for each in found]
    return found[int(np.argmax(np.array(last) + np.log(weights(found))))]


def _until(values: Floats, looks: int) -> Floats:
    """Return the values, the last one repeated: what has no new rows has the evidence that it had."""
    if len(values) == looks:
        return values
    if not len(values):
        return np.zeros(looks)
    return np.concatenate([values, np.repeat(values[-1], looks - len(values))])


def of_limit(limit: Limit, counts: Counts, terms: Terms) -> Iterator[Family | Unjudged]:
    """Yield the evidence on a gated limit: once for each rate that it is on, or why there can be none."""
    quantity = QUANTITIES.get(limit.measure)
    if quantity is None or quantity.how == "gain":
        yield Unjudged(limit.name, "a gain over the best constant answer needs every label")
        return
    how, names = quantity.how, _rates_of(quantity)
    attribute = limit.attribute or ALL
    for name in names:
        rate = MEASURES[name].formula
        if not isinstance(rate, Share):
            yield Unjudged(limit.name, f"{spoken(name)} is no share of decisions")
        elif attribute not in counts.decisions:
            yield Unjudged(limit.name, f"nothing is counted by {attribute}")
        elif _needs_label(rate) and terms.labels == "selected" and {*rate.rows} - {"fp", "tp"}:
            yield Unjudged(
                limit.name, f"{spoken(name)} is not identified where outcomes come for the selected alone"
            )
        else:
            yield _rates(limit, name, how, attribute, counts, terms)


def _rates_of(quantity: Quantity) -> Sequence[str]:
    """Return the names of the rates that a limit on a quantity is on."""
    formula = quantity.measure.formula
    return formula.rates if isinstance(formula, Larger) else (quantity.measure.name,)


def _needs_label(formula: Share) -> bool:
    return not ({*formula.hits} == {"fp", "tp"} and {*formula.rows} == {"tn", "fp", "fn", "tp"})


def _rates(limit: Limit, name: str, how: str, attribute: str, counts: Counts, terms: Terms) -> Family:
    """Return the evidence on a limit on a rate of groups, their ratios or their differences."""
    formula, decided = share(name), counts.decisions[attribute]
    blocks = not _needs_label(formula)
    if blocks:
        x, n = decided.selected, decided.rows
    else:
        x, n = (
            summed(counts.outcomes[attribute], formula.hits),
            summed(counts.outcomes[attribute], formula.rows),
        )
    prior = Prior.at(_expected(terms.expected[attribute], formula))
    at, at_least = (limit.at_least, True) if limit.at_least is not None else (limit.at_most, False)
    assert at is not None  # noqa: S101 - a limit has one of the two
    groups = decided.groups
    if how == "value":
        against, shown = _one_rate(x, n, at, prior, at_least=at_least, blocks=blocks)
        # Groups are different rows: the product of their e-values is one against "each is met".
        judged = _judged(limit, groups, terms)
        missed = against[..., judged].sum(axis=-1)
        against = np.where(np.isin(np.arange(len(groups)), judged), against, -np.inf)
        places: list[tuple[int, ...]] = [(k,) for k in range(len(groups))]
    else:
        margin = Margin("ratio" if how == "ratio" else "difference", at)
        missed, shown, against, places = _pairs(
            x, n, margin, prior, _judged(limit, groups, terms), blocks=blocks
        )
    parts = tuple(
        Part(
            tuple(groups[k] for k in place),
            place,
            shown[..., p],
            against[..., p],
            _waiver(terms.waivers, limit.name, [groups[k] for k in place], attribute),
        )
        for p, place in enumerate(places)
    )
    return Family(
        name=limit.name,
        what=f"{spoken(name)}{'' if how == 'value' else f' {how}'}",
        kind="rate" if how == "value" else "ratio" if how == "ratio" else "difference",
        limit=at,
        at_least=at_least,
        rate=name,
        of_groups=attribute != ALL,
        missed=missed,
        parts=parts,
        hits=x,
        rows=n,
        prior=prior,
        blocks=blocks,
        required=blocks or _came(counts, terms),
        why="" if blocks or _came(counts, terms) else _few(counts, terms),
    )


def _came(counts: Counts, terms: Terms) -> bool:
    """Return whether quality must be shown: so many outcomes came, or a promotion waits for them."""
    least = terms.rules.outcomes_from
    came = least is not None and bool(counts.arms[:, 0].sum() >= least)
    return came or terms.waits


def _few(counts: Counts, terms: Terms) -> str:
    came, least = int(counts.arms[:, 0].sum()), terms.rules.outcomes_from
    asked = "params require none" if least is None else f"at least {least:,} are required"
    return f"{came:,} outcomes of the canary came, and {asked}: it rests on the test rows"


def _waiver(waivers: Sequence[Waiver], limit: str, groups: Sequence[str], attribute: str) -> str | None:
    named = () if attribute == ALL else groups
    found = next((each for each in waivers if covers(each, limit, named)), None)
    return None if found is None else f"{found.decided_by} until {found.expires}"


def _judged(limit: Limit, groups: Sequence[str], terms: Terms) -> list[int]:
    """Return which groups may miss the limit: an override that names groups lets them miss it."""
    return [
        k for k, name in enumerate(groups) if not any(covers(o, limit.name, [name]) for o in terms.overrides)
    ]


def _expected(matrix: Floats, formula: Share) -> Floats:
    """Return the rate of each group on test rows, drawn a little towards that of all rows."""
    hits, rows = summed(matrix, formula.hits), summed(matrix, formula.rows)
    whole = (hits.sum() + 0.5) / (rows.sum() + 1)
    return np.asarray((hits + 2 * whole) / (rows + 2))


def _one_rate(
    x: Floats, n: Floats, at: float, prior: Prior, *, at_least: bool, blocks: bool
) -> tuple[Floats, Floats]:
    good: Literal["at_least", "at_most"] = "at_least" if at_least else "at_most"
    bad: Literal["at_least", "at_most"] = "at_most" if at_least else "at_least"
    if blocks:
        return against_rate(x, n, at, good, prior), against_rate(x, n, at, bad, prior)
    x, n = np.cumsum(x, axis=0), np.cumsum(n, axis=0)
    return against_rate_counts(x, n, at, good, prior), against_rate_counts(x, n, at, bad, prior)


def _pairs(
    x: Floats, n: Floats, margin: Margin, prior: Prior, judged: Sequence[int], *, blocks: bool
) -> tuple[Floats, Floats, Floats, list[tuple[int, ...]]]:
    """Return evidence against "all are within the margin"; of each pair against "not within", "within"."""
    places = list(permutations(range(x.shape[-1]), 2))
    kept = list(judged)
    one, two = (np.array([pair[k] for pair in places], dtype=np.intp) for k in (0, 1))

    def paired(values: Floats) -> Floats:
        return np.moveaxis(np.stack([values[..., one], values[..., two]], axis=-1), 1, 0)  # pairs, looks, 2

    prior = Prior(prior.rates, np.broadcast_to(prior.weight, prior.rates.shape))
    both = Prior(paired(prior.rates[None]), paired(np.asarray(prior.weight)[None]))
    turned = Prior(both.rates[..., ::-1], np.asarray(both.weight)[..., ::-1])
    within, beyond = (
        (against_within, against_beyond) if blocks else (against_within_counts, against_beyond_counts)
    )
    if not blocks:
        x, n = np.cumsum(x, axis=0), np.cumsum(n, axis=0)
    pair_x, pair_n = paired(x), paired(n)
    shown = beyond(pair_x, pair_n, margin, both).T
    each = beyond(pair_x[..., ::-1], pair_n[..., ::-1], margin.reversed, turned)
    judged_pairs = np.array([set(pair) <= set(kept) for pair in places])
    against = np.where(judged_pairs, each.T, -np.inf)
    if len(kept) < 2:
        return _none(x), shown, against, list(places)
    missed = within(x[:, kept], n[:, kept], margin, prior.of(kept))
    if len(kept) > 2:
        # The rates of many groups take long to learn, those of a pair do not: half of the weight is on pairs.
        missed = average(np.stack([missed, average(each[judged_pairs], axis=0)]), axis=0)
    return missed, shown, against, list(places)


def _none(x: Floats) -> Floats:
    return np.zeros(len(x))


def _quality(counts: Counts, terms: Terms) -> Family:
    """Return the evidence that the challenger is no less often right than the champion, within the margin.

    Where outcomes come for the selected alone, accuracy is not identified, and precision is compared.
    """
    name = "accuracy" if terms.labels == "all" else "precision"
    formula = share(name)
    x, n = summed(counts.arms, formula.hits), summed(counts.arms, formula.rows)
    rate = float(_expected(terms.expected[ALL], formula)[0])
    prior, margin = Prior.at([rate, rate]), Margin("difference", terms.rules.quality_margin)
    hits, rows = np.cumsum(x, axis=0), np.cumsum(n, axis=0)
    shown = against_beyond_counts(hits, rows, margin, prior)
    missed = against_beyond_counts(hits[:, ::-1], rows[:, ::-1], margin.reversed, prior)
    came = _came(counts, terms)
    return Family(
        name="quality",
        what=f"{spoken(name)} of canary less champion",
        kind="difference",
        limit=-terms.rules.quality_margin,
        at_least=True,
        rate=name,
        of_groups=False,
        missed=missed,
        parts=(Part(("canary", "champion"), (0, 1), shown, missed),),
        hits=x,
        rows=n,
        prior=prior,
        blocks=False,
        required=came,
        why="" if came else _few(counts, terms),
    )


def _operation(counts: Counts, terms: Terms) -> Iterator[Family]:
    rules, rows = terms.rules, counts.operation[:, :1]
    named = (
        ("faults", "share of requests that another model had to answer", rules.fault_rate),
        ("latency", f"share of answers slower than {rules.latency_ms:g} ms", 1 - rules.latency_share),
    )
    for k, (name, what, limit) in enumerate(named, 1):
        hits, prior = counts.operation[:, k : k + 1], Prior.at([limit / 10])
        missed, shown = _one_rate(hits, rows, limit, prior, at_least=False, blocks=True)
        yield Family(
            name=name,
            what=what,
            kind="rate",
            limit=limit,
            at_least=False,
            rate="",
            of_groups=False,
            missed=missed[:, 0],
            parts=(Part(("canary",), (0,), shown[:, 0], missed[:, 0]),),
            hits=hits,
            rows=rows,
            prior=prior,
            blocks=True,
        )


def _group_margin(counts: Counts, terms: Terms) -> Iterator[Family]:
    """Yield the evidence, by attribute, that no group loses by the change of models, on the same rows."""
    margin = terms.rules.group_margin
    if margin is None:
        return
    for attribute, decided in counts.decisions.items():
        pairs = np.moveaxis(decided.paired, 1, 0)  # groups, blocks, 3
        missed = against_paired(pairs, margin, PAIRED_PRIOR)
        shown = against_paired(pairs[..., ::-1], -margin, PAIRED_PRIOR)
        yield Family(
            name="group-margin" if attribute == ALL else f"group-margin {attribute}",
            what="share with the better decision, champion less canary on the same rows",
            kind="paired",
            limit=margin,
            at_least=False,
            rate="",
            of_groups=False,
            missed=average(missed, axis=0),
            parts=tuple(Part((name,), (k,), shown[k], missed[k]) for k, name in enumerate(decided.groups)),
            hits=decided.paired,
            rows=decided.paired.sum(axis=-1),
            prior=Prior(np.array([0.5]), 1.0),
            blocks=True,
            required=False,
            why="it returns a canary, and no promotion requires it: the shadow alone has both decisions",
        )
