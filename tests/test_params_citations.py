"""A limit may say which law it goes back to and when it was read; one past the policy's term is told."""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage_outputs import FAIR, TEAMS, facts

from fairmark.cli.main import main
from fairmark.errors import ParamsError
from fairmark.judge.policy_diff import changes
from fairmark.params.parse import typed
from fairmark.params.policy import Law, Limit, Policy
from fairmark.params.read import read_params
from fairmark.report.page import page

ROOT = Path(__file__).resolve().parents[1]
READ = dt.date(2026, 1, 2)
LAW = Law(
    jurisdiction="United States",
    citation="29 CFR 1607.4(D)",
    checked=READ,
    term_days=365,
    note="On the agenda.",
)


def rules(law: Law | None = LAW, **changes: Any) -> Policy:
    cited = law and law.model_copy(update=changes)
    limits = [FAIR.limits[0], FAIR.limits[1].model_copy(update={"law": cited}), *FAIR.limits[2:]]
    return FAIR.model_copy(update={"limits": limits})


@pytest.mark.parametrize(
    ("days", "told"), [(-1, "is to come"), (0, ""), (365, ""), (366, "within 365 days of 2027-01-03")]
)
def test_a_citation_is_stale_from_the_day_after_its_term_and_before_its_own_day(days: int, told: str) -> None:
    found = rules().stale_citations(READ + dt.timedelta(days=days))

    assert len(found) == bool(told)
    assert told in "".join(found)


def test_without_a_term_or_a_law_nothing_is_stale() -> None:
    late = dt.date(2999, 1, 1)

    assert rules(term_days=None).stale_citations(late) == rules(None).stale_citations(late) == []


def test_the_report_shows_the_law_its_day_and_when_to_read_it_again() -> None:
    with_law, without = page(facts(TEAMS, rules())), page(facts(TEAMS, rules(None)))
    text = (
        " Law: 29 CFR 1607.4(D) (United States), last read on 2026-01-02, to be read again by 2027-01-02. "
        "On the agenda. Not legal advice."
    )

    assert with_law.replace(text, "") == without
    assert with_law.count(text) == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"checked": "soon"}, "law.checked"),
        ({"citation": ""}, "law.citation"),
        ({"court": "x"}, "law.court: must be a known key"),
    ],
)
def test_a_law_that_says_nothing_is_refused(change: dict[str, Any], fault: str) -> None:
    value = json.loads(FAIR.limits[0].model_dump_json()) | {"law": LAW.model_dump(mode="json") | change}

    with pytest.raises(ParamsError, match=fault):
        typed(Limit, value, "policy.limits")


def test_another_citation_decides_nothing_and_one_that_is_taken_away_is_missed() -> None:
    def ways(old: Policy, new: Policy) -> list[tuple[str, str]]:
        both = [{"policy": json.loads(each.model_dump_json())} for each in (old, new)]
        return [(each.where.rpartition(".")[2], each.way) for each in changes(*both)]

    again = rules(checked=dt.date(2027, 1, 1))
    assert ways(rules(), again) == ways(rules(None), rules()) == [("law", "neutral")]
    assert ways(rules(), rules(None)) == [("law", "loosened")]
    assert (
        ways(rules(), rules(term_days=730)) == ways(rules(), rules(term_days=None)) == [("law", "loosened")]
    )


def test_the_default_policy_dates_its_citation_and_says_what_is_on_the_agenda() -> None:
    policy = read_params(ROOT / "params.yaml").policy
    (cited,) = [each for each in policy.limits if each.law]
    said = policy.citation(cited)

    assert cited.name == "sex-four-fifths"
    assert "RIN 3046-AB43" in said
    assert said.endswith("Not legal advice.")
    assert cited.law is not None
    assert cited.law.term_days == 365


def test_a_stale_citation_is_told_by_judge_and_by_assess(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    value["policy"]["limits"][3]["law"]["checked"] = "2020-01-01"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    shutil.copyfile(ROOT / "artifacts" / "evaluate" / "measurements.json", tmp_path / "measurements.json")

    main(["judge", str(tmp_path / "measurements.json"), str(tmp_path / "params.yaml")])
    assert "note: limit sex-four-fifths: 29 CFR 1607.4(D) must have been read" in capsys.readouterr().out
    main(["assess", "--clone", str(tmp_path)])
    assert "note: limit sex-four-fifths: 29 CFR 1607.4(D) must have been read" in capsys.readouterr().out
