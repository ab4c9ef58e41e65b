"""A stage is called by named options and the sections that it reads, or not at all, with one plain line."""

from pathlib import Path

import pytest

from fairmark.entry import arguments, run
from fairmark.errors import ParamsError
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.prepare import Split

ROOT = Path(__file__).parents[1]
PARAMS = ROOT / "params.yaml"
CHOSEN = """chosen:
  {family: logistic, settings: {c: 1.0}, balance: none, reweighing: false, mitigation: [],
   margin: null, folds: null}
"""


def cut(first_rows: Path, out: Path, params: Split) -> None:
    """Stand for a stage with two paths and a section."""
    out.write_text(f"{first_rows} {params.seed}")


def fit(chosen: Chosen, out: Path, settings: Document) -> None:
    """Stand for a stage that reads the params file of another one."""
    out.write_text(f"{chosen.family} {settings.top}")


def words(**paths: object) -> list[str]:
    return [word for name, path in paths.items() for word in (f"--{name.replace('_', '-')}", str(path))]


def test_options_are_the_parameters_that_are_paths_in_any_order(tmp_path: Path) -> None:
    run(cut, ["cut", *words(out=tmp_path / "out", first_rows="a.csv", params=PARAMS)])

    assert (tmp_path / "out").read_text() == "a.csv 12"


def test_a_section_of_its_own_file_has_an_option_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tuned.yaml").write_text(CHOSEN)

    run(fit, ["fit", *words(params=PARAMS, chosen=tmp_path / "tuned.yaml", out=tmp_path / "out")])

    assert (tmp_path / "out").read_text() == "logistic 10"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "must be given all of its options, got no --params, --first-rows, --out"),
        (words(params=PARAMS, out="b"), "must be given all of its options, got no --first-rows"),
        (
            words(params=PARAMS, out="b", first_rows="a", rows="c"),
            "must be given the options --params --first-rows --out, got --rows",
        ),
        ([*words(params=PARAMS, out="b", first_rows="a"), "--out", "c"],
         "must be given each option once, got more than one --out"),
        ([*words(params=PARAMS, out="b"), "--first-rows"],
         "must be given a path with each option, got none with --first-rows"),
        ([str(PARAMS), "a", "b"], f"must be given the options --params --first-rows --out, got {PARAMS}, b"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_refused_in_one_line(
    given: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(cut, ["cut", *given])

    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"cut stopped:\n  cut: {told}\n"


def test_the_whole_of_params_is_held_to_itself_before_any_stage_runs(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text(encoding="utf-8")
    path.write_text(text.replace("of: adult-income", "of: another").replace("decimals: 3", "decimals: many"))

    with pytest.raises(ParamsError, match=r"params\.yaml: document\.decimals: must be a valid integer"):
        arguments(cut, words(params=path, out="b", first_rows="a"))

    path.write_text(text.replace("of: adult-income", "of: another"))
    with pytest.raises(ParamsError, match=r"release\.governance\.of must be adult-income"):
        arguments(cut, words(params=path, out="b", first_rows="a"))


def test_a_params_file_without_its_section_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tuned.yaml").write_text("other: {}")

    with pytest.raises(ParamsError, match=r"tuned\.yaml: chosen: "):
        arguments(fit, words(params=PARAMS, chosen=tmp_path / "tuned.yaml", out="b"))
