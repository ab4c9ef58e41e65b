"""Monotone constraints hold for every row, whatever the train rows say; a model without them is caught."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from people_table import ODD, SCHEMA, TRAIN
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from fairmark.errors import InputError, ParamsError
from fairmark.evaluate.monotone import monotone_features
from fairmark.learn.fit import FITS
from fairmark.learn.signed_logistic import SignedLogisticRegression
from fairmark.learn.training_data import Sample
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model, Scorer
from fairmark.model.model_file import Calibration, Column
from fairmark.model.monotone import cuts, is_monotone, require_ordered
from fairmark.params.learn import Direction, Train

COLUMNS = (
    Column(name="income", kind="numeric", categories=None),
    Column(name="grade", kind="ordinal", categories=["low", "mid", "high"]),
    Column(name="job", kind="categorical", categories=["cook", "driver"]),
    Column(name="age", kind="numeric", categories=None),
)
SETTINGS = {
    "boosted": {"learning_rate": 0.3, "num_leaves": 15, "min_child_samples": 5},
    "logistic": {"c": 10.0},
    "additive": {"learning_rate": 0.3, "min_child_samples": 5, "pairs": 2},
}
CONSTRAINED = TRAIN.model_copy(update={"monotone": {"income": "increasing", "grade": "decreasing"}})
each_family = pytest.mark.parametrize("family", FITS)


def contrary(cost: float = 0.0) -> Sample:
    """Return rows whose labels fall as income grows and rise with the grade, income bending with age."""
    draw = np.random.default_rng(4)
    income, age = draw.normal(size=600), draw.normal(size=600)
    grade, job = draw.integers(0, 3, 600).astype(float), draw.integers(0, 2, 600).astype(float)
    income[::17], age[::19] = np.nan, np.nan
    bend = np.nan_to_num(income) * np.nan_to_num(age)
    odds = -2 * np.nan_to_num(income) + bend + 1.5 * (grade - 1) + job + np.nan_to_num(age)
    label = (odds + draw.logistic(size=600) > 0).astype(np.int8)
    rows = Sample.plain(np.column_stack([income, grade, job, age]), label, np.ones(600))
    return replace(rows, cost=np.where(job == 1, -cost, cost))


def learnt(family: str, base: Train, cost: float = 0.0) -> Scorer:
    rows = contrary(cost)
    return FITS[family](rows, rows, COLUMNS, SETTINGS[family], base)


def steps(scorer: Scorer, place: int) -> npt.NDArray[np.float64]:
    """Return how raw log-odds change from value to value of one feature, for rows of all kinds."""
    draw, rows = np.random.default_rng(8), contrary().matrix[:80].copy()
    rows[draw.random(rows.shape) < 0.05] = np.nan  # missing values beside it, where there were none
    grid = np.unique(np.r_[np.linspace(-4, 4, 161), cuts(scorer, place)]) if place != 1 else np.arange(3.0)
    nudged = np.repeat(rows, len(grid), axis=0)
    nudged[:, place] = np.tile(grid, len(rows))
    return np.diff(scorer.raw(nudged).reshape(len(rows), -1), axis=1)


@each_family
@pytest.mark.parametrize("cost", [0.0, 0.6])
def test_the_score_follows_the_constraints_whatever_the_rows_say(family: str, cost: float) -> None:
    free, kept = learnt(family, TRAIN, cost), learnt(family, CONSTRAINED, cost)

    assert steps(free, 0).min() < -0.05  # the rows say the contrary, strongly
    assert steps(free, 1).max() > 0.05
    assert steps(kept, 0).min() >= 0
    assert steps(kept, 1).max() <= 0
    assert is_monotone(kept, 0, "increasing")
    assert is_monotone(kept, 1, "decreasing")
    assert np.ptp(kept.raw(contrary().matrix)) > 1  # what is not constrained still counts


@each_family
def test_a_model_that_was_learnt_without_the_constraint_is_caught(family: str) -> None:
    rows = contrary().matrix

    def checked(base: Train) -> list[tuple[str, int, bool]]:
        encoder = Encoder(COLUMNS)
        chosen_family = learnt(family, base)
        model = Model(encoder, chosen_family, Calibration(a=1.0, b=0.0), 0.5, 1, None)  # type: ignore[arg-type]
        found = monotone_features(model, CONSTRAINED.monotone, rows, rows, 100, 3)
        return [(each.feature, each.violations, each.proved) for each in found]

    assert checked(CONSTRAINED) == [("income", 0, True), ("grade", 0, True)]
    with pytest.raises(InputError) as caught:
        checked(TRAIN)
    fault, other = caught.value.faults
    assert fault.startswith("model: must never fall as income grows, as train.monotone says, got ")
    assert "must never rise as grade grows" in other


def test_a_tree_that_goes_wrong_where_no_row_stands_is_caught_by_its_cuts() -> None:
    # One cut of a tree turned round by hand, where its two leaves differ by the least: rows may miss it, the
    # proof does not.
    scorer = learnt("boosted", CONSTRAINED)
    booster = scorer.booster  # type: ignore[attr-defined]
    leaves = booster.dump_model()["tree_info"][0]["num_leaves"]
    assert is_monotone(scorer, 0, "increasing")

    for leaf in range(leaves):
        booster.set_leaf_output(0, leaf, -booster.get_leaf_output(0, leaf))

    assert not is_monotone(scorer, 0, "increasing")


def test_a_family_that_nothing_is_known_of_is_shown_nothing_of() -> None:
    class Other:
        rounds = None

    assert not is_monotone(Other(), 0, "increasing")  # type: ignore[arg-type]


def test_without_a_sign_that_binds_the_coefficients_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(2)
    rows, weight = draw.normal(size=(300, 3)), draw.uniform(0.5, 2, 300)
    label = (rows @ [1.0, -2, 0.3] + draw.logistic(size=300) > 0).astype(int)
    plain = LogisticRegression(C=0.7, tol=1e-10, max_iter=5000).fit(rows, label, weight)

    ours = SignedLogisticRegression(signs=[1, -1], C=0.7, max_iter=5000).fit(rows, label, weight)

    assert ours.coef_ == pytest.approx(plain.coef_, abs=1e-5)
    assert ours.intercept_ == pytest.approx(plain.intercept_, abs=1e-5)
    assert ours.predict_proba(rows) == pytest.approx(plain.predict_proba(rows), abs=1e-5)


def test_under_a_sign_that_binds_it_is_the_minimum_that_another_solver_finds() -> None:
    draw = np.random.default_rng(2)
    rows = draw.normal(size=(300, 2))
    label = (rows @ [1.0, -2] + draw.logistic(size=300) > 0).astype(int)

    ours = SignedLogisticRegression(signs=[1, 1], C=1.0, max_iter=5000).fit(rows, label)

    def loss(point: npt.NDArray[np.float64]) -> float:
        z = rows @ point[:2] + point[2]
        return float(np.sum(np.logaddexp(0, z) - label * z) + 0.5 * point[:2] @ point[:2])

    other = minimize(loss, np.full(3, 0.1), method="SLSQP", bounds=[(0, None)] * 2 + [(None, None)])
    assert ours.coef_[0, 1] == 0.0
    assert ours.coef_[0, 0] == pytest.approx(other.x[0], abs=1e-3)
    assert loss(np.append(ours.coef_[0], ours.intercept_)) <= other.fun + 1e-9


def test_a_column_without_an_order_is_refused_by_name() -> None:
    way: Direction = "increasing"
    known = dict.fromkeys(["skill", ODD, "side", "absent"], way)

    with pytest.raises(ParamsError) as caught:
        require_ordered(SCHEMA, known)

    rule = "must be a feature whose values have an order (numeric, ordinal, boolean or date), got "
    assert [fault.partition(rule)[2] for fault in caught.value.faults] == [
        "categorical",
        "one that is withheld (protected)",
        "no column of the table",
    ]


def test_the_nudges_stand_on_both_sides_of_every_cut() -> None:
    scorer = learnt("boosted", TRAIN)
    known, some = cuts(scorer, 0), contrary().matrix[:50]

    assert len(known) > 10
    for cut, following in pairwise(known[:6]):
        here, above, next_one = some.copy(), some.copy(), some.copy()
        here[:, 0], above[:, 0], next_one[:, 0] = cut, np.nextafter(cut, np.inf), following
        assert np.array_equal(scorer.raw(above), scorer.raw(next_one))  # nothing changes between two cuts
        assert not np.array_equal(scorer.raw(here), scorer.raw(above))
