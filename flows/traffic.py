"""Blue/green weights of the load balancer: the traffic that each colour of the service gets, and its move.

The service runs in two colours, each a target group of one listener. Their weights are the promotion's to
move, on evidence; Terraform makes them once and then ignores them, so that no `apply` undoes a canary under
way. An unhealthy colour gets no traffic, and weights that somebody else has set are refused. `give` is what a
promotion calls: a release, which arm it is, its share.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from fairmark.errors import FairmarkError, StateError, UsageError
from fairmark.record import fault_lines
from fairmark.terminal import say, stopped

LISTENER, CLUSTER = "FAIRMARK_LISTENER", "FAIRMARK_CLUSTER"
"""The variables that name the listener and the ECS cluster: outputs of terraform/."""

Arm = Literal["champion", "challenger"]
"""champion: goes back to what it had, at once; challenger: gets more once its tasks are there."""

WHOLE = 100
"""The sum of the weights: a share of traffic in percent."""


class _Answer(BaseModel):
    """What the API answers, as far as it is read here: keys that it adds are kept, and written back."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="allow", frozen=True)

    @classmethod
    def of(cls, answer: object) -> Self:
        """Return an answer as this class.

        Raises
        ------
        StateError
            When a key is missing or of another type, with one line for each.
        """
        try:
            return cls.model_validate(answer)
        except ValidationError as error:
            raise StateError(*fault_lines(error, "load balancer")) from error


class _Target(_Answer):
    target_group_arn: str
    weight: int = 0


class _Forward(_Answer):
    target_groups: tuple[_Target, ...]


class _Action(_Answer):
    type: str
    forward_config: _Forward | None = None


class _Listener(_Answer):
    default_actions: tuple[_Action, ...]


class _Listeners(_Answer):
    listeners: tuple[_Listener, ...]


class _Tag(_Answer):
    key: str
    value: str


class _Tagged(_Answer):
    resource_arn: str
    tags: tuple[_Tag, ...]


class _TagDescriptions(_Answer):
    tag_descriptions: tuple[_Tagged, ...]


class _Health(_Answer):
    state: str


class _TargetHealth(_Answer):
    target_health: _Health


class _TargetHealthDescriptions(_Answer):
    target_health_descriptions: tuple[_TargetHealth, ...]


class _Service(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    desired_count: int


class _Services(_Answer):
    model_config = ConfigDict(alias_generator=to_camel)

    services: tuple[_Service, ...]


@dataclass(frozen=True)
class Balancer:
    """The listener of the load balancer, and the target group of each colour.

    Parameters
    ----------
    client
        botocore's client of `elbv2`.
    listener
        The listener's ARN.
    """

    client: Any
    listener: str

    def groups(self) -> Mapping[str, str]:
        """Return the ARN of each colour's target group, by the tag `colour` that Terraform gives it.

        Raises
        ------
        StateError
            When the listener does not forward to exactly one target group of each of two colours.
        """
        arns = [each.target_group_arn for each in self._forward().target_groups]
        described = _TagDescriptions.of(self.client.describe_tags(ResourceArns=arns)).tag_descriptions
        tags = {each.resource_arn: {tag.key: tag.value for tag in each.tags} for each in described}
        found = {tags[arn].get("colour", arn): arn for arn in arns}
        if len(found) != 2 or len(arns) != 2:
            raise StateError(f"listener: must forward to two colours, got {sorted(found)}")
        return found

    def weights(self) -> Mapping[str, int]:
        """Return the weight of each colour, 0 to 100, together 100.

        Raises
        ------
        StateError
            When they sum to something else: somebody set them by hand.
        """
        weight = {each.target_group_arn: each.weight for each in self._forward().target_groups}
        found = {colour: weight[arn] for colour, arn in self.groups().items()}
        if sum(found.values()) != WHOLE:
            raise StateError(f"listener: must have weights that sum to {WHOLE}, got {found}")
        return found

    def releases(self) -> Mapping[str, str]:
        """Return the release that each colour holds, by the tag `release` that a deploy sets."""
        groups = self.groups()
        described = _TagDescriptions.of(self.client.describe_tags(ResourceArns=[*groups.values()]))
        tags = {
            each.resource_arn: {tag.key: tag.value for tag in each.tags}
            for each in described.tag_descriptions
        }
        return {colour: tags.get(arn, {}).get("release", "") for colour, arn in groups.items()}

    def colour_of(self, release: str) -> str:
        """Return the colour that holds a release.

        Raises
        ------
        StateError
            When none or both do.
        """
        found = self.releases()
        colours = [colour for colour, held in found.items() if held == release]
        if len(colours) != 1:
            raise StateError(f"{release}: must be deployed to one colour, got {dict(found)}")
        return colours[0]

    def idle(self) -> str:
        """Return the colour without traffic, to which a release may be deployed.

        Raises
        ------
        StateError
            When both have some: a canary is under way.
        """
        weights = self.weights()
        idle = [colour for colour, weight in weights.items() if weight == 0]
        if not idle:
            raise StateError(
                f"listener: must have a colour without traffic, got {dict(weights)} (a canary is under way)"
            )
        return idle[0]

    def states(self, colour: str) -> list[str]:
        """Return the state of each target of a colour, as the load balancer sees it."""
        answer = self.client.describe_target_health(TargetGroupArn=self._group(colour))
        return [
            each.target_health.state
            for each in _TargetHealthDescriptions.of(answer).target_health_descriptions
        ]

    def tasks_for(self, colour: str, weight: int) -> int:
        """Return how many tasks a colour needs for a share, by what the other carries its own with.

        With `n` healthy targets at `w` percent the other carries one percent by `n / w` of a target: `weight`
        percent need `ceil(weight * n / w)`, and one at least. What it can't be told from (the other has no
        traffic, or no healthy target) is one.
        """
        [(other, share)] = [(name, w) for name, w in self.weights().items() if name != colour]
        carrying = self.states(other).count("healthy")
        return max(1, math.ceil(weight * carrying / share)) if share else 1

    def unhealthy(self, colour: str) -> str:
        """Return why a colour can't take traffic, or nothing where a target of it is healthy."""
        states = self.states(colour)
        return "" if "healthy" in states else f"{colour}: must have a healthy target, got {states or 'none'}"

    def shift(self, colour: str, weight: int, *, was: Mapping[str, int] | None = None) -> Mapping[str, int]:
        """Give `weight` percent of the traffic to a colour and the rest to the other; return the new weights.

        Parameters
        ----------
        was
            What the weights must be now: those by which the move was decided.

        Raises
        ------
        UsageError
            When the weight is not in 0..100, or there is no such colour.
        StateError
            When the weights are others by now, a colour that is to get traffic has no healthy target, or the
            load balancer did not take them.
        """
        if not 0 <= weight <= WHOLE:
            raise UsageError(f"weight: must be in 0..{WHOLE}, got {weight}")
        now, groups = self.weights(), self.groups()
        own = self._group(colour)
        if was is not None and dict(was) != dict(now):
            raise StateError(
                f"listener: must have the weights {dict(was)}, got {dict(now)}: somebody moved them"
            )
        wanted = {name: weight if name == colour else WHOLE - weight for name in groups}
        # Who gains traffic must be healthy; to take it from a sick colour is what a move may be for.
        more = [name for name in groups if wanted[name] > now[name]]
        if faults := [why for name in more if (why := self.unhealthy(name))]:
            raise StateError(*faults)
        targets = [{"TargetGroupArn": arn, "Weight": wanted[name]} for name, arn in groups.items()]
        # Whatever else the action says stays, such as its stickiness.
        known = self._forward().model_dump(by_alias=True, exclude_unset=True)
        forward = {**known, "TargetGroups": targets}
        self.client.modify_listener(
            ListenerArn=self.listener, DefaultActions=[{"Type": "forward", "ForwardConfig": forward}]
        )
        # Read again: somebody else may have written in between.
        if dict(self.weights()) != wanted:
            raise StateError(f"listener: must have taken {wanted}, got {dict(self.weights())} ({own})")
        return wanted

    def _group(self, colour: str) -> str:
        groups = self.groups()
        if colour not in groups:
            raise UsageError(f"colour: must be one of {sorted(groups)}, got {colour!r}")
        return groups[colour]

    def _forward(self) -> _Forward:
        found = _Listeners.of(self.client.describe_listeners(ListenerArns=[self.listener])).listeners
        actions = found[0].default_actions if found else ()
        forwards = [each.forward_config for each in actions if each.type == "forward"]
        if len(forwards) != 1 or forwards[0] is None:
            raise StateError(
                f"{self.listener}: must be a listener that forwards, got {len(forwards)} such actions"
            )
        return forwards[0]


def balancer(listener: str) -> Balancer:
    """Return the balancer of a listener; region, credentials and endpoint come from the environment."""
    from botocore.session import get_session

    return Balancer(get_session().create_client("elbv2"), listener)


def healthy(of: Balancer, colour: str, limit_s: float, *, fewest: int = 1, every_s: float = 10) -> None:
    """Return once `fewest` targets of a colour are healthy.

    Raises
    ------
    StateError
        When they are not within `limit_s` seconds.
    """
    end = time.monotonic() + limit_s
    while (states := of.states(colour)).count("healthy") < fewest:
        many = "a healthy target" if fewest == 1 else f"{fewest} healthy targets"
        why = f"{colour}: must have {many}, got {states or 'none'}"
        if time.monotonic() + every_s > end:
            raise StateError(f"{why} within {limit_s:g} s")
        time.sleep(every_s)


@dataclass(frozen=True)
class Fleet:
    """The tasks of the two colours, each an ECS service `CLUSTER-COLOUR`.

    Parameters
    ----------
    client
        botocore's client of `ecs`.
    cluster
        The cluster's name.
    """

    client: Any
    cluster: str

    def at_least(self, colour: str, tasks: int) -> None:
        """Ask for at least so many tasks of a colour; what it has more stays.

        Raises
        ------
        StateError
            When there is no such service.
        """
        name = f"{self.cluster}-{colour}"
        answer = self.client.describe_services(cluster=self.cluster, services=[name])
        found = _Services.of(answer).services
        if len(found) != 1:
            raise StateError(f"{name}: must be a service of {self.cluster}, got none")
        if found[0].desired_count < tasks:
            self.client.update_service(cluster=self.cluster, service=name, desiredCount=tasks)


def fleet(cluster: str) -> Fleet:
    """Return the fleet of a cluster, as `balancer` does its balancer."""
    from botocore.session import get_session

    return Fleet(get_session().create_client("ecs"), cluster)


def give(
    release: str,
    arm: Arm,
    share: float,
    *,
    of: Balancer | None = None,
    tasks: Fleet | None = None,
    limit_s: float = 900,
) -> Mapping[str, int]:
    """Give a release its share of the traffic, and return the new weights by colour.

    A challenger gets more only once it has as many healthy tasks as the share needs. A champion that traffic
    goes back to gets it at once, and its tasks are asked for beside it: nobody waits with a model that has
    been found wrong.

    Parameters
    ----------
    release
        As it was deployed, such as `loans@v0.2.0`.
    share
        0..1, in whole percents: a load balancer knows no others.
    of, tasks
        By default the listener and the cluster that `FAIRMARK_LISTENER` and `FAIRMARK_CLUSTER` name.
    limit_s
        How many seconds a challenger's tasks may take.

    Raises
    ------
    UsageError
        When the share is none in whole percents, or no listener or cluster is named.
    StateError
        When no colour holds the release, its tasks do not come, or the move is refused (`Balancer.shift`).
    """
    weight = round(share * WHOLE)
    if not 0 <= share <= 1 or abs(weight - share * WHOLE) > 1e-9:
        raise UsageError(f"share: must be 0..1 in whole percents, got {share}")
    of = of or balancer(_named(LISTENER))
    tasks = tasks or fleet(_named(CLUSTER))
    was = of.weights()
    colour = of.colour_of(release)
    if weight > was[colour]:
        needed = of.tasks_for(colour, weight)
        tasks.at_least(colour, needed)
        if arm == "challenger":
            healthy(of, colour, limit_s, fewest=needed)
    return of.shift(colour, weight, was=was)


def _named(variable: str) -> str:
    if not (text := os.environ.get(variable, "")):
        raise UsageError(f"${variable}: must name it (an output of terraform/), got nothing")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Show or move the traffic, and return the exit code."""
    parser = argparse.ArgumentParser(prog="traffic", description=__doc__, allow_abbrev=False)
    parser.add_argument("act", choices=("show", "idle", "healthy", "shift"))
    parser.add_argument(
        "--listener", required=True, metavar="ARN", help="the output `listener` of terraform/"
    )
    parser.add_argument("--colour", help="blue or green")
    parser.add_argument("--weight", type=int, help="percent of the traffic, 0 to 100")
    parser.add_argument("--wait", type=float, default=600, metavar="SECONDS", help="how long `healthy` waits")
    given = parser.parse_args(argv)
    try:
        _act(given, balancer(given.listener))
    except FairmarkError as error:
        stopped("traffic", error.faults)
        return error.exit_code
    return 0


def _act(given: argparse.Namespace, of: Balancer) -> None:
    if given.act == "idle":
        say(of.idle())
        return
    if given.act == "show":
        held = of.releases()
        say(
            *(f"{colour} {weight} {held[colour]}".rstrip() for colour, weight in sorted(of.weights().items()))
        )
        return
    if given.colour is None or (given.act == "shift" and given.weight is None):
        raise UsageError(
            f"{given.act}: must be given --colour{' and --weight' if given.act == 'shift' else ''}"
        )
    if given.act == "healthy":
        healthy(of, given.colour, given.wait)
    else:
        of.shift(given.colour, given.weight)
        say(*(f"{colour} {weight}" for colour, weight in sorted(of.weights().items())))


if __name__ == "__main__":
    sys.exit(main())
