"""What alerts and dashboard ask for is what the service exports, and a verb writes both."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from fairmark.cli.main import main
from fairmark.cli.watch import rules as text
from fairmark.serve.metrics import Metrics

NAME = re.compile(r"\bfairmark_[a-z_]+")


def exported() -> dict[str, set[str]]:
    """Return the name of each sample that the service's registry gives, and its labels."""
    found: dict[str, set[str]] = {}
    for family in Metrics().registry.collect():
        ends = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        collector: Any = Metrics().registry._names_to_collectors.get(family.name)  # noqa: SLF001 - its labels have no other door
        labels = {*getattr(collector, "_labelnames", ()), *(["le"] if family.type == "histogram" else [])}
        found |= {family.name + end: labels for end in ends}
    return found


def expressions() -> list[str]:
    rules = [
        rule["expr"] for group in yaml.safe_load(text("alerts.yml"))["groups"] for rule in group["rules"]
    ]
    panels = json.loads(text("dashboard.json"))["panels"]
    return [*rules, *(target["expr"] for panel in panels for target in panel["targets"])]


def test_every_metric_that_they_name_is_exported() -> None:
    named = {name for each in expressions() for name in NAME.findall(each)}

    assert named - exported().keys() == set()
    assert len(named) > 10


def test_every_label_that_they_name_is_one_of_its_metric() -> None:
    known = exported()
    for each in expressions():
        for name, labels in re.findall(r"(fairmark_[a-z_]+)\{([^}]*)\}", each):
            assert {label.partition("=")[0].rstrip("~!") for label in labels.split(",")} <= known[name]
        for label in re.findall(r"by \((\w+)\)", each):
            assert any(label in known[name] for name in NAME.findall(each)), each


def test_every_alert_says_how_urgent_it_is_and_what_it_means() -> None:
    for rule in yaml.safe_load(text("alerts.yml"))["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith(".")


def test_the_verb_writes_both_into_a_folder(tmp_path: Path) -> None:
    assert main(["watch", "--rules", str(tmp_path / "rules")]) == 0
    assert sorted(path.name for path in (tmp_path / "rules").iterdir()) == ["alerts.yml", "dashboard.json"]
