"""Harm returns a canary at any time, evidence promotes it, and neither by the end is for a named person."""

import json
from typing import Any

import numpy as np
import pytest
from canaries import CHAMPION, counts, limit, progress, rules, state, terms, waiver

from fairmark.errors import RefusedError
from fairmark.serve.canary.decision import Advice, decide
from fairmark.serve.canary.state import CanaryState


def advice(rates: tuple[float, ...] = (0.3, 0.3), looks: int = 100, **changes: Any) -> Advice:
    return decide(counts(rates, looks), terms(), progress(**changes), CHAMPION)


def test_a_missing_champion_is_a_refusal() -> None:
    with pytest.raises(RefusedError, match="must have a champion in production"):
        decide(counts(), terms(), progress(), None)


@pytest.mark.parametrize(
    ("changes", "action", "share"),
    [
        ({"state": state(phase="shadow"), "shadowed": 199}, "continue", 0.0),
        ({"state": state(phase="shadow"), "shadowed": 200}, "grow", 0.25),
        ({"state": state(0.25), "at_share": 199}, "continue", 0.25),
        ({"state": state(0.25), "at_share": 200}, "grow", 0.5),
        ({"state": state(0.5), "at_share": 199}, "continue", 0.5),
        ({"state": state(0.5), "at_share": 200}, "promote", 1.0),
        ({"state": state(1.0), "at_share": 999}, "continue", 1.0),
        ({"state": state(1.0), "at_share": 1000}, "keep", 1.0),
        ({"state": CanaryState(phase="off")}, "continue", 0.0),
    ],
)
def test_a_harmless_canary_goes_step_by_step(changes: dict[str, Any], action: str, share: float) -> None:
    found = advice(**changes)

    assert (found.action, found.share) == (action, share)


@pytest.mark.parametrize(
    "changes", [{"state": state(phase="shadow")}, {"state": state(0.25)}, {"state": state(1.0)}]
)
def test_harm_returns_it_from_everywhere(changes: dict[str, Any]) -> None:
    found = advice((0.12, 0.3), **changes)

    assert found.action == "return"
    assert found.evidence >= found.needed == 20


def test_the_return_names_the_limit_the_groups_and_the_numbers() -> None:
    found = advice((0.12, 0.3))

    said = "\n".join(found.reasons)
    assert 'against "every limit is met"; 20 returns it' in said
    assert "selection-rate-ratio: selection rate ratio, Female / Male: 0.400" in said
    assert "at least 0.8; rows 2,500 and 2,500" in said


@pytest.mark.parametrize("end", [{"exposed": 20_000}, {"days": 30.0}])
def test_without_an_answer_by_the_end_a_person_decides(end: dict[str, Any]) -> None:
    found = advice((0.25, 0.3), looks=20, **end)

    assert found.action == "insufficient evidence"
    assert any("Female / Male" in line for line in found.reasons)


def test_evidence_at_the_very_end_still_promotes() -> None:
    assert advice(exposed=20_000).action == "promote"


def test_without_known_groups_it_is_never_promoted() -> None:
    given = counts()
    empty = counts(looks=0).decisions["sex"]
    found = decide(
        type(given)({**given.decisions, "sex": empty}, given.outcomes, given.arms, given.operation),
        terms(),
        progress(exposed=20_000),
        CHAMPION,
    )

    assert found.action == "insufficient evidence"


def test_what_is_waived_is_promoted_and_said() -> None:
    of = limit()
    found = decide(counts((0.25, 0.3), 20), terms(waivers=(waiver(of),), rules=rules()), progress(), CHAMPION)

    assert found.action == "promote"
    assert any(
        "waived by A. Person until 2027-01-01" in line for each in found.measured for line in each.lines
    )


def test_the_same_counts_give_the_same_document() -> None:
    one, two = (json.dumps(advice((0.25, 0.3)).document, sort_keys=True) for _ in range(2))

    assert one == two
    assert np.isfinite([each["e_met"] for each in json.loads(one)["limits"]]).all()


def test_the_reason_of_a_return_is_the_pair_whose_evidence_decided() -> None:
    rates = dict.fromkeys(("g0", "g1", "g2", "g3"), 0.3)
    fair = limit()
    held = terms([fair], rates, overrides=(waiver(fair, ["g0"]),))
    # Group 0 is furthest below, and an override lets it be.
    found = decide(counts((0.02, 0.14, 0.3, 0.32)), held, progress(), CHAMPION)

    assert found.action == "return"
    assert "selection rate ratio, g1 / g3: " in found.reasons[1]
    assert "that it is missed" in found.reasons[1]
    assert not any("g0" in line for line in found.reasons)
