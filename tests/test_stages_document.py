"""The stage writes five pages, the same bytes twice, and nothing when an input is not right."""

import json
from pathlib import Path

import pytest
from stage_outputs import CHOSEN, DOCUMENT, FAIR, PREPARE, PRIVACY, PROJECT, RELEASE, facts, trained, written

from fairmark.errors import InputError
from fairmark.report.data import data_card
from fairmark.report.model_card import card
from fairmark.report.page import page
from fairmark.stages.document import document

OUTPUTS = ("model-card.md", "model-card.html", "data-card.md", "data-card.html", "report.html")


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Return the path of each fact, written as the stages before write it."""
    return written(facts(), tmp_path / "artifacts")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return the folder that the pages go to, which is not there yet."""
    return tmp_path / "out"


def _document(out: Path) -> None:
    document(
        artifacts=out.parent / "artifacts",
        out=out,
        settings=DOCUMENT,
        project=PROJECT,
        policy=FAIR,
        prepare=PREPARE,
        privacy=PRIVACY,
        release=RELEASE,
        chosen=CHOSEN,
    )


@pytest.mark.usefixtures("paths")
def test_the_pages_are_those_of_the_facts(out: Path) -> None:
    _document(out)

    assert sorted(path.name for path in out.iterdir()) == sorted(OUTPUTS)
    assert (out / "report.html").read_text() == page(facts())
    assert (out / "model-card.md").read_text() == card(facts())
    assert (out / "model-card.html").read_text().startswith("<!doctype html>")
    assert (out / "data-card.md").read_text() == data_card(facts(), PREPARE, PRIVACY, RELEASE)
    assert "<title>Data card: Made up for a test</title>" in (out / "data-card.html").read_text()


@pytest.mark.usefixtures("paths")
def test_documenting_twice_gives_the_same_bytes(out: Path) -> None:
    _document(out)
    first = [(out / name).read_bytes() for name in OUTPUTS]
    _document(out)

    assert [(out / name).read_bytes() for name in OUTPUTS] == first


@pytest.mark.parametrize("name", ["measurements", "trials", "explanations", "audit"])
def test_a_missing_input_is_refused_and_nothing_is_written(
    paths: dict[str, Path], out: Path, name: str
) -> None:
    paths[name].unlink()

    with pytest.raises(InputError, match="must exist, got no such file"):
        _document(out)

    assert not out.exists()


def test_measurements_at_another_threshold_are_refused(paths: dict[str, Path], out: Path) -> None:
    trained(0.9).write(paths["trained"])

    with pytest.raises(InputError, match="threshold"):
        _document(out)


def test_measurements_without_a_group_of_the_schema_are_refused(paths: dict[str, Path], out: Path) -> None:
    found = json.loads(paths["measurements"].read_text())
    del found["groups"]["team"]["red"]
    paths["measurements"].write_text(json.dumps(found))

    with pytest.raises(InputError, match="red"):
        _document(out)

    assert not out.exists()


def test_trials_that_are_no_text_are_refused(paths: dict[str, Path], out: Path) -> None:
    paths["trials"].write_bytes(b"number\n\xff\xfe")

    with pytest.raises(InputError, match="must be CSV in UTF-8"):
        _document(out)


@pytest.mark.usefixtures("paths")
def test_the_report_stays_below_a_megabyte(out: Path) -> None:
    _document(out)

    assert sum((out / name).stat().st_size for name in OUTPUTS) < 1_000_000
