"""How protected attributes were used follows from what was chosen and from the policy, use by use."""

import pytest
from pydantic import ValidationError
from scorecard_table import CHOSEN, POLICY, limit

from fairmark.model.protected_use import ProtectedUse
from fairmark.params.learn import Chosen, Step

SINGLES = ("sex", "race")
SEX = Step(attribute="sex", constraint="demographic_parity", strength=0.5)
FAIR = POLICY.model_copy(update={"limits": [*POLICY.limits, limit("selection_rate_ratio", "sex", 0.8)]})


def test_a_model_that_looks_at_no_group_is_blind_in_every_use() -> None:
    found = ProtectedUse.of(CHOSEN, POLICY, SINGLES, None)

    assert (found.training, found.choice, found.decision) == ((), (), ())
    assert found.sentences[0] == "In training: none; it was blind."


def test_mitigation_and_reweighing_use_attributes_in_training() -> None:
    mitigated = CHOSEN.model_copy(update={"mitigation": [SEX]})
    reweighed = CHOSEN.model_copy(update={"reweighing": True})

    assert ProtectedUse.of(mitigated, POLICY, SINGLES, None).training == ("sex",)
    assert ProtectedUse.of(reweighed, POLICY, SINGLES, None).training == ("race", "sex")


def test_a_gated_limit_on_groups_is_used_in_choosing() -> None:
    reported = FAIR.model_copy(
        update={"limits": [each.model_copy(update={"gate": False}) for each in FAIR.limits]}
    )

    assert ProtectedUse.of(CHOSEN, FAIR, SINGLES, None).choice == ("sex",)
    assert ProtectedUse.of(CHOSEN, reported, SINGLES, None).choice == ()


def test_a_search_that_is_blind_in_choosing_uses_no_gated_limit_on_groups() -> None:
    blind = CHOSEN.model_copy(update={"blind": "choice"})
    half = CHOSEN.model_copy(update={"blind": "training"})

    assert ProtectedUse.of(blind, FAIR, SINGLES, None).choice == ()
    assert ProtectedUse.of(half, FAIR, SINGLES, None).choice == ("sex",)


def test_weights_of_groups_that_gave_more_test_rows_are_used_in_training() -> None:
    assert ProtectedUse.of(CHOSEN, POLICY, SINGLES, None, "race").training == ("race",)


def test_choices_that_call_themselves_blind_and_mitigate_are_refused() -> None:
    said = CHOSEN.model_dump() | {"blind": "training"}

    assert Chosen.model_validate(said).blind == "training"
    with pytest.raises(ValidationError, match="must have no mitigation and no reweighing where blind"):
        Chosen.model_validate(said | {"reweighing": True})
    with pytest.raises(ValidationError, match="must have no mitigation and no reweighing where blind"):
        Chosen.model_validate(said | {"mitigation": [SEX.model_dump()]})


def test_models_made_before_the_search_could_be_blind_have_the_bytes_that_they_had() -> None:
    assert "blind" not in CHOSEN.model_dump()
    assert CHOSEN.model_copy(update={"blind": "choice"}).model_dump()["blind"] == "choice"


def test_thresholds_of_groups_are_used_in_the_decision() -> None:
    found = ProtectedUse.of(CHOSEN, POLICY, SINGLES, "race")

    assert found.decision == ("race",)
    assert found.sentences[2] == "race: in the decision, by a threshold for each group."
