"""moto's server, and calls of Terraform's AWS provider 5.100 that moto 5.2.5 lacks or answers in part.

A program of its own, run by the Python of the delivery environment: nothing of it is imported by a test. It
proves the shape of arguments and that a second plan is empty, neither rights nor quotas nor running tasks.
"""

import hashlib
import json
from typing import Any

from moto import server
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse as Scaling
from moto.budgets.responses import BudgetsResponse as Budgets
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ecs import models as ecs
from moto.ecs.responses import EC2ContainerServiceResponse as Services
from moto.rds.models import DBInstance, DBParameterGroup

TAGS: dict[str, dict[str, str]] = {}
SUBSCRIBERS: dict[tuple[str, str, float], list[Any]] = {}


def scaling_list(self: Any) -> str:
    """Return the tags of a scalable target, which the provider wants as a map."""
    return json.dumps({"Tags": TAGS.get(self._get_param("ResourceARN"), {})})


def scaling_tag(self: Any) -> str:
    """Keep tags of a scalable target."""
    TAGS.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags") or {})
    return json.dumps({})


def scaling_untag(self: Any) -> str:
    """Drop tags of a scalable target."""
    for key in self._get_param("TagKeys") or []:
        TAGS.get(self._get_param("ResourceARN"), {}).pop(key, None)
    return json.dumps({})


def scaling_register(self: Any, before: Any = Scaling.register_scalable_target) -> str:
    """Register a scalable target with its tags."""
    answer: str = before(self)
    arn = json.loads(answer).get("ScalableTargetARN")
    if arn and self._get_param("Tags"):
        TAGS.setdefault(arn, {}).update(self._get_param("Tags"))
    return answer


def budget_key(self: Any, notification: dict[str, Any]) -> tuple[str, str, float]:
    """Return what names a notification of a budget."""
    kind, threshold = notification["NotificationType"], float(notification["Threshold"])
    return self._get_param("BudgetName"), kind, threshold


def budget_create(self: Any, before: Any = Budgets.create_budget) -> str:
    """Create a budget with subscribers and tags."""
    name = self._get_param("Budget")["BudgetName"]
    for each in self._get_param("NotificationsWithSubscribers", []) or []:
        told = each["Notification"]
        SUBSCRIBERS[name, told["NotificationType"], float(told["Threshold"])] = each.get("Subscribers", [])
    for tag in self._get_param("ResourceTags") or []:
        TAGS.setdefault(f"budget/{name}", {})[tag["Key"]] = tag["Value"]
    answer: str = before(self)
    return answer


def budget_notify(self: Any, before: Any = Budgets.create_notification) -> str:
    """Create a notification with its subscribers."""
    SUBSCRIBERS[budget_key(self, self._get_param("Notification"))] = self._get_param("Subscribers")
    answer: str = before(self)
    return answer


def budget_subscribers(self: Any) -> str:
    """Return the subscribers of a notification."""
    found = SUBSCRIBERS.get(budget_key(self, self._get_param("Notification")), [])
    return json.dumps({"Subscribers": found})


def budget_place(self: Any) -> str:
    """Return the place of a budget's tags."""
    return "budget/" + str(self._get_param("ResourceARN").split("budget/")[-1])


def budget_tags(self: Any) -> str:
    """Return the tags of a budget."""
    found = TAGS.get(budget_place(self), {})
    return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in found.items()]})


def budget_tag(self: Any) -> str:
    """Keep tags of a budget."""
    for tag in self._get_param("ResourceTags") or []:
        TAGS.setdefault(budget_place(self), {})[tag["Key"]] = tag["Value"]
    return json.dumps({})


def service_init(self: Any, *args: Any, before: Any = ecs.Service.__init__, **options: Any) -> None:
    """Make an ECS service with the field that the provider reads and moto leaves out."""
    before(self, *args, **options)
    self.availability_zone_rebalancing = "DISABLED"


def parameters(self: Any, given: list[Any], before: Any = DBParameterGroup.update_parameters) -> None:
    """Keep parameters as a user's: the provider forgets those of any other source."""
    before(self, [{**each, "Source": "user"} for each in given])


def service_create(self: Any, before: Any = Services.create_service) -> Any:
    """Create an ECS service, and keep for how long it is not asked for its health, which moto forgets."""
    answer = before(self)
    grace = self._get_param("healthCheckGracePeriodSeconds")
    for service in self.ecs_backend.services.values():
        if service.name == self._get_param("serviceName") and grace is not None:
            service.health_check_grace_period_seconds = grace
    return answer


def rule_description(self: Any) -> str | None:
    """Return the description of a rule, of one that names a group too."""
    found: str | None = self.ip_range.get("Description") or self.source_group.get("Description")
    return found


def database_init(self: Any, *args: Any, before: Any = DBInstance.__init__, **options: Any) -> None:
    """Make a database with a resource id of its own, by which the provider asks, and with its insights."""
    before(self, *args, **options)
    self.performance_insights_enabled = options.get("enable_performance_insights", False)
    self.performance_insights_kms_key_id = options.get("performance_insights_kms_key_id")
    self.dbi_resource_id = (
        f"db-{hashlib.sha256(self.db_instance_identifier.encode()).hexdigest()[:26].upper()}"
    )


if __name__ == "__main__":
    DBInstance.__init__, Services.create_service = database_init, service_create
    SecurityGroupRule.description = property(rule_description)
    Scaling.list_tags_for_resource, Scaling.tag_resource = scaling_list, scaling_tag
    Scaling.untag_resource, Scaling.register_scalable_target = scaling_untag, scaling_register
    Budgets.create_budget, Budgets.create_notification = budget_create, budget_notify
    Budgets.describe_subscribers_for_notification = budget_subscribers
    Budgets.list_tags_for_resource, Budgets.tag_resource = budget_tags, budget_tag
    ecs.Service.__init__, DBParameterGroup.update_parameters = service_init, parameters
    server.main()
