"""How protected attributes were used follows from what was chosen and from the policy, use by use."""

from scorecard_table import CHOSEN, POLICY, limit

from fairmark.model.protected_use import ProtectedUse
from fairmark.params.learn import Step

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


def test_thresholds_of_groups_are_used_in_the_decision() -> None:
    found = ProtectedUse.of(CHOSEN, POLICY, SINGLES, "race")

    assert found.decision == ("race",)
    assert found.sentences[2] == "race: in the decision, by a threshold for each group."
