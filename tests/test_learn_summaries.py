"""What tune and train write is read again as the same document, and another one is refused by its place."""

from pathlib import Path

import pytest
from stage_outputs import FAIR, search, table, texts, trained, trials

from fairmark.errors import InputError
from fairmark.learn.summaries import SearchSummary, TrainSummary, TrialRow, read_trials

ROWS = trials(FAIR.limits)


def test_a_table_of_trials_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text(table([texts(row) for row in ROWS]), encoding="utf-8")

    assert read_trials(tmp_path / "trials.csv") == ROWS


def test_columns_whose_names_hang_on_params_stand_where_the_table_has_them() -> None:
    row = ROWS[3].model_copy(update={"rung_60_quality": 0.8, "strength.team.demographic_parity": 1.0})

    names = list(row.cells())

    assert names[names.index("reweighing") + 1 :][:2] == [
        "boosted.learning_rate",
        "strength.team.demographic_parity",
    ]
    assert names[names.index("selection_rate") + 1].startswith("limit.")
    assert names[names.index("size_bytes") + 1] == "rung_60_quality"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"number": "many"}, 'trial 1: number: must be a valid integer, got "many"'),
        ({"state": "lost"}, "trial 1: state: must be 'complete', 'pruned' or 'failed'"),
        (
            {"secret": "1"},
            r"trial 1: must hold settings, strengths, .* got \['secret'\]",
        ),
        ({"quality": "nan"}, 'trial 1: quality: must be a valid number, got "nan"'),
    ],
)
def test_a_row_that_is_no_trial_is_refused_by_its_place(change: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        TrialRow.from_texts(texts(ROWS[1]) | change, "trial 1")


def test_the_choices_of_the_baseline_are_those_of_its_row() -> None:
    row = ROWS[0].model_copy(update={"logistic.c": 0.3, "boosted.num_leaves": None})

    found = row.choices

    assert (found.family, found.settings, found.mitigation) == ("logistic", {"c": 0.3}, [])


def test_the_summaries_are_read_as_they_were_written(tmp_path: Path) -> None:
    for document in (search(ROWS), trained(0.4)):
        document.write(tmp_path / "summary.json")

        assert type(document).read(tmp_path / "summary.json") == document


def test_a_summary_keeps_what_it_does_not_say_unsaid() -> None:
    assert "pruned" not in search(ROWS).to_json()
    assert not {"thresholds", "why"} & set(trained(0.4).to_json())


@pytest.mark.parametrize("kind", [SearchSummary, TrainSummary])
def test_another_document_is_no_summary(kind: type[SearchSummary] | type[TrainSummary]) -> None:
    with pytest.raises(InputError, match=r"summary\.json: size: must be a known key"):
        kind.from_json({"size": 1}, "summary.json")
