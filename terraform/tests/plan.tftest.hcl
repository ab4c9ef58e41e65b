# What must hold of every plan, whatever the environment. The provider is mocked: nothing is asked of AWS, and values that
# other resources validate (ARNs, policies) look like real ones.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:mock" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/mock" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mock" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/mock/50dc6c495c0c9188" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/mock/6d0ecf831eec9f09" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/mock/50dc6c495c0c9188/f2f7dc8efc522ab2" }
  }
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/mock/a" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mock:1" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mock" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mock" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-a1b2c3" }
  }
  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:eu-central-1:123456789012:service/srv-mock" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/mock"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mock"
    }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      endpoint           = "mock.eu-central-1.rds.amazonaws.com:5432"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-a1b2c3" }]
    }
  }
}

variables {
  environment       = "development"
  region            = "eu-central-1"
  certificate_arn   = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
  alarm_address     = "oncall@example.org"
  budget_usd        = 250
  github_repository = "example/loans"
  state_bucket      = "example-state"
  release_key       = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
  images = {
    blue  = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/x@sha256:1111111111111111111111111111111111111111111111111111111111111111"
    green = ""
  }
  worker_image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/w@sha256:2222222222222222222222222222222222222222222222222222222222222222"
}

run "whole" {
  command = apply

  assert {
    condition = alltrue([
      for each in aws_s3_bucket_public_access_block.this :
      each.block_public_acls && each.block_public_policy && each.ignore_public_acls && each.restrict_public_buckets
    ]) && length(aws_s3_bucket_public_access_block.this) == length(aws_s3_bucket.this)
    error_message = "every bucket must block public access"
  }
  assert {
    condition     = aws_s3_bucket.this["releases"].object_lock_enabled && !aws_s3_bucket.this["releases"].force_destroy
    error_message = "releases must be locked, and never be emptied by a destroy"
  }
  assert {
    condition     = alltrue([for each in aws_ecr_repository.this : each.image_tag_mutability == "IMMUTABLE" && each.image_scanning_configuration[0].scan_on_push])
    error_message = "image tags must be immutable, and pushes scanned"
  }
  assert {
    condition     = alltrue([for each in aws_db_instance.this : !each.publicly_accessible && each.storage_encrypted && each.backup_retention_period >= 1 && each.manage_master_user_password])
    error_message = "databases must be private and encrypted, with backups, their passwords made by RDS"
  }
  assert {
    condition     = startswith(local.journal, "fairmark_service@") && alltrue([for each in aws_db_instance.this : each.username != "fairmark_service"])
    error_message = "the service must append to the journal by a role of its own, not as the owner of its tables"
  }
  assert {
    condition     = sum([for each in aws_lb_listener.https.default_action[0].forward[0].target_group : each.weight]) == 100
    error_message = "the weights must sum to 100"
  }
  assert {
    condition     = [for name, each in module.service : name if each.name != null] == ["blue"] && [for name, each in module.flows : name if each.name != null] == ["mlflow", "prefect", "worker"]
    error_message = "what has an image must run, and nothing else"
  }
  assert {
    condition     = alltrue([for each in module.service : each.task_role != null])
    error_message = "roles must be there before the first image, so that no workflow has to make one"
  }
  assert {
    condition     = anytrue([for each in aws_budgets_budget.this.cost_filter : contains(each.values, "user:environment$development")])
    error_message = "the budget must count what bears the tag of this environment"
  }
  assert {
    condition     = alltrue([for each in aws_kms_key.this : each.enable_key_rotation]) && length(aws_kms_key.this) == 3
    error_message = "releases, journal and operations must each have a key that rotates"
  }
  assert {
    condition     = length(aws_wafv2_web_acl.this) == 0 && aws_lb.this.internal
    error_message = "a service that nobody asked to publish must be internal"
  }
}

run "public" {
  command = plan

  variables {
    internal      = false
    allowed_cidrs = ["0.0.0.0/0"]
  }

  assert {
    condition     = length(aws_wafv2_web_acl_association.this) == 1
    error_message = "a public service must have a web firewall"
  }
}

run "nothing_deployed_yet" {
  command = plan

  variables {
    images       = { blue = "", green = "" }
    worker_image = ""
  }

  assert {
    condition     = alltrue([for each in merge(module.service, module.flows) : each.name == null])
    error_message = "an empty account must be applicable before the first image is pushed"
  }
}

run "refuses_an_image_by_tag" {
  command = plan

  variables {
    images = { blue = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/x:latest", green = "" }
  }

  expect_failures = [var.images]
}

run "refuses_a_third_colour" {
  command = plan

  variables {
    images = { blue = "", red = "" }
  }

  expect_failures = [var.images]
}

run "refuses_an_unprotected_production" {
  command = plan

  variables {
    environment = "production"
    protect     = false
    log_days    = 30
  }

  expect_failures = [var.protect, var.log_days, var.databases]
}

run "refuses_memory_that_fargate_does_not_have" {
  command = plan

  variables {
    size = { cpu = 4096, memory = 1024, fewest = 1, most = 1 }
  }

  expect_failures = [var.size]
}
