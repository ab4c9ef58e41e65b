"""Streams of counts by look, each beside what the reference says of it, with its e-processes of a change.

A stream is one thing that could move: a feature, the score, what is decided, the mix of groups, the
decisions of one group, labels, labels at a given score, latency, referrals, overrides; or a limit of the
policy that could be missed. Under "nothing changed" its counts are drawn from what the reference was drawn
from, or keep the limit.

Names of the parts of a change, as the field has them (Moreno-Torres et al., "A unifying view on dataset
shift in classification", 2012): covariate shift is a change of p(x) alone; prior probability shift a change
of p(y) with p(x | y) kept; concept shift a change of p(y | x), seen here as one of p(y | score).
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fairmark.data.reference import DecidedRows, Reference
from fairmark.judge.verdict import covers
from fairmark.params.policy import Limit, Policy
from fairmark.params.watch import Watch
from fairmark.stats.arrays import Floats
from fairmark.stats.e_process import Margin, Prior, against_rate, against_reference, against_within
from fairmark.stats.measures import Share, quantity
from fairmark.watch.windows import ALL, LATENCY_MS, Counts, Table

Of = Literal["inputs", "scores", "fairness", "quality", "operation"]
"""What an alarm is of, as in `watch.alarms`."""
Part = Literal["inputs", "labels", "relation", "reverse", "decisions", "limit", "operation"]
"""Which part of the joint distribution a stream is of: relation is the label given the score, reverse the
score given the label."""
RELATION = "label at the score"
"""The stream of the relation."""

COUNTS = ("tn", "fp", "fn", "tp")
"""The order of the counts of a confusion matrix in a look."""


@dataclass(frozen=True)
class Counting:
    """How a rate is counted in a look.

    Parameters
    ----------
    table
        `groups` where decisions alone tell it (a selection rate), else `outcomes`.
    hits, rows
        Places of the counts that hit, and of those that they are of.
    """

    table: Literal["groups", "outcomes"]
    hits: tuple[int, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, formula: Share) -> "Counting":
        """Return how a share of the confusion matrix is counted."""
        if {*formula.rows} == {*COUNTS} and {*formula.hits} == {"fp", "tp"}:
            return cls("groups", (1,), (0,))
        hits, rows = (tuple(COUNTS.index(name) for name in names) for names in (formula.hits, formula.rows))
        return cls("outcomes", hits, rows)

    @property
    def of_selected(self) -> bool:
        """Whether rows that were not selected do not enter it, such as precision."""
        return self.table == "outcomes" and {*self.rows} <= {1, 3}

    def sums(self, table: Table, attribute: str, group: str) -> tuple[int, int]:
        """Return hits and rows of one group, 0 and 0 where it was not counted."""
        cells = table.get(attribute, {}).get(group)
        if cells is None:
            return 0, 0
        return sum(cells[k] for k in self.hits), sum(cells[k] for k in self.rows)

    def known(self, decided: DecidedRows) -> tuple[int, int]:
        """Return hits and rows of a group of the reference."""
        if self.table == "groups":
            return decided.selected, decided.rows
        cells = [decided.tn, decided.fp, decided.fn, decided.tp]
        return sum(cells[k] for k in self.hits), sum(cells[k] for k in self.rows)


def counting(measure: str) -> tuple[Counting | None, str]:
    """Return how a measure's rate is counted, None where it is no share of rows; and what the limit is on."""
    found = quantity(measure)
    if found is None or not isinstance(found.measure.formula, Share):
        return None, "value"
    return Counting.of(found.measure.formula), found.how


@dataclass(frozen=True)
class Stream:
    """One thing that is watched.

    Parameters
    ----------
    name
        Such as `feature age`.
    of, part
        What an alarm of it is of, and which part of the distribution moved.
    counts
        By look, shape `[looks, strata, bins]`: given its stratum, each row falls into a bin.
    reference
        The release's counts, shape `[strata, bins]`; zeros where a stream has only its own past.
    """

    name: str
    of: Of
    part: Part
    counts: Floats
    reference: Floats

    def log_e(self, look: int, start: int) -> Floats:
        """Return the logarithms of the e-processes of a change at a look, shape `[look - start + 1]`.

        Of each look j from `start` on: the e-value of looks j..look together against "drawn from what the
        reference and looks start..j-1 were drawn from". Strata multiply: given the rows of each, what falls
        in one says nothing of another. Minus infinity where look j has no rows: the same process begins at
        the next look that has some.
        """
        done = self.done[start : look + 1] - (self.done[start] - self.counts[start])
        before = done - self.counts[start : look + 1]
        found: Floats = against_reference(done[-1] - before, self.reference, before).sum(axis=-1)
        if not self.reference.any():
            # Nothing is known before the first look with rows: it is what later ones are held against.
            found[~before.any(axis=(1, 2))] = 0.0
        found[~self.counts[start : look + 1].any(axis=(1, 2))] = -np.inf
        return found

    @cached_property
    def done(self) -> Floats:
        """Counts of all looks up to each, shape as `counts`."""
        return np.cumsum(self.counts, axis=0)


@dataclass(frozen=True)
class LimitStream:
    """A limit of the policy on groups or on a rate of all rows, that what came could miss.

    Parameters
    ----------
    name, of, part
        As `Stream`.
    hits, rows
        By look and group, shape `[looks, groups]`.
    groups
        Their names.
    limit
        Of the policy.
    prior
        Rates of the reference.
    """

    name: str
    of: Of
    part: Part
    hits: Floats
    rows: Floats
    groups: Sequence[str]
    limit: Limit
    prior: Prior

    def log_e(self, look: int, start: int) -> Floats:
        """Return the logarithms of the e-processes against "the limit is kept", as `Stream.log_e` does."""
        return self._begun[start : look + 1, look]

    @cached_property
    def _begun(self) -> Floats:
        """The e-process begun at each look (row), at each look (column); minus infinity before it begins."""
        looks = len(self.hits)
        found = np.full((looks, looks), -np.inf)
        for j in np.flatnonzero(self.rows.any(axis=1)).tolist():
            x, n = self.hits[j:], self.rows[j:]
            if (margin := margin_of(self.limit)) is not None:
                found[j, j:] = against_within(x, n, margin, self.prior)
            else:
                bound, side = bound_of(self.limit)
                found[j, j:] = against_rate(x, n, bound, side, self.prior)[:, 0]
        return found


def margin_of(limit: Limit) -> Margin | None:
    """Return the margin that a limit on the disparity of a rate asks for; None for another limit."""
    _, how = counting(limit.measure)
    if how == "ratio" and limit.at_least is not None:
        return Margin("ratio", limit.at_least)
    if how == "difference" and limit.at_most is not None:
        return Margin("difference", limit.at_most)
    return None


def bound_of(limit: Limit) -> tuple[float, Literal["at_most", "at_least"]]:
    """Return a limit on a rate, and the null that missing it rejects: at least so much, or at most."""
    if limit.at_least is not None:
        return limit.at_least, "at_least"
    assert limit.at_most is not None  # noqa: S101 - a limit has one of them
    return limit.at_most, "at_most"


def streams(looks: Sequence[Counts], reference: Reference, watch: Watch) -> list[Stream]:
    """Return every stream that may change, with what was counted of it: the same ones whatever came."""
    return [
        *_inputs(looks, reference),
        *_decisions(looks, reference),
        *_labels(looks, reference, watch),
        *_operation(looks),
    ]


def _stack(rows: Sequence[Sequence[float]], bins: int) -> Floats:
    """Return counts by look, [looks, 1, bins]; a look without any is zeros, and no count is below 0."""
    table = [[*row] if row else [0] * bins for row in rows]
    return np.maximum(np.array(table, dtype=np.float64).reshape(len(table), 1, bins), 0)


def _plain(name: str, of: Of, part: Part, counts: Floats, reference: Sequence[float]) -> Stream:
    return Stream(name, of, part, counts, np.array(reference, dtype=np.float64)[None, :])


def _inputs(looks: Sequence[Counts], reference: Reference) -> Iterator[Stream]:
    for feature in reference.features:
        cells = [look.features.get(feature.name, []) for look in looks]
        counts = _stack(cells, len(feature.test))
        yield _plain(f"feature {feature.name}", "inputs", "inputs", counts, feature.test)
    for attribute, groups in reference.groups.items():
        rows = [[_cells(look.groups, attribute, group, 2)[0] for group in groups] for look in looks]
        # A group that no test row had is one more bin, or nobody would hear of it.
        others = [
            sum(cells[0] for group, cells in look.groups.get(attribute, {}).items() if group not in groups)
            for look in looks
        ]
        counts = _stack([[*row, other] for row, other in zip(rows, others, strict=True)], len(groups) + 1)
        known = [*(each.rows for each in groups.values()), 0]
        yield _plain(f"mix of {attribute}", "inputs", "inputs", counts, known)


def _decisions(looks: Sequence[Counts], reference: Reference) -> Iterator[Stream]:
    rows = reference.scores.rows
    yield _plain("score", "scores", "decisions", _stack([look.scores for look in looks], len(rows)), rows)
    for attribute, groups in {ALL: {ALL: reference.decided}, **reference.groups}.items():
        for group, known in groups.items():
            cells = [_cells(look.groups, attribute, group, 2) for look in looks]
            counts = _stack([[n - yes, yes] for n, yes in cells], 2)
            name = f"decision of {attribute} {group}" if attribute else "decision"
            yield _plain(name, "scores", "decisions", counts, [known.rows - known.selected, known.selected])


def _labels(looks: Sequence[Counts], reference: Reference, watch: Watch) -> Iterator[Stream]:
    known = np.array([reference.scores.negatives, reference.scores.positives], dtype=np.float64).T
    counts = np.array([look.labelled or np.zeros(known.shape) for look in looks], dtype=np.float64)
    counts = np.maximum(counts.reshape(len(looks), *known.shape), 0)
    yield Stream(RELATION, "quality", "relation", counts, known)
    # Of the selected alone, the mix of labels is that of the scores that were selected.
    if watch.labels == "all":
        by_label = np.array([known.sum(axis=0)])
        yield Stream("label", "quality", "labels", counts.sum(axis=1, keepdims=True), by_label)
        yield Stream("score at the label", "quality", "reverse", counts.transpose(0, 2, 1), known.T)


def _operation(looks: Sequence[Counts]) -> Iterator[Stream]:
    bins = len(LATENCY_MS) + 1
    yield _plain(
        "latency", "operation", "operation", _stack([look.latency for look in looks], bins), [0] * bins
    )
    pairs = {
        "fallback": [
            (look.answers, look.arms.get("fallback", 0) + look.arms.get("none", 0)) for look in looks
        ],
        "referral": [(look.decisions, look.referred) for look in looks],
        "override": [(look.confirmed + look.overridden, look.overridden) for look in looks],
    }
    for name, counted in pairs.items():
        counts = _stack([[n - hits, hits] for n, hits in counted], 2)
        yield _plain(name, "operation", "operation", counts, [0, 0])


def _cells(table: Table, attribute: str, group: str, length: int) -> list[int]:
    return table.get(attribute, {}).get(group, [0] * length)


def _let_miss(policy: Policy, limit: Limit, groups: Sequence[str], look: Counts) -> set[str]:
    """Return the groups that a standing override lets miss a limit, at the end of a look.

    A waiver lets a release go on that is not shown to keep a limit, and never one that is shown to miss it.
    """
    day = dt.datetime.fromtimestamp(look.end_us / 1e6, dt.UTC).date()
    standing = [each for each in policy.overrides if each.decided <= day <= each.expires]
    return {group for group in groups if any(covers(each, limit.name, [group]) for each in standing)}


def limit_streams(
    looks: Sequence[Counts], reference: Reference, policy: Policy, watch: Watch
) -> tuple[list[LimitStream], dict[str, str]]:
    """Return the gated limits that looks can tell about, and of the others why they can't, by name."""
    found, unknown = [], {}
    for limit in policy.limits:
        if not limit.gate:
            continue
        how, on = counting(limit.measure)
        if how is None or on == "gain" or (limit.attribute is not None and margin_of(limit) is None):
            unknown[limit.name] = f"{limit.measure} is no rate that decisions and outcomes of a look give"
            continue
        table: str = how.table
        if table == "outcomes" and watch.labels == "selected" and not how.of_selected:
            if watch.label_sample is None:
                unknown[limit.name] = (
                    f"{limit.measure} is not identified: outcomes come for the selected alone (watch.labels)"
                )
                continue
            table = "sampled"
        attribute = ALL if limit.attribute is None else limit.attribute
        known = {ALL: {ALL: reference.decided}, **reference.groups}.get(attribute, {})
        out = [_let_miss(policy, limit, [*known], look) for look in looks]
        groups = [group for group in known if not out or any(group not in each for each in out)]
        if len(groups) < (1 if limit.attribute is None else 2):
            unknown[limit.name] = "too few groups are left that no override lets miss it"
            continue
        sums = [
            [(0, 0) if each in let else how.sums(getattr(look, table), attribute, each) for each in groups]
            for look, let in zip(looks, out, strict=True)
        ]
        pairs = np.maximum(np.array(sums, dtype=np.float64).reshape(len(looks), len(groups), 2), 0)
        before = [how.known(known[group]) for group in groups]
        rates = [hits / rows if rows else 0.5 for hits, rows in before]
        found.append(
            LimitStream(
                f"limit {limit.name}",
                "quality" if limit.attribute is None else "fairness",
                "limit",
                pairs[..., 0],
                pairs[..., 1],
                groups,
                limit,
                Prior.at(rates, hits=2.0),
            )
        )
    return found, unknown
