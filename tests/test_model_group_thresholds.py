"""Groups are told from raw columns as `prepare` tells them, and who has no threshold has the common one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from people_table import FEATURES, SCHEMA, TRAIN, chosen, frames, limit, policy
from schemas import attribute, schema, withheld
from tiny_tables import made

from fairmark.data.schema import Schema, is_unknown
from fairmark.data.split import Parts
from fairmark.errors import InputError, ParamsError
from fairmark.files import read_json, write_json
from fairmark.learn.fit import fit_model
from fairmark.learn.policy_limits import Limits, Rows
from fairmark.model.group_thresholds import GroupThresholds, Origin, origins
from fairmark.model.model import Model
from fairmark.params.learn import ByGroup, Threshold
from fairmark.params.parse import typed
from fairmark.params.policy import Policy
from fairmark.stats.confusion import as_one_threshold, matrices_by_threshold
from fairmark.stats.rates import values_of

HEADER = "age,job,sex,own,born,wage,ok"
LINES = [
    "30,cook,F,yes,1990-01-31,10,yes",
    "41,smith,M,no,1985-02-01,10.5,no",
    "?,cook,?,?,?,?,yes",
    "65,clerk,F,no,1961-03-04,7,no",
    "25,cook,M,yes,2001-05-06,10,yes",
]
PROTECTED: dict[str, Any] = {
    "sex": {"by": "column", "column": "sex"},
    "band": {"by": "edges", "column": "age", "edges": [25, 64.5]},
    "owner": {"by": "column", "column": "own"},
    "day": {"by": "column", "column": "born"},
    "pay": {"by": "column", "column": "wage"},
    "all": {"by": "cross", "of": ["sex", "band", "owner"]},
    "twice": {"by": "cross", "of": ["pay", "sex"]},
}


def prepared(folder: Path) -> Any:
    text = "".join(f"{line}\n" for line in [HEADER, *LINES])
    columns = {"age": {"kind": "numeric", "min": 16, "max": 120, "missing": 0.5}}
    return made(folder, text, columns=columns, protected=PROTECTED)


def own(attribute: str, schema: Schema, **groups: float) -> GroupThresholds:
    return GroupThresholds(
        attribute=attribute,
        constraint="demographic_parity",
        origins=origins(schema, attribute),
        groups=groups or {"a": 0.1, "b": 0.2},
    )


@pytest.mark.parametrize("attribute", list(PROTECTED))
def test_raw_columns_tell_the_groups_of_the_evidence(tmp_path: Path, attribute: str) -> None:
    found = prepared(tmp_path)
    raw = found.evidence[[name for name in found.evidence if name.startswith("withheld:")]]
    raw = raw.rename(columns=lambda name: name.removeprefix("withheld:"))

    by_raw = own(attribute, found.schema).groups_of(raw)

    assert by_raw.tolist() == found.evidence[attribute].tolist()


def test_what_a_service_sends_tells_them_too(tmp_path: Path) -> None:
    found = prepared(tmp_path)
    sent = pd.DataFrame({"sex": ["F", None, "X"], "age": [64, np.nan, 99], "own": [True, None, False]})

    by_raw = own("all", found.schema).groups_of(sent.astype({"own": "object"}))

    assert by_raw.tolist() == ["F & 25 to <64.5 & yes", "missing & missing & missing", "X & >=64.5 & no"]


def test_the_schema_says_more_of_an_attribute_only_where_columns_do_not_say_it(tmp_path: Path) -> None:
    attributes = prepared(tmp_path).schema.to_json()["attributes"]

    assert "parts" not in attributes["sex"]
    assert "parts" not in attributes["twice"]
    assert attributes["band"]["parts"] == [{"column": "age", "edges": [25, 64.5], "pair": None}]
    assert [part["pair"] for part in attributes["all"]["parts"]] == [None, None, ["yes", "no"]]


@pytest.mark.parametrize(
    ("column", "values", "match"),
    [
        ("age", ["old"], "table: age: must hold values of kind numeric"),
        ("age", [np.inf], "age: must hold values of kind numeric, got a number without end"),
        ("age", [True], "age: must hold values of kind numeric, got bool"),
        ("own", ["maybe"], "own: must hold values of kind boolean"),
        (
            "sex",
            None,
            "must hold sex, age, own, because this model decides by a threshold for each group of all",
        ),
    ],
)
def test_what_tells_no_group_is_refused(tmp_path: Path, column: str, values: Any, match: str) -> None:
    sent = pd.DataFrame({"sex": ["F"], "age": [64], "own": [True]})
    sent = sent.drop(columns=column) if values is None else sent.assign(**{column: values})

    with pytest.raises(InputError, match=match):
        own("all", prepared(tmp_path).schema).groups_of(sent)


AGE = withheld("age", "numeric")


@pytest.mark.parametrize(
    ("described", "match"),
    [
        (schema(), "must hold the attribute sex, got"),
        (schema(attributes={"sex": attribute("sex", ["F"])}, withheld=()), "must say what it is made from"),
        (
            schema(attributes={"sex": attribute("age", ["F"], by="edges")}, withheld=(AGE,)),
            "must say what it is made from",
        ),
    ],
)
def test_a_schema_that_does_not_say_it_is_refused(described: Schema, match: str) -> None:
    with pytest.raises(InputError, match=match):
        origins(described, "sex")


def test_unlisted_groups_have_the_common_threshold() -> None:
    group = pd.Series(["a", "b", "c", "missing", None, "a"], dtype="str")
    found = own("side", SCHEMA, a=0.25, b=0.75)

    assert found.of(group, 0.5).tolist() == [0.25, 0.75, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("group", ["missing", "missing & x", "x & missing", "a & missing & b"])
def test_those_who_are_not_known_never_have_a_threshold_of_their_own(group: str) -> None:
    assert is_unknown(group)
    assert not is_unknown("missing persons")
    with pytest.raises(ParamsError, match="must have no threshold for values that are not known"):
        typed(
            GroupThresholds,
            own("side", SCHEMA, a=0.1, b=0.2).model_dump() | {"groups": {"a": 1, group: 0}},
            "x",
        )


def test_marks_decide_each_row_by_its_threshold() -> None:
    score, bars = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0.1, 0.5, 0.7, 0.8])
    label, code = np.array([1, 1, 0, 1], dtype=np.int8), np.zeros(4, dtype=np.intp)

    marked, cut = as_one_threshold(score, bars)

    assert values_of(
        matrices_by_threshold(marked, label, np.ones(4), code, 1, cut), "selection_rate"
    ).tolist() == [[0.5]]
    assert as_one_threshold(score, 0.5)[0] is score


# ------------------------------------------------------------------ a model with thresholds of groups' own

TABLE, EVIDENCE, BELONGS = frames(2400)
PARTS = Parts(SCHEMA, TABLE, EVIDENCE, BELONGS["part"])
LIMIT = limit("selection_rate_ratio", "side", at_least=0.7)
BASE = TRAIN.model_copy(
    update={
        "threshold": Threshold(
            maximise="accuracy", by=ByGroup(attribute="side", constraint="demographic_parity")
        )
    }
)


def allowed(**changes: Any) -> Policy:
    return policy(LIMIT).model_copy(update={"protected_at_prediction": ["side"], **changes})


MODEL = fit_model(PARTS, chosen(margin=0.1), BASE, allowed())


def raw(rows: int = len(TABLE)) -> pd.DataFrame:
    side = EVIDENCE["side"].where(EVIDENCE["side"] != "missing")
    return TABLE.assign(side=side)[:rows]


def test_validation_rows_keep_the_limit_with_the_margin_and_one_threshold_does_not() -> None:
    table, evidence = PARTS.part("valid")
    rows = Rows(table["_label"].to_numpy(), table["_weight"].to_numpy(), evidence[["side"]])
    known = Limits(allowed(), rows, 0.1)
    score = MODEL.score(table)
    plain = fit_model(PARTS, chosen(margin=None), TRAIN, policy(LIMIT))

    assert min(known.slacks(score, MODEL.cut(evidence)).values()) >= 0
    assert min(known.slacks(score, plain.threshold).values()) < 0
    assert MODEL.own is not None
    assert sorted(MODEL.own.groups) == ["left", "right"]


def test_the_score_is_that_of_the_model_without_them() -> None:
    plain = fit_model(PARTS, chosen(margin=0.1), TRAIN, policy(LIMIT))

    assert plain.own is None
    assert np.array_equal(plain.score(TABLE), MODEL.score(TABLE))
    assert plain.threshold == MODEL.threshold
    assert not np.array_equal(plain.decide(TABLE), MODEL.decide(TABLE, EVIDENCE))


def test_raw_columns_and_the_evidence_decide_alike() -> None:
    decided = MODEL.decide(TABLE, EVIDENCE)

    assert np.array_equal(MODEL.decide(raw()), decided)
    assert MODEL.own is not None
    for side, cut in {**MODEL.own.groups, "missing": MODEL.threshold}.items():
        mine = (EVIDENCE["side"] == side).to_numpy()
        assert np.array_equal(decided[mine] == 1, MODEL.score(TABLE)[mine] >= cut)


def test_no_row_is_decided_without_its_group() -> None:
    with pytest.raises(
        InputError, match=r"table: must hold side, because this model decides .* got none of \['side'\]"
    ):
        MODEL.decide(TABLE)
    with pytest.raises(InputError, match="evidence: must tell the side of each row"):
        MODEL.cut(EVIDENCE[["age"]])
    with pytest.raises(InputError, match="evidence: must tell the side of each row"):
        MODEL.cut(None)


def test_a_loaded_model_decides_as_the_saved_one(tmp_path: Path) -> None:
    MODEL.save(tmp_path)
    again = Model.load(tmp_path)

    assert again.own == MODEL.own
    assert np.array_equal(again.decide(raw()), MODEL.decide(raw()))
    assert again.stated == {
        "threshold": MODEL.threshold,
        "thresholds": read_json(tmp_path / "model.json")["thresholds"],
    }


def test_a_model_without_them_does_not_speak_of_them(tmp_path: Path) -> None:
    plain = fit_model(PARTS, chosen(margin=0.1), TRAIN, policy(LIMIT))
    plain.save(tmp_path)

    assert "thresholds" not in read_json(tmp_path / "model.json")
    assert plain.stated == {"threshold": plain.threshold}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"groups": {"left": 0.5}}, "thresholds.groups"),
        ({"groups": {"left": 0.5, "right": None}}, "thresholds.groups.right"),
        ({"groups": {"left": 0.5, "missing": 0.4}}, "must have no threshold for values that are not known"),
        ({"constraint": "whatever"}, "thresholds.constraint"),
        ({"origins": []}, "thresholds.origins"),
        (
            {"origins": [Origin(column="skill", kind="numeric", edges=[0.0], pair=None).model_dump()]},
            "by a feature",
        ),
        ({"lots": 0.5}, "thresholds.lots: must be a known key"),
    ],
)
def test_thresholds_of_another_shape_are_not_loaded(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    MODEL.save(tmp_path)
    found = read_json(tmp_path / "model.json")
    write_json(tmp_path / "model.json", found | {"thresholds": found["thresholds"] | change})

    with pytest.raises(InputError, match=match):
        Model.load(tmp_path)


def test_a_policy_that_does_not_name_the_attribute_is_obeyed_even_by_a_fit() -> None:
    with pytest.raises(
        ParamsError, match=r"must be named in policy.protected_at_prediction.*got 'side' and \[\]"
    ):
        fit_model(PARTS, chosen(margin=0.1), BASE, policy(LIMIT))


def test_a_choice_that_looks_at_quality_alone_has_one_threshold() -> None:
    assert fit_model(PARTS, chosen(margin=None), BASE, allowed()).own is None


def test_groups_that_are_too_small_share_the_common_threshold() -> None:
    assert fit_model(PARTS, chosen(margin=0.1), BASE, allowed(min_group_rows=400)).own is None


def test_the_features_never_hold_what_tells_the_group() -> None:
    assert MODEL.own is not None
    assert not set(MODEL.own.columns) & {feature.name for feature in FEATURES}
