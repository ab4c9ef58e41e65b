"""What the labels that came can show of quality and of error rates, and what they can't.

Where outcomes come only for those who were selected (a loan that was refused is never paid back), the
labels of the others are not seen: precision among the selected is identified; true and false positive rates
and accuracy are not, whatever the number of rows. Then worst-case bounds are given over the labels that
nobody saw (Manski, "Nonparametric bounds on treatment effects", 1990), which need no assumption; or, where
params declare a sample of rows whose outcomes are learnt whatever was decided, the rates of that sample
with their own bounds. A number that takes the labels that came for those of all is never given.

Bounds of an identified rate are a confidence sequence: they hold at every look at once, and all of them
together, with chance 1 - level at least.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from fairmark.params.watch import Watch
from fairmark.record import Record
from fairmark.stats import confidence_sequence
from fairmark.stats.e_process import Prior
from fairmark.stats.measures import MEASURES, Share, share
from fairmark.watch.evidence import Counting
from fairmark.watch.windows import Counts

Basis = Literal["outcomes", "sample", "worst case", "nothing"]
"""What a number rests on: outcomes as they came; those of the declared sample; bounds over unseen labels."""

SHOWN = [name for name, row in MEASURES.items() if row.compared and row.required and row.better != "neither"]
"""The rates that are compared between groups and need labels; no complement beside its own."""


class KnownRate(Record):
    """A rate of what was decided, as far as labels tell it; 0..1."""

    measure: str
    attribute: str
    group: str
    value: float | None
    """None where it is not identified."""
    low: float
    high: float
    rows: int
    """Rows with a label that it is of."""
    basis: Basis
    why: str


class EstimatedRate(Record):
    """A rate that calibrated scores would give, without one label: an estimate, by which nothing is gated."""

    measure: str
    value: float | None


def known_rates(total: Counts, watch: Watch, level: float) -> list[KnownRate]:
    """Return every shown rate of all rows and of every group, with bounds that hold together.

    Parameters
    ----------
    total
        What was counted in all looks.
    level
        Chance that any of the bounds is ever wrong.
    """
    wanted = [(measure, attribute, group) for attribute, group in _groups(total) for measure in SHOWN]
    tail = level / max(len(wanted), 1)
    return [_known(total, watch, tail, *each) for each in wanted]


def _groups(total: Counts) -> Iterator[tuple[str, str]]:
    for attribute, groups in sorted(total.groups.items()):
        yield from ((attribute, group) for group in sorted(groups))


def _known(total: Counts, watch: Watch, tail: float, measure: str, attribute: str, group: str) -> KnownRate:
    formula = share(measure)
    how = Counting.of(formula)
    what = {"measure": measure, "attribute": attribute, "group": group}
    if watch.labels == "all" or how.of_selected:
        hits, rows = how.sums(total.outcomes, attribute, group)
        return _counted(what, hits, rows, tail, "outcomes", "of the outcomes that came")
    if watch.label_sample is not None:
        hits, rows = how.sums(total.sampled, attribute, group)
        text = (
            f"of the declared sample, {watch.label_sample.share:g} of the decisions: {watch.label_sample.how}"
        )
        return _counted(what, hits, rows, tail, "sample", text)
    low, high, rows = worst_case(
        formula,
        total.outcomes.get(attribute, {}).get(group, [0, 0, 0, 0]),
        total.groups.get(attribute, {}).get(group, [0, 0]),
    )
    why = "not identified: outcomes come for the selected alone; bounds over every label that nobody saw"
    return KnownRate(**what, value=None, low=low, high=high, rows=rows, basis="worst case", why=why)


def _counted(what: dict[str, str], hits: int, rows: int, tail: float, basis: Basis, why: str) -> KnownRate:
    if rows <= 0:
        return KnownRate(
            **what, value=None, low=0.0, high=1.0, rows=0, basis="nothing", why="no outcome came"
        )
    x, n = min(max(hits, 0), rows), rows
    low, high = confidence_sequence.rate(np.array([x]), np.array([n]), tail, Prior.at([0.5]))
    return KnownRate(
        **what, value=x / n, low=float(low[0]), high=float(high[0]), rows=n, basis=basis, why=why
    )


def worst_case(formula: Share, outcomes: Sequence[int], decided: Sequence[int]) -> tuple[float, float, int]:
    """Return the lowest and highest value of a rate over all unseen labels, and its labelled rows.

    Of the decisions that were made, so without a sampling error: the labels of the unseen rows may each be
    0 or 1.

    Parameters
    ----------
    outcomes
        Rows whose label came: tn, fp, fn, tp.
    decided
        All rows, and those decided 1.
    """
    tn, fp, fn, tp = (max(each, 0) for each in outcomes)
    rows, selected = decided
    unseen = max(rows - selected - tn - fn, 0), max(selected - fp - tp, 0)
    # A rate of counts is monotone in each label that is not seen, so its ends lie where all are alike.
    ends = []
    for zero in (0, unseen[0]):
        for one in (0, unseen[1]):
            counts = {
                "tn": tn + unseen[0] - zero,
                "fn": fn + zero,
                "fp": fp + unseen[1] - one,
                "tp": tp + one,
            }
            of = sum(counts[name] for name in formula.rows)
            if of:
                ends.append(sum(counts[name] for name in formula.hits) / of)
    seen = {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
    labelled = sum(seen[name] for name in formula.rows)
    return (min(ends), max(ends), labelled) if ends else (0.0, 1.0, labelled)


def estimated_rates(total: Counts) -> list[EstimatedRate]:
    """Return what scores alone say of quality, were they calibrated still: each the chance of a 1.

    They stay as they are when the relation of label and score moves, which is what labels are asked for.
    """
    no, no_score, yes, yes_score = total.expected
    counts = {"tn": no - no_score, "fn": no_score, "fp": yes - yes_score, "tp": yes_score}
    found = []
    for measure in SHOWN:
        formula = share(measure)
        of = sum(counts[name] for name in formula.rows)
        value = sum(counts[name] for name in formula.hits) / of if of > 0 else None
        found.append(EstimatedRate(measure=measure, value=value))
    return found
