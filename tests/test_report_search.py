"""The search shows every trial, its frontier, what was chosen, and what that cost."""

from markup import read
from stage_outputs import FAIR, facts, limit, policy, search, trials

from fairmark.learn.summaries import BracketRow
from fairmark.params.learn import Useful
from fairmark.report.charts import Mark, frontier
from fairmark.report.inputs import Facts
from fairmark.report.search import FrontierView, asked, compared, names, price, search_view
from fairmark.report.search import trials as table

MINUS = "\N{MINUS SIGN}"
PLAIN = policy([limit("auc-floor", "roc_auc", None, 0.8)])


def frontier_of(known: Facts) -> FrontierView:
    drawn = search_view(known).frontier
    assert drawn is not None
    return drawn


def test_trials_are_called_by_what_they_are() -> None:
    assert [names(row) for row in trials(FAIR.limits)] == [("baseline",), ("unmitigated",), (), ("chosen",)]


def test_the_price_is_the_change_from_the_unmitigated_trial() -> None:
    found = price(facts())

    assert found is not None
    assert [list(row) for row in found.rows] == [
        ["Accuracy", "0.840", "0.820", f"{MINUS}0.020"],
        ["ROC AUC", "0.870", "0.870", "0.000"],
        ["Selection rate ratio by team", "0.550", "0.860", "+0.310"],
    ]


def test_an_unmitigated_choice_has_no_price() -> None:
    only = [row.model_copy(update={"chosen": row.role == "unmitigated"}) for row in trials(FAIR.limits)]

    assert price(facts(trials=only)) is None
    assert "Unmitigated (trial 1)" not in [column.label for column in compared(facts(trials=only)).columns]


def test_the_chosen_trial_stands_beside_the_simple_ones() -> None:
    found = compared(facts())

    assert [column.label for column in found.columns] == [
        "Measure",
        "Baseline (trial 0)",
        "Unmitigated (trial 1)",
        "Chosen (trial 3)",
    ]
    assert list(found.rows[0]) == ["Family", "logistic", "boosted", "boosted"]


def test_what_was_asked_of_the_chosen_trial_stands_beside_what_was_found() -> None:
    rows = [
        row.model_copy(update={"strength.team.demographic_parity": 1.25, "gain": 0.08}) if row.chosen else row
        for row in trials(FAIR.limits)
    ]
    name = next(each.name for each in FAIR.limits if each.attribute is not None)
    strength = BracketRow(
        family="boosted", attribute="team", constraint="demographic_parity", low=1, high=1.5
    )
    more = {
        "margins": {name: 0.05},
        "expected": {name: 0.82},
        "of_use": Useful(margin=0.01, selected=(0.1, 0.9), plain=0.005),
        "brackets": [strength, strength.model_copy(update={"family": "logistic"})],
    }

    found = asked(facts(trials=rows, search=search(rows).model_copy(update=more)))

    assert found is not None
    assert [tuple(row[1:]) for row in found.rows] == [
        ("at least 0.850", "0.860"),
        ("at least 0.800", "0.820"),
        ("at least 0.010", "0.080"),
        ("0.100 to 0.900", "0.300"),
        ("at least 0.005", "no plain model is as near to the limits"),
        ("1.000 to 1.500", "1.250"),
    ]
    assert found.rows[0][0] == "Selection rate ratio by team: 0.800 and a margin of 0.050"


def test_a_search_that_does_not_say_what_it_asked_has_no_table_of_it() -> None:
    assert asked(facts()) is None


def test_a_trial_that_failed_says_why_in_the_table() -> None:
    found = table(facts())

    assert found.rows[2][0] == "2 failed: no positive rows"
    assert found.marked == {3}
    assert "1 trials came to nothing" in search_view(facts()).sentence


def test_every_measured_trial_is_in_the_picture() -> None:
    drawn = frontier_of(facts())

    for picture in (drawn.wide, drawn.narrow):
        found = read(picture)
        marks = [it for it in found.elements if it.attributes.get("class", "").startswith("trial")]
        assert len(marks) == 3
        assert "3 trials by selection rate ratio by team" in found.all("svg")[0].attributes["aria-label"]


def test_the_limit_is_in_the_picture() -> None:
    drawn = read(frontier_of(facts()).wide)

    assert [it.name for it in drawn.elements if it.attributes.get("class") in {"allowed", "limit"}] == [
        "rect",
        "line",
    ]


def test_two_gates_on_groups_are_drawn_by_the_room_that_is_left() -> None:
    rules = policy([*FAIR.limits, limit("again", "true_positive_rate_ratio", "team", 0.7)])

    assert "room to the nearest limit" in frontier_of(facts(rules=rules)).wide


def test_trials_beyond_every_limit_are_still_within_the_picture() -> None:
    marks = [Mark(k, x, 0.8, "boosted", (), best=True) for k, x in enumerate([-0.4, -0.1])]

    found = read(frontier(marks, "room", "quality", (0.0, None), wide=True))
    places = [float(it.attributes["cx"]) for it in found.all("circle")]
    assert places[1] - places[0] > 100


def test_a_policy_without_limits_on_groups_has_no_picture() -> None:
    assert search_view(facts(rules=PLAIN)).frontier is None


def test_a_reported_limit_is_drawn_without_a_wall() -> None:
    rules = policy([limit("four-fifths", "selection_rate_ratio", "team", 0.8, gate=False)])

    drawn = frontier_of(facts(rules=rules)).wide
    assert "selection rate ratio by team" in drawn
    assert "allowed" not in drawn


def test_names_do_not_stand_upon_each_other() -> None:
    marks = [
        Mark(k, 0.5, 0.8, "boosted", (name,), best=True) for k, name in enumerate(["chosen", "baseline"])
    ]

    found = read(frontier(marks, "fairness", "quality", (None, None), wide=True))
    places = {
        (it.attributes["x"], it.attributes["y"])
        for it in found.all("text")
        if it.attributes["class"] == "say"
    }
    assert len(places) == 2


def test_a_model_is_weighed_by_what_there_is_to_read() -> None:
    rows = [
        row.model_copy(
            update={"rounds": None if row.family == "logistic" else 366, "boosted.num_leaves": leaves}
        )
        for row, leaves in zip(trials(FAIR.limits), [None, None, None, 15], strict=True)
    ]

    read_as = next(row for row in compared(facts(trials=rows)).rows if row[0] == "What there is to read")
    assert list(read_as[1:]) == ["points for 2 features", "366 trees", "366 trees of 15 leaves"]


def test_a_trial_that_was_given_up_says_where_and_is_no_failure() -> None:
    rows = trials(FAIR.limits)
    rows[2] = rows[2].model_copy(update={"state": "pruned", "failure": None, "rounds": 60})

    assert table(facts(trials=rows)).rows[2][0] == "2 pruned at round 60"
    told = search_view(facts(trials=rows)).sentence
    assert "1 trials were given up early" in told
    assert "came to nothing" not in told


def test_a_finalist_says_on_which_rows_it_was_measured() -> None:
    rows = trials(FAIR.limits)
    rows[3] = rows[3].model_copy(update={"role": "finalist"})
    found = facts(trials=rows)

    assert "held out in turn" in compared(found).caption
    assert "held out in turn" in price(found).caption  # type: ignore[union-attr]
    assert "held out in turn" not in compared(facts()).caption
    assert str(table(found).rows[3][0]) == "3 chosen, finalist"


def test_a_whole_number_of_a_trial_stands_without_decimals() -> None:
    rows = trials(FAIR.limits)
    rows[0] = rows[0].model_copy(update={"violation": 0.0, "quality": 0.25})
    made = table(facts(trials=rows))
    shown = dict(zip([column.label for column in made.columns], made.rows[0], strict=True))

    assert (shown["violation"], shown["quality"]) == ("0", "0.2500")
