"""One word for one verdict: pages, cards, verbs, papers and Space say the flow's, and what it stands on."""

import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from stage_outputs import FAIR, PROJECT, TEAMS, facts, limit, policy
from test_governance_release_index import release

from fairmark.cli.main import main
from fairmark.export.hub_card import hub_card
from fairmark.files import write_json
from fairmark.governance.pages import index_page
from fairmark.governance.release_index import ReleaseIndex
from fairmark.judge.verdict import Verdict, judge
from fairmark.params.policy import Policy, Waiver
from fairmark.params.read import read_params
from fairmark.params.scores import Scores
from fairmark.report.evaluation import evaluation_card, evaluation_page
from fairmark.report.inputs import Facts
from fairmark.report.model_card import card, card_page
from fairmark.report.page import page
from flows.publish import readme
from space.app import Shown

ROOT = Path(__file__).resolve().parents[1]
TODAY = dt.datetime.now(tz=dt.UTC).date()
HIGH, EASY = limit("high", "accuracy", None, 0.99), limit("auc", "roc_auc", None, 0.6)


def decided(name: str) -> Waiver:
    soon = TODAY + dt.timedelta(days=9)
    return Waiver(limit=name, groups=None, decided_by="A. P.", reason="So.", decided=TODAY, expires=soon)


POLICIES = {
    "pass": policy([EASY]),
    "pass with waiver": policy(FAIR.limits, [decided("four-fifths")]),
    "pass with override": policy([HIGH, EASY], (), [decided("high")]),
    "insufficient evidence": FAIR,
    "fail": policy([HIGH, EASY]),
}
LEANS_ON = {"pass with waiver": "four-fifths", "pass with override": "high"}


@pytest.fixture(params=POLICIES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def told(case: str) -> tuple[Policy, Facts, Verdict]:
    """Return a policy, the facts that pages are made of (on no day), and the verdict of today's flow."""
    rules = POLICIES[case]
    found = facts(TEAMS, rules)
    return rules, found, judge(found.measurements, rules, TODAY)


def test_the_flow_has_one_word_for_each_state(case: str) -> None:
    _, _, verdict = told(case)

    assert verdict.state == case.replace("override", "waiver")
    assert bool(verdict.stands_on) == (case in LEANS_ON)


def test_the_report_and_the_card_say_the_word_of_the_flow_and_what_it_stands_on(case: str) -> None:
    _, found, verdict = told(case)
    report, text = page(found), card(found)
    (box,) = re.findall(r'<div class="verdict .*?</div>', report, re.DOTALL)

    assert f"<span>{verdict.state.capitalize()}</span>" in box
    assert f" - {verdict.state}</title>" in report
    assert f"**Verdict: {verdict.state}.**" in text
    assert f"Verdict: {verdict.state}." in card_page(found, text)
    if case in LEANS_ON:
        line = next(line for line in text.splitlines() if line.startswith("**Verdict: "))
        assert "on record cover" in box
        assert "on record cover" in line
        assert LEANS_ON[case] in box


def test_the_verb_judge_says_it(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, found, verdict = told(case)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["prepare"]["protected"]["team"] = {"by": "column", "column": "sex"}
    params["policy"] = json.loads(rules.model_dump_json())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write_json(tmp_path / "measurements.json", found.measurements.to_json())

    main(["judge", str(tmp_path / "measurements.json"), str(tmp_path / "params.yaml")])
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("verdict: ")]
    assert line == f"verdict: {verdict.state}{''.join(f'; on {each}' for each in verdict.stands_on)}"


def test_the_index_says_it_and_what_it_stands_on(case: str) -> None:
    _, _, verdict = told(case)
    one = release(1)
    assert one.found is not None
    said = replace(one.found, state=verdict.state, stands_on=verdict.stands_on)
    one = replace(one, found=said)
    text = index_page(ReleaseIndex((one,), (), ()), TODAY, Path("/r"))

    assert f'<span class="badge">{verdict.state}</span>' in text
    assert text.count("Stands on") == len(verdict.stands_on)


def test_the_space_says_it_and_what_it_stands_on(case: str) -> None:
    rules, _, verdict = told(case)
    made: Any = SimpleNamespace(verdict=verdict, params=SimpleNamespace(policy=rules, project=PROJECT))
    text = Shown(cast("Any", None), made, "loans@v0.1.0").about()

    assert f"Verdict: **{verdict.state}**." in text
    assert text.count("It stands on") == len(verdict.stands_on)


def test_the_pages_of_an_evaluation_say_it_and_what_it_stands_on(case: str) -> None:
    _, found, verdict = told(case)
    scores = Scores(made_by="Vendor", version="3", score="score", threshold=0.5, decision=None, selected=None)
    report = evaluation_page(found, scores, found.schema, found.prepared, found.audit)
    text = evaluation_card(found, scores, found.schema)
    (box,) = re.findall(r'<div class="verdict .*?</div>', report, re.DOTALL)

    assert f"<span>{verdict.state.capitalize()}</span>" in box
    assert f"## Verdict: {verdict.state}\n" in text
    if case in LEANS_ON:
        assert "on record cover" in box
        assert "on record cover" in text.partition("## Verdict")[2][:200]


def test_the_cards_for_a_hub_say_it_and_what_it_stands_on(case: str) -> None:
    rules, found, verdict = told(case)
    params = read_params(ROOT / "params.yaml").model_copy(update={"policy": rules})
    release: Any = SimpleNamespace(
        verdict=verdict,
        params=params,
        measurements=found.measurements,
        statement=SimpleNamespace(tag="loans@v0.1.0"),
        text=lambda _: "# Card\n",
    )

    for body in (hub_card(release).split("---\n", 2)[2], readme(release).split("---\n", 2)[2]):
        assert verdict.state in body.replace("**", "")
        assert [each for each in verdict.stands_on if each not in body] == []


ALONE = {
    "src/fairmark/release/statement.py": "states verdict.json, which holds all of it, by SHA-256",
    "src/fairmark/verify/consistency.py": "compares it",
    "src/fairmark/project/attest.py": "the first line of the tag, which names the statement",
}
"""Files that write or read the word without what it stands on, each with why."""


def test_nothing_else_says_the_word_without_what_it_stands_on() -> None:
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "flows").glob("*.py"), ROOT / "space" / "app.py"]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}
    saying = {name for name, text in texts.items() if re.search(r"\bverdict\.state\b", text)}
    beside = {name for name in saying if re.search(r"stands_on|in_words|on_record|waived_by", texts[name])}

    assert saying - beside == set(ALONE)
