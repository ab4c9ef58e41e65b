"""Traffic moves between two healthy colours, by weights that sum to 100, never over another's move."""

from collections.abc import Mapping
from typing import Any

import pytest

from fairmark.errors import StateError, UsageError
from flows.traffic import Arm, Balancer, Fleet, give, healthy

GROUPS = {"arn:blue": "blue", "arn:green": "green"}


class Cloud:
    """The load balancer's API as far as it is called: one listener, two target groups."""

    def __init__(self, blue: int, green: int, /, **states: str) -> None:
        self.weights = {"arn:blue": blue, "arn:green": green}
        self.states = states
        self.sticky = {"Enabled": False}
        self.held = {"blue": "loans@v0.1.0", "green": "loans@v0.2.0"}
        self.deaf = False

    def describe_listeners(self, ListenerArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        assert ListenerArns == ["arn:listener"]
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in self.weights.items()]
        config = {"TargetGroups": groups, "TargetGroupStickinessConfig": self.sticky}
        return {"Listeners": [{"DefaultActions": [{"Type": "forward", "ForwardConfig": config}]}]}

    def describe_tags(self, ResourceArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        tags = [
            {
                "ResourceArn": arn,
                "Tags": [
                    {"Key": "colour", "Value": GROUPS[arn]},
                    {"Key": "release", "Value": self.held[GROUPS[arn]]},
                ],
            }
            for arn in ResourceArns
        ]
        return {"TagDescriptions": tags}

    def describe_target_health(self, TargetGroupArn: str) -> Mapping[str, Any]:  # noqa: N803
        states = self.states.get(GROUPS[TargetGroupArn], "").split()
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": each}} for each in states]}

    def modify_listener(self, ListenerArn: str, DefaultActions: list[Any]) -> None:  # noqa: N803
        assert ListenerArn == "arn:listener"
        config = DefaultActions[0]["ForwardConfig"]
        assert config["TargetGroupStickinessConfig"] == self.sticky
        if not self.deaf:
            self.weights = {each["TargetGroupArn"]: each["Weight"] for each in config["TargetGroups"]}


class Tasks:
    """ECS as far as it is called: a service a colour, whose tasks are healthy once they are asked for."""

    def __init__(self, cloud: Cloud, *, come: bool = True) -> None:
        self.cloud, self.come = cloud, come
        self.asked: list[tuple[str, int]] = []

    def describe_services(self, cluster: str, services: list[str]) -> Mapping[str, Any]:
        assert cluster == "loans-staging"
        colour = services[0].removeprefix("loans-staging-")
        return {
            "services": [{"desiredCount": len(self.cloud.states.get(colour, "").split())}],
            "failures": [],
        }

    def update_service(self, cluster: str, service: str, desiredCount: int) -> None:  # noqa: N803
        assert cluster == "loans-staging"
        colour = service.removeprefix("loans-staging-")
        self.asked.append((colour, desiredCount))
        if self.come:
            self.cloud.states[colour] = " ".join(["healthy"] * desiredCount)


def given(cloud: Cloud, tasks: Tasks, release: str, arm: Arm, share: float) -> Mapping[str, int]:
    return give(release, arm, share, of=of(cloud), tasks=Fleet(tasks, "loans-staging"), limit_s=0)


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


def test_a_challenger_has_its_tasks_before_it_gets_its_share() -> None:
    # Six tasks carry 95 percent: 50 percent need ceil(50 * 6 / 95) = 4.
    cloud = Cloud(95, 5, blue="healthy " * 6, green="healthy")
    tasks = Tasks(cloud)

    assert given(cloud, tasks, "loans@v0.2.0", "challenger", 0.5) == {"blue": 50, "green": 50}
    assert tasks.asked == [("green", 4)]


def test_a_challenger_whose_tasks_do_not_come_gets_nothing_more() -> None:
    cloud = Cloud(95, 5, blue="healthy " * 6, green="healthy")

    with pytest.raises(StateError, match="green: must have 4 healthy targets, got"):
        given(cloud, Tasks(cloud, come=False), "loans@v0.2.0", "challenger", 0.5)
    assert cloud.weights == {"arn:blue": 95, "arn:green": 5}


def test_a_champion_gets_everything_back_at_once_and_its_tasks_beside() -> None:
    cloud = Cloud(20, 80, blue="healthy", green="healthy " * 4)
    tasks = Tasks(cloud, come=False)

    assert given(cloud, tasks, "loans@v0.1.0", "champion", 1) == {"blue": 100, "green": 0}
    assert tasks.asked == [("blue", 5)]


def test_less_traffic_asks_for_no_task() -> None:
    cloud = Cloud(50, 50, blue="healthy", green="healthy")
    tasks = Tasks(cloud)

    assert given(cloud, tasks, "loans@v0.2.0", "challenger", 0) == {"blue": 100, "green": 0}
    assert tasks.asked == []


@pytest.mark.parametrize("share", [-0.01, 1.01, 0.005, 0.333])
def test_a_share_that_is_no_whole_percent_is_refused(share: float) -> None:
    cloud = Cloud(100, 0, green="healthy")

    with pytest.raises(UsageError, match="in whole percents"):
        given(cloud, Tasks(cloud), "loans@v0.2.0", "challenger", share)


def test_a_release_that_no_colour_or_both_hold_is_refused() -> None:
    cloud = Cloud(100, 0, green="healthy")

    with pytest.raises(StateError, match="must be deployed to one colour"):
        given(cloud, Tasks(cloud), "loans@v0.3.0", "challenger", 0.05)
    cloud.held["blue"] = "loans@v0.2.0"
    with pytest.raises(StateError, match="must be deployed to one colour"):
        given(cloud, Tasks(cloud), "loans@v0.2.0", "challenger", 0.05)


def test_without_a_listener_there_is_nothing_to_move(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAIRMARK_LISTENER", raising=False)

    with pytest.raises(UsageError, match=r"\$FAIRMARK_LISTENER: must name it"):
        give("loans@v0.2.0", "challenger", 0.05)
