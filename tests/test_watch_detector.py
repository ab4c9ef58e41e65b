"""The detector runs as long as it says without a false alarm, tells what moved, and how soon."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial
from watched import START, WEEK, counted, policy, reference, traffic, watch

from fairmark.watch.detector import delay, detect, to_largest
from fairmark.watch.evidence import LimitStream, Stream, limit_streams, streams

LENGTH = 52


def stream(
    rng: np.random.Generator, looks: int, rows: int, known: int, moved: float = 0.0, at: int = 0
) -> Stream:
    """Return counts of five even bins; from look `at` on the share `moved` of all rows is in the first."""
    share, then = np.full(5, 0.2), np.full(5, 0.2) * (1 - moved) + np.eye(5)[0] * moved
    counts = [rng.multinomial(rows, then if look >= at else share) for look in range(looks)]
    seen = rng.multinomial(known, share).astype(np.float64)[None]
    return Stream("s", "inputs", "inputs", np.array(counts, dtype=np.float64)[:, None], seen)


def first_alarms(runs: int, looks: int, streams_: int, **how: Any) -> list[int]:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(runs):
        made = detect([stream(rng, looks, **how) for _ in range(streams_)], looks, LENGTH)
        found.append(made.alarms[0].look + 1 if made.alarms else looks + 1)
    return found


def test_an_e_process_is_the_ratio_of_two_probabilities_by_scipy() -> None:
    one = Stream("s", "inputs", "inputs", np.array([[[3.0, 1.0]], [[2.0, 6.0]]]), np.array([[40.0, 10.0]]))
    # From look 1 on, look 0 belongs to what is known; SciPy's count of orders cancels.
    seen, known = np.array([43.0, 11.0]), np.array([43.5, 11.5])
    null = max(dirichlet_multinomial.pmf([2, 6], seen + mass, 8) for mass in (0.5, 0.1, 0.02, 0.004))
    others = [
        dirichlet_multinomial.pmf([2, 6], known / 55 * min(s, 55.0), 8)
        for s in (3, 10, 30, 100, 300, 1000, 3000)
    ]

    assert one.log_e(1, 0)[1] == pytest.approx(np.log(np.mean(others) / null))
    assert len(one.log_e(1, 1)) == 1


@pytest.mark.parametrize(("rows", "known"), [(50, 60), (1000, 5000)])
def test_half_a_year_without_a_change_rarely_has_an_alarm(rows: int, known: int) -> None:
    assert np.mean(np.array(first_alarms(12, 26, 2, rows=rows, known=known)) <= 26) < 0.5


@pytest.mark.proof
@pytest.mark.parametrize(
    ("rows", "known"), [(200, 16_000), (1000, 16_000), (5000, 16_000), (5000, 300), (200, 100)]
)
def test_the_average_run_length_is_at_least_the_stated_one(rows: int, known: int) -> None:
    # Cut at three times the length, which only shortens it.
    lengths = np.array(first_alarms(20, 3 * LENGTH, 4, rows=rows, known=known))
    print(f"{rows} rows a look, {known} in the reference: {lengths.mean():.0f} looks, stated {LENGTH}")

    assert lengths.mean() >= LENGTH


def test_a_move_of_a_tenth_of_one_column_s_mass_is_told_soon_and_named() -> None:
    rng = np.random.default_rng(1)
    quiet = [stream(rng, 12, 1000, 5000) for _ in range(8)]
    found = detect([*quiet, stream(rng, 12, 1000, 5000, moved=0.1, at=6)], 12, LENGTH)

    assert [each.look for each in found.alarms[:1]] == [6]
    assert found.alarms[0].carried[0].since == 6
    assert found.streams[6].argmax() == 8


def test_after_an_alarm_it_begins_anew() -> None:
    rng = np.random.default_rng(2)
    found = detect([stream(rng, 6, 1000, 5000, moved=0.5, at=1)], 6, LENGTH)

    assert [each.look for each in found.alarms] == [1, 2, 3, 4, 5]


def test_streams_of_their_own_past_alone_say_nothing_of_the_first_look() -> None:
    counts = np.array([[[0.0, 900.0]], [[0.0, 900.0]], [[450.0, 450.0]]])
    found = detect([Stream("latency", "operation", "operation", counts, np.zeros((1, 2)))], 3, LENGTH)

    assert found.values[0] == 0
    assert [each.look for each in found.alarms] == [2]


@pytest.mark.parametrize("bins", [2, 12])
def test_a_column_that_is_constant_in_the_reference_and_in_traffic_is_quiet(bins: int) -> None:
    one = np.eye(bins)[0]
    constant = Stream("c", "inputs", "inputs", np.tile(200 * one, (80, 1, 1)), 200 * one[None])
    found = detect([constant], 80, LENGTH)

    assert found.alarms == []
    assert found.values.max() < 1


def test_streams_with_few_rows_never_add_up_to_an_alarm() -> None:
    # One row a look, one in four of them the rarer: as in the reference.
    counts = np.array([[[0.0, 1.0] if look % 4 == 0 else [1.0, 0.0]] for look in range(150)])
    known = np.array([[30.0, 10.0]])
    rare = [Stream(name, "scores", "decisions", counts, known) for name in "abc"]

    assert detect(rare, 150, LENGTH).alarms == []


def test_looks_without_rows_are_no_time_at_which_a_change_could_begin() -> None:
    rng = np.random.default_rng(4)
    busy = stream(rng, 4, 300, 2000, moved=0.2, at=2)
    gaps = np.zeros((8, 1, 5))
    gaps[::2] = busy.counts
    found = detect([Stream("s", "inputs", "inputs", gaps, busy.reference)], 8, LENGTH)

    np.testing.assert_allclose(found.values[::2], detect([busy], 4, LENGTH).values)


def test_labels_that_drift_a_little_at_every_look_are_told_and_go_on_being_told() -> None:
    rng, looks, rows = np.random.default_rng(6), 16, 400
    hits = rng.binomial(rows, 0.3 + 0.01 * np.arange(1, looks + 1))
    counts = np.stack([rows - hits, hits], axis=1)[:, None].astype(np.float64)
    idle = Stream("s", "inputs", "inputs", np.zeros((looks, 1, 2)), np.array([[5.0, 5.0]]))
    label = Stream("label", "quality", "labels", counts, np.array([[2800.0, 1200.0]]))
    told = [each.look + 1 for each in detect([label, *[idle] * 19], looks, LENGTH).alarms]

    assert told[0] <= 12  # moved by about a tenth, of which each look is a hundredth
    assert told[-1] == looks


def test_the_printed_delay_is_that_of_a_simulation_of_the_whole_detector() -> None:
    known, harm = (1000, 1000, 1000, 1000, 1000), 0.1
    stated = delay(known, to_largest(known, harm), 300, 4, LENGTH)
    rng = np.random.default_rng(3)
    seen = [
        detect(
            [stream(rng, 12, 300, 5000) for _ in range(3)] + [stream(rng, 12, 300, 5000, moved=harm)],
            12,
            LENGTH,
        )
        for _ in range(7)
    ]

    assert stated is not None
    assert np.median([each.alarms[0].look + 1 if each.alarms else 99 for each in seen]) <= stated


def test_what_can_t_be_told_in_time_is_said_to_be_so() -> None:
    assert delay((500, 500), (0.49, 0.51), 10, 20, LENGTH) is None


def test_a_missed_limit_on_groups_is_told_and_a_kept_one_is_not() -> None:
    entries, held = traffic(6, 800, women=[0.32, 0.32, 0.32, 0.16, 0.16, 0.16])
    looks = counted(entries, held, until_us=START + 6 * WEEK).looks
    (limit,), unknown = limit_streams(looks, reference(), policy(), watch())
    found = detect([limit], len(looks), LENGTH)

    assert unknown == {}
    assert isinstance(limit, LimitStream)
    assert found.values[2] < LENGTH
    assert found.alarms[0].of == "fairness"
    assert found.alarms[0].look in {3, 4}


def test_each_thing_that_may_move_is_a_stream() -> None:
    entries, held = traffic(2, 150)
    looks = counted(entries, held, until_us=START + 2 * WEEK).looks
    names = {each.name: each.part for each in streams(looks, reference(), watch())}

    assert names == {
        "feature pay": "inputs", "feature job": "inputs", "mix of sex": "inputs", "score": "decisions",
        "decision": "decisions", "decision of sex F": "decisions", "decision of sex M": "decisions",
        "latency": "operation", "fallback": "operation", "referral": "operation", "override": "operation",
        "label at the score": "relation", "label": "labels", "score at the label": "reverse",
    }  # fmt: skip
    assert names == {each.name: each.part for each in streams([], reference(), watch())}
