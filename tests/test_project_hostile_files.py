"""Files as strangers have them: each is read as its owner means it, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest

from fairmark.data.prepare import prepared
from fairmark.errors import InputError, UsageError
from fairmark.project.choices import Options
from fairmark.project.file_format import Overrides
from fairmark.project.proposal import Proposal, proposal
from fairmark.project.scores import ScoreOptions

DEFAULT = (Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8")
SAID = Options(target="ok", positive=("yes",), protect=("sex",))


def rows(count: int = 240, **changed: list[str]) -> list[dict[str, str]]:
    """Return rows of texts; `changed` names columns and the texts that their rows have in turn."""
    draw = np.random.default_rng(1)
    found = []
    for k in range(count):
        row = {"id": f"{k:05d}", "age": str(draw.integers(18, 71)), "sex": draw.choice(["f", "m"])}
        row |= {"income": f"{draw.uniform(900, 5000):.2f}", "job": draw.choice(["clerk", "nurse", "driver"])}
        row |= {"ok": draw.choice(["yes", "no"])}
        found.append(row | {name: texts[k % len(texts)] for name, texts in changed.items()})
    return found


def written(
    folder: Path, found: list[dict[str, str]], header: str = "", above: str = "", end: str = ""
) -> Path:
    path = folder / "rows.csv"
    lines = [header or ",".join(found[0]), *(",".join(row.values()) for row in found)]
    path.write_bytes((above + "\n".join(lines) + "\n" + end).encode())
    return path


def proposed(path: Path, options: Options = SAID, judged: ScoreOptions | None = None) -> Proposal:
    return proposal([path], DEFAULT, options, Overrides(), None, "Ada Lovelace", judged=judged)


@pytest.mark.parametrize("texts", [[" yes", "Yes ", "no", "NO "], ["yes", "YES", "no", "no"]])
def test_a_label_in_several_spellings_is_one_label(tmp_path: Path, texts: list[str]) -> None:
    path = written(tmp_path, rows(ok=texts))
    found = proposed(path)

    assert found.found.rate == 0.5
    label = prepared(path.parent, found.params.prepare).table["_label"]
    assert label.mean() == 0.5
    assert any("is read as" in line for line in found.warnings)


def test_a_third_value_of_the_outcome_is_told_before_it_counts_as_negative(tmp_path: Path) -> None:
    found = proposed(written(tmp_path, rows(ok=["yes", "no", "pending"])))

    assert any(
        line.startswith("ok: no (33.3%), pending (33.3%) all count as negative") for line in found.warnings
    )


def test_an_outcome_without_a_second_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must name a column of two values or more"):
        proposed(written(tmp_path, rows(ok=["yes", "Yes"])))


def test_columns_called_by_years_have_their_names(tmp_path: Path) -> None:
    path = written(tmp_path, rows(job=["12", "13", "14"]), "id,2019,sex,2020,2021,ok")
    found = proposed(path)

    assert list(found.table.columns) == ["id", "2019", "sex", "2020", "2021", "ok"]
    assert prepared(path.parent, found.params.prepare).table.shape[0] == 240


def test_rows_without_names_whose_first_has_gaps_are_no_header(tmp_path: Path) -> None:
    first = {"id": "1", "age": "?", "sex": "f", "income": "NA", "job": "clerk", "ok": "yes"}
    path = written(tmp_path, rows(60), header=",".join(first.values()))

    with pytest.raises(UsageError, match="it has column_1, column_2"):
        proposed(path)


def test_a_number_that_stands_for_a_gap_is_asked_about(tmp_path: Path) -> None:
    found = proposed(written(tmp_path, rows(age=["-999", "30", "41", "52", "63"])))

    assert any(
        line.startswith(
            "age: is it read as it is meant? -999 stands in 48 rows, far from the others (30 to 63)"
        )
        and "prepare.format.missing" in line
        for line in found.questions
    )
    assert not [line for line in proposed(written(tmp_path, rows())).questions if "far from" in line]


def test_an_id_that_comes_back_is_asked_about(tmp_path: Path) -> None:
    found = proposed(written(tmp_path, rows(id=[f"{k:05d}" for k in range(80)])))

    assert any("does it say whose a row is?" in line and "--person id" in line for line in found.questions)


def test_a_total_below_the_rows_is_told(tmp_path: Path) -> None:
    found = proposed(written(tmp_path, rows(), end="total,,,99999,,\n"))

    assert "the last row has 2 values where rows have 6: take it out if it is a total" in found.warnings


@pytest.mark.parametrize(
    ("header", "above", "end", "must"),
    [
        ("id,age,sex,age,job,ok", "", "", "must name each column once, got 'age' more than once"),
        ("", "", "\nSource: a register\n", "line 243: must have 6 columns, got 1"),
        ("", "", '1,2,f,3,"open,yes\n', "must be separated text from here on"),
        ("", "", "1,2,f,inf,nurse,yes\n", "column income: must be a finite number, got 'inf'"),
        ("", "", "1,2,f,3,nu\0rse,yes\n", "must be text, got a NUL character"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence(
    tmp_path: Path, header: str, above: str, end: str, must: str
) -> None:
    with pytest.raises(InputError, match=must):
        proposed(written(tmp_path, rows(), header, above, end))


def test_decisions_that_are_the_outcome_itself_are_told(tmp_path: Path) -> None:
    found = [row | {"made": {"yes": "grant", "no": "refuse"}[row["ok"]]} for row in rows()]
    path = written(tmp_path, [row | {"p": "0.9" if row["ok"] == "yes" else "0.2"} for row in found])

    same = proposed(path, judged=ScoreOptions(decision="made", selected="grant")).warnings
    turned = proposed(path, judged=ScoreOptions(decision="made", selected="refuse", score="p")).warnings

    assert any(line.startswith("made: is equal to the outcome ok in every row") for line in same)
    assert any(line.startswith("made: is opposite to the outcome ok") for line in turned)
    assert any(line.startswith("p: is higher in every positive row than in every") for line in turned)


def test_decisions_that_differ_from_the_outcome_somewhere_are_not(tmp_path: Path) -> None:
    found = [row | {"made": row["ok"]} for row in rows()]
    found[3]["made"] = "no" if found[3]["ok"] == "yes" else "yes"

    shown = proposed(written(tmp_path, found), judged=ScoreOptions(decision="made", selected="yes")).warnings

    assert not any("in every row" in line for line in shown)
