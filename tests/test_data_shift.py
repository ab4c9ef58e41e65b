"""Parts that differ are told apart from parts that differ by chance, in words and in numbers."""

import numpy as np
import pandas as pd
import pytest
from schemas import column, schema
from scipy.stats import chi2_contingency

from fairmark.data.part_tests import shift
from fairmark.data.summaries import Distance

SCHEMA = schema([column("x"), column("job", "categorical")], {"sex": ["F", "M"]})


def drawn(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, "pd.Series[str]"]:
    """Return rows whose part has to do with nothing else."""
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "_label": draw.integers(0, 2, rows),
            "x": draw.normal(size=rows),
            "job": draw.choice(["cook", "clerk", "smith"], rows),
        }
    )
    evidence = pd.DataFrame({"sex": draw.choice(["F", "M"], rows)})
    return table, evidence, pd.Series(draw.choice(["train", "valid", "test"], rows))


def test_the_distance_by_hand() -> None:
    table = pd.DataFrame({"_label": [1, 1, 0, 0, 1, 0, 0, 0], "x": 1.0, "job": list("aaabbbbc")})
    evidence = pd.DataFrame({"sex": ["F"] * 8})
    found = shift(table, evidence, SCHEMA, pd.Series(["train"] * 4 + ["test"] * 4), 0.05).test

    assert found.label.distance == 0.25
    assert (found.label.train, found.label.here) == (0.5, 0.25)
    # a 3/4 and 0, b 1/4 and 3/4, c 0 and 1/4: half of 3/4 + 1/2 + 1/4.
    assert found.features["job"].distance == 0.75
    assert found.features["x"] == Distance(distance=0.0, p=1.0)


def test_the_chance_is_the_one_of_scipy() -> None:
    table, evidence, part = drawn(400)
    found = shift(table, evidence, SCHEMA, part, 0.05).test.groups["sex"]

    kept = part != "valid"
    counts = pd.crosstab(part[kept], evidence["sex"][kept])
    assert found.p == pytest.approx(chi2_contingency(counts, correction=False).pvalue)


def test_parts_drawn_by_chance_are_told_of_seldom() -> None:
    told = [shift(*drawn(600, seed)[:2], SCHEMA, drawn(600, seed)[2], 0.01).findings for seed in range(200)]

    # 1 of 1,000 is the chance of any in one table: three or more of 200 come in 1 of 900 runs.
    assert sum(map(bool, told)) < 3


def test_a_part_of_another_label_rate_is_told_in_words() -> None:
    table, evidence, part = drawn(6000)
    rates = np.where(part == "test", 0.65, 0.36)
    table["_label"] = (np.random.default_rng(1).random(6000) < rates).astype(int)

    findings = shift(table, evidence, SCHEMA, part, 0.05).findings

    assert len(findings) == 1
    assert findings[0].startswith("The test part differs from the train part in its label: 0.6")


def test_columns_and_groups_that_differ_are_named() -> None:
    table, evidence, part = drawn(6000)
    table["x"] = table["x"] + (part == "test") * 0.5
    evidence["sex"] = np.where(part == "valid", "F", evidence["sex"])

    findings = shift(table, evidence, SCHEMA, part, 0.05).findings

    assert [one.split(": ")[0] for one in findings] == [
        "The validation part differs from the train part in its groups",
        "The test part differs from the train part in its features",
    ]
    assert ": x 0.2" in findings[1] or ": x 0.1" in findings[1]


def test_ten_rows_of_a_person_are_no_ten_pieces_of_evidence() -> None:
    table, evidence, part = drawn(60)
    many = np.repeat(np.arange(60), 10)
    table, evidence = table.iloc[many].reset_index(drop=True), evidence.iloc[many].reset_index(drop=True)
    part = part.iloc[many].reset_index(drop=True)

    once = shift(*drawn(60)[:2], SCHEMA, drawn(60)[2], 0.05).test.label
    often = shift(table.assign(_person=many.astype(str)), evidence, SCHEMA, part, 0.05).test.label

    assert dict(often) == {name: pytest.approx(value) for name, value in dict(once).items()}
