"""Groups that no row states: judged by probabilities, by whom they come from, and never by a threshold."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_release import VENDOR, attested, frame, repository, run
from fixed_keys import key
from made_once import made_once
from maker_and_forger import taken

from fairmark import api
from fairmark.data.schema import Schema
from fairmark.errors import InputError, ParamsError, UsageError, VerificationError
from fairmark.files import read_json, write_json
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict, judge_document
from fairmark.params.policy import Findings
from fairmark.project.choices import Options
from fairmark.project.file_format import Overrides
from fairmark.project.scores import ScoreOptions, probable_of
from fairmark.project.table import read_table
from fairmark.verify import consistency
from fairmark.verify.verify import verify

CHANCE = np.repeat([0.0, 0.05, 0.95, 1.0], 1000)
DECISION = np.tile([1, 1, 0, 0, 0], 800)
LABEL = np.tile([1, 0], 2000)
PROXY: dict[str, Any] = {"proxy": "BISG", "version": "census 2020"}


def limit(measure: str, **side: float) -> dict[str, Any]:
    """Return a gated limit by race."""
    named = {"name": measure.replace("_", "-"), "measure": measure, "attribute": "race"}
    return named | {"at_least": None, "at_most": None, "gate": True, "reason": "A test."} | side


def policy(*limits: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these limits."""
    return {
        "goal": "g", "price": "p", "level": 0.05, "correction": "intersection-union", "budget": None,
        "bounds": {"losses": "betting", "auc": "placements", "rates": "gaffke"}, "min_group_rows": 10,
        "protected_at_prediction": [], "findings": dict.fromkeys(Findings.model_fields),
        "constant_answer": {"measures": ["accuracy"], "at_least": 0.0, "not_required": "A test."},
        "limits": [*limits], "waivers": [], "overrides": [], "overlays": [], "alternatives": None,
    }  # fmt: skip


def race(chance: Any = CHANCE, **changed: Any) -> dict[str, api.GroupProbabilities]:
    """Return two groups by these probabilities."""
    return {"race": api.GroupProbabilities({"a": chance, "b": 1 - chance}, **(PROXY | changed))}


def judged(*limits: dict[str, Any], **changed: Any) -> Verdict:
    """Return the verdict on decisions that are alike at every probability."""
    return api.judge(LABEL, DECISION, probabilities=race(**changed), policy=policy(*limits))


RATIO, GAP = "selection_rate_ratio", "selection_rate_difference"


@pytest.mark.parametrize(
    ("of", "outcome"),
    [
        (limit(RATIO, at_least=0.7), "pass"),
        (limit(RATIO, at_least=0.98), "insufficient evidence"),
        (limit(GAP, at_most=0.15), "pass"),
        (limit(GAP, at_most=0.02), "insufficient evidence"),
        (limit("selection_rate", at_least=0.3), "pass"),
        (limit("selection_rate", at_least=0.5), "fail"),
    ],
)
def test_a_limit_is_judged_by_what_stays_possible(of: dict[str, Any], outcome: str) -> None:
    assert judged(of).outcome == outcome


def test_the_bounds_are_those_of_what_stays_possible_by_hand() -> None:
    # Group a, of 2,000 expected members: at most 50 + 400 + 400 of them are selected, at least 350 + 400.
    found = judged(limit("selection_rate", at_least=0.3)).findings[0]

    assert found.value == pytest.approx(0.4)
    assert found.bound is not None
    assert found.opposite is not None
    assert found.bound < 750 / 2000 < 850 / 2000 < found.opposite
    assert found.opposite - found.bound < 0.12


def test_a_finding_names_the_proxy_and_what_no_number_of_rows_closes() -> None:
    text = judged(limit(RATIO, at_least=0.98), error=0.01).findings[0].text

    assert "on 2,000 and 2,000 expected test rows" in text
    assert "each row by its probability (BISG, census 2020)" in text
    assert "right, to within 0.01, and rows" in text
    assert "With any number of rows like these the bounds are" in text


def test_nobody_is_put_into_a_group() -> None:
    # All above one half of a, if there were a threshold: no row would be of b.
    sure = judged(limit(RATIO, at_least=0.7), chance=np.full(4000, 0.6))

    assert sure.outcome == "insufficient evidence"
    assert sure.findings[0].rows == 4000
    assert sure.findings[0].text.count("2,400 and 1,600") == 1


def test_an_error_of_the_proxy_takes_a_pass_away() -> None:
    assert judged(limit(RATIO, at_least=0.7)).outcome == "pass"
    assert judged(limit(RATIO, at_least=0.7), error=0.1).outcome == "insufficient evidence"


def test_groups_that_rows_state_are_judged_beside() -> None:
    sex = {**limit(RATIO, at_least=0.7), "name": "sex", "attribute": "sex"}
    found = api.judge(
        LABEL,
        DECISION,
        groups={"sex": np.tile(["f", "m"], 2000)},
        probabilities=race(),
        policy=policy(sex, limit(RATIO, at_least=0.7)),
    )

    assert found.limits == {"sex": "pass", "selection-rate-ratio": "pass"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"chance": np.full(3999, 0.5)}, "must have one probability a row"),
        ({"chance": np.full(4000, np.nan)}, "must be given in every row, got none in 4000"),
        ({"chance": np.full(4000, 1.5)}, r"must be in 0\.\.1"),
    ],
)
def test_probabilities_that_are_none_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        judged(limit(RATIO, at_least=0.7), **changed)


@pytest.mark.parametrize("changed", [{"error": 1.0}, {"bins": 0}, {"version": ""}])
def test_a_proxy_that_is_not_said_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"probabilities\.race"):
        judged(limit(RATIO, at_least=0.7), **changed)


def test_chances_that_do_not_add_up_to_one_are_refused() -> None:
    off = {"race": api.GroupProbabilities({"a": CHANCE, "b": CHANCE}, **PROXY)}

    with pytest.raises(InputError, match="must add up to 1 in each row, got 4,000 rows"):
        api.judge(LABEL, DECISION, probabilities=off, policy=policy(limit(RATIO, at_least=0.7)))


def test_weights_and_persons_are_refused_with_one_sentence() -> None:
    for said in ({"weight": np.full(4000, 2.0)}, {"person": np.repeat(np.arange(2000), 2)}):
        with pytest.raises(InputError, match="must be judged on rows of one weight") as refused:
            api.judge(
                LABEL, DECISION, probabilities=race(), policy=policy(limit(RATIO, at_least=0.7)), **said
            )
        assert len(refused.value.faults) == 1


def test_a_measure_of_scores_is_none_of_groups_that_no_row_states() -> None:
    found = api.judge(
        LABEL,
        DECISION,
        probabilities=race(),
        score=DECISION * 0.5,
        policy=policy(limit("brier", at_most=0.3)),
    )

    assert found.outcome == "fail"
    assert "must be a rate, or a ratio or difference of one" in found.findings[0].text


# ------------------------------------------------------------------ forgery of the measurements


def _written() -> dict[str, Any]:
    return api.measure(LABEL, DECISION, probabilities=race()).to_json()


def test_measurements_are_read_as_they_were_written() -> None:
    assert Measurements.from_json(_written(), "measurements").to_json() == _written()


def _moved(found: Any) -> None:
    nodes = found["by_probability"]["race"]["groups"]["a"]["nodes"]
    nodes[0][0][0] += 30


def _thrice(found: Any) -> None:
    groups = found["by_probability"]["race"]["groups"]
    groups["c"] = groups["a"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_moved, "must add up to the tn of all rows"),
        (_thrice, "must be chances that add up to 1"),
        (lambda found: found["by_probability"]["race"].update(bins=9), "must be 9 bins of 4 cells"),
        (lambda found: found.pop("by_probability"), "must be one that was measured"),
    ],
)
def test_measurements_at_odds_with_all_rows_never_pass(change: Any, words: str) -> None:
    found = _written()
    change(found)
    rules = api.read_policy(policy(limit(RATIO, at_least=0.7)))
    verdict = judge_document(found, rules, None)

    assert verdict.outcome == "fail"
    assert words in " ".join([*verdict.faults, *(each.text for each in verdict.findings)])


# ------------------------------------------------------------------ a project of scores


SAID = ScoreOptions(
    **{name: getattr(VENDOR, name) for name in ("score", "threshold", "made_by", "version")},
    probabilities=("race=a:p_a,b:p_b",),
    proxy="BISG",
    proxy_version="census 2020",
    proxy_error=0.01,
)
ALONE = Options(target="paid", positive=("yes",), name="vendor")


def people() -> pd.DataFrame:
    """Return the vendor's rows with a proxy's probabilities in the place of sex."""
    table = frame().drop(columns="sex")
    chance = np.random.default_rng(6).choice([0.02, 0.5, 0.97], len(table))
    return table.assign(p_a=chance, p_b=1 - chance)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the release of such a project, never to be written to."""

    def make(folder: Path) -> None:
        people().to_csv(folder / "vendor.csv", index=False)
        attested(repository(run(folder / "project", folder / "vendor.csv", SAID, ALONE), folder / "root"))

    return made_once(tmp_path_factory, "by-probability", make) / "root" / "releases" / "vendor-v0.1.0"


def test_an_evaluation_by_probability_is_released_and_verified(released: Path) -> None:
    facts = verify(released, released.parents[1], key("maker").public)

    assert [fact.line() for fact in facts if fact.held is False] == []
    assert "four-fifths" in (released / "verdict.json").read_text(encoding="utf-8")


def test_its_pages_say_whose_the_probabilities_are(released: Path) -> None:
    for name in ("report.html", "evaluation-card.md"):
        text = (released / name).read_text(encoding="utf-8")
        assert "BISG, census 2020" in text
        assert "nobody is put into a group" in text.lower()


def test_its_probabilities_are_kept_from_every_model(released: Path) -> None:
    schema = Schema.read(released / "schema.json")

    assert {column.name for column in schema.withheld} == {"p_a", "p_b"}
    assert not {"p_a", "p_b"} & {*schema.feature_names}
    with pytest.raises(InputError, match="must have groups that rows state where a model is made"):
        schema.refuse_probabilities()


def test_a_smaller_error_of_the_proxy_than_the_params_say_is_caught(released: Path, tmp_path: Path) -> None:
    forged = Path(shutil.copytree(released, tmp_path / "forged"))
    found = read_json(forged / "measurements.json")
    found["by_probability"]["race"]["error"] = 0.0
    write_json(forged / "measurements.json", found)

    with pytest.raises(VerificationError, match="by_probability"):
        consistency.schema(taken(forged))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"proxy": None}, "must say what gives the probabilities"),
        ({"probabilities": ("race=a:p_a",)}, "must be ATTRIBUTE=GROUP:COLUMN"),
        ({"probabilities": ("race=a:p_a,b:q",)}, "no column 'q'"),
        ({"probabilities": ()}, "--proxy: must come with --probabilities"),
        ({"proxy_error": 1.5}, "--proxy-error: must be in"),
    ],
)
def test_what_is_said_of_a_proxy_is_checked_before_anything_is_written(
    changed: Mapping[str, Any], words: str, tmp_path: Path
) -> None:
    people().to_csv(tmp_path / "vendor.csv", index=False)
    table = read_table(tmp_path / "vendor.csv", Overrides(), None)

    with pytest.raises(UsageError, match=words):
        probable_of(table, replace(SAID, **changed))
