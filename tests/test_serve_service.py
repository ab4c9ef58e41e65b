"""The service over a real socket: what it decides is on record, and what it refuses is told whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Client, running

pytest_plugins = ("release_fixtures",)

ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
BAD = {"income <€>": "much", "home": "own", "member": "perhaps", "since": "2021-03-01", "sex": "Female"}


@pytest.fixture(scope="module")
def service(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a service of the small release, with a key of every scope."""
    place, key = (
        tmp_path_factory.mktemp("service"),
        Path(__import__("os").environ["FAIRMARK_CONFIG"]) / "key.pub.pem",
    )
    with running(released / "releases" / "loans-v0.1.0", key, place) as client:
        yield client


def test_one_row_gets_one_decision_that_can_be_looked_up(service: Client) -> None:
    answer = service.ask("/v1/decide", {"row": ROW, "subject": "person 7"}).json

    kept = service.ask(f"/v1/decisions/{answer['id']}").json
    assert kept["decision"] == answer
    assert kept["row"] == ROW


def test_every_fault_is_told_by_row_and_field(service: Client) -> None:
    answered = service.ask("/v1/decide", {"rows": [ROW, BAD]})

    faults = {(each["row"], each["field"]) for each in answered.json["faults"]}
    assert answered.status == 422
    assert faults == {(2, "income <€>"), (2, "member"), (2, "sex")}
