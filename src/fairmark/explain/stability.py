"""Stability of explanations: whether refits rank features alike and give the same principal reasons.

An explanation is exact for the model that it explains, and that model is one of many that the same rows could
have made. So the model is learnt again from train rows drawn with replacement, with another seed (Efron and
Tibshirani 1993, section 6.2), and explains the same rows anew. Ranks of features and the reasons of each row
are compared with those of the model itself. Alvarez-Melis and Jaakkola (2018) ask the same of single inputs.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from fairmark.data.roles import WEIGHT
from fairmark.data.split import Parts, sampled
from fairmark.errors import InputError
from fairmark.explain.decisions import MOST_REASONS
from fairmark.explain.documents import FeatureRanks, ReasonAgreement, Stability
from fairmark.explain.shapley import importance
from fairmark.learn.fit import fit
from fairmark.learn.training_data import Ready, drawn, ready
from fairmark.model.model import Model
from fairmark.params.evaluate import ExplainedRefits
from fairmark.params.learn import Train
from fairmark.params.policy import Policy
from fairmark.stats.arrays import Floats, Labels, Mask


def stability(
    parts: Parts,
    model: Model,
    frame: pd.DataFrame,
    asked: ExplainedRefits | None,
    base: Train,
    policy: Policy,
    top: int,
) -> Stability:
    """Return how alike refits explain rows.

    Parameters
    ----------
    frame
        Test rows, of which the first `asked.rows` are explained; they must stand in random order.
    top
        Features whose ranks are told, the model's own first ones.
    """
    if asked is None:
        return Stability(refits=0, rows=0, why="params ask for no refits (explain.stability)")
    rows = frame.iloc[: asked.rows]
    known = ready(sampled(parts, asked.most_rows, asked.seed), base)
    own = _Explained(model, rows)
    again: list[_Explained] = []
    faults: list[str] = []
    for number in range(1, asked.refits + 1):
        try:
            again.append(_Explained(_refit(known, model, asked.seed, number, base, policy), rows))
        except InputError as error:  # drawn rows may be too few for the settings: a finding, not a fault
            faults.append(str(error))
    if not again:
        return Stability(refits=0, rows=len(rows), why="; ".join(dict.fromkeys(faults)))
    return Stability(
        refits=len(again),
        rows=len(rows),
        features=[
            FeatureRanks(feature=name, rank=place + 1, again=[each.rank(name) for each in again])
            for place, name in enumerate(own.order[:top])
        ],
        correlation=[own.correlation(each) for each in again],
        reasons={"no": agreement(own, again, 0), "yes": agreement(own, again, 1)},
        otherwise=float(np.mean([(own.decision != each.decision).mean() for each in again])),
    )


def _refit(known: Ready, model: Model, seed: int, number: int, base: Train, policy: Policy) -> Model:
    again = base.model_copy(update={"seed": (base.seed + number) % 2**31})
    # The threshold from validation rows alone: with folds a row and its copy would be in both.
    alone = model.chosen.model_copy(update={"folds": None})
    return fit(drawn(known, seed, number), alone, again, policy)


class _Explained:
    """What one model makes of the rows: contributions [n, p], decisions [n], features by importance."""

    def __init__(self, model: Model, rows: pd.DataFrame) -> None:
        self.moves: Floats = model.contributions(rows)[:, :-1]
        # At the common threshold: the groups that some models decide by are no matter of their reasons.
        self.decision: Labels = (model.score(rows) >= model.threshold).astype(np.int8)
        weight = rows[WEIGHT].to_numpy(dtype=np.float64)
        ranked = importance(self.moves, model.features, weight)
        self.order = [each.feature for each in ranked]

    def rank(self, feature: str) -> int:
        return self.order.index(feature) + 1

    def correlation(self, other: "_Explained") -> float | None:
        """Return Spearman's rank correlation of all features' importance; None for a single feature."""
        size = len(self.order)
        if size < 2:
            return None
        apart = sum((self.rank(name) - other.rank(name)) ** 2 for name in self.order)
        # Without ties, as ranks by value and then by name are.
        return 1 - 6 * apart / (size * (size**2 - 1))


def agreement(own: _Explained, again: Sequence[_Explained], answer: Literal[0, 1]) -> ReasonAgreement:
    """Return how far refits name the reasons that the model names, of rows that both decide alike."""
    sign = 1 if answer == 1 else -1
    named = reasons_of(sign * own.moves)
    kept, first, every, rows = [], [], [], 0
    for each in again:
        # Reasons against and for are other reasons: rows that the refit decides otherwise are counted apart.
        alike = (own.decision == answer) & (each.decision == answer) & named.any(axis=1)
        theirs = reasons_of(sign * each.moves)
        rows += int(alike.sum())
        kept += ((named & theirs).sum(axis=1)[alike] / named.sum(axis=1)[alike]).tolist()
        every += (named == theirs).all(axis=1)[alike].tolist()
        led = np.argmax(sign * own.moves, axis=1) == np.argmax(sign * each.moves, axis=1)
        first += led[alike].tolist()
    if not rows:
        return ReasonAgreement(rows=0, kept=None, first=None, every=None)
    return ReasonAgreement(
        rows=rows, kept=float(np.mean(kept)), first=float(np.mean(first)), every=float(np.mean(every))
    )


def reasons_of(moves: Floats) -> Mask:
    """Return which features are principal reasons of each row: the four that moved it most, [n, p].

    Parameters
    ----------
    moves
        Contributions towards the decision, above 0 where a feature moved the score that way, [n, p].
    """
    # The rank of each feature within its row: sorting the order gives back the places.
    place = np.argsort(np.argsort(-moves, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray((place < MOST_REASONS) & (moves > 0))
