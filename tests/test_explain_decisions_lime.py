"""A local linear model finds what a linear model holds, owns up to what it can't, and is compared fairly."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from schemas import column
from scipy.stats import spearmanr
from scorecard_table import ODD, parts, scorecard

from fairmark.explain.decisions import Local, decisions, lime_opinion, second_opinions, surrogate
from fairmark.explain.documents import LimeOpinion
from fairmark.stats.arrays import Floats

NAN = np.nan
COINS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # every pair of two names, as often
EVEN = np.ones(4)


def _around(
    margin: Callable[[Floats], Floats], matrix: Floats = COINS, kind: str = "categorical", row: int = 3
) -> Local:
    return surrogate(margin, matrix, [kind] * matrix.shape[1], np.ones(len(matrix)), row, 1)


def test_an_additive_model_is_found_as_it_is() -> None:
    found = _around(lambda z: 1.5 * z[:, 0] - 0.5 * z[:, 1] + 4)

    assert found.effects == pytest.approx([1.5, -0.5], abs=0.01)
    assert found.fidelity == pytest.approx(1, abs=1e-4)


def test_half_of_an_effect_is_owed_to_a_value_that_half_of_the_rows_have() -> None:
    found = _around(lambda z: 1.5 * z[:, 0] - 0.5 * z[:, 1])

    assert found.moves == pytest.approx([0.75, -0.25], abs=0.03)


def test_what_is_no_sum_is_owned_up_to() -> None:
    found = _around(lambda z: (z[:, 0] == z[:, 1]).astype(float), row=0)

    p = 1 / (1 + np.exp(-1 / (0.75**2 * 2)))  # how often, by the kernel, each feature is like the row's
    linear, whole = 2 * (2 * p - 1) ** 2 * p * (1 - p), (1 - 2 * p * (1 - p)) * 2 * p * (1 - p)
    assert found.fidelity == pytest.approx(linear / whole, abs=0.05)


def test_a_model_that_says_the_same_of_everybody_has_no_fidelity() -> None:
    found = _around(lambda z: np.full(len(z), 2.5))

    assert (found.effects.tolist(), found.fidelity) == ([0.0, 0.0], None)


def test_the_weighted_ridge_solves_its_normal_equations() -> None:
    seen: list[Floats] = []

    def margin(made: Floats) -> Floats:
        seen.append(made)
        return made[:, 0] + made[:, 1] * made[:, 0]

    found = _around(margin)
    alike = (seen[0] == 1).astype(float)  # row 3 is (1, 1)
    near = np.exp(-(2 - alike.sum(axis=1)) / (0.75 * np.sqrt(2)) ** 2)
    whole = np.column_stack([np.ones(len(alike)), alike])
    by_hand = np.linalg.solve(
        (whole.T * near) @ whole + np.diag([0, 1, 1]), (whole.T * near) @ margin(seen[0])
    )
    assert found.effects == pytest.approx(by_hand[1:])


def test_numbers_are_alike_within_a_quarter_of_the_data() -> None:
    numbers = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]])

    found = _around(lambda z: np.where(z[:, 0] <= 2.75, 2.0, 0.0), numbers, "numeric", row=0)
    assert found.effects == pytest.approx([2.0], abs=0.01)


def _gap(made: Floats) -> Floats:
    return np.where(np.isnan(made[:, 0]), 3.0, 0.0)


@pytest.mark.parametrize(("row", "sign"), [(0, 1), (1, -1)])
def test_missing_is_like_missing_alone(row: int, sign: int) -> None:
    found = _around(_gap, np.array([[NAN], [1.0], [1.0], [NAN]]), "numeric", row)

    assert found.effects == pytest.approx([sign * 3.0], abs=0.01)
    assert found.fidelity == pytest.approx(1, abs=1e-3)


def test_a_column_that_is_missing_everywhere_moves_nothing() -> None:
    wide = np.column_stack([COINS[:, 0], np.full(4, NAN)])

    found = surrogate(lambda z: z[:, 0], wide, ["boolean", "numeric"], EVEN, 3, 1)
    assert found.effects[1] == found.moves[1] == 0


def test_rows_without_weight_are_never_drawn() -> None:
    seen: list[Floats] = []

    surrogate(lambda z: seen.append(z) or z[:, 0], COINS, ["boolean"] * 2, np.array([0, 0, 1, 1.0]), 3, 1)  # type: ignore[func-returns-value]
    assert set(seen[0][:, 0]) == {1.0}


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, again = (_around(lambda z: z[:, 0] * z[:, 1]) for _ in range(2))

    assert (first.effects.tobytes(), first.fidelity) == (again.effects.tobytes(), again.fidelity)


NAMES = ["a", "b", "c", "d"]


def _compared(shap: list[float], moves: list[float]) -> LimeOpinion:
    return lime_opinion(NAMES, np.array(shap), Local(np.zeros(4), np.array(moves), 0.5))


def test_two_explanations_are_compared_by_hand() -> None:
    found = _compared([3.0, -2.0, 1.0, 0.1], [2.0, 1.5, 0.1, -1.0])

    assert (found.against, found.only_shap, found.only_lime) == (["b", "d"], ["c"], ["d"])
    assert found.agreement == pytest.approx(0.4)  # ranks 4 1 3 2 and 4 3 2 1: 1 - 6 * 6 / 60


def test_what_moves_nothing_leads_nowhere() -> None:
    found = _compared([3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0])

    assert (found.only_shap, found.only_lime, found.agreement) == (["a"], [], None)


def test_agreement_is_the_rank_correlation_of_scipy() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        shap, moves = rng.integers(-3, 4, (2, 4)).astype(float)
        if len(set(shap)) > 1 and len(set(moves)) > 1:
            found = _compared(shap.tolist(), moves.tolist())
            assert found.agreement == pytest.approx(spearmanr(shap, moves).statistic)


def test_every_decision_gets_the_opinion_on_its_own_row() -> None:
    model, table = scorecard(), parts(60).table
    rows = table.assign(**{ODD: pd.Series(table[ODD]).where(table.index % 7 > 0)})
    features = [column("x"), column(ODD, "categorical")]
    shap = model.contributions(rows)
    single = decisions(rows, features, shap, model.score(rows), model.decide(rows), 4)

    found = second_opinions(model, rows, shap, single, 1)
    assert [each.row for each in found] == [each.row for each in single]
    for each in found:
        job = rows[ODD].iloc[each.row - 1]
        assert each.lime.effects[ODD] * {"cook": 1, "smith": -1}.get(job, 0) >= 0
        assert each.lime.fidelity is not None
        assert 0 < each.lime.fidelity < 1
