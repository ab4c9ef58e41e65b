"""Every request of docs/serving.md is answered as the page says, by a real service."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service import Client, running

from fairmark.serve.metrics import Metrics

pytest_plugins = ("release_fixtures",)
PAGE = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- (\w+) -->\n```http\n(.*?)```", PAGE, re.DOTALL))
ANSWERS = dict(re.findall(r"<!-- (\w+) -->\n```http\n.*?```\n```json\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def service(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    place, key = tmp_path_factory.mktemp("docs"), Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    with running(released / "releases" / "loans-v0.1.0", key, place) as client:
        yield client


def requests(block: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^(GET|POST) (\S+)\n((?:\{.*\}\n)?)", BLOCKS[block], re.MULTILINE)


def shape(value: Any, like: Any) -> Any:
    """Return a value with what the page leaves out (`...`) left out."""
    if like == "...":
        return "..."
    if isinstance(like, dict) and isinstance(value, dict) and value.keys() == like.keys():
        return {key: shape(value[key], like[key]) for key in like}
    return value


@pytest.mark.parametrize("block", ["decide", "reasons", "refused"])
def test_the_answer_is_the_one_on_the_page(service: Client, block: str) -> None:
    ((_, path, body),) = requests(block)
    wanted = json.loads(ANSWERS[block])

    assert shape(service.ask(path, json.loads(body)).json, wanted) == wanted


def test_every_request_about_people_is_answered(service: Client) -> None:
    ((_, path, body),) = requests("decide")
    known = {"id": service.ask(path, json.loads(body)).json["id"], "case": ""}
    for method, path, body in requests("people"):
        named = [text.replace("{id}", known["id"]).replace("{case}", known["case"]) for text in (path, body)]
        answered = service.ask(named[0], json.loads(named[1]) if method == "POST" else None)

        assert answered.status == 200, (path, answered.body)
        known["case"] = known["case"] or answered.json.get("case", "")


def test_every_metric_is_on_the_page_and_no_other() -> None:
    text = Metrics().text().decode()
    made = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)}
    told = {name.removesuffix("_total") for name in re.findall(r"`(fairmark_\w+)[`{]", PAGE)}

    assert made == told


def test_every_path_is_on_the_page(service: Client) -> None:
    for path in service.ask("/openapi.json").json["paths"]:
        end = path.replace("loans", "NAME").replace("/{entry_id}", "").replace("/versions/v0.1.0", "")
        assert end in PAGE or end.replace("/v2/models/NAME", "...") in PAGE, path
