"""The report is one page that needs nothing else, reads without sight or colour, and runs nothing."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from markup import Document, read
from stage_outputs import FAIR, TEAMS, curves, dependence, explanations, facts, limit, policy

from fairmark.report.inputs import Facts
from fairmark.report.page import CONTENTS, page

STYLE = Path(__file__).parents[1] / "src/fairmark/report/templates/style.css"
HOSTILE = '<script>alert("1")</script>\'"><img src=x onerror=y>'
FIVE = {"team": {"a": 200, "b": 200, "c": 90, "d": 20, "missing": 0}, "band": {"<25": 100, ">=25": 410}}


def _hostile() -> Facts:
    teams = {HOSTILE: {HOSTILE: 60, "b": 40}}
    named = explanations(teams, (HOSTILE, "job"))
    decision = named.decisions[0]
    moves = [decision.contributions[0], decision.contributions[1].model_copy(update={"value": HOSTILE})]
    named = named.model_copy(
        update={
            "decisions": [decision.model_copy(update={"contributions": moves})],
            "dependence": {**named.dependence, "job": dependence("categorical", grid=[HOSTILE, "b"])},
        }
    )
    rules = policy([limit("ratio", "selection_rate_ratio", HOSTILE, 0.8)])
    return facts(teams, rules, names=(HOSTILE, "job"), explanations=named)


@pytest.fixture(scope="module")
def plain() -> Document:
    """Return the report of two groups."""
    return read(page(facts()))


# ------------------------------------------------------------------ it needs nothing and runs nothing


def test_nothing_is_loaded_from_anywhere(plain: Document) -> None:
    asked = [
        v for it in plain.elements for k, v in it.attributes.items() if k in {"src", "href", "srcset", "data"}
    ]

    assert all(each.startswith("#") for each in asked)
    assert not re.search(r"url\(|@import", STYLE.read_text())


def test_nothing_runs_and_nothing_is_styled_in_passing(plain: Document) -> None:
    assert plain.all("script") == []
    assert [
        it for it in plain.elements if any(k.startswith("on") or k == "style" for k in it.attributes)
    ] == []


def test_the_page_forbids_itself_everything_but_its_own_style(plain: Document) -> None:
    rules = [it.attributes["content"] for it in plain.all("meta") if "http-equiv" in it.attributes]

    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]{44}'; base-uri 'none'; form-action 'none'", rules[0]
    )


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(facts, id="two groups"),
        pytest.param(lambda: facts({"team": {"only": 80}}), id="one group"),
        pytest.param(lambda: facts(FIVE), id="five groups, one empty, two attributes"),
        pytest.param(_hostile, id="hostile names"),
        pytest.param(lambda: facts(curves=replace(curves(TEAMS), roc=[])), id="no curve"),
    ],
)
def test_every_kind_of_data_gives_a_balanced_page(found: Callable[[], Facts]) -> None:
    read_back = read(page(found()))

    assert read_back.faults == []
    assert read_back.all("main")


def test_hostile_names_are_shown_and_do_nothing() -> None:
    found = read(page(_hostile()))

    assert found.all("script") == []
    assert found.all("img") == []
    shown = [it.text for it in found.elements if it.name in {"th", "td", "text", "b", "h3"}]
    assert sum(HOSTILE in text for text in shown) > 10


def test_the_same_facts_give_the_same_page() -> None:
    assert page(facts()) == page(facts())


# ------------------------------------------------------------------ it reads without sight or colour


def test_headings_step_down_one_at_a_time(plain: Document) -> None:
    levels = [int(it.name[1]) for it in plain.elements if re.fullmatch(r"h\d", it.name)]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_picture_says_what_it_shows_or_repeats_numbers_beside_it(plain: Document) -> None:
    for picture in plain.all("svg"):
        told = picture.attributes.get("role") == "img" and picture.attributes.get("aria-label")
        assert told or (
            picture.attributes.get("aria-hidden") == "true" and picture.within[-1] in {"td", "div", "p"}
        )


def test_every_table_has_a_caption_and_every_heading_cell_a_scope(plain: Document) -> None:
    assert len(plain.all("caption")) == len(plain.all("table"))
    assert all(it.text.strip() for it in plain.all("caption"))
    assert all(it.attributes.get("scope") in {"col", "row"} for it in plain.all("th"))
    assert all(it.text.strip() for it in plain.all("th"))


def test_every_id_is_there_once_and_the_contents_lead_to_them(plain: Document) -> None:
    ids = [it.attributes["id"] for it in plain.elements if "id" in it.attributes]

    assert len(set(ids)) == len(ids)
    assert {f"#{name}" for name, _ in CONTENTS} <= {f"#{each}" for each in ids}
    assert all(it.attributes["href"][1:] in ids for it in plain.all("a"))


def _luminance(colour: str) -> float:
    """Return relative luminance by WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, two: str) -> float:
    high, low = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _palettes() -> list[dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(), flags=re.DOTALL)
    first = dict(re.findall(r"--([\w-]+): (#\w{6});", light))
    return [first, first | dict(re.findall(r"--([\w-]+): (#\w{6});", dark))]


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
@pytest.mark.parametrize(
    ("sign", "ground", "least"),
    [
        *((sign, ground, 4.5) for sign in ("ink", "soft") for ground in ("paper", "panel")),
        *((tone, f"{tone}-soft", 4.5) for tone in ("pass", "fail", "unsure")),
        ("accent", "paper", 4.5),
        ("unsure", "paper", 4.5),
        ("ink", "unsure-soft", 4.5),
        ("up", "paper", 3),
        ("down", "paper", 3),
    ],
)
def test_contrast_is_that_of_wcag_aa(palette: dict[str, str], sign: str, ground: str, least: float) -> None:
    assert _contrast(palette[sign], palette[ground]) >= least


def test_contrast_by_hand() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # WebAIM's well-known near miss


# ------------------------------------------------------------------ it says what has to be said


def test_the_verdict_comes_first(plain: Document) -> None:
    first = next(it for it in plain.elements if "data-outcome" in it.attributes)

    assert first.attributes["data-outcome"] == facts().verdict.outcome
    assert plain.all("h2")[0].text == "Verdict"


def test_a_policy_that_does_not_gate_fairness_is_named_so() -> None:
    words = "This policy does not gate fairness."

    assert words in page(facts(rules=policy(FAIR.limits[:1])))
    assert words not in page(facts())


def test_what_was_not_measured_says_why() -> None:
    assert "not measured: no rows" in page(facts({"team": {"blue": 100, "red": 0}}))


def test_no_row_id_host_or_time_is_on_the_page() -> None:
    text = page(facts())

    assert "_row_id" not in text
    assert not re.search(r"\d\d:\d\d:\d\d|/home/|/tmp/|https?://", text)
