"""The stage writes five pages, the same bytes twice, and nothing when an input is not right."""

import json
from pathlib import Path

import pytest
from paperwork import CHOSEN, DOCUMENT, FAIR, PREPARE, PRIVACY, PROJECT, RELEASE, facts, written

from fairmark.errors import InputError
from fairmark.report.data_card import data_card
from fairmark.report.model_card import card
from fairmark.report.page import page
from fairmark.stages.document import document

OUTPUTS = ("model_card", "model_card_page", "data_card_text", "data_card_html", "report")


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Return the stage's paths, inputs written, outputs not."""
    return written(facts(), tmp_path)


def _document(paths: dict[str, Path]) -> None:
    document(
        **paths,
        settings=DOCUMENT,
        project=PROJECT,
        policy=FAIR,
        prepare=PREPARE,
        privacy=PRIVACY,
        release=RELEASE,
        chosen=CHOSEN,
    )


def test_the_pages_are_those_of_the_facts(paths: dict[str, Path]) -> None:
    _document(paths)

    assert paths["report"].read_text() == page(facts())
    assert paths["model_card"].read_text() == card(facts())
    assert paths["model_card_page"].read_text().startswith("<!doctype html>")
    assert paths["data_card_text"].read_text() == data_card(facts(), PREPARE, PRIVACY, RELEASE)
    assert "<title>Data card: Made up for a test</title>" in paths["data_card_html"].read_text()


def test_documenting_twice_gives_the_same_bytes(paths: dict[str, Path]) -> None:
    _document(paths)
    first = [paths[name].read_bytes() for name in OUTPUTS]
    _document(paths)

    assert [paths[name].read_bytes() for name in OUTPUTS] == first


@pytest.mark.parametrize("name", ["measurements", "trials", "explanations", "audit"])
def test_a_missing_input_is_refused_and_nothing_is_written(paths: dict[str, Path], name: str) -> None:
    paths[name].unlink()

    with pytest.raises(InputError, match="must exist, got no such file"):
        _document(paths)

    assert not any(paths[output].exists() for output in OUTPUTS)


def test_measurements_at_another_threshold_are_refused(paths: dict[str, Path]) -> None:
    paths["trained"].write_text('{"threshold": 0.9}')

    with pytest.raises(InputError, match="threshold"):
        _document(paths)


def test_measurements_without_a_group_of_the_schema_are_refused(paths: dict[str, Path]) -> None:
    found = json.loads(paths["measurements"].read_text())
    del found["groups"]["team"]["red"]
    paths["measurements"].write_text(json.dumps(found))

    with pytest.raises(InputError, match="red"):
        _document(paths)

    assert not paths["report"].exists()


def test_trials_that_are_no_text_are_refused(paths: dict[str, Path]) -> None:
    paths["trials"].write_bytes(b"number\n\xff\xfe")

    with pytest.raises(InputError, match="must be CSV in UTF-8"):
        _document(paths)


def test_the_report_stays_below_a_megabyte(paths: dict[str, Path]) -> None:
    _document(paths)

    assert sum(paths[name].stat().st_size for name in OUTPUTS) < 1_000_000
