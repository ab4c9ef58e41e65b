"""A registered model whose groups have thresholds of their own asks for the columns that tell the group."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from release_folder import PARAMS, SCHEMA, model, rows
from schemas import changed, withheld
from served_model import load_served

from fairmark.model.group_thresholds import GroupThresholds, Origin
from fairmark.model.model import Model
from fairmark.yaml12 import format_yaml

SEX = Origin(column="sex", kind="categorical", edges=None, pair=None)
AGE = Origin(column="age", kind="numeric", edges=[40.0], pair=None)


def own(*origins: Origin, **groups: float) -> GroupThresholds:
    return GroupThresholds(
        attribute="sex_age", constraint="demographic_parity", origins=[*origins], groups=groups
    )


OWN = replace(model(), own=own(SEX, AGE, **{"Female & <40": 0.001, "Male & >=40": 0.999}))


WITHHELD = (
    withheld("sex", categories=["Female", "Male"]),
    withheld("age", "numeric"),
)


def served(folder: Path, made: Model) -> Any:
    """Return the model as MLflow serves it."""
    changed(SCHEMA, withheld=WITHHELD).write(folder / "schema.json")
    (folder / "params.yaml").write_text(format_yaml(PARAMS), encoding="utf-8")
    made.save(folder / "model")
    return load_served(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's, about itself
def test_the_decision_of_a_service_is_that_of_the_group(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    found = served(tmp_path, OWN)
    sent = rows().assign(
        sex=pd.Series(["Female", "Male", "Male", None], dtype="str"), age=[39.0, 40.0, np.nan, 20.0]
    )

    scored = found.predict(sent)

    np.testing.assert_array_equal(scored["score"], model().score(rows()))
    bars = np.array([0.001, 0.999, 0.5, 0.5])
    np.testing.assert_array_equal(scored["decision"] == 1, scored["score"].to_numpy() >= bars)
    assert [column.name for column in found.metadata.get_input_schema()] == [*model().features, "sex", "age"]
    with pytest.raises(MlflowException, match="missing inputs"):
        found.predict(rows())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_model_of_one_threshold_asks_for_its_features_alone(tmp_path: Path) -> None:
    found = served(tmp_path, model())

    assert [column.name for column in found.metadata.get_input_schema()] == model().features
