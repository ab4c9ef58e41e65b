"""Each group's threshold is the best there is within the limits on validation rows; nobody draws lots."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people_table import limit, policy

from fairmark.errors import ParamsError
from fairmark.learn.group_threshold_search import Reach, large, reaches, together
from fairmark.learn.policy_limits import Limits, Rows
from fairmark.learn.threshold import EVERYBODY, NOBODY, Goal, choose, cuts
from fairmark.params.learn import Assurance, ByGroup
from fairmark.params.policy import Limit, Policy

GOALS = ["accuracy", "balanced_accuracy", "f1"]
PARITY = ByGroup(attribute="side", constraint="demographic_parity")
TPR = ByGroup(attribute="side", constraint="true_positive_rate_parity")
ODDS = ByGroup(attribute="side", constraint="equalized_odds")
ROW = st.tuples(st.integers(0, 9), st.booleans(), st.sampled_from("ab"), st.integers(1, 3))
TABLE = st.lists(ROW, min_size=2, max_size=16)


def table(rows: list[tuple[int, bool, str, int]]) -> tuple[np.ndarray, Rows]:
    """Two rows of each label in each group, then `rows`, so that every rate has a denominator."""
    whole = [(k, k > 4, side, 1) for side in "ab" for k in (2, 7)] + rows
    score, label, side, weight = (np.array(column) for column in zip(*whole, strict=True))
    groups = pd.DataFrame({"side": pd.Series(side, dtype="str")})
    return score / 9, Rows(label.astype(np.int8), weight.astype(float), groups)


def quality(goal: str, rows: Rows, decision: np.ndarray) -> float:
    """The goal by its definition; `test_learn_threshold` holds the same ones equal to scikit-learn's."""
    right = rows.weight * (decision == rows.label)
    positive, chosen = rows.label == 1, decision.astype(bool)
    if goal == "accuracy":
        return float(right.sum() / rows.weight.sum())
    if goal == "balanced_accuracy":
        return float(np.mean([right[mine].sum() / rows.weight[mine].sum() for mine in (positive, ~positive)]))
    both = rows.weight[positive].sum() + rows.weight[chosen].sum()
    return float(2 * rows.weight[positive & chosen].sum() / both)


def decided(
    score: np.ndarray, rows: Rows, own: Mapping[str, float] | None, common: float = 0.5
) -> np.ndarray:
    return score >= rows.groups["side"].map(dict(own or {})).fillna(common).to_numpy()


def slow_best(goal: str, score: np.ndarray, rows: Rows, allowed: Policy, margin: float) -> float | None:
    """The best quality over every pair of thresholds that keeps the limits, one by one."""
    side, limits = rows.groups["side"].to_numpy(), Limits(allowed, rows, margin)
    bars = {
        name: cuts(score[side == name], rows.label[side == name], rows.weight[side == name])[0]
        for name in "ab"
    }
    found = []
    for pair in itertools.product(*bars.values()):
        decision = decided(score, rows, dict(zip(bars, pair, strict=True)))
        marks = decision.astype(float)
        if all(slack >= 0 for slack in limits.slacks(marks, 0.5).values()):
            found.append(quality(goal, rows, decision))
    return max(found) if found else None


def held(*limits: Limit) -> Policy:
    return policy(*limits, min_group_rows=2)


@settings(max_examples=16, deadline=None)
@given(rows=TABLE, goal=st.sampled_from(GOALS), least=st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_no_pair_of_thresholds_within_the_ratio_reaches_more(
    rows: list[tuple[int, bool, str, int]], goal: str, least: float
) -> None:
    score, known = table(rows)
    allowed = held(limit("selection_rate_ratio", "side", at_least=least))

    own = together(PARITY, Limits(allowed, known, 0.0), Goal.of(goal), score, 0.5)

    assert own is not None
    slow = slow_best(goal, score, known, allowed, 0.0)
    assert quality(goal, known, decided(score, known, own)) == pytest.approx(slow, abs=1e-9)


@settings(max_examples=16, deadline=None)
@given(
    rows=TABLE,
    goal=st.sampled_from(GOALS),
    most=st.sampled_from([0.05, 0.2, 0.5]),
    by=st.sampled_from([TPR, ODDS]),
)
def test_nor_within_a_difference_of_error_rates(
    rows: list[tuple[int, bool, str, int]], goal: str, most: float, by: ByGroup
) -> None:
    score, known = table(rows)
    name = "true_positive_rate_difference" if by is TPR else "equalized_odds_difference"
    allowed = held(limit(name, "side", at_most=most))

    own = together(by, Limits(allowed, known, 0.0), Goal.of(goal), score, 0.5)

    assert own is not None
    slow = slow_best(goal, score, known, allowed, 0.0)
    assert quality(goal, known, decided(score, known, own)) == pytest.approx(slow, abs=1e-9)


@settings(max_examples=12, deadline=None)
@given(rows=TABLE, least=st.sampled_from([0.3, 0.6]), floor=st.sampled_from([0.2, 0.5]))
def test_limits_on_each_group_alone_and_on_several_rates_are_kept_too(
    rows: list[tuple[int, bool, str, int]], least: float, floor: float
) -> None:
    score, known = table(rows)
    allowed = held(
        limit("selection_rate_ratio", "side", at_least=least),
        limit("true_positive_rate_difference", "side", at_most=0.5),
        limit("selection_rate", "side", at_least=floor),
    )

    own = together(PARITY, Limits(allowed, known, 0.1), Goal.of("accuracy"), score, 0.5)

    slow = slow_best("accuracy", score, known, allowed, 0.1)
    assert (own is None) == (slow is None)
    if slow is not None:
        assert quality("accuracy", known, decided(score, known, own)) == pytest.approx(slow, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(rows=TABLE, goal=st.sampled_from(GOALS))
def test_a_tighter_limit_never_reaches_more(rows: list[tuple[int, bool, str, int]], goal: str) -> None:
    score, known = table(rows)

    reached = []
    for least in (0.2, 0.5, 0.8, 1.0):
        allowed = held(limit("selection_rate_ratio", "side", at_least=least))
        own = together(PARITY, Limits(allowed, known, 0.0), Goal.of(goal), score, 0.5)
        reached.append(quality(goal, known, decided(score, known, own)))

    assert all(more >= less - 1e-12 for more, less in itertools.pairwise(reached))


LIMITS = [
    (PARITY, limit("selection_rate_ratio", "side", at_least=0.8)),
    (PARITY, limit("selection_rate_difference", "side", at_most=0.1)),
    (TPR, limit("true_positive_rate_ratio", "side", at_least=0.8)),
    (ODDS, limit("equalized_odds_difference", "side", at_most=0.2)),
]


@pytest.mark.parametrize(("by", "given_limit"), LIMITS)
@pytest.mark.parametrize("base", [(0.02, 0.01), (0.5, 0.1), (0.99, 0.97)])
def test_by_assurance_thresholds_keep_the_limits_at_the_ends_of_the_scale_too(
    by: ByGroup, given_limit: Limit, base: tuple[float, float]
) -> None:
    """One margin for all rates let one selected row of each group pass for parity."""
    rng = np.random.default_rng(3)
    side = np.where(rng.random(2000) < 0.5, "a", "b")
    label = (rng.random(2000) < np.where(side == "a", *base)).astype(np.int8)
    score = 1 / (1 + np.exp(-label - rng.normal(size=2000)))
    rows = Rows(label, np.ones(2000), pd.DataFrame({"side": pd.Series(side, dtype="str")}))
    limits = Limits(held(given_limit), rows, Assurance(chance=0.95, room=0.75))

    own = together(by, limits, Goal.of("accuracy"), score, 0.5)

    if own is not None:
        cut = np.where(side == "a", own["a"], own["b"])
        slacks = limits.slacks(score, cut)
        assert all(slack >= 0 for slack in slacks.values())
    assert own is not None or base != (0.5, 0.1)


@settings(max_examples=15, deadline=None)
@given(rows=TABLE, goal=st.sampled_from(GOALS))
def test_groups_by_other_names_have_the_same_thresholds(
    rows: list[tuple[int, bool, str, int]], goal: str
) -> None:
    score, known = table(rows)
    allowed = held(limit("selection_rate_ratio", "side", at_least=0.7))
    other = Rows(
        known.label,
        known.weight,
        known.groups.replace({"side": {"a": "z", "b": "c"}}).astype({"side": "str"}),
    )

    one, two = (
        together(PARITY, Limits(allowed, each, 0.0), Goal.of(goal), score, 0.5) for each in (known, other)
    )

    assert one is not None
    assert two == {"z": one["a"], "c": one["b"]}


def plain(score: list[float], label: list[int], side: str) -> tuple[np.ndarray, Rows]:
    groups = pd.DataFrame({"side": pd.Series(list(side), dtype="str")})
    return np.array(score), Rows(np.array(label, dtype=np.int8), np.ones(len(label)), groups)


def test_a_case_by_hand() -> None:
    # Of a the two best are paid, of b the one best: at one cut for all, b is never selected.
    score, rows = plain([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [1, 1, 0, 0, 1, 0, 0, 0], "aaaabbbb")

    wide = together(
        PARITY,
        Limits(held(limit("selection_rate_ratio", "side", at_least=0.5)), rows, 0.0),
        Goal.of("accuracy"),
        score,
        0.75,
    )
    even = together(
        PARITY,
        Limits(held(limit("selection_rate_ratio", "side", at_least=1.0)), rows, 0.0),
        Goal.of("accuracy"),
        score,
        0.75,
    )

    assert wide == {"a": 0.75, "b": 0.45}  # 2 of 4 and 1 of 4, all right
    assert even in ({"a": 0.75, "b": 0.35}, {"a": 0.85, "b": 0.45})  # one mistake either way
    assert even == {"a": 0.75, "b": 0.35}  # the one nearer to one half in all


def test_the_margin_is_kept_beyond_the_limit() -> None:
    score, rows = plain([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [1, 1, 0, 0, 1, 0, 0, 0], "aaaabbbb")
    allowed = held(limit("selection_rate_ratio", "side", at_least=0.5))

    own = together(PARITY, Limits(allowed, rows, 0.1), Goal.of("accuracy"), score, 0.75)

    assert min(Limits(allowed, rows, 0.1).slacks(decided(score, rows, own).astype(float), 0.5).values()) >= 0


def test_a_group_with_few_rows_or_without_a_name_has_the_common_threshold() -> None:
    score, rows = plain([0.9, 0.8, 0.3, 0.2, 0.5, 0.6, 0.1], [1, 0, 1, 0, 1, 0, 1], "aabbccd")
    named = Rows(rows.label, rows.weight, rows.groups.replace({"side": {"c": "missing"}}))
    allowed = held(limit("selection_rate_ratio", "side", at_least=0.5))

    own = together(PARITY, Limits(allowed, named, 0.0), Goal.of("accuracy"), score, 0.5)

    assert own is not None
    assert sorted(own) == ["a", "b"]
    assert large(pd.Series(["x & missing", "x & y"] * 3), 2) == ["x & y"]


@pytest.mark.parametrize("seed", range(12))
def test_f1_counts_the_rows_that_have_the_common_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, label = rng.random(38).round(2), rng.integers(0, 2, 38)
    label[18:] = rng.random(20) < 0.9  # many hits at the common threshold
    side = "a" * 9 + "b" * 9 + "c" * 7 + "d" * 7 + "e" * 6
    number, rows = plain(list(score), list(label), side)
    allowed = policy(limit("selection_rate_ratio", "side", at_least=0.6), min_group_rows=9)

    own = together(PARITY, Limits(allowed, rows, 0.0), Goal.of("f1"), number, 0.2)

    bars = {
        name: cuts(number[mine], rows.label[mine], rows.weight[mine])[0]
        for name in "ab"
        if (mine := (rows.groups["side"] == name).to_numpy()).any()
    }
    best = 0.0
    for pair in itertools.product(*bars.values()):
        decision = decided(number, rows, dict(zip("ab", pair, strict=True)), 0.2)
        rates = [decision[(rows.groups["side"] == name).to_numpy()].mean() for name in "ab"]
        if max(rates) > 0 and min(rates) / max(rates) >= 0.6:
            best = max(best, quality("f1", rows, decision))
    assert quality("f1", rows, decided(number, rows, own, 0.2)) == pytest.approx(best)


def test_one_group_alone_has_the_common_threshold() -> None:
    score, rows = plain([0.9, 0.8, 0.3], [1, 0, 0], "aaa")
    allowed = held(limit("selection_rate_ratio", "side", at_least=0.5))

    assert together(PARITY, Limits(allowed, rows, 0.0), Goal.of("accuracy"), score, 0.5) is None


def test_limits_that_no_thresholds_keep_leave_the_common_one() -> None:
    score, rows = plain([0.9, 0.8, 0.3, 0.2], [1, 0, 0, 1], "aabb")
    allowed = held(
        limit("selection_rate_ratio", "side", at_least=0.5), limit("accuracy", "side", at_least=0.9)
    )

    assert together(PARITY, Limits(allowed, rows, 0.0), Goal.of("accuracy"), score, 0.5) is None


def test_nothing_is_drawn_together_without_a_limit_that_says_how_far() -> None:
    other = held(
        limit("true_positive_rate_difference", "side", at_most=0.1), limit("accuracy", None, at_least=0.5)
    )

    with pytest.raises(ParamsError, match="must gate a ratio or a difference of selection_rate by side"):
        reaches(PARITY, other, 0.0)
    assert reaches(TPR, other, 0.02) == {"true_positive_rate": Reach(0.02, difference=0.1)}


@pytest.mark.parametrize("constraint", ["demographic_parity", "true_positive_rate_parity"])
def test_fairlearns_randomised_thresholds_reach_no_less_and_little_more(constraint: str) -> None:
    # Lots between two thresholds can do whatever one threshold does, and at exact parity a little more.
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
        """Scores that are given."""

        def fit(self, x: np.ndarray) -> "Given":  # noqa: ARG002 - scikit-learn's signature
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return np.column_stack([1 - x[:, 0], x[:, 0]])

    rng = np.random.default_rng(11)
    side = np.where(rng.random(3000) < 0.4, "a", "b")
    score = np.clip(rng.beta(2, 3, 3000) + 0.15 * (side == "b"), 0, 1)
    label = (rng.random(3000) < score).astype(int)
    fair = ThresholdOptimizer(
        estimator=Given(), constraints=constraint, prefit=True, predict_method="predict_proba", grid_size=3000
    ).fit(score[:, None], label, sensitive_features=side)
    chance = fair._pmf_predict(score[:, None], sensitive_features=side)[:, 1]  # noqa: SLF001 - Fairlearn has no other door
    theirs = float(np.where(label == 1, chance, 1 - chance).mean())

    number, rows = plain(list(score), list(label), "".join(side))
    rate = "selection_rate" if constraint == "demographic_parity" else "true_positive_rate"
    by = ByGroup(attribute="side", constraint=constraint)  # type: ignore[arg-type]
    near = held(limit(f"{rate}_difference", "side", at_most=0.0005))
    own = together(by, Limits(near, rows, 0.0), Goal.of("accuracy"), number, 0.5)

    ours = quality("accuracy", rows, decided(number, rows, own))
    assert theirs - 0.002 <= ours <= theirs + 0.002


def test_thresholds_of_equal_scores_are_those_of_the_common_choice() -> None:
    score, rows = plain([0.2, 0.4, 0.6, 0.8] * 2, [0, 0, 1, 1] * 2, "aaaabbbb")
    allowed = held(limit("selection_rate_ratio", "side", at_least=0.9))

    own = together(PARITY, Limits(allowed, rows, 0.0), Goal.of("accuracy"), score, 0.5)

    bar = choose(score, rows.label, rows.weight, Goal.of("accuracy")).cut
    assert own == {"a": bar, "b": bar}
    assert EVERYBODY < bar < NOBODY
