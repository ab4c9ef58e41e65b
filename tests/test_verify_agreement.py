"""Measurements in a release are held to every threshold of its model, those of groups' own included."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from maker_and_forger import taken
from release_folder import PARAMS, SCHEMA, measurements, model

from fairmark.errors import VerificationError
from fairmark.files import write_json, write_text
from fairmark.judge.verdict import Verdict
from fairmark.model.group_thresholds import GroupThresholds, Origin
from fairmark.params.parse import typed
from fairmark.params.policy import Policy
from fairmark.release.folder import ReleaseFolder
from fairmark.verify import consistency

OWN = GroupThresholds(
    attribute="sex",
    constraint="demographic_parity",
    origins=[Origin(column="sex", kind="categorical", edges=None, pair=None)],
    groups={"Female": 0.5, "Male": 0.5},
)


def opened(
    folder: Path, change: Callable[[Any], object] = lambda _: None, *, switch: bool = True
) -> ReleaseFolder:
    made = replace(model(), own=OWN)
    made.save(folder / "model")
    found = measurements(folder / "model").to_json()
    found["model"] |= made.stated
    change(found["model"])
    params = deepcopy(PARAMS)
    params["policy"]["protected_at_prediction"] = ["sex"] if switch else []
    write_json(folder / "measurements.json", found)
    SCHEMA.write(folder / "schema.json")
    Verdict.of("pass", [], typed(Policy, params["policy"], "policy"), None).write(folder / "verdict.json")
    write_text(folder / "params.yaml", yaml.safe_dump(params))
    return taken(folder)


def test_all_thresholds_of_the_model_are_named(tmp_path: Path) -> None:
    said = consistency.model(opened(tmp_path))

    assert said.endswith("was measured at its thresholds by sex: Female 0.5, Male 0.5")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("thresholds"),
        lambda m: m["thresholds"]["groups"].update(Male=0.6),
        lambda m: m["thresholds"].update(attribute="race"),
    ],
)
def test_measurements_at_others_are_not_those_of_the_model(
    tmp_path: Path, change: Callable[[Any], object]
) -> None:
    found = opened(tmp_path, change)

    with pytest.raises(VerificationError, match=r"measurements.json: must be at its groups' thresholds"):
        consistency.model(found)
    assert consistency.judged(found).outcome == "fail"


def test_they_are_judged_again_by_what_the_policy_allows(tmp_path: Path) -> None:
    allowed, refused = opened(tmp_path / "one"), opened(tmp_path / "two", switch=False)

    assert consistency.judged(allowed).outcome == "pass"
    assert (
        "must be by an attribute of policy.protected_at_prediction" in consistency.judged(refused).faults[0]
    )
