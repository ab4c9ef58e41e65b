"""An alarm says which part of the distribution moved, and whether that is new, goes on, or comes again."""

import numpy as np
import pytest
from watched import START, WEEK, counted, decision, outcome, outcomes, reference, traffic, watched

from fairmark.journal.entry import DAY_US, Entry
from fairmark.journal.memberships import Membership
from fairmark.watch.documents import RaisedAlarm, WatchSummary
from fairmark.watch.summary import summarise

QUIET = 0.4


def told(entries: list[Entry], held: list[Membership], weeks: int, **changes: str) -> WatchSummary:
    entries = sorted(entries, key=lambda each: each.at_us)
    until = START + weeks * WEEK + 2 * DAY_US
    return summarise(counted(entries, held, until_us=until), watched(**changes), until)


def alarms(*nurses: float, rows: int = 200) -> tuple[WatchSummary, list[RaisedAlarm]]:
    """Return what is told of weeks with such shares of nurses; the reference has 40%."""
    found = told(*traffic(len(nurses), rows, job=[*nurses]), len(nurses))
    return found, [*found.alarms]


def test_a_shift_that_lasts_goes_on_and_is_no_return() -> None:
    found, raised = alarms(QUIET, QUIET, 0.8, 0.8, 0.8, 0.8)

    assert [each.at for each in raised] == [look.end for look in found.looks[2:]]
    assert {each.moved[0].return_of for each in raised} == {None}
    assert [each.moved[0].goes_on_since for each in raised] == [None, *[found.looks[2].start] * 3]
    assert raised[1].text.startswith("covariate shift goes on: feature job, most likely since 2026-01-19")


def test_a_shift_that_lasts_weakly_is_not_told_as_a_return_of_itself() -> None:
    _, raised = alarms(QUIET, *[0.55] * 7)

    assert len(raised) >= 2
    assert {each.moved[0].return_of for each in raised} == {None}


def test_what_was_gone_and_comes_again_is_a_return() -> None:
    found, raised = alarms(QUIET, 0.8, QUIET, QUIET, QUIET, 0.8)

    assert [each.moved[0].return_of for each in raised] == [None, found.looks[1].start]
    assert "alike again to 2026-01-12, and gone in between" in raised[1].text


def test_a_return_that_lasts_goes_on_since_it_returned() -> None:
    found, raised = alarms(QUIET, 0.8, QUIET, QUIET, 0.8, 0.8)

    assert raised[-1].moved[0].goes_on_since == found.looks[4].start


def test_a_shift_that_reverts_is_told_once() -> None:
    assert len(alarms(QUIET, 0.8, QUIET, QUIET, QUIET)[1]) == 1


def test_another_shift_of_the_same_column_is_neither_a_return_nor_the_same() -> None:
    last = alarms(QUIET, 0.8, QUIET, QUIET, 0.05)[1][-1].moved[0]

    assert (last.return_of, last.goes_on_since) == (None, None)


def labelled(weeks: int, positive: float, *, relation: float = 0.0) -> list[Entry]:
    """Return decisions and outcomes: labels at a rate, scores as the reference has them at each label.

    With `relation`, so many of the labels are turned after that.
    """
    rng, known, found = np.random.default_rng(3), reference().scores, []
    shares = [np.array(each) / sum(each) for each in (known.negatives, known.positives)]
    for at in range(weeks * 300):
        label = int(rng.random() < positive)
        place = int(rng.choice(4, p=shares[label]))
        job, pay = ("nurse" if rng.random() < QUIET else "cook"), float(rng.uniform(0, 40))
        score = place / 4 + float(rng.uniform(1e-6, 0.25))
        one = decision(START + at * WEEK // 300, score, {"pay": pay, "job": job})
        found += [one, outcome(one, label ^ int(rng.random() < relation))]
    return found


USUAL = 380 / 1000
"""Share of positives of the reference."""


@pytest.mark.parametrize(
    ("positive", "relation", "change"),
    [(0.65, 0.0, "prior probability shift"), (USUAL, 0.3, "concept shift")],
)
def test_labels_that_moved_and_a_relation_that_moved_are_told_apart(
    positive: float, relation: float, change: str
) -> None:
    raised = told(labelled(2, positive, relation=relation), [], 2).alarms

    assert {each.change for each in raised} == {change}


def test_nothing_moved_and_labels_say_so() -> None:
    assert told(labelled(3, USUAL), [], 3).alarms == ()


def test_moved_inputs_with_labels_that_follow_them_are_covariate_shift() -> None:
    entries, held = traffic(3, 300, job=[QUIET, QUIET, 0.8])
    raised = told([*entries, *outcomes(entries)], held, 3).alarms

    assert [each.change for each in raised] == ["covariate shift"]
    assert "outcomes that could tell" not in raised[0].text


def test_before_outcomes_come_a_shift_of_labels_is_not_ruled_out() -> None:
    assert "outcomes that could tell a shift of labels have not come" in alarms(QUIET, 0.8)[1][0].text


def test_a_group_that_no_test_row_had_is_told() -> None:
    entries, _ = traffic(2, 300)
    held = [Membership(each.id, "sex", {"FMX"[k % 3]: 1.0}) for k, each in enumerate(entries)]

    assert told(entries, held, 2).alarms[0].moved[0].stream == "mix of sex"


def test_what_comes_later_changes_nothing_of_what_was_told() -> None:
    entries, held = traffic(4, 200, job=[QUIET, 0.6, QUIET, QUIET])
    review = Entry(kind="override", at_us=START + 3 * WEEK + DAY_US, about=entries[-1].id, decision=0)
    before = told(entries, held, 4)
    after = told([*entries, *outcomes(entries[-50:]), review], held, 4)

    assert [each.detector for each in after.looks[:3]] == [each.detector for each in before.looks[:3]]
