"""What prefect.yaml deploys exists, is scheduled as documented, and names no machine."""

import importlib
import inspect
import re
from typing import Any

import pytest
import yaml
from flows_repo import FLOWS, ROOT
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule

TEXT = (ROOT / "prefect.yaml").read_text()
PLAN: dict[str, Any] = yaml.safe_load(TEXT)
DEPLOYMENTS = {deployment["name"]: deployment for deployment in PLAN["deployments"]}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_is_a_flow_with_the_parameters_that_it_takes(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    path, _, word = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(f"flows.{word}"), word)

    assert (ROOT / path) == FLOWS / f"{word}.py"
    assert isinstance(flow, Flow)
    assert set(deployment.get("parameters", {})) == set(inspect.signature(flow.fn).parameters)


def test_each_runs_alone_and_checks_what_it_is_given() -> None:
    for deployment in DEPLOYMENTS.values():
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}
        assert deployment["enforce_parameter_schema"] is True
        assert deployment["work_pool"]["name"] == "fairmark"


def test_each_deployment_runs_when_it_should() -> None:
    crons = {name: [s["cron"] for s in d.get("schedules", [])] for name, d in DEPLOYMENTS.items()}

    assert crons == {
        "weekly": ["0 3 * * 1"],
        "nightly": ["0 1 * * *"],
        "by-hand": [],
        "canary": ["*/10 * * * *"],
        "daily": ["30 5 * * *"],
        "hourly": ["45 * * * *"],
    }
    for cron, *_ in filter(None, crons.values()):
        assert CronSchedule(cron=cron, timezone="UTC").cron == cron


def test_no_path_of_a_machine_is_written_down() -> None:
    directory = PLAN["pull"][0]["prefect.deployments.steps.set_working_directory"]["directory"]

    assert directory == "{{ $FAIRMARK_HOME }}"
    assert re.findall(r"(?<![\w}])/\w+/\w+", TEXT) == []
