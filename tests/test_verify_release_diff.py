"""Two releases side by side: what was changed by hand is told, and nothing else."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from maker_and_forger import taken
from release_folder import git, make_release, write_lock

from fairmark.cli.main import main
from fairmark.errors import StateError, VerificationError
from fairmark.files import write_json, write_text
from fairmark.release.folder import ReleaseFolder
from fairmark.verify.release_diff import Interval, Part, beyond, changed, compare, measures, rows_between

pytest_plugins = ("release_fixtures",)

Change = Callable[[dict[str, Any]], None]


def _keep(root: Path) -> None:
    """Put the data into DVC's cache, where `dvc add` would."""
    for path in (root / "data").iterdir():
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        target = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


@pytest.fixture
def clone(small_release: Path) -> Path:
    """Return a clone with a release v0.1.0, its data in DVC's cache."""
    root = small_release.parents[1]
    _keep(root)
    return root


@pytest.fixture
def again(clone: Path, quick_bill: None) -> Callable[..., list[Part]]:  # noqa: ARG001 - it patches
    """Return a maker of the next release, of other params and data, which compares it with the one before."""
    names = [f"v0.{k}.0" for k in range(5, 1, -1)]
    folders = [clone / "releases" / "loans-v0.1.0"]

    def make(change: Change | None = None, rows: str | None = None) -> list[Part]:
        params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
        if change is not None:
            change(params)
        write_text(clone / "params.yaml", yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
        if rows is not None:
            write_text(clone / "data" / "people.csv", rows)
            _keep(clone)
        write_lock(clone)
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "--allow-empty", "-m", "Again")
        folders.append(make_release(clone, names.pop()))
        return compare(ReleaseFolder(folders[-2]), ReleaseFolder(folders[-1]), clone)

    return make


def _of_header(params: dict[str, Any]) -> None:
    params["prepare"]["format"]["header"] = None


def _of_ids(params: dict[str, Any]) -> None:
    _of_header(params)
    params["prepare"]["row_id"] = "id"


def _lines(parts: list[Part]) -> dict[str, tuple[str, ...]]:
    return {part.name: part.lines for part in parts if part.lines}


def test_the_same_made_again_as_another_version_differs_in_nothing(again: Callable[..., list[Part]]) -> None:
    assert _lines(again()) == {}


def test_a_param_and_a_limit_that_were_changed_are_told(again: Callable[..., list[Part]]) -> None:
    def change(params: dict[str, Any]) -> None:
        params["split"]["test_share"] = 0.4
        params["policy"]["limits"][0]["at_least"] = 0.55

    told = _lines(again(change))

    assert told["params"] == ("split.test_share: 0.5 to 0.4",)
    assert told["policy"] == ("loosened  policy.limits.auc-floor.at_least: 0.6 to 0.55",)
    assert "verdict" not in told


def test_rows_are_counted_by_content_and_by_group_and_label(again: Callable[..., list[Part]]) -> None:
    again(_of_header, rows="sex,paid\nFemale,yes\n")
    told = again(rows="sex,paid\nFemale,no\nMale,yes\nMale,yes\n")[0]

    assert told.lines[1:] == (
        "rows: 1 to 3; 3 added, 1 removed",
        "rows of paid no: 0 to 1",
        "rows of paid yes: 1 to 2",
        "rows of sex Female, paid no: 0 to 1",
        "rows of sex Female, paid yes: 1 to 0",
        "rows of sex Male: 0 to 2",
        "rows of sex Male, paid yes: 0 to 2",
    )
    assert isinstance(told.value, dict)
    assert told.value["rows"]["changed"] is None


def test_with_row_ids_a_changed_row_is_told_from_a_new_one(again: Callable[..., list[Part]]) -> None:
    again(_of_ids, rows="id,sex,paid\n1,Female,yes\n2,Male,no\n3,Male,no\n")
    told = again(rows="id,sex,paid\n1,Female,no\n3,Male,no\n4,Male,no\n5,Male,no\n")[0]

    assert told.lines[1] == "rows: 3 to 4; 2 added, 1 removed, 1 changed"


def test_moved_rows_and_columns_are_the_same_rows(again: Callable[..., list[Part]]) -> None:
    again(_of_header, rows="sex,paid\nFemale,yes\nMale,no\nMale,no\n")
    told = again(rows="paid,sex\nno,Male\nyes,Female\nno,Male\n")[0]

    assert told.lines[1:] == ("rows: 3 to 3; 0 added, 0 removed",)


def test_rows_that_are_not_at_hand_are_said_not_to_be(again: Callable[..., list[Part]], clone: Path) -> None:
    again(rows="sex,paid\nMale,no\n")
    one, two = (ReleaseFolder(clone / "releases" / f"loans-v0.{k}.0") for k in (1, 2))
    shutil.rmtree(clone / ".dvc")

    with pytest.raises(StateError, match=r"must lie in DVC's cache or a folder that is its remote"):
        rows_between(one, two, clone)
    assert compare(one, two, clone)[0].lines[1].startswith("rows can't be told here: data/")
    assert compare(one, two, None)[0].lines[1] == "rows can't be told here: give a clone to look in"


def test_bytes_that_are_not_what_the_release_states_are_not_counted(
    again: Callable[..., list[Part]], clone: Path
) -> None:
    again(rows="sex,paid\nMale,no\n")
    one, two = (ReleaseFolder(clone / "releases" / f"loans-v0.{k}.0") for k in (1, 2))
    for path in (clone / ".dvc").rglob("*"):
        if path.is_file():
            path.write_bytes(b"sex,paid\n")

    with pytest.raises(VerificationError, match=r"the SHA-256 [0-9a-f]{12}… that the release states"):
        rows_between(one, two, clone)


def test_a_measure_is_told_with_its_intervals_and_whether_they_lie_apart(
    small_release: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(small_release, tmp_path / "other"))
    found = ReleaseFolder(other).measurements.to_json()
    auc, accuracy = (found["overall"][name] for name in ("roc_auc", "accuracy"))
    was = f"{auc['value']:.4g} ({auc['low']:.4g} to {auc['high']:.4g})"
    auc |= {"value": 0.99, "low": 0.98, "high": 0.995}
    accuracy["value"] += 0.001
    found["groups"]["sex"]["Male"]["measures"]["recall"] |= {"value": None, "low": None, "high": None}
    write_json(other / "measurements.json", found)
    lines = measures(ReleaseFolder(small_release), taken(other)).lines

    assert len(lines) == 3
    assert f"roc_auc: {was} to 0.99 (0.98 to 0.995); their intervals lie apart" in lines
    assert (
        sum(line.startswith("accuracy: ") and line.endswith("; within their intervals") for line in lines)
        == 1
    )
    assert (
        sum(line.startswith("sex Male recall: ") and line.endswith("to not measured") for line in lines) == 1
    )


@pytest.mark.parametrize(
    ("old", "new", "apart"),
    [
        ((0.1, 0.3), (0.3, 0.4), False),
        ((0.1, 0.3), (0.31, 0.4), True),
        ((0.5, 0.6), (0.31, 0.4), True),
        ((None, 0.3), (0.31, 0.4), None),
    ],
)
def test_intervals_lie_apart_when_they_have_no_point_in_common(
    old: tuple[float | None, float], new: tuple[float, float], apart: bool | None
) -> None:
    assert beyond(Interval(0.5, *old), Interval(0.5, *new)) is apart
    assert beyond(None, Interval(0.5, *new)) is None


def test_a_script_is_told_by_code_and_json(
    again: Callable[..., list[Part]], clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(lambda params: params["split"].update(test_share=0.4))
    words = [str(clone / "releases" / f"loans-v0.{k}.0") for k in (1, 2)]

    assert main(["diff", *words]) == 1
    told = capsys.readouterr().out
    assert "params:\n  split.test_share: 0.5 to 0.4\n" in told
    assert "verdict: the same" in told
    assert main(["diff", words[0], words[0]]) == 0
    capsys.readouterr()
    assert main(["diff", *words, "--json"]) == 1
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert parts["params"] == {"split.test_share": {"new": 0.4, "old": 0.5}}
    assert main(["diff", words[0], "absent"]) == 2
    assert main(["diff", words[0], "loans@v9.0.0", "--clone", str(clone)]) == 5


def test_a_release_that_was_changed_is_not_compared(small_release: Path) -> None:
    (small_release / "metrics.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"metrics\.json: must have the SHA-256"):
        compare(ReleaseFolder(small_release), ReleaseFolder(small_release), None)


def test_no_name_of_a_strangers_statement_leads_outside(clone: Path, tmp_path: Path) -> None:
    from release_attacks import of_statement

    theirs = tmp_path / "theirs" / "loans-v0.1.0"
    shutil.copytree(clone / "releases" / theirs.name, theirs)
    outside = f"data/{'../' * 12}{str(tmp_path / 'outside')[1:]}"

    def lead(statement: Any) -> None:
        for entry in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
            if entry["name"] == "data/people.csv":
                entry["name"] = outside

    of_statement(lead)(theirs)
    with pytest.raises(VerificationError, match="must be named once each, by paths inside"):
        compare(ReleaseFolder(clone / "releases" / theirs.name), ReleaseFolder(theirs), clone)
    assert not (tmp_path / "outside").is_symlink()


def test_a_folder_without_the_shape_of_a_release_is_told(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fixed_keys import MAKER
    from release_attacks import of_json, restate

    ours, theirs = clone / "releases" / "loans-v0.1.0", tmp_path / "loans-v0.1.0"
    shutil.copytree(ours, theirs)
    of_json("measurements.json", lambda it: it.pop("overall"))(theirs)
    restate(theirs, MAKER)

    assert main(["diff", str(ours), str(theirs)]) == 4
    assert "measurements.json: overall: must be given, got nothing" in capsys.readouterr().err


@given(st.text("ab ", max_size=400), st.text("ab ", max_size=400))
def test_the_shown_values_differ_where_the_values_do(old: str, new: str) -> None:
    if old != new:
        shown = changed(old, new).split(" to ")
        assert shown[0] != shown[-1]


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_of_a_list_what_came_and_went_is_named(old: list[str], new: list[str]) -> None:
    told = changed(
        [f"a long name of column {it}" for it in old], [f"a long name of column {it}" for it in new]
    )

    assert {it for it in new if f"with a long name of column {it}" in told} == set(new) - set(old)
    assert {it for it in old if f"without a long name of column {it}" in told} == set(old) - set(new)


def test_the_parameter_at_the_end_of_a_long_list_is_named(again: Callable[..., list[Part]]) -> None:
    def more(params: dict[str, Any]) -> None:
        params["prepare"]["drop"] = [*(params["prepare"].get("drop") or []), "a-column-at-the-end"]

    (part,) = [each for each in again(more) if each.name == "params"]

    assert any("a-column-at-the-end" in line for line in part.lines), part.lines
