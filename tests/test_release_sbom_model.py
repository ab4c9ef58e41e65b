"""The model and the data in a bill of materials: their whole card, taken from the release's own files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bill_schema import validator, whole
from confusion_rows import document
from release_folder import verdict_on

from fairmark.data.schema import Schema
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Disparity, Measurements
from fairmark.model.group_thresholds import GroupThresholds, Origin
from fairmark.model.model_file import ModelFile
from fairmark.params.learn import Step
from fairmark.params.read import Params, read_params
from fairmark.params.release import EnvironmentalCost
from fairmark.release.sbom.data import data_component, is_table, sensitive
from fairmark.release.sbom.model import ModelDocuments, metrics, model_component

pytest_plugins = ("release_fixtures",)


@pytest.fixture
def params(template: Path) -> Params:
    return read_params(template / "params.yaml")


@pytest.fixture
def found(template: Path) -> ModelDocuments:
    made = template / "artifacts"
    return ModelDocuments(
        measurements=Measurements.read(made / "evaluate" / "measurements.json"),
        schema=Schema.read(made / "prepare" / "schema.json"),
        verdict=verdict_on(template),
        model=ModelFile.of(made / "train" / "model"),
    )


def made(template: Path, params: Params, found: ModelDocuments) -> dict[str, Any]:
    place = template / "artifacts" / "train" / "model"
    return model_component(place, params, found, ["data:data/people.csv"]).to_json()


def card(template: Path, params: Params, found: ModelDocuments) -> dict[str, Any]:
    return dict(made(template, params, found)["modelCard"])


def test_every_measure_of_all_rows_of_each_group_and_each_gap_is_on_the_card(found: ModelDocuments) -> None:
    measured = found.measurements
    said = {(each.slice, each.type): each for each in metrics(measured)}

    names = set(measured.overall)
    assert {name for part, name in said if part is None} == names
    assert {name for part, name in said if part == "sex: Female"} == set(
        measured.groups["sex"]["Female"].measures
    )
    assert {name for part, name in said if part == "sex"} == set(measured.disparities["sex"])
    assert {part for part, _ in said} == {None, "sex", "sex: Female", "sex: Male"}


def test_a_measure_is_written_with_its_interval_or_says_why_there_is_none() -> None:
    none = Measured(value=None, low=None, high=None, why="nobody selected")
    plain = document()
    female = plain.groups["sex"]["Female"].model_copy(update={"measures": {"precision": none}})
    measured = plain.model_copy(
        update={
            "overall": {"accuracy": Measured(value=0.75, low=0.5, high=0.875)},
            "groups": {"sex": {"Female": female}},
            "disparities": {"sex": {"accuracy_ratio": Disparity(value=0.9, low=None, high=None)}},
        }
    )

    assert [each.to_json() for each in metrics(measured)] == [
        {
            "type": "accuracy",
            "value": "0.75",
            "confidenceInterval": {"lowerBound": "0.5", "upperBound": "0.875"},
        },
        {"type": "precision", "value": "none: nobody selected", "slice": "sex: Female"},
        {"type": "accuracy_ratio", "value": "0.9", "slice": "sex"},
    ]


def test_the_parameters_are_those_of_the_model(template: Path, params: Params, found: ModelDocuments) -> None:
    said = card(template, params, found)["modelParameters"]

    assert said["architectureFamily"] == "logistic regression, as a scorecard"
    assert said["modelArchitecture"] == "logistic, c 1.0"
    assert [each["format"] for each in said["inputs"]] == [
        "income <€>: numeric",
        "home: categorical",
        "member: boolean",
        "since: date",
    ]
    assert said["outputs"][1]["format"] == "decision: 1 from a score of 0.5 on, else 0"
    assert said["datasets"] == [{"ref": "data:data/people.csv"}]


def test_monotone_constraints_stand_beside_the_settings(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    base = params.train.model_copy(update={"monotone": {"income <€>": "increasing"}})

    said = card(template, params.model_copy(update={"train": base}), found)["modelParameters"]

    assert said["modelArchitecture"] == "logistic, c 1.0, monotone in income <€> (increasing)"


def test_each_limit_on_groups_has_a_fairness_assessment(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    (said,) = card(template, params, found)["considerations"]["fairnessAssessments"]
    (finding,) = [each for each in found.verdict.findings if each.limit == "four-fifths"]

    assert said["groupAtRisk"] == "sex: Female, Male"
    assert said["benefits"] == params.policy.goal
    assert said["harms"] == f"A floor. {finding.text}"
    assert said["mitigationStrategy"] == (
        "Limit four-fifths (gate): selection_rate_ratio by sex at least 0.8. "
        f"Nothing was done by this attribute in training. Price: {params.policy.price}"
    )


def test_mitigation_in_training_is_told_where_it_was_by_that_attribute(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    steps = [Step(attribute=name, constraint="demographic_parity", strength=1.4) for name in ("sex", "race")]
    chosen = found.model.chosen.model_copy(update={"mitigation": steps, "margin": 0.1})
    found = replace(found, model=found.model.model_copy(update={"chosen": chosen}))
    (said,) = card(template, params, found)["considerations"]["fairnessAssessments"]

    assert (
        "Trained with demographic parity at strength 1.4. The threshold keeps the limits"
        in (said["mitigationStrategy"])
    )


def test_what_was_let_through_and_what_is_not_shown_is_said(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    (finding,) = [each for each in found.verdict.findings if each.limit == "four-fifths"]
    changed = {"outcome": "insufficient evidence", "waived_by": "B. Oss until 2027-01-01: known"}
    others = [each for each in found.verdict.findings if each is not finding]
    verdict = found.verdict.model_copy(update={"findings": (*others, finding.model_copy(update=changed))})
    found = replace(found, verdict=verdict)
    said = card(template, params, found)["considerations"]

    assert {
        "name": "four-fifths: insufficient evidence, let through",
        "mitigationStrategy": "B. Oss until 2027-01-01: known",
    } in said["ethicalConsiderations"]
    assert "four-fifths: 1 of 1 comparisons are not shown to be met." in said["technicalLimitations"]
    assert "Not shown to be met in 1 of 1 comparisons: " in said["fairnessAssessments"][0]["harms"]


def test_small_groups_withheld_columns_and_uses_are_said(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    groups = found.measurements.groups["sex"]
    few = groups | {"Female": groups["Female"].model_copy(update={"rows": 7})}
    found = replace(found, measurements=found.measurements.model_copy(update={"groups": {"sex": few}}))
    said = card(template, params, found)["considerations"]

    assert "By sex, groups with fewer than 200 test rows: Female (7)." in said["technicalLimitations"]
    assert said["technicalLimitations"][0] == f"Out of scope: {params.project.out_of_scope}"
    assert said["useCases"] == [params.project.intended_use]
    assert said["users"] == [f"{params.project.owner}, answering for its use"]
    assert said["ethicalConsiderations"][1]["mitigationStrategy"].startswith(
        "Withheld from the model: sex (protected)."
    )


def test_energy_is_said_as_measured_and_nothing_is_said_without_a_measurement(
    template: Path, params: Params, found: ModelDocuments, tools: Path
) -> None:
    cost = EnvironmentalCost(of="made-up", training_kwh=0.25, training_co2_g=90.5, how="By a meter.")
    with_cost = params.model_copy(
        update={"release": params.release.model_copy(update={"environmental_cost": cost})}
    )
    without = params.model_copy(
        update={"release": params.release.model_copy(update={"environmental_cost": None})}
    )
    component = made(template, with_cost, found)
    said = component["modelCard"]["considerations"]["environmentalConsiderations"]
    (training,) = said["energyConsumptions"]

    assert training["activity"] == "training"
    assert training["activityEnergyCost"] == {"value": 0.25, "unit": "kWh"}
    assert training["co2CostEquivalent"] == {"value": 0.0000905, "unit": "tCO2eq"}
    assert said["properties"] == [{"name": "fairmark:how", "value": "By a meter."}]
    assert [str(each) for each in validator(tools).iter_errors(whole(component))] == []
    assert "environmentalConsiderations" not in card(template, without, found)["considerations"]


def test_a_table_is_data_with_its_governance_and_its_personal_columns(params: Params, tools: Path) -> None:
    part = data_component("data/people.csv", "0" * 32, "1" * 64, params).to_json()
    (said,) = part["data"]
    roles = params.release.governance

    assert part["hashes"] == [{"alg": "MD5", "content": "0" * 32}, {"alg": "SHA-256", "content": "1" * 64}]
    assert part["licenses"] == [{"license": {"id": "CC0-1.0", "acknowledgement": "declared"}}]
    assert said["governance"] == {
        "custodians": [{"organization": {"name": roles.custodian}}],
        "stewards": [{"organization": {"name": roles.steward}}],
        "owners": [{"organization": {"name": roles.owner}}],
    }
    assert (said["classification"], said["sensitiveData"]) == ("personal data", ["sex"])
    assert [str(each) for each in validator(tools).iter_errors(whole(part))] == []


def test_what_lies_beside_the_tables_is_no_data_set(params: Params) -> None:
    part = data_component("data/DATASHEET.md", "0" * 32, "1" * 64, params).to_json()

    assert part["data"][0]["type"] == "other"
    assert "sensitiveData" not in part["data"][0]
    assert is_table("data/people.csv", params)
    assert not is_table("data/old-people.csv", params)


def test_protected_columns_are_personal_without_being_named(params: Params) -> None:
    unnamed = params.model_copy(update={"privacy": params.privacy.model_copy(update={"personal": ["job"]})})

    assert sensitive(unnamed) == ["job", "sex"]


def test_terms_of_data_in_words_stay_words(params: Params) -> None:
    terms = params.model_copy(
        update={"project": params.project.model_copy(update={"data_licence": "ask the owner"})}
    )

    part = data_component("data/a", "", "", terms).to_json()

    assert part["licenses"] == [{"license": {"name": "ask the owner"}}]


def test_thresholds_of_groups_are_properties_of_their_own(
    template: Path, params: Params, found: ModelDocuments
) -> None:
    own = GroupThresholds(
        attribute="sex",
        constraint="demographic_parity",
        origins=[Origin(column="sex", kind="categorical", edges=None, pair=None)],
        groups={"Male": 0.625, "Female": 0.25},
    )
    switched = replace(found, model=found.model.model_copy(update={"thresholds": own}))

    plain, told = (
        {each["name"]: each["value"] for each in made(template, params, facts)["properties"]}
        for facts in (found, switched)
    )

    assert {name: told[name] for name in told.keys() - plain.keys()} == {
        "fairmark:threshold:sex: Female": "0.25",
        "fairmark:threshold:sex: Male": "0.625",
    }
