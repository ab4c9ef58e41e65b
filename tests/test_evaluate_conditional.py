"""Groups are compared with the reference that params name, within the strata that they name."""

import numpy as np
import pandas as pd
import pytest

from fairmark.errors import ParamsError
from fairmark.evaluate.conditional import comparisons
from fairmark.evaluate.documents import ConditionalDisparity, GroupComparison
from fairmark.evaluate.slices import Axis
from fairmark.evaluate.summary_metrics import Rows
from fairmark.params.evaluate import References

# Of two schools: the first selects 8 of 10, the second 2 of 10, whoever asks. Men ask at the first.
SCHOOL = np.repeat([0, 0, 1, 1], [40, 10, 10, 40]).astype(np.intp)
SEX = np.repeat(["man", "woman", "man", "woman"], [40, 10, 10, 40])
DECIDED = np.concatenate([np.repeat([1, 0], pair) for pair in ((32, 8), (8, 2), (2, 8), (8, 32))]).astype(
    np.int8
)
AXES = [
    Axis("school", "feature", ["a", "b"], SCHOOL, crossed=True),
    Axis("sex", "attribute", ["man", "woman"], np.zeros(100, np.intp), crossed=True),
]


def _rows(weight: float = 1.0, **columns: object) -> Rows:
    table = pd.DataFrame({"school": SCHOOL, **columns})
    groups = pd.DataFrame({"sex": pd.Series(SEX, dtype="str")})
    return Rows(table, np.zeros(100, np.int8), np.full(100, weight), groups, {"sex": ["man", "woman"]})


def _sex(rows: Rows, asked: References | None) -> ConditionalDisparity:
    found = comparisons(rows, DECIDED + 0.0, DECIDED, AXES, asked, 0.05).attributes["sex"]
    assert found is not None
    return found


def _women(asked: References | None, rows: Rows | None = None) -> GroupComparison:
    return _sex(rows or _rows(), asked).groups["woman"]


def test_a_difference_that_is_of_the_strata_is_gone_within_them() -> None:
    women = _women(References(groups={"sex": "man"}, strata=["school"]))

    assert women.overall.difference == pytest.approx(16 / 50 - 34 / 50)
    assert women.within is not None
    assert women.within.strata == 2
    assert women.within.difference == pytest.approx(0)
    assert women.within.odds_ratio == pytest.approx(1)
    assert women.within.p == pytest.approx(1)


def test_standardised_rates_are_alike_where_each_stratum_is() -> None:
    women = _women(References(groups={}, strata=["school"]))

    assert women.standardised is not None
    assert women.standardised.reference == pytest.approx(women.standardised.group) == pytest.approx(0.5)


def test_without_strata_nothing_is_said_within_them() -> None:
    assert _women(None).within is None


def test_the_group_with_most_rows_is_the_reference_unless_another_is_named() -> None:
    fewer = _rows().take(np.arange(100) > 0)
    found = comparisons(fewer, DECIDED[1:] + 0.0, DECIDED[1:], [], None, 0.05).attributes["sex"]

    assert found is not None
    assert found.reference == "woman"
    assert _sex(_rows(), References(groups={"sex": "man"}, strata=[])).reference == "man"


def test_strangers_are_refused_together() -> None:
    asked = References(groups={"sex": "men", "race": "x"}, strata=["sex", "school"])

    with pytest.raises(ParamsError) as caught:
        comparisons(_rows(), DECIDED + 0.0, DECIDED, AXES, asked, 0.05)

    assert str(caught.value).splitlines() == [
        "evaluate.references.strata: must name features of the model (school), got 'sex'",
        "evaluate.references.groups.sex: must be one of ['man', 'woman'], got 'men'",
        "evaluate.references.groups.race: must be one of [], got 'x'",
    ]


@pytest.mark.parametrize("rows", [_rows(2.0), _rows(_person=[f"p{k % 50}" for k in range(100)])])
def test_weighted_rows_and_those_of_persons_have_no_bounds_and_no_test(rows: Rows) -> None:
    women = _women(References(groups={}, strata=["school"]), rows)

    assert women.overall.difference == pytest.approx(-0.36)
    assert (women.overall.p, women.overall.odds_low, women.overall.difference_low) == (None, None, None)
    assert comparisons(rows, DECIDED + 0.0, DECIDED, AXES, None, 0.05).why is not None


def test_one_group_alone_is_compared_with_none() -> None:
    men = _rows().take(SEX == "man")
    decided = DECIDED[SEX == "man"]

    assert comparisons(men, decided + 0.0, decided, [], None, 0.05).attributes == {"sex": None}
