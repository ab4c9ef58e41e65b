"""A few single decisions: what moved each, the principal reasons in words, its threshold, a second opinion.

Where groups have thresholds of their own, a decision says by which one it was made, and the group is a reason
where another group's threshold would have turned the decision. The second opinion is LIME's: a small linear
model fitted around one row, beside the row's Shapley values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.roles import WEIGHT
from fairmark.data.schema import ColumnSchema
from fairmark.errors import ParamsError
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import (
    AppliedThreshold,
    Contribution,
    Decision,
    ExplainedDecision,
    LimeOpinion,
    Reason,
    ReasonCoverage,
    value_text,
)
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.model.model import Model
from fairmark.params.evaluate import ReasonTexts
from fairmark.stats.arrays import Floats

MOST_REASONS = 4
"""12 CFR 1002.9, supplement I, comment 9(b)(2)-1: more than four reasons are not likely to be helpful."""
RANKS = ("most", "second most", "third most", "fourth most")
EDGE = 1e-12
"""How near to 0 and 1 a threshold is taken to be when its log-odds would be infinite."""
Margin = Callable[[Floats], Floats]
SAMPLES = 5000
"""Made-up rows around each decision, the default of the method's own package."""
WIDTH = 0.75
"""Width of the kernel in roots of the number of features, the default of the method's own package."""
PENALTY = 1.0
"""Of the ridge, the default of the method's own package."""
NAMED = ("categorical", "ordinal", "boolean")
LEADING = 3
"""How many features each explanation is taken to put first when two are compared."""


def picked(margin: Floats, decision: NDArray[np.int8], count: int) -> list[tuple[int, str]]:
    """Return `count` telling rows: the surest yes and no, those next to the threshold, and so on in turn.

    Parameters
    ----------
    margin
        Log-odds, [n].
    decision
        1 for yes and 0 for no, [n].

    Returns
    -------
    list
        `(position, why it was picked)`; fewer than `count` when there are fewer rows.
    """
    order = np.argsort(margin, kind="stable")
    yes = [int(row) for row in order if decision[row] == 1]
    no = [int(row) for row in order if decision[row] == 0]
    queues = [
        ("surest yes", yes[::-1]),
        ("surest no", no),
        ("yes nearest to the threshold", yes),
        ("no nearest to the threshold", no[::-1]),
    ]
    chosen: dict[int, str] = {}
    while len(chosen) < min(count, len(margin)):
        for why, queue in queues:
            row = next((row for row in queue if row not in chosen), None)
            if row is not None and len(chosen) < count:
                chosen[row] = why
    return list(chosen.items())


def decisions(
    rows: pd.DataFrame,
    features: Sequence[ColumnSchema],
    contributions: Floats,
    score: Floats,
    decision: NDArray[np.int8],
    count: int,
    beyond: Floats | None = None,
) -> list[Decision]:
    """Return `count` decisions with everything that moved them and the principal reasons in words.

    Parameters
    ----------
    rows
        The explained rows, [n]; row numbers in the result count within them, from 1.
    features
        Their descriptions in schema.json, in the order of the contributions, [p].
    contributions
        Shapley values in log-odds with the base value in the last column, [n, p + 1].
    score
        Calibrated probabilities, [n].
    decision
        1 for yes and 0 for no, [n].
    beyond
        How far the log-odds lie above the threshold's, [n]; None where all rows have one threshold.
    """
    margin = contributions.sum(axis=1)
    explained = []
    for row, why in picked(margin if beyond is None else beyond, decision, count):
        moves = _moves(rows.iloc[row], features, contributions[row, :-1])
        answer: Literal[0, 1] = 1 if decision[row] == 1 else 0
        explained.append(
            Decision(
                row=row + 1,
                why=why,
                score=float(score[row]),
                margin=float(margin[row]),
                decision=answer,
                base=float(contributions[row, -1]),
                contributions=moves,
                reasons=reasons(moves, answer),
            )
        )
    return explained


def _moves(row: pd.Series, features: Sequence[ColumnSchema], shap: Floats) -> list[Contribution]:
    """Return the features with their values and Shapley values [p], the largest move first, ties by name."""
    moves = [
        Contribution(feature=each.name, value=cell_value(row[each.name], each.kind), shap=float(value))
        for each, value in zip(features, shap, strict=True)
    ]
    return sorted(moves, key=lambda move: (-abs(move.shap), move.feature))


def reasons(moves: Sequence[Contribution], decision: int) -> list[Reason]:
    """Return the principal reasons for a decision in words, the strongest first, at most four.

    For a no they are the features that lowered the score most against the base value, for a yes those that
    raised it most. This is the second method of 12 CFR 1002.9, supplement I, comment 9(b)(2)-5: the factors
    where the applicant falls furthest below the average of all applicants. None when no feature moved the
    score in the direction of the decision.
    """
    sign = 1 if decision == 1 else -1
    verb = "raises" if decision == 1 else "lowers"
    towards = [move for move in moves if sign * move.shap > 0]
    towards.sort(key=lambda move: (-abs(move.shap), move.feature))
    return [
        Reason(feature=move.feature, value=value_text(move.value), effect=f"{verb} the score {rank}")
        for move, rank in zip(towards, RANKS[:MOST_REASONS], strict=False)
    ]


def in_words(decisions: Sequence[ExplainedDecision], texts: ReasonTexts | None) -> list[ExplainedDecision]:
    """Return the decisions with the texts of the reasons library beside their reasons, where there is one."""
    if texts is None:
        return list(decisions)
    return [
        each.model_copy(
            update={
                "reasons": [
                    reason.model_copy(update={"text": _text(texts, reason.feature, each.decision)})
                    for reason in each.reasons
                ]
            }
        )
        for each in decisions
    ]


def _text(texts: ReasonTexts, feature: str, decision: int) -> str | None:
    # A group whose threshold would have turned the decision is a reason without a text: it is no feature.
    found = texts.features.get(feature)
    if found is None:
        return None
    return found.raises if decision == 1 else found.lowers


def require_texts(features: Sequence[str], texts: ReasonTexts | None) -> None:
    """Refuse a reasons library that lacks a feature of the model, or names another column.

    Raises
    ------
    ParamsError
        With every such column.
    """
    if texts is None:
        return
    lacking, strange = sorted({*features} - {*texts.features}), sorted({*texts.features} - {*features})
    faults = [
        f"explain.texts.features: must name every feature of the model, got no {name}" for name in lacking
    ]
    faults += [f"explain.texts.features: must name features of the model, got {name!r}" for name in strange]
    if faults:
        raise ParamsError(*faults)


def coverage(contributions: Floats, decision: NDArray[np.int8]) -> dict[Literal["no", "yes"], ReasonCoverage]:
    """Return how much of what moved decisions the principal reasons name, by decision.

    12 CFR 1002.9 asks for the principal reasons: four of them are enough where the rest weighs little.

    Parameters
    ----------
    contributions
        Shapley values in log-odds with the base value in the last column, [n, p + 1].
    decision
        1 for yes and 0 for no, [n].
    """
    named: tuple[tuple[Literal["no", "yes"], int, int], ...] = (("no", 0, -1), ("yes", 1, 1))
    return {name: _covered(sign * contributions[decision == answer, :-1]) for name, answer, sign in named}


def _covered(moves: Floats) -> ReasonCoverage:
    """Return the coverage of rows whose moves towards their decision are above 0, [n, p]."""
    towards = -np.sort(-np.maximum(moves, 0.0), axis=1)
    # A row that nothing moved towards its decision has no reasons to leave out.
    towards = towards[towards.sum(axis=1) > 0]
    if not len(towards):
        return ReasonCoverage(rows=len(moves), covered=None, least=None, left_out=None)
    shares = towards[:, :MOST_REASONS].sum(axis=1) / towards.sum(axis=1)
    next_one = towards[:, MOST_REASONS] if towards.shape[1] > MOST_REASONS else np.zeros(len(towards))
    return ReasonCoverage(
        rows=len(moves),
        covered=float(shares.mean()),
        least=float(np.quantile(shares, 0.05, method="lower")),
        left_out=float((next_one >= towards[:, 0] / 2).mean()),
    )


def above_threshold(model: Model, margin: Floats, groups: pd.DataFrame) -> Floats | None:
    """Return how far each row's log-odds lie above its threshold's, [n]; None where all have one."""
    if model.own is None:
        return None
    # Rows of different thresholds are compared by how far above their own each lies, in log-odds.
    threshold = np.clip(model.cut(groups), EDGE, 1 - EDGE)
    return np.asarray(margin - np.log(threshold / (1 - threshold)))


def with_thresholds(model: Model, decisions: Sequence[Decision], groups: pd.DataFrame) -> list[Decision]:
    """Return the decisions, each with the threshold that it was made by, where groups have their own.

    Where another group's threshold would turn a decision, the group is a reason for it, and stands first.

    Parameters
    ----------
    model
        The model that decided.
    decisions
        What `decisions` returned of the rows.
    groups
        The group of each row, one column for each attribute, [n].
    """
    own = model.own
    if own is None:
        return list(decisions)
    names = groups[own.attribute].astype(str)
    return [_with_threshold(own, model.threshold, each, names.iloc[each.row - 1]) for each in decisions]


def _with_threshold(own: GroupThresholds, common: float, decision: Decision, group: str) -> Decision:
    otherwise = [
        name
        for name, threshold in sorted(own.groups.items())
        if name != group and (decision.score >= threshold) != (decision.decision == 1)
    ]
    applied = AppliedThreshold(
        attribute=own.attribute,
        group=group,
        threshold=own.groups.get(group, common),
        own=group in own.groups,
        otherwise=otherwise,
    )
    reasons = list(decision.reasons)
    if otherwise:
        answer = "no" if decision.decision == 1 else "yes"
        effect = f"with the threshold of {' or '.join(otherwise)} the decision would be {answer}"
        reasons = [Reason(feature=own.attribute, value=group, effect=effect), *reasons][:MOST_REASONS]
    return decision.model_copy(update={"applied_threshold": applied, "reasons": reasons})


@dataclass(frozen=True)
class Local:
    """A linear model around one row, and how well it speaks for the model."""

    effects: Floats
    """Its coefficients, log-odds, [p]: what having the row's own value adds against having any other."""
    moves: Floats
    """Its exact Shapley values of the row, log-odds, [p]: effect times how rare the row's own value is."""
    fidelity: float | None
    """Weighted R^2 on the made-up rows, up to 1: 1 is a perfect account, 0 says no more than their mean does.
    None where the model gives all of them the same score."""


def surrogate(
    margin: Margin, matrix: Floats, kinds: Sequence[str], weight: Floats, row: int, seed: int
) -> Local:
    """Return a linear model of the log-odds around one row.

    Ribeiro, Singh and Guestrin (2016), "Why should I trust you?", equations 1 and 2 and algorithm 1, with
    every feature kept. Made-up rows z draw each feature on its own from the data; z'_j is 1 where feature j
    is like the row's (the same name, the same quarter of the numbers, or both missing), else 0. With the
    distance D = sqrt(how many features differ) and the kernel pi = exp(-D^2 / s^2), s = 0.75 sqrt(p), a ridge
    finds the least

        sum of pi(z) (margin(z) - a - w z')^2  +  |w|^2.

    What w_j adds holds against other values, and a value that nearly every row has makes no row special. So
    its Shapley value, which is comparable with those of the model, is w_j (1 - mean z'_j): Lundberg and Lee
    (2017), corollary 1.

    Parameters
    ----------
    margin
        Log-odds of encoded rows, [n, p] -> [n].
    matrix
        The encoded rows that the made-up ones are drawn from, [n, p]; NaN is missing.
    kinds
        The kind of each feature, [p].
    weight
        Row weights, [n].
    row
        Which of the rows is explained.
    seed
        Of the draw; the same seed gives the same numbers.
    """
    from sklearn.linear_model import Ridge

    made = _drawn(matrix, weight, row, np.random.default_rng([seed, row]))
    alike = np.column_stack(
        [_alike(matrix[:, j], made[:, j], kind in NAMED) for j, kind in enumerate(kinds)]
    )  # [samples, p]
    # D^2 is the number of features that differ: of two 0/1 vectors the squared distance is their count.
    near = np.exp(-(len(kinds) - alike.sum(axis=1)) / (WIDTH**2 * len(kinds)))  # [samples]
    wanted = margin(made)
    fitted = Ridge(alpha=PENALTY).fit(alike, wanted, sample_weight=near)
    # What never differs has no effect: rounding would leave noise that another processor writes otherwise.
    effects = np.where((np.ptp(alike, axis=0) > 0) & (np.ptp(wanted) > 0), fitted.coef_, 0.0)
    rest = near @ (wanted - fitted.predict(alike)) ** 2
    whole = near @ (wanted - np.average(wanted, weights=near)) ** 2
    # Row 0 is the row itself, and always like itself: over the drawn ones alone the mean is that of the data.
    rare = 1 - alike[1:].mean(axis=0)
    return Local(effects, effects * rare, float(1 - rest / whole) if np.ptp(wanted) > 0 else None)


def _drawn(matrix: Floats, weight: Floats, row: int, rng: np.random.Generator) -> Floats:
    """Return the row itself and made-up rows, each feature drawn on its own, [samples, p]."""
    chance = weight / weight.sum()
    picks = rng.choice(len(matrix), (SAMPLES, matrix.shape[1]), p=chance)
    made = np.take_along_axis(matrix, picks, axis=0)
    made[0] = matrix[row]
    return made


def _alike(data: Floats, made: Floats, named: bool) -> Floats:
    """Return 1 where a made-up value is like the first one, else 0, [samples]."""
    known = data[~np.isnan(data)]
    # Quarters, as in the method's own package: a number is like another when both lie in the same one. Equal
    # quartiles of a column that is mostly one value make fewer bins, not empty ones.
    quarters = np.unique(np.quantile(known, [0.25, 0.5, 0.75])) if len(known) else known
    place = made if named else np.searchsorted(quarters, made, side="left").astype(np.float64)
    gap = np.isnan(made)
    same = np.where(gap | gap[0], gap & gap[0], place == place[0])
    return same.astype(np.float64)


def lime_opinion(features: Sequence[str], shap: Floats, local: Local) -> LimeOpinion:
    """Return a linear model around a row beside the row's Shapley values.

    Parameters
    ----------
    features
        Their names, [p].
    shap
        Shapley values of the row, log-odds, [p].
    local
        The linear model around the row.
    """
    leading = [_leading(features, values) for values in (shap, local.moves)]
    signs = dict(zip(features, shap * local.moves, strict=True))
    either = [*leading[0], *(name for name in leading[1] if name not in leading[0])]
    return LimeOpinion(
        fidelity=local.fidelity,
        effects=dict(zip(features, local.effects.tolist(), strict=True)),
        moves=dict(zip(features, local.moves.tolist(), strict=True)),
        agreement=_spearman(shap, local.moves),
        against=[name for name in either if signs[name] < 0],
        only_shap=[name for name in leading[0] if name not in leading[1]],
        only_lime=[name for name in leading[1] if name not in leading[0]],
    )


def _leading(features: Sequence[str], values: Floats) -> list[str]:
    sizes = dict(zip(features, np.abs(values).tolist(), strict=True))
    moving = [name for name in features if sizes[name] > 0]
    return sorted(moving, key=lambda name: (-sizes[name], name))[:LEADING]


def _spearman(first: Floats, second: Floats) -> float | None:
    one, other = (_ranks(values) for values in (first, second))
    # The correlation of mid-ranks, so that ties need no formula of their own.
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale > 0 else None


def _ranks(values: Floats) -> Floats:
    """Return ranks around their mean, the same for equal values, [p]."""
    below = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1)
    ranks: Floats = below + (equal - 1) / 2 - (len(values) - 1) / 2
    return ranks


def second_opinions(
    model: Model, rows: pd.DataFrame, contributions: Floats, decisions: Sequence[Decision], seed: int
) -> list[ExplainedDecision]:
    """Return the decisions, each with a linear model around its row beside its Shapley values.

    Parameters
    ----------
    model
        The model that decided.
    rows
        The explained rows, [n]: what the made-up ones are drawn from.
    contributions
        Shapley values with the base value in the last column, [n, p + 1].
    decisions
        As `fairmark.explain.decisions` returns them: `row` counts from 1.
    seed
        Of the draw.
    """
    matrix, weight = model.encoder.transform(rows), rows[WEIGHT].to_numpy(dtype=np.float64)
    explained = []
    for each in decisions:
        row = each.row - 1
        local = surrogate(model.margin_of, matrix, model.encoder.kinds, weight, row, seed)
        opinion = lime_opinion(model.features, contributions[row, :-1], local)
        given = {name: value for name, value in each if name in each.model_fields_set}
        explained.append(ExplainedDecision(**given, lime=opinion))
    return explained
