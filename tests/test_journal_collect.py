"""The journal's labelled rows become a raw file that `prepare` reads as it read the rows decided on."""

import asyncio
import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairmark.cli.main import main
from fairmark.data.prepare import prepared
from fairmark.journal.entry import DAY_US, Entry, json_bytes
from fairmark.journal.memberships import Membership
from fairmark.journal.place import open_journal, open_memberships
from fairmark.params.parse import typed
from fairmark.params.prepare import Prepare

ROOT = Path(__file__).parents[1]
NAMES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["prepare"]["format"]["header"]
LINES = """\
39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K
50, Self-emp-not-inc, 83311, Bachelors, 13, Married-civ-spouse, Exec-managerial, Husband, White, Male, 0, 0, 13, United-States, >50K
38, Private, 215646, HS-grad, 9, Divorced, ?, Not-in-family, White, Male, 0, 0, 40, United-States, <=50K
53, ?, 234721, 11th, 7, Married-civ-spouse, Handlers-cleaners, Husband, Black, Male, 0, 0, 40, ?, <=50K
28, Private, 338409, Bachelors, 13, Married-civ-spouse, Prof-specialty, Wife, Black, Female, 0, 0, 40, Cuba, >50K
"""  # noqa: E501 - as they were published
ROWS = [dict(zip(NAMES, map(str.strip, line.split(",")), strict=True)) for line in LINES.splitlines()]
FEATURES = [
    "age",
    "workclass",
    "education-num",
    "occupation",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
]
BESIDE = ["native-country", "marital-status", "relationship"]
PROTECTED = ["sex", "race"]


def decided(row: dict[str, str], number: int) -> Entry:
    """Return the decision on a row, whose inputs came as JSON has them."""
    inputs: dict[str, Any] = {
        name: int(row[name]) if row[name].isdigit() else None if row[name] == "?" else row[name]
        for name in FEATURES
    }
    return Entry(
        kind="decision", at_us=number * DAY_US, id=f"{number:032x}", release="sha256:ab", arm="champion",
        decision=number % 2, score=0.5, personal=json_bytes({"row": inputs}),
    )  # fmt: skip


def outcome(row: dict[str, str], number: int, about: str | None = None, **given: Any) -> Entry:
    usual = {"at_us": (number + 3) * DAY_US, "decision": int(row["income"] == ">50K")} | given
    return Entry(kind="outcome", about=about or f"{number:032x}", **usual)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone with params and schema, and a file of what the service was not told."""
    for name in ("FAIRMARK_JOURNAL", "FAIRMARK_MEMBERSHIPS"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "clone"
    (root / "artifacts/prepare").mkdir(parents=True)
    # Of five rows a tenth is none.
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    loose = text.replace("missing: 0.1", "missing: 0.5").replace("missing: 0.05", "missing: 0.5")
    (root / "params.yaml").write_text(loose, encoding="utf-8")
    shutil.copy(ROOT / "artifacts/prepare/schema.json", root / "artifacts/prepare")
    with (tmp_path / "beside.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["decision", *BESIDE])
        writer.writerows([f"{n:032x}", *(row[name] for name in BESIDE)] for n, row in enumerate(ROWS))
    return root


def write(clone: Path, entries: list[Entry], certain: float = 1.0) -> None:
    async def act() -> None:
        journal = await open_journal(str(clone / ".fairmark/journal.db"))
        groups = await open_memberships(str(clone / ".fairmark/memberships.db"))
        await journal.append(entries)
        await groups.add_memberships(
            [
                Membership(
                    f"{n:032x}", name, {row[name]: certain} | ({"Other": 1 - certain} if certain < 1 else {})
                )
                for n, row in enumerate(ROWS)
                for name in PROTECTED
            ]
        )
        await journal.close()
        await groups.close()

    asyncio.run(act())


def collect(clone: Path, *words: str) -> int:
    given = ["collect", "--into", str(clone / "new.data"), "--beside", str(clone.parent / "beside.csv")]
    return main([*given, "--clone", str(clone), *words])


def everything() -> Iterator[Entry]:
    for number, row in enumerate(ROWS):
        yield decided(row, number)
        yield outcome(row, number)


def summary(clone: Path) -> Any:
    return json.loads((clone / "new.data.json").read_text())


def collected(clone: Path) -> list[dict[str, str]]:
    lines = csv.reader(io.StringIO((clone / "new.data").read_text()))
    return [dict(zip(NAMES, line, strict=True)) for line in lines]


def test_the_rows_are_those_that_were_decided_on_but_for_what_is_dropped(clone: Path) -> None:
    write(clone, [*everything()])

    assert collect(clone) == 0

    wanted = [row | {"fnlwgt": "?", "education": "?"} for row in ROWS]
    assert collected(clone) == wanted


def test_prepare_reads_both_files_alike(clone: Path, tmp_path: Path) -> None:
    section = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))["prepare"]
    section["files"] = {
        "main": {"name": "adult.data", "skip_rows": 0, "rows": {"min": 1, "max": 9}},
        "test": None,
    }
    write(clone, [*everything()])
    assert collect(clone) == 0
    tables: list[Any] = []
    for content in (LINES, (clone / "new.data").read_text()):
        folder = tmp_path / f"raw{len(tables)}"
        folder.mkdir()
        (folder / "adult.data").write_text(content)
        tables.append(prepared(folder, typed(Prepare, section, "params.yaml")))

    # Ids are made of the content, dropped columns included.
    one, two = (each.table.drop(columns="_row_id") for each in tables)
    assert one.equals(two)


def test_the_summary_tells_delay_and_whose_labels_came(clone: Path) -> None:
    entries = [each for each in everything() if each.kind == "decision" or int(str(each.about), 16) != 4]
    write(clone, entries)

    assert collect(clone) == 0

    told = summary(clone)
    assert (told["rows"], told["positives"]) == (4, 1)
    assert told["delay_days"] == {"0.05": 3.0, "0.25": 3.0, "0.5": 3.0, "0.75": 3.0, "0.95": 3.0}
    # Decisions of 1: rows 1 and 3; of 0: rows 0, 2 and 4, the last of which has no outcome.
    assert told["selected"] == {"decisions": 2, "outcomes": 2}
    assert told["others"] == {"decisions": 3, "outcomes": 2}
    assert told["selective"] is True
    assert (told["first"], told["last"]) == ("1970-01-01", "1970-01-04")


def test_the_newest_label_and_the_newest_correction_count(clone: Path) -> None:
    fixed = decided(ROWS[0] | {"age": "61"}, 9)
    again = Entry(
        kind="correction", at_us=9, about=f"{0:032x}", decision=1, score=0.7, personal=fixed.personal
    )  # fmt: skip
    write(clone, [*everything(), again, outcome(ROWS[0], 0, again.id, decision=1)])

    assert collect(clone) == 0

    assert (collected(clone)[0]["age"], collected(clone)[0]["income"]) == ("61", ">50K")


def test_rows_that_prepare_would_refuse_are_left_out_and_counted(clone: Path) -> None:
    wild = decided(ROWS[0] | {"age": "150"}, 8)
    write(clone, [*everything(), wild, outcome(ROWS[0], 8)])
    with (clone.parent / "beside.csv").open("a") as stream:
        stream.write(f"{8:032x},Cuba,Divorced,Wife\n")

    assert collect(clone) == 0

    assert summary(clone)["rows"] == 5
    assert summary(clone)["left_out"]["column age: must be at most 120"] == 1


def test_a_column_that_nobody_told_stops_it_and_nothing_is_written(clone: Path, capsys: Any) -> None:
    write(clone, [*everything()])

    words = ["collect", "--into", str(clone / "new.data"), "--clone", str(clone)]
    assert main(words) == 1

    assert "column marital-status: must be given" in capsys.readouterr().err
    assert sorted(path.name for path in clone.iterdir()) == [".fairmark", "artifacts", "params.yaml"]


def test_a_group_that_is_only_likely_is_no_group(clone: Path, capsys: Any) -> None:
    write(clone, [*everything()], certain=0.9)

    assert collect(clone) == 1
    assert "column sex: must be given" in capsys.readouterr().err


def test_erased_inputs_are_counted_and_not_written(clone: Path) -> None:
    write(clone, [*everything()])

    async def erase() -> None:
        journal = await open_journal(str(clone / ".fairmark/journal.db"))
        await journal.erase(ids=[f"{2:032x}"], reason="asked", at_us=1)
        await journal.close()

    asyncio.run(erase())

    assert collect(clone) == 0
    assert (summary(clone)["rows"], summary(clone)["erased"]) == (4, 1)


def test_days_bound_the_decisions(clone: Path) -> None:
    write(clone, [*everything()])

    assert collect(clone, "--since", "1970-01-02", "--before", "1970-01-04") == 0
    assert [row["age"] for row in collected(clone)] == ["50", "38"]


def test_a_file_that_is_there_is_not_written_over(clone: Path) -> None:
    write(clone, [*everything()])
    (clone / "new.data").write_text("mine")

    assert collect(clone) == 2
    assert (clone / "new.data").read_text() == "mine"
