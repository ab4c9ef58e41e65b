"""Traffic moves between two healthy colours, by weights that sum to 100, never over another's move."""

from collections.abc import Mapping
from typing import Any

import pytest

from fairmark.errors import StateError, UsageError
from flows.traffic import Balancer, healthy

GROUPS = {"arn:blue": "blue", "arn:green": "green"}


class Cloud:
    """The load balancer's API as far as it is called: one listener, two target groups."""

    def __init__(self, blue: int, green: int, /, **states: str) -> None:
        self.weights = {"arn:blue": blue, "arn:green": green}
        self.states = states
        self.sticky = {"Enabled": False}
        self.deaf = False

    def describe_listeners(self, ListenerArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        assert ListenerArns == ["arn:listener"]
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in self.weights.items()]
        config = {"TargetGroups": groups, "TargetGroupStickinessConfig": self.sticky}
        return {"Listeners": [{"DefaultActions": [{"Type": "forward", "ForwardConfig": config}]}]}

    def describe_tags(self, ResourceArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        tags = [
            {"ResourceArn": arn, "Tags": [{"Key": "colour", "Value": GROUPS[arn]}]} for arn in ResourceArns
        ]
        return {"TagDescriptions": tags}

    def describe_target_health(self, TargetGroupArn: str) -> Mapping[str, Any]:  # noqa: N803
        state = self.states.get(GROUPS[TargetGroupArn])
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}}] if state else []}

    def modify_listener(self, ListenerArn: str, DefaultActions: list[Any]) -> None:  # noqa: N803
        assert ListenerArn == "arn:listener"
        config = DefaultActions[0]["ForwardConfig"]
        assert config["TargetGroupStickinessConfig"] == self.sticky
        if not self.deaf:
            self.weights = {each["TargetGroupArn"]: each["Weight"] for each in config["TargetGroups"]}


def of(cloud: Cloud) -> Balancer:
    return Balancer(cloud, "arn:listener")


def test_a_canary_gets_its_share_and_the_other_the_rest() -> None:
    cloud = Cloud(100, 0, green="healthy")

    assert of(cloud).shift("green", 5) == {"blue": 95, "green": 5}
    assert cloud.weights == {"arn:blue": 95, "arn:green": 5}


def test_all_traffic_goes_back_at_once() -> None:
    cloud = Cloud(60, 40, blue="healthy", green="unhealthy")

    assert of(cloud).shift("green", 0) == {"blue": 100, "green": 0}


@pytest.mark.parametrize("state", ["", "unhealthy", "draining", "initial"])
def test_a_colour_that_is_not_healthy_gets_no_more_traffic(state: str) -> None:
    cloud = Cloud(100, 0, green=state)

    with pytest.raises(StateError, match="green: must have a healthy target"):
        of(cloud).shift("green", 1)
    assert cloud.weights == {"arn:blue": 100, "arn:green": 0}


def test_a_move_that_was_decided_on_other_weights_is_refused() -> None:
    cloud = Cloud(80, 20, green="healthy")

    with pytest.raises(StateError, match="somebody moved them"):
        of(cloud).shift("green", 50, was={"blue": 95, "green": 5})


def test_weights_that_do_not_sum_to_all_are_refused() -> None:
    with pytest.raises(StateError, match="must have weights that sum to 100, got"):
        of(Cloud(100, 5)).weights()


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_share_beyond_the_whole_is_refused(weight: int) -> None:
    with pytest.raises(UsageError, match=r"must be in 0\.\.100"):
        of(Cloud(100, 0, green="healthy")).shift("green", weight)


def test_an_unknown_colour_is_refused() -> None:
    with pytest.raises(UsageError, match="must be one of"):
        of(Cloud(100, 0)).shift("red", 5)


def test_the_idle_colour_is_that_without_traffic() -> None:
    assert of(Cloud(100, 0)).idle() == "green"
    with pytest.raises(StateError, match="a canary is under way"):
        of(Cloud(95, 5)).idle()


def test_a_move_that_was_not_taken_is_not_called_done() -> None:
    cloud = Cloud(100, 0, green="healthy")
    cloud.deaf = True

    with pytest.raises(StateError, match="must have taken"):
        of(cloud).shift("green", 5)


def test_waiting_for_health_ends() -> None:
    with pytest.raises(StateError, match="must have a healthy target, got none within 0"):
        healthy(of(Cloud(100, 0)), "green", 0, every_s=0.01)
