"""Params dimensions become points, and points become choices of a fit."""

from typing import Any

import pytest
from search_formula import tune

from fairmark.errors import ParamsError
from fairmark.learn.space import Aim, Space, rungs
from fairmark.params.learn import Choice, FloatRange, IntRange


def real(low: float, high: float, grid: int = 3, log: bool = False) -> FloatRange:
    return FloatRange(type="float", low=low, high=high, grid=grid, log=log)


def whole(low: int, high: int, grid: int = 3, log: bool = False) -> IntRange:
    return IntRange(type="int", low=low, high=high, grid=grid, log=log)


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (real(0, 1), [0, 0.5, 1]),
        (real(0.01, 100, log=True), [0.01, 1, 100]),
        (real(1, 3, grid=1), [2]),
        (real(2, 2), [2]),
        (whole(1, 100, log=True), [1, 10, 100]),
        (whole(1, 2, grid=5), [1, 2]),
        (Choice(type="choice", values=["b", "a"]), ["b", "a"]),
    ],
)
def test_the_grid_of_a_dimension(dimension: Any, values: list[Any]) -> None:
    assert rungs(dimension) == pytest.approx(values)


def test_the_plain_models_are_as_their_libraries_have_them_and_want_nothing_but_quality() -> None:
    import inspect

    from lightgbm import LGBMClassifier
    from sklearn.linear_model import LogisticRegression

    roles = Space(tune(balance=["weights"], reweighing=[True])).plain(Aim(margin=0.05))

    assert [(role, plain.family) for role, plain in roles] == [
        ("unmitigated", "boosted"),
        ("baseline", "logistic"),
    ]
    boosted, logistic = (plain for _, plain in roles)
    theirs = inspect.signature(LGBMClassifier).parameters
    assert boosted.settings == {name: theirs[name].default for name in boosted.settings}
    assert logistic.settings == {"c": LogisticRegression().C}
    for plain in (logistic, boosted):
        assert (plain.balance, plain.reweighing, plain.mitigation, plain.margin) == ("none", False, [], None)


def test_the_ladder_rises_from_the_first_rung_above_zero() -> None:
    ladder = Space(tune()).ladder()

    assert [point["strength.0"] for point in ladder] == pytest.approx([0.4, 0.8, 1.2])
    assert {point["family"] for point in ladder} == {"boosted"}
    assert Space(tune(mitigation=[])).ladder() == []


def test_the_grid_holds_every_point_once_in_an_order_of_its_seed() -> None:
    # (3 values of c + 2 x 2 of the trees) x 2 balances x 4 strengths
    points = [tuple(sorted(point.items())) for point in Space(tune()).grid(1, 999)]
    others = [tuple(sorted(point.items())) for point in Space(tune()).grid(2, 999)]

    assert len(points) == len(set(points)) == 56
    assert points != others
    assert set(points) == set(others)
    assert len(list(Space(tune()).grid(1, 5))) == 5


def test_a_point_becomes_choices_with_the_digits_that_are_written() -> None:
    point: dict[str, Any] = {"family": "logistic", "balance": "none", "reweighing": False}

    chosen = Space(tune()).chosen({**point, "logistic.c": 1 / 3, "strength.0": 2 / 3}, Aim(margin=0.05))

    assert chosen.settings == {"c": 0.333333}
    assert [step.strength for step in chosen.mitigation] == [0.666667]
    assert (
        Space(tune()).chosen({**point, "logistic.c": 1.0, "strength.0": 0.0}, Aim(margin=0.05)).mitigation
        == []
    )


RANGE: dict[str, Any] = {"type": "float", "low": 0, "high": 1.2, "log": False, "grid": 4}
STEPS: list[dict[str, Any]] = [
    {"attribute": "side", "constraint": "demographic_parity", "strength": "auto"},
    {"attribute": "age", "constraint": "demographic_parity", "strength": RANGE},
    {
        "attribute": "own",
        "constraint": "equalized_odds",
        "strength": {"type": "choice", "values": [0.0, 0.5]},
    },
]


def test_a_range_that_is_given_is_kept_to_beside_one_that_is_bracketed() -> None:
    space = Space(tune(mitigation=STEPS))

    far, none = space.rung("boosted", 8.0), space.rung("boosted", 0.0)

    assert [far[f"strength.{n}"] for n in range(3)] == [8.0, 1.2, 0.5]
    assert [none[f"strength.{n}"] for n in range(3)] == [0.0, 0.0, 0.0]


def test_a_plain_model_is_not_mitigated_where_a_range_begins_above_zero() -> None:
    step = {**STEPS[1], "strength": {**RANGE, "low": 0.4}}
    space = Space(tune(mitigation=[step]))

    assert all(plain.mitigation == [] for _, plain in space.plain(Aim(margin=None)))
    assert space.rung("boosted", 0.0)["strength.0"] == 0.4


def test_a_neighbour_has_no_step_of_strength_zero() -> None:
    space = Space(tune(mitigation=STEPS), brackets={("boosted", 0): (0.0, 2.0)})
    chosen = space.chosen(space.rung("boosted", 1.0), Aim(margin=None))
    closed = Space(tune(mitigation=STEPS[:1])).nearby(
        chosen.model_copy(update={"mitigation": chosen.mitigation[:1]}), 0.9
    )

    near = space.nearby(chosen, 0.9)

    assert [(step.attribute, step.strength) for step in near.mitigation] == [
        ("side", 0.9),
        ("age", 0.9),
        ("own", 0.5),
    ]
    assert closed.mitigation == []


BAD = {"type": "float", "low": 2, "high": 1, "log": False, "grid": 2}
FLAT = {"type": "int", "low": 0, "high": 5, "log": True, "grid": 2}


def test_every_fault_of_a_space_is_told() -> None:
    space = Space(tune(families={"logistic": {"c": BAD}, "boosted": {"num_leaves": FLAT}}, balance=[]))

    with pytest.raises(ParamsError) as told:
        space.check()

    assert list(told.value.faults) == [
        "params.yaml: tune.families.logistic.c: must have low <= high, got 2.0 > 1.0",
        "params.yaml: tune.families.boosted.num_leaves: must have low > 0 on a log scale, got 0",
        "params.yaml: tune.balance: must hold something to choose from, got nothing",
    ]
