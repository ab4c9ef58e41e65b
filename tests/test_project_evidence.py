"""What test rows could prove is what the verdict's own tests say of the counts, tried one by one."""

import pytest

from fairmark.judge.comparisons import Difference, Part, Ratio
from fairmark.judge.limits import Aim, shown
from fairmark.project.evidence import GroupRows, of_difference, of_ratio


@pytest.mark.parametrize(("few", "many", "rate"), [(300, 500, 0.3), (150, 150, 0.6), (90, 400, 0.5)])
def test_the_ratio_needed_is_the_least_count_that_is_shown(few: int, many: int, rate: float) -> None:
    (found,) = of_ratio("x", 0.8, [GroupRows("a", few, 0), GroupRows("b", many, 0)], rate, 0.05)
    aim = Aim(0.8, at_least=True, clear=0.05, miss=0.05)
    high = Part("b", rate, many, many)
    by_hand = [
        hits
        for hits in range(int(rate * few) + 1)
        if shown(Ratio(Part("a", hits / few, few, few), high), aim, good=True)
    ]

    if found.needed is None:
        assert not by_hand
        assert found.more
    else:
        assert found.needed == pytest.approx(min(1, by_hand[0] / few / rate))
        assert found.needed > 0.8


def test_the_difference_needed_is_the_largest_that_is_shown() -> None:
    (found,) = of_difference("x", 0.2, [GroupRows("a", 0, 120), GroupRows("b", 0, 200)], 0.05)
    aim = Aim(0.2, at_least=False, clear=0.05, miss=0.05)
    shares = [hits / 120 for hits in range(61)]
    by_hand = [
        0.5 - share
        for share in shares
        if shown(Difference(Part("b", 0.5, 200, 200), Part("a", share, 120, 120)), aim, good=True)
    ]

    assert found.needed == pytest.approx(max(by_hand))


def test_rows_that_are_missing_would_do() -> None:
    (found,) = of_ratio("x", 0.8, [GroupRows("a", 100, 0), GroupRows("b", 3000, 0)], 0.3, 0.05)
    assert found.needed is None
    grown = 100 + found.more["a"]

    (then,) = of_ratio("x", 0.8, [GroupRows("a", grown, 0), GroupRows("b", 3000, 0)], 0.3, 0.05)

    assert then.needed is not None
    assert "can't be shown" in found.text(0.3)
    assert "at least" in then.text(0.3)


def test_the_hardest_pair_stands_first_and_no_group_meets_itself() -> None:
    groups = [GroupRows("a", 50, 5), GroupRows("b", 2000, 600), GroupRows("c", 2000, 600)]
    found = of_ratio("x", 0.8, groups, 0.3, 0.05)

    assert [each.groups for each in found[:2]] == [("a", "b"), ("a", "c")]
    assert found[2].groups == ("b", "c")
    assert found[2].needed is not None


def test_many_groups_take_the_bounds_of_groups() -> None:
    groups = [GroupRows(f"g{k}", 4000, 1200) for k in range(18)]

    found = of_ratio("x", 0.8, groups, 0.3, 0.05 / 153)

    assert len(found) == 153
    assert all(each.needed is not None for each in found)
