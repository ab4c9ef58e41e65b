"""Made-up trees are refused before LightGBM reads them, whose reader believes every number it meets."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_learn_fit_boosted import MODEL

from fairmark.errors import InputError
from fairmark.model.boosted_trees import END, REST, check

FEATURES = 5
ODD = [
    "0",
    "-1",
    "2",
    "7",
    "-7",
    "100",
    "1000000",
    "2147483647",
    "-2147483648",
    "4294967296",
    "nan",
    "inf",
    "",
    "x",
]


def few(text: str, count: int) -> str:
    """Return model text with its first trees alone."""
    head, rest = text.split("\n\n", 1)
    trees = [f"Tree={tree}" for tree in rest[: rest.index(END)].split("Tree=")[1 : count + 1]]
    return sized(head, trees) + REST


def sized(head: str, trees: list[str]) -> str:
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub("tree_sizes=.*", f"tree_sizes={sizes}", head) + "\n\n" + "".join(trees)


SMALL = few(MODEL.text, 3)


def changed(line: str, to: str) -> str:
    """Return `SMALL` with the first line of a key replaced, and its sizes as they are then."""
    text = re.sub(f"^{line}=.*$", f"{line}={to}", SMALL, count=1, flags=re.MULTILINE)
    assert text != SMALL
    head, rest = text.split("\n\n", 1)
    return sized(head, [f"Tree={tree}" for tree in rest[: rest.index(END)].split("Tree=")[1:]]) + REST


def values(line: str) -> list[str]:
    found = re.search(f"^{line}=(.*)$", SMALL, flags=re.MULTILINE)
    assert found is not None
    return found[1].split()


def test_what_lightgbm_wrote_is_taken() -> None:
    check(MODEL.text, FEATURES)
    check(SMALL, FEATURES)


def test_a_tree_of_one_leaf_is_taken() -> None:
    import lightgbm as lgb

    rows = np.arange(40.0).reshape(20, 2)
    quiet = {"objective": "binary", "verbose": -1, "min_data_in_leaf": 30, "num_threads": 1}
    text = lgb.train(quiet, lgb.Dataset(rows, np.arange(20) % 2), 1).model_to_string()

    assert "num_leaves=1\n" in text
    check(text, 2)


@pytest.mark.parametrize(
    ("line", "to"),
    [
        ("num_leaves", "2147483647"),
        ("num_leaves", "-1"),
        ("num_leaves", "0"),
        ("num_cat", "1000000"),
        ("split_feature", " ".join(["5"] * len(values("split_feature")))),
        ("split_feature", " ".join(["-1"] * len(values("split_feature")))),
        ("left_child", " ".join(values("left_child")[:-1])),
        ("left_child", " ".join([*values("left_child")[:-1], "100000"])),
        ("left_child", " ".join(["0", *values("left_child")[1:]])),
        ("right_child", " ".join(values("left_child"))),
        ("leaf_value", " ".join(values("leaf_value")[:-1])),
        ("leaf_value", " ".join(["nan", *values("leaf_value")[1:]])),
        ("leaf_value", " ".join(["1e999", *values("leaf_value")[1:]])),
        ("threshold", ""),
        ("decision_type", " ".join(["3"] * len(values("decision_type")))),
        ("decision_type", " ".join(["200"] * len(values("decision_type")))),
        ("is_linear", "1"),
        ("shrinkage", "x"),
        ("version", "v3"),
        ("num_class", "1000000"),
        ("num_tree_per_iteration", "0"),
        ("objective", "custom"),
        ("feature_infos", "none"),
    ],
)
def test_a_line_that_does_not_fit_the_others_is_refused(line: str, to: str) -> None:
    with pytest.raises(InputError, match=r"booster\.txt: must be LightGBM's model text with"):
        check(changed(line, to), FEATURES)


@pytest.mark.parametrize(
    "text",
    [
        SMALL[: -len(REST)],
        SMALL[: len(SMALL) // 2],
        SMALL.replace("tree_sizes=", "tree_sizes=1"),
        SMALL.replace("Tree=1", "Tree=2", 1),
        SMALL.replace("num_cat=", "num_dog=", 1),
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("shrinkage", "shrink\0age", 1),
        SMALL + END,
        "",
    ],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"booster\.txt: must be"):
        check(text, FEATURES)


def mutated(seed: int) -> str:
    """Return `SMALL` with some lines cut, repeated, shuffled or given odd numbers; often of fitting sizes."""
    draw = random.Random(seed)  # noqa: S311 - accidents, not secrets
    lines = SMALL.split("\n")
    for _ in range(draw.choice([1, 1, 2, 3])):
        at = draw.randrange(len(lines))
        key, sign, rest = lines[at].partition("=")
        words = rest.split(" ")
        match draw.randrange(6):
            case 0:
                lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
            case 1:
                lines.insert(at, draw.choice(lines))
            case 2:
                draw.shuffle(words)
                lines[at] = key + sign + " ".join(words)
            case _:
                words[draw.randrange(len(words))] = draw.choice(ODD)
                lines[at] = key + sign + " ".join(words)
    text = "\n".join(lines)
    if draw.random() < 0.7 and END in text and "\n\n" in text:
        head, rest = text.split("\n\n", 1)
        if END in rest:
            return sized(head, [f"Tree={tree}" for tree in rest[: rest.index(END)].split("Tree=")[1:]]) + REST
    return text


def scored(first: int, count: int) -> tuple[int, int]:
    """Return how many mutated texts were refused, and how many LightGBM read and scored with."""
    import lightgbm as lgb

    rows = np.random.default_rng(0).normal(size=(50, FEATURES)) * 100
    rows[0], rows[1], rows[2] = np.nan, np.inf, 1e9
    refused = 0
    for seed in range(first, first + count):
        text = mutated(seed)
        try:
            check(text, FEATURES)
        except InputError:
            refused += 1
            continue
        booster = lgb.Booster(model_str=text.partition(END)[0] + REST)
        booster.predict(rows, raw_score=True, num_threads=1)
        booster.predict(rows, pred_contrib=True, num_threads=1)
    return refused, count - refused


@pytest.mark.parametrize("count", [500, pytest.param(20_000, marks=pytest.mark.proof)])
def test_what_is_taken_never_ends_the_process(count: int) -> None:
    program = f"import test_model_lightgbm_text; print(*test_model_lightgbm_text.scored(0, {count}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONPATH": "helpers"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-500:]
    refused, taken = map(int, done.stdout.split())
    assert refused > taken > count // 20
