"""params.yaml is read whole or refused with every fault, each in one line, and never with a traceback."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairmark.errors import ParamsError
from fairmark.params.parse import read_yaml
from fairmark.params.read import read_params

ROOT = Path(__file__).resolve().parents[1]
TOLD = {"raises": "it is high", "lowers": "it is low"}


def _written(folder: Path, change: dict[str, dict[str, Any]]) -> Path:
    """Write this repository's params with some keys of some sections changed, and return the file."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, values in change.items():
        params[section] |= values
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def test_every_fault_is_told_at_once_by_its_place(tmp_path: Path) -> None:
    path = _written(
        tmp_path, {"evaluate": {"confidence": 95}, "train": {"patince": 3}, "split": {"seed": None}}
    )

    with pytest.raises(ParamsError) as told:
        read_params(path)

    assert sorted(fault.split(": ")[1] for fault in told.value.faults) == [
        "evaluate.confidence",
        "split.seed",
        "train.patince",
    ]
    assert "params.yaml: evaluate.confidence: must be less than 1, got 95" in told.value.faults


@pytest.mark.parametrize(
    ("section", "key", "value", "told"),
    [
        ("release", "approvals", {"plain": 2, "waived": 2}, r"waived must be more than plain \(2\), got 2"),
        ("policy", "protected_at_prediction", ["height"], "must be of .*'race'.*, got 'height'"),
        ("policy", "overrides", [{"limit": "nothing"}], "overrides"),
        (
            "evaluate",
            "references",
            {"groups": {"height": "tall"}, "strata": []},
            "must name attributes.*height",
        ),
        ("evaluate", "references", {"groups": {}, "strata": ["sex"]}, "strata must name features.*got sex"),
        (
            "explain",
            "texts",
            {"reviewed_by": "x", "reviewed": dt.date(2026, 11, 28), "features": {"sex": TOLD}},
            "texts.features must name features.*got sex",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    section: str, key: str, value: Any, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=told):
        read_params(_written(tmp_path, {section: {key: value}}))


BLIND: dict[str, Any] = {"blind": "training", "mitigation": [], "reweighing": [False]}
BY = {"attribute": "sex", "constraint": "demographic_parity"}
SHARES = {"attribute": "sex", "groups": {"Female": 0.9}, "others": 0.3}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"train": {"threshold": {"maximise": "accuracy", "by": BY}}},
            r"train.threshold.by must be null where",
        ),
        (
            {"split": {"test_share": SHARES}},
            "because train rows would weigh by their groups, got shares by sex",
        ),
    ],
)
def test_what_would_read_groups_in_training_is_refused_where_the_search_is_blind(
    change: dict[str, dict[str, Any]], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=told):
        read_params(_written(tmp_path, change | {"tune": BLIND}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 2026-13-45\n", "month must be in 1..12"),
        (f"a: {'9' * 5000}\n", "a number of 5000 digits"),
        ("a: 1\na: 2\n", "the key 'a' a second time"),
        ("a: [1\n", "must be plain YAML"),
        ("a: !!python/object/apply:os.system [true]\n", "must be plain YAML"),
        ("[" * 5000, "must be plain YAML"),
    ],
)
def test_a_text_that_is_no_plain_yaml_is_refused_in_words(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ParamsError, match=told):
        read_yaml(path)


@pytest.mark.parametrize("word", ["YES", "yes", "no", "on", "off", "y", "n", "1e", "0o8", "2020-01-01"])
def test_a_label_that_yaml_1_1_takes_for_something_else_is_the_text_that_it_is(
    word: str, tmp_path: Path
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace('positive: ">50K"', f"positive: {word}"), encoding="utf-8")

    assert read_params(path).prepare.target.positive == word


def test_a_number_as_dvc_writes_it_is_that_number(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(
        text.replace("confidence: 0.95", "confidence: 1e-05").replace("seed: 11", "seed: 016"), "utf-8"
    )

    params = read_params(path)

    assert params.evaluate.confidence == 0.00001
    assert params.audit.seed == 16


def test_bytes_that_are_no_text_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"a: \xff\n")

    with pytest.raises(ParamsError, match=r"params\.yaml: must be UTF-8"):
        read_yaml(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match=r"other\.yaml: must exist"):
        read_yaml(tmp_path / "other.yaml")
