# From the registry to the service and what keeps it: one configuration for development, staging and production, which
# differ by environments/*.tfvars alone.
#
#   network.tf    addresses, zones, who may speak to whom        service.tf     load balancer, two colours, autoscaling
#   keys.tf       KMS: releases, journal, operations             flows.tf       Prefect server and worker, MLflow
#   storage.tf    data, releases (object lock), logs             databases.tf   journal, Prefect, MLflow
#   registry.tf   images: immutable, scanned                     alarms.tf      alarms, their call, the budget
#   github.tf     what the workflows may do, by OIDC             outputs.tf     for DVC and the workflows

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  name    = "${var.project}-${var.environment}"
  account = data.aws_caller_identity.this.account_id
  arn     = "arn:${data.aws_partition.this.partition}"
  zones   = [for each in sort(var.zones) : "${var.region}${each}"]
  root    = "${local.arn}:iam::${local.account}:root"

  # The ECS services of the two colours, and the roles that their tasks have.
  colours      = [for each in ["blue", "green"] : "${local.arn}:ecs:${var.region}:${local.account}:service/${local.name}/${local.name}-${each}"]
  colour_roles = flatten([for each in ["blue", "green"] : [for part in ["run", "start"] : "${local.arn}:iam::${local.account}:role/${local.name}-${each}-${part}"]])
}
