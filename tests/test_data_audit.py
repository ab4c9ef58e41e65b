"""The audit counts who is in the data and points at what stands for a group or knows the label."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_tables import PREPARE, lines, made

from fairmark.data.audit import audited
from fairmark.params.parse import typed
from fairmark.params.prepare import Audit

PARAMS = typed(
    Audit,
    {
        "seed": 1,
        "proxy_auc": 0.7,
        "leakage_auc": 0.95,
        "folds": 3,
        "min_group_rows": 20,
        "personal_share": 0.5,
    },
    "audit",
)
MAIL = {"kind": "categorical", "values": None, "missing": 0}
CROSSED = {
    "sex": {"by": "column", "column": "sex"},
    "band": {"by": "edges", "column": "age", "edges": [40]},
    "both": {"by": "cross", "of": ["sex", "band"]},
}


def audit(folder: Path, text: str, **changes: Any) -> Any:
    # Who says a column's kind has looked at it: an address that is said to be a category gets as far as here.
    columns = {} if "mail" not in text.splitlines()[0] else {"mail": MAIL}
    found = made(folder, text, **{"columns": columns, **changes})
    return audited(found.table, found.evidence, found.schema, PARAMS).to_json()


def people(rows: int = 300) -> list[str]:
    """Return rows in which `job` nearly is the sex, `code` knows the label, and `mail` is personal."""
    draw = np.random.default_rng(5)
    found = []
    for k in range(rows):
        sex, ok = draw.choice(["F", "M"]), draw.choice(["yes", "no"])
        job = {"F": "cook", "M": "smith"}[sex] if draw.random() < 0.9 else "clerk"
        found.append(f"{draw.integers(20, 60)},{job},{sex},{ok},{ok[0]},ada{k}@example.org")
    return found


def text() -> str:
    return lines(*people(), header="age,job,sex,ok,code,mail")


def test_groups_are_counted_by_hand(tmp_path: Path) -> None:
    rows = ["30,cook,F,yes", "41,?,F,no", "52,?,M,yes", "63,clerk,?,yes"]

    found = audit(tmp_path, lines(*rows))

    assert found["rows"] == 4
    assert found["label_rate"] == 0.75
    assert found["class_balance"] == {
        "positive": 3,
        "negative": 1,
        "ratio": 0.3333333333,
        "weighted_label_rate": 0.75,
    }
    assert found["groups"]["sex"] == {
        "F": {"rows": 2, "share": 0.5, "label_rate": 0.5, "missing": 0.25, "small": True},
        "M": {"rows": 1, "share": 0.25, "label_rate": 1, "missing": 0.5, "small": True},
        "missing": {"rows": 1, "share": 0.25, "label_rate": 1, "missing": 0, "small": True},
    }


def test_a_proxy_stands_out_and_says_which_group_it_tells(tmp_path: Path) -> None:
    found = audit(tmp_path, text())

    assert [(one["attribute"], one["column"], one["withheld"]) for one in found["proxies"]] == [
        ("sex", "job", False)
    ]
    assert found["proxies"][0]["auc"] == found["associations"]["sex"]["job"] > 0.9
    assert found["proxies"][0]["group"] in {"F", "M"}


def test_a_withheld_proxy_is_told_too(tmp_path: Path) -> None:
    found = audit(tmp_path, text(), forbidden=["job"])

    assert [(one["column"], one["withheld"]) for one in found["proxies"]] == [("job", True)]


def test_a_column_that_knows_the_label_is_a_suspect(tmp_path: Path) -> None:
    found = audit(tmp_path, text())

    assert found["leakage"] == [{"column": "code", "auc": 1, "withheld": False}]
    assert found["label_power"]["age"] < 0.6


def test_an_attribute_is_not_judged_by_its_own_columns(tmp_path: Path) -> None:
    found = audit(tmp_path, text(), protected=CROSSED)

    assert "sex" not in found["associations"]["sex"]
    assert "sex" in found["associations"]["band"]
    assert not {"sex", "age"} & set(found["associations"]["both"])
    assert set(found["groups"]["both"]) == {"F & <40", "F & >=40", "M & <40", "M & >=40"}


def test_a_proxy_of_one_group_of_many_stands_out(tmp_path: Path) -> None:
    groups = ["a", "b", "c", "d"] * 60
    rows = [
        f"30,{'x' if group == 'a' else 'y'},{group},{'yes' if k % 3 else 'no'}"
        for k, group in enumerate(groups)
    ]

    found = audit(
        tmp_path, lines(*rows), columns={**PREPARE["columns"], "job": {"kind": "infer", "missing": 0}}
    )

    assert found["associations"]["sex"]["job"] < 0.8
    assert [(one["column"], one["group"], one["group_auc"]) for one in found["proxies"]] == [("job", "a", 1)]


def test_a_crossed_attribute_does_not_repeat_the_proxies_of_its_parts(tmp_path: Path) -> None:
    groups = list("abcdefgh") * 100
    rows = [
        f"{30 + 20 * (k % 7 > 3)},{'x' if group == 'a' else 'y'},{group},{'yes' if k % 3 else 'no'}"
        for k, group in enumerate(groups)
    ]

    found = audit(tmp_path, lines(*rows), protected=CROSSED)

    assert ("sex", "job") in {(one["attribute"], one["column"]) for one in found["proxies"]}
    assert "both" not in {one["attribute"] for one in found["proxies"]}


def test_tiny_groups_do_not_blur_an_association(tmp_path: Path) -> None:
    rows = [*people(), "30,cook,X,yes,y,m@example.org", "30,smith,Y,no,n,n@example.org"]

    found = audit(tmp_path, lines(*rows, header="age,job,sex,ok,code,mail"))

    assert found["associations"]["sex"]["job"] > 0.9
    assert found["groups"]["sex"]["X"]["small"]


def test_personal_data_is_told_without_its_values(tmp_path: Path) -> None:
    found = audit(tmp_path, text())

    assert found["personal"] == [{"column": "mail", "kind": "e-mail", "share": 1}]
    assert "example.org" not in json.dumps(found)


def test_a_row_id_that_is_an_address_is_told(tmp_path: Path) -> None:
    found = audit(tmp_path, text(), row_id="mail")

    assert found["personal"] == [{"column": "mail", "kind": "e-mail", "share": 1}]


def test_a_plain_row_id_is_no_personal_data(tmp_path: Path) -> None:
    rows = [f"{row.rsplit(',', 1)[0]},id{k}" for k, row in enumerate(people())]

    found = audit(tmp_path, lines(*rows, header="age,job,sex,ok,code,id"), row_id="id")

    assert found["personal"] == []


def test_weights_count_in_the_weighted_rate_alone(tmp_path: Path) -> None:
    rows = lines("30,cook,F,yes,3", "41,cook,M,no,1", header="age,job,sex,ok,w")

    found = audit(tmp_path, rows, weight="w")

    assert found["label_rate"] == 0.5
    assert found["class_balance"]["weighted_label_rate"] == 0.75


@pytest.mark.parametrize("rows", [2, 3])
def test_a_table_of_a_few_rows_is_audited(tmp_path: Path, rows: int) -> None:
    found = audit(tmp_path, lines(*["30,cook,F,yes", "31,cook,M,no", "32,smith,M,no"][:rows]))

    json.dumps(found, allow_nan=False)
    assert found["rows"] == rows
