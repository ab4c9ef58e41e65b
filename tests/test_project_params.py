"""What `fairmark init` writes is read back, says why, and runs through `prepare`, on tables known by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmark.data.prepare import prepared
from fairmark.errors import InputError, StateError, UsageError
from fairmark.params.read import read_params
from fairmark.project.choices import Options
from fairmark.project.file_format import Overrides
from fairmark.project.params_text import TEXTS
from fairmark.project.proposal import Proposal, proposal
from fairmark.project.yaml_text import comment, entry, flow, with_entry, with_section
from fairmark.yaml12 import parse_yaml

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def proposed(paths: Sequence[Path], options: Options) -> Proposal:
    return proposal(paths, DEFAULT, options, Overrides(), None, "Ada Lovelace")


def loans(folder: Path, rows: int = 900, rate: float = 0.4, name: str = "loans.csv") -> Path:
    draw = np.random.default_rng(7)
    label = draw.random(rows) < rate
    frame = pd.DataFrame(
        {
            "loan_no": [f"L{k:05}" for k in range(rows)],
            "day": pd.date_range("2023-01-01", periods=rows, freq="D").strftime("%d.%m.%Y"),
            "sex": draw.choice(["Frau", "Mann"], rows),
            "age": draw.integers(18, 75, rows),
            "sum": [
                f"{value:,.2f} €".replace(",", " ").replace(".", ",") for value in draw.random(rows) * 9000
            ],
            "height": np.where(draw.random(rows) < 0.5, 170, 180),
            "paid_back": np.where(label, "ja", "nein"),
            "reminders": np.where(label, 0, draw.integers(1, 4, rows)),
        }
    )
    frame.to_csv(folder / name, index=False, sep=";", encoding="cp1252")
    return folder / name


SAID = Options(target="paid_back", positive=("ja",), protect=("sex", "age=45"), title="Loans")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Proposal:
    return proposed([loans(tmp_path_factory.mktemp("loans"))], SAID)


def test_a_table_with_commas_marks_and_umlauts_is_described_as_it_is(made: Proposal) -> None:
    prepare = made.params.prepare

    assert prepare.format.model_dump() == {
        "type": "csv", "separator": ";", "decimal": ",", "header": None, "missing": [], "thousands": " ",
        "units": ["€"], "encoding": "cp1252",
    }  # fmt: skip
    assert prepare.columns["day"].model_dump()["format"] == "%d.%m.%Y"
    assert prepare.columns["sum"].kind == "numeric"
    assert (prepare.time, made.params.split.order) == ("day", "time")
    assert prepare.row_id == "loan_no"
    assert prepare.unlisted == "refuse"


def test_what_knows_the_outcome_is_told_and_not_taken_away(made: Proposal) -> None:
    assert any(line.startswith("reminders alone tells the outcome") for line in made.warnings)
    assert "# LOOK: reminders alone" in made.text
    assert "reminders" in made.params.prepare.columns


def test_each_protected_attribute_is_gated_and_mitigated_and_told_what_rows_prove(made: Proposal) -> None:
    gated = {(limit.attribute, limit.measure) for limit in made.params.policy.limits if limit.gate}

    assert gated == {(None, "roc_auc")} | {
        (name, measure)
        for name in ("sex", "age")
        for measure in ("selection_rate_ratio", "balanced_accuracy")
    }
    assert {each.attribute for each in made.params.tune.mitigation} == {"sex", "age"}
    assert {each.limit for each in made.found.provable} == {
        f"{name}-{limit}" for name in ("sex", "age") for limit in ("four-fifths", "equal-opportunity")
    }
    # A quarter of the level, by policy.budget: so few rows show nothing, and are told what they lack.
    assert all(each.needed is not None or each.more for each in made.found.provable)
    assert "wants about" in made.text


def test_a_group_of_one_label_is_told(tmp_path: Path) -> None:
    rows = pd.read_csv(loans(tmp_path), sep=";", encoding="cp1252")
    rows["height"] = np.where(rows["paid_back"] == "ja", rows["height"], 180)
    rows.to_csv(tmp_path / "loans.csv", sep=";", encoding="cp1252", index=False)
    said = Options(target="paid_back", positive=("ja",), protect=("height",))

    assert any(
        "every row of 170 has the same label" in line
        for line in proposed([tmp_path / "loans.csv"], said).warnings
    )


def test_everything_else_is_the_default_projects(made: Proposal) -> None:
    default = read_params(ROOT / "params.yaml")

    for section in ("audit", "document"):
        assert getattr(made.params, section) == getattr(default, section)
    assert made.params.evaluate == default.evaluate.model_copy(update={"references": None})
    assert made.params.explain == default.explain.model_copy(update={"mutable": None, "texts": None})
    assert made.params.release.licences == default.release.licences
    # Its sums tell most rows apart, so that rows alike in every cell would be copies.
    copies = {"repeated_rows": 0.05}
    assert made.params.policy.findings == default.policy.findings.model_copy(update=copies)
    assert made.params.tune.families == default.tune.families
    assert default.project.owner not in made.text
    assert "1994" not in made.text


def test_texts_that_only_the_owner_can_write_are_marked(made: Proposal) -> None:
    assert made.todo == len(TEXTS)
    assert made.params.project.title == "Loans"
    assert made.params.project.owner == "Ada Lovelace"
    said = proposed([made.table.path], Options(**vars(SAID) | {"texts": {"goal": "Be fair.\nAlways."}}))
    assert said.params.policy.goal == "Be fair.\nAlways."
    assert said.todo == len(TEXTS) - 1


def test_a_rare_label_is_not_judged_by_accuracy(tmp_path: Path) -> None:
    rare = proposed([loans(tmp_path, rate=0.05)], SAID)
    common = proposed([loans(tmp_path, rate=0.5)], SAID)

    for made_, goal in ((rare, "balanced_accuracy"), (common, "accuracy")):
        maximised = made_.params.train.threshold.resolved(made_.found.rate).maximise
        assert made_.params.policy.constant_answer.measures == ["goal"]
        assert maximised == goal


def test_what_is_written_runs_through_prepare(tmp_path: Path) -> None:
    for made_ in (
        proposed([loans(tmp_path)], SAID),
        proposed([loans(tmp_path), loans(tmp_path, 300, name="later.csv")], SAID),
        proposed([loans(tmp_path)], Options(target="age", positive=(">40",), protect=("sex",), time="none")),
    ):
        found = prepared(tmp_path, made_.params.prepare)

        assert found.summary.positives == found.table["_label"].sum() > 0


def test_groups_of_few_rows_are_named_with_what_to_do(tmp_path: Path) -> None:
    path = loans(tmp_path)
    path.write_bytes(path.read_bytes().replace(b";Frau;", b";divers;", 20))

    (line,) = [each for each in proposed([path], SAID).warnings if each.startswith("sex: ")]

    assert "divers (6) test rows, below policy.min_group_rows 30" in line


def test_a_published_test_file_is_the_test_set(tmp_path: Path) -> None:
    made_ = proposed([loans(tmp_path), loans(tmp_path, 300, name="later.csv")], SAID)

    assert made_.params.split.test_share is None
    assert made_.params.prepare.files.test is not None
    assert sum(each.rows[0] for each in made_.found.provable if each.limit == "sex-four-fifths") < 300


def test_a_target_that_is_nowhere_known_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,sex,y\n1,f,\n2,m,\n3,f,\n")

    with pytest.raises(UsageError, match="two values or more, got 'y' with 0"):
        proposed([tmp_path / "a.csv"], Options(target="y", positive=("1",), protect=("sex",)))


def test_what_prepare_would_refuse_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,sex,y\n1,f,0\n2,m,1\n3,f,1\n")

    with pytest.raises(InputError, match="must be a date"):
        proposed([tmp_path / "a.csv"], Options(target="y", positive=("1",), protect=("sex",), time="x"))


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), min_size=1, max_size=12)


@settings(max_examples=12)
@given(NAMES, NAMES, st.sampled_from([",", ";", "\t"]))
def test_any_names_of_columns_and_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str, separator: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    frame = pd.DataFrame({"y": ["1", "0"] * 6, name: [value, "other"] * 6, "n": range(12)})
    if name in {"y", "n"}:
        return
    frame.to_csv(path, index=False, sep=separator)

    try:
        made_ = proposed([path], Options(target="y", positive=("1",), protect=(name,), keep=("n",)))
    except (InputError, UsageError):
        return  # a name or value that no CSV carries whole (blanks around it, a line's end, a number)
    assert made_.params.prepare.protected.popitem()[1].model_dump()["column"] == name


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), max_size=8)


@settings(max_examples=60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**12), 10**12) | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=6,
    )
)
def test_a_value_on_one_line_is_read_back(value: object) -> None:
    text = flow(value)
    assert parse_yaml(f"a: {text}\n", "x")["a"] == value


def test_long_values_are_broken_where_they_stay_the_same() -> None:
    value = {"kind": "categorical", "values": [f"value number {k}, long" for k in range(20)], "missing": 0.01}
    lines = entry("a column", value, 2)

    assert max(map(len, lines)) <= 110
    assert parse_yaml("\n".join(lines), "x") == {"a column": value}
    assert max(map(len, comment("word " * 60, 4))) <= 110


TEXT = """\
# Of the file.

one:
  # Of a.
  a: 1
  # Of b.
  b:
    - x
    # inside b
    - y
  # Of c.
  c: 3

# Of two.
two:
  a: 2
"""


def test_an_entry_goes_with_the_comments_above_it_and_nothing_else() -> None:
    text = with_entry(TEXT, "one", "b", ["  # new", "  b: []"])

    assert text == TEXT.replace("  # Of b.\n  b:\n    - x\n    # inside b\n    - y\n", "  # new\n  b: []\n")
    assert with_entry(TEXT, "two", "a", ["  a: 9"]).endswith("# Of two.\ntwo:\n  a: 9\n")
    assert with_section(TEXT, "one", ["one: {}"]) == "# Of the file.\n\none: {}\n\n# Of two.\ntwo:\n  a: 2\n"
    with pytest.raises(StateError, match=r"must have one\.d"):
        with_entry(TEXT, "one", "d", [])
