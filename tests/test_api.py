"""The front door: what it measures and judges, and that it loads a release that was verified and no other."""

import datetime as dt
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame, selection_rate
from maker_and_forger import FORGER, MINE
from release_folder import model, rows

from fairmark import api
from fairmark.api import load_release
from fairmark.errors import FairmarkError, InputError, ParamsError, VerificationError
from fairmark.params.policy import Findings
from fairmark.signing.keys import PublicKey

pytest_plugins = ("release_fixtures",)

pytestmark = pytest.mark.slow

PARAMS = Path(__file__).parents[1] / "params.yaml"


def _file(folder: Path, key: PublicKey) -> Path:
    path = folder / "public.key"
    path.write_text(key.ssh + "\n")
    return path


def test_a_verified_release_scores_raw_rows_as_its_model_does(small_release: Path, tmp_path: Path) -> None:
    loaded = load_release(small_release, _file(tmp_path, MINE.public))

    raw = rows().astype(object)
    raw["home"] = np.array([" own", "rent ", "own", None], dtype=object)
    np.testing.assert_array_equal(loaded.predict_proba(raw)[:, 1], model().score(rows()))
    np.testing.assert_array_equal(loaded.predict(raw), model().decide(rows()))
    assert loaded.classes_.tolist() == [0, 1]
    with pytest.raises(InputError, match="row 2: column income <€>: must be a finite number, got 'much'"):
        loaded.predict(raw.assign(**{"income <€>": pd.Series([1, "much", 2, 3], dtype=object)}))


def test_an_archive_is_loaded_too(small_release: Path, tmp_path: Path) -> None:
    folder = small_release
    packed = shutil.make_archive(str(tmp_path / folder.name), "zip", folder.parent, folder.name)

    loaded = load_release(packed, _file(tmp_path, MINE.public))

    np.testing.assert_array_equal(loaded.predict(rows()), model().decide(rows()))


@pytest.mark.parametrize("name", ["model/model.json", "model/encoder.json", "schema.json", "params.yaml"])
def test_nothing_of_a_release_that_was_changed_is_loaded(
    small_release: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.Model, "load", lambda *_: pytest.fail("loaded"))
    (small_release / name).write_text((small_release / name).read_text() + "\n")

    with pytest.raises(VerificationError, match="must be what was released before it is loaded"):
        load_release(small_release, _file(tmp_path, MINE.public))


def test_nothing_of_a_release_by_another_key_is_loaded(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.Model, "load", lambda *_: pytest.fail("loaded"))

    with pytest.raises(FairmarkError, match=r"seal statement\.json"):
        load_release(small_release, _file(tmp_path, FORGER.public))


LABEL = np.array([1, 1, 0, 0] * 250)
DECISION = np.array([1, 0, 0, 0] * 200 + [1, 1, 1, 0] * 50)
SEX = np.array(["F", "M"] * 500)
LIMIT = {
    "name": "four-fifths", "measure": "selection_rate_ratio", "attribute": "sex", "at_least": 0.8,
    "at_most": None, "gate": True, "reason": "the four-fifths rule",
}  # fmt: skip
NONE = dict.fromkeys(Findings.model_fields)
POLICY = {
    "goal": "g", "price": "p", "level": 0.05, "correction": "intersection-union", "budget": None,
    "bounds": {"losses": "betting", "auc": "placements", "rates": "gaffke"},
    "min_group_rows": 10,
    "protected_at_prediction": [], "findings": NONE, "limits": [LIMIT], "waivers": [], "overrides": [],
    "overlays": [], "alternatives": None,
    "constant_answer": {"measures": ["accuracy"], "at_least": 0.0, "not_required": "shown elsewhere"},
}  # fmt: skip


def test_what_is_measured_is_what_fairlearn_measures() -> None:
    found = api.measure(LABEL, DECISION, groups={"sex": SEX})

    beside = MetricFrame(metrics=selection_rate, y_true=LABEL, y_pred=DECISION, sensitive_features=SEX)
    ratio = found.disparities["sex"]["selection_rate_ratio"].value
    assert ratio == pytest.approx(beside.ratio(), abs=1e-12)
    assert {name: each.measures["selection_rate"].value for name, each in found.groups["sex"].items()} == (
        pytest.approx(beside.by_group.to_dict())
    )


def test_decisions_of_any_model_are_judged_by_a_policy() -> None:
    far = np.where(SEX == "F", 1, DECISION)

    assert api.judge(LABEL, far, groups={"sex": SEX}, policy=POLICY).state == "fail"
    equal = np.tile([1, 1, 0, 0], 250)
    assert api.judge(LABEL, equal, groups={"sex": SEX}, policy=POLICY).state == "pass"


def test_a_finding_that_decisions_can_not_answer_is_no_pass() -> None:
    policy = POLICY | {"findings": NONE | {"column_auc": 0.95}}

    verdict = api.judge(LABEL, np.tile([1, 1, 0, 0], 250), groups={"sex": SEX}, policy=policy)

    assert verdict.state == "insufficient evidence"
    assert any("decisions alone were given" in finding.text for finding in verdict.findings)


def test_what_a_policy_asks_for_and_nobody_gave_is_named_at_once() -> None:
    auc = LIMIT | {"name": "ranking", "measure": "roc_auc", "attribute": None, "at_least": 0.7}

    with pytest.raises(InputError) as caught:
        api.judge(LABEL, DECISION, groups={"race": SEX}, policy=POLICY | {"limits": [LIMIT, auc]})

    assert caught.value.faults == (
        "groups: must have a column for sex, which limit four-fifths asks for, got none",
        "score: must be given for limit ranking on roc_auc, got decisions alone",
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"y_true": [0, 1, 2], "y_pred": [0, 1, 1]},
            r"y_true: must be 0 or 1, .*, got \[0, 1, 2\]",
        ),
        ({"y_true": [0, 1], "y_pred": [0, 1, 1]}, "must have the shape of the labels"),
        ({"y_true": [0, 1], "y_pred": None}, "y_pred: must be given, or score, got neither"),
        (
            {"y_true": [0, 1, 1], "y_pred": [0, 1, 1], "groups": {"sex": ["F"]}},
            "groups.sex: must have 3 rows",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(given: dict[str, Any], words: str) -> None:
    groups = given.pop("groups", {"sex": ["F"] * len(given["y_true"])})

    with pytest.raises(InputError, match=words):
        api.measure(given["y_true"], given["y_pred"], groups=groups)


def test_a_missing_group_is_a_group_of_its_own() -> None:
    sex = pd.Series(["F", None, "missing"] * 4)

    found = api.measure([0, 1, 1] * 4, [0, 1, 0] * 4, groups=pd.DataFrame({"sex": sex}))

    assert set(found.groups["sex"]) == {"F", "missing", '"missing"'}


def test_a_table_is_audited_before_anything_is_learnt() -> None:
    rows = np.random.default_rng(1)
    sex = rows.choice(["F", "M"], 600)
    frame = pd.DataFrame({
        "height": np.where(sex == "M", 180.0, 165.0) + rows.normal(0, 2, 600),
        "age": rows.integers(18, 80, 600),
        "sex": sex,
        "hired": rows.integers(0, 2, 600),
    })  # fmt: skip

    found = api.audit(frame, target="hired", positive=1, protected=["sex"], settings=PARAMS)

    assert found.rows == 600
    assert [each.column for each in found.proxies] == ["height"]


def test_importing_fairmark_imports_next_to_nothing() -> None:
    code = "import sys, fairmark; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"numpy", "pandas", "pydantic", "scipy", "fairmark.api"} & set(loaded.split())


def test_each_claim_of_a_release_is_given_with_whether_it_holds(small_release: Path, tmp_path: Path) -> None:
    facts = api.verify(small_release, _file(tmp_path, MINE.public))

    assert all(fact.held for fact in facts if fact.asked)


def test_the_page_of_the_front_door_runs_as_it_is_written(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
    first = page.split("```python\n")[1].split("```")[0]

    done = subprocess.run(
        [sys.executable, "-c", first], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout.split("\n")[0] == "pass"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"groups": SEX}, "groups: must be a table, a series or a mapping by attribute, got ndarray"),
        ({"groups": {"sex": np.c_[SEX, SEX]}}, "groups.sex: must have one cell a row, got 2 dimensions"),
        ({"groups": pd.DataFrame(np.c_[SEX, SEX], columns=["sex", "sex"])}, "must be given once, got 2"),
        ({"score": ["a"] * 1000}, "score: must be numbers, one for each row"),
        ({"weight": ["a"] * 1000}, "weight: must be numbers, one for each row"),
        ({"weight": np.full(1000, 1e-320)}, "weight: must be a number > 0 of a size that can be squared"),
        ({"weight": np.full(1000, 1e308)}, "weight: must be a number > 0 of a size that can be squared"),
        ({"person": np.arange(999)}, r"person: must have the shape of the labels \(1000,\), got \(999,\)"),
        ({"person": np.full(1000, np.nan)}, "person: must be given for every row, got none for 1000 of"),
        ({"confidence": 1}, "confidence: must lie between 0 and 1, got 1"),
        ({"confidence": float("nan")}, "confidence: must lie between 0 and 1, got nan"),
        ({"threshold": float("nan")}, "threshold: must be a finite number, got nan"),
        ({"replicates": 0}, "replicates: must be a whole number of at least 2, got 0"),
        ({"bins": 0}, "bins: must be a whole number of at least 1, got 0"),
        ({"seed": None}, "seed: must be a whole number of at least 0, got None"),
    ],
)
def test_what_can_not_be_measured_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        api.measure(LABEL, DECISION, **dict[str, Any](groups={"sex": SEX}) | given)


def test_labels_are_read_from_every_column_that_holds_0_and_1() -> None:
    wanted = api.measure(LABEL, DECISION, groups={"sex": SEX})

    for kind in ("bool", "object", "Int64", "boolean", "category", "float32"):
        label = pd.Series(LABEL, index=range(7, 1007)).astype(kind)
        assert api.measure(label, DECISION, groups={"sex": SEX}) == wanted, kind


@pytest.mark.parametrize("policy", [None, 3, [LIMIT]])
def test_a_policy_of_no_kind_is_refused(policy: Any) -> None:
    with pytest.raises(InputError, match="policy: must be a policy, a mapping or a path, got"):
        api.read_policy(policy)


def test_a_folder_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be a readable file, got Is a directory"):
        api.read_policy(tmp_path)


@pytest.mark.parametrize(
    ("column", "options", "words"),
    [
        ([1, "a"], {}, "frame: must hold columns of one kind each"),
        ([1j, 2j], {}, "frame: must hold columns of one kind each"),
        ([1, np.inf], {}, "^frame: rows 2, 4, .*column x: must be a finite number"),
        ([1, 2], {"positive": pd.Timestamp("2020-01-01")}, "target: must be texts, numbers or booleans"),
    ],
)
def test_a_frame_that_can_not_be_audited_is_refused(
    column: list[Any], options: dict[str, Any], words: str
) -> None:
    frame = pd.DataFrame({"y": LABEL, "sex": SEX, "x": column * 500})

    with pytest.raises(InputError, match=words):
        api.audit(
            frame, **dict[str, Any](target="y", positive=1, protected=["sex"], settings=PARAMS) | options
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, "settings: must be the section audit, a mapping or a path, got NoneType"),
        ({"seed": -1, "folds": 1}, "settings: seed: must be greater than or equal to 0, got -1"),
        ({}, "settings: proxy_auc: must be given, got nothing"),
    ],
)
def test_settings_that_are_none_make_no_audit(settings: Any, words: str) -> None:
    frame = pd.DataFrame({"y": LABEL, "sex": SEX})

    with pytest.raises(InputError if settings is None else ParamsError, match=words):
        api.audit(frame, target="y", positive=1, protected=["sex"], settings=settings)


def test_the_settings_say_when_a_column_stands_out() -> None:
    frame = pd.DataFrame({"y": LABEL, "sex": SEX, "x": np.where(SEX == "F", 1, 2)})
    strict = {"seed": 0, "proxy_auc": 1.0, "leakage_auc": 1.0, "folds": 2, "min_group_rows": 1}
    loose = strict | {"leakage_auc": 0.5}

    for settings, suspects in ((strict, set()), (loose, {"x", "sex"})):
        found = api.audit(
            frame, target="y", positive=1, protected=["sex"], settings=settings | {"personal_share": 0.5}
        )
        assert {each.column for each in found.leakage} == suspects


@pytest.mark.parametrize("today", ["2026-01-01", 20260101, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)])
def test_a_day_that_is_none_is_refused(today: Any) -> None:
    with pytest.raises(InputError, match=r"today: must be a datetime\.date, or None, got"):
        api.judge(LABEL, DECISION, groups={"sex": SEX}, policy=PARAMS, today=today)


def test_a_frame_with_a_name_twice_is_refused() -> None:
    frame = pd.DataFrame(np.c_[LABEL, LABEL], columns=["y", "y"])

    with pytest.raises(InputError, match="must be a DataFrame that names each column once, got y twice"):
        api.audit(frame, target="y", positive=1, protected=["y"], settings=PARAMS)


@pytest.mark.parametrize("weight", [np.full(1000, np.nan), -np.ones(1000), np.ones(3), ["a"] * 1000])
def test_weights_that_are_none_make_no_metric_frame(weight: Any) -> None:
    with pytest.raises(InputError, match="sample_weight: must"):
        api.metric_frame(LABEL, DECISION, SEX, sample_weight=weight)


def test_rows_that_do_not_fit_make_no_metric_frame() -> None:
    with pytest.raises(InputError, match="y_pred: must have a row for each of y_true"):
        api.metric_frame(LABEL, DECISION[1:], SEX)
    with pytest.raises(InputError, match="sensitive_features: must be a group for each row"):
        api.metric_frame(LABEL, DECISION, SEX[1:])


def test_two_values_with_one_spelling_are_not_taken_for_one_group() -> None:
    with pytest.raises(InputError, match="must be values that are written in different ways, got 1 and '1'"):
        api.measure([0, 1], [0, 1], groups={"site": np.array([1, "1"], dtype=object)})
