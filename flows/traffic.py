"""How much of the traffic each colour of the service gets from the load balancer, and how it is moved.

The service runs in two colours, each a target group of one listener. Their weights are the promotion's to
move, on evidence; Terraform makes them once and then ignores them, so that no `apply` undoes a canary under
way. An unhealthy colour gets no traffic, and weights that somebody else has set are refused.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from fairmark.errors import FairmarkError, StateError, UsageError
from fairmark.record import fault_lines
from fairmark.terminal import say, stopped

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

    def unhealthy(self, colour: str) -> str:
        """Return why a colour can't take traffic, or nothing where a target of it is healthy."""
        answer = self.client.describe_target_health(TargetGroupArn=self._group(colour))
        described = _TargetHealthDescriptions.of(answer).target_health_descriptions
        states = [each.target_health.state for each in described]
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


def healthy(of: Balancer, colour: str, limit_s: float, *, every_s: float = 10) -> None:
    """Return once a target of a colour is healthy.

    Raises
    ------
    StateError
        When none is within `limit_s` seconds.
    """
    end = time.monotonic() + limit_s
    while why := of.unhealthy(colour):
        if time.monotonic() + every_s > end:
            raise StateError(f"{why} within {limit_s:g} s")
        time.sleep(every_s)


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
        say(*(f"{colour} {weight}" for colour, weight in sorted(of.weights().items())))
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
