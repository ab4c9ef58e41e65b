"""Disparities of each group against a reference group: as they are, within strata, and of the scores.

What a validator asks for beside the gated disparities: a difference that rests on where people stand, the
odds ratio, the standardised mean difference of scores, and the adverse impact ratio at other thresholds. It
gates nothing; no count of a small stratum is in it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fairmark.errors import ParamsError
from fairmark.evaluate.documents import (
    ConditionalDisparity,
    GroupComparison,
    GroupComparisons,
    MeanDifference,
    RatioAtShare,
    Standardised,
    Stratified,
)
from fairmark.evaluate.slices import Axis
from fairmark.evaluate.summary_metrics import Rows
from fairmark.params.evaluate import References
from fairmark.stats.arrays import Floats, Places
from fairmark.stats.stratified import (
    MantelHaenszel,
    mantel_haenszel,
    mean_difference,
    ratio_by_share,
    standardised,
)

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the rows of two groups, the best-scored of which are taken for selected."""


def comparisons(
    rows: Rows,
    score: Floats,
    decision: NDArray[np.integer],
    axes: Sequence[Axis],
    asked: References | None,
    level: float,
) -> GroupComparisons:
    """Return how each group of each attribute compares with the attribute's reference group.

    Parameters
    ----------
    rows, score, decision
        Rows, [n], their scores and decisions.
    axes
        The features as values and bins; those that `asked` names are crossed to strata.
    asked
        Reference groups and strata; where an attribute has no reference group, that with most rows is it.
    level
        1 - confidence of each interval, which holds for itself alone.

    Raises
    ------
    ParamsError
        When a reference is no group, or a stratum no feature of the model.
    """
    references = {} if asked is None else asked.groups
    strata = [] if asked is None else asked.strata
    _refuse(rows, axes, references, strata)
    stratum = _crossed([axis for axis in axes if axis.kind == "feature" and axis.name in strata], len(score))
    # Tests and their bounds are of independent rows that count once each.
    plain = rows.person is None and bool((rows.weight == 1).all())
    return GroupComparisons(
        level=level,
        strata=tuple(strata),
        why=None if plain else "rows weigh, or persons have several of them",
        attributes={
            name: _against(rows, score, decision, name, references.get(name), stratum, level, plain=plain)
            for name in rows.known
        },
    )


def _refuse(rows: Rows, axes: Sequence[Axis], references: Mapping[str, str], strata: Sequence[str]) -> None:
    features = [axis.name for axis in axes if axis.kind == "feature"]
    faults = [
        f"evaluate.references.strata: must name features of the model ({', '.join(features)}), got {name!r}"
        for name in strata
        if name not in features
    ]
    faults += [
        f"evaluate.references.groups.{name}: must be one of {list(rows.known.get(name, ()))}, got {group!r}"
        for name, group in references.items()
        if group not in rows.known.get(name, ())
    ]
    if faults:
        raise ParamsError(*faults)


def _crossed(axes: Sequence[Axis], rows: int) -> Places:
    """Return the stratum of each row, from 0, [n]; one for all without axes."""
    code = np.zeros(rows, dtype=np.intp)
    for axis in axes:
        # Numbered anew each time, so that many axes don't overflow.
        code = np.unique(code * len(axis.values) + axis.code, return_inverse=True)[1].astype(np.intp)
    return code


def _against(
    rows: Rows,
    score: Floats,
    decision: NDArray[np.integer],
    attribute: str,
    named: str | None,
    stratum: Places,
    level: float,
    *,
    plain: bool,
) -> ConditionalDisparity | None:
    """Return the groups of one attribute against its reference group; None with rows of one group alone."""
    code, groups = rows.codes(attribute), rows.known[attribute]
    size = np.bincount(code[code >= 0], minlength=len(groups))
    if (size > 0).sum() < 2:
        return None
    first = groups.index(named) if named is not None else int(size.argmax())
    if size[first] == 0:
        return None
    others = [k for k in range(len(groups)) if k != first and size[k]]
    return ConditionalDisparity(
        reference=groups[first],
        groups={
            groups[k]: _compared(rows, score, decision, code, (first, k), stratum, level, plain=plain)
            for k in others
        },
    )


def _compared(
    rows: Rows,
    score: Floats,
    decision: NDArray[np.integer],
    code: Places,
    pair: tuple[int, int],
    stratum: Places,
    level: float,
    *,
    plain: bool,
) -> GroupComparison:
    here = np.isin(code, pair)
    second, weight = code[here] == pair[1], rows.weight[here]
    places = np.unique(stratum[here], return_inverse=True)[1]
    tables = _tables(places, second, decision[here], weight)
    tail = level / 2
    overall, within = (mantel_haenszel(each, tail) for each in (tables.sum(axis=0)[None], tables))
    scores = score[here]
    weights = None if plain else (weight[~second], weight[second])
    apart = mean_difference(scores[~second], scores[second], tail, weights)
    rates = standardised(tables)
    ratios = ratio_by_share(scores, second, weight, np.array(SHARES))
    return GroupComparison(
        rows=int(second.sum()),
        overall=_stated(overall, plain=plain),
        within=_stated(within, plain=plain) if len(tables) > 1 else None,
        standardised=None if rates is None else Standardised(reference=rates[0], group=rates[1]),
        scores=None if apart is None else MeanDifference(value=apart[0], low=apart[1], high=apart[2]),
        ratios=[RatioAtShare(share=share, ratio=each) for share, each in zip(SHARES, ratios, strict=True)],
    )


def _tables(
    stratum: Places, second: NDArray[np.bool_], decision: NDArray[np.integer], weight: Floats
) -> Floats:
    """Return the weight of rows by stratum, group and decision, [strata, 2, 2]."""
    place = (stratum * 2 + second) * 2 + decision
    count = 4 * (int(stratum.max(initial=0)) + 1)
    return np.bincount(place, weights=weight, minlength=count).reshape(-1, 2, 2).astype(np.float64)


def _stated(found: MantelHaenszel, *, plain: bool) -> Stratified:
    """Return what was found, without bounds and test where rows are not independent ones of weight 1."""
    return Stratified(
        strata=found.strata,
        rows=found.rows if plain else None,
        odds_ratio=found.odds_ratio,
        odds_low=found.odds_low if plain else None,
        odds_high=found.odds_high if plain else None,
        difference=found.difference,
        difference_low=found.difference_low if plain else None,
        difference_high=found.difference_high if plain else None,
        p=found.p if plain else None,
    )
