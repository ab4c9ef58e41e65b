# The scoring service in two colours behind one listener. A release is deployed to the colour without traffic; the promote
# flow then moves the listener's weights on evidence (flows/traffic.py), and back.

resource "aws_ecs_cluster" "this" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_lb" "this" {
  name                       = local.name
  load_balancer_type         = "application"
  internal                   = var.internal
  subnets                    = [for each in var.internal ? aws_subnet.private : aws_subnet.public : each.id]
  security_groups            = [aws_security_group.this["balancer"].id]
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = var.protect
  idle_timeout               = 30

  access_logs {
    bucket  = aws_s3_bucket.this["logs"].id
    prefix  = "balancer"
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_lb_target_group" "this" {
  for_each = var.images

  name                 = "${local.name}-${each.key}"
  vpc_id               = aws_vpc.this.id
  target_type          = "ip"
  port                 = 8000
  protocol             = "HTTP"
  deregistration_delay = 30

  health_check {
    path                = var.health_path
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  # By these flows/traffic.py knows which group is which colour's, and which release it holds.
  tags = merge({ colour = each.key }, var.releases[each.key] == "" ? {} : { release = var.releases[each.key] })
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = aws_lb_target_group.this
        content {
          arn    = target_group.value.arn
          weight = target_group.key == "blue" ? 100 : 0
        }
      }

      # The service itself keeps a person with one release, by a keyed hash; a cookie would not reach a machine's calls.
      stickiness {
        enabled  = false
        duration = 1
      }
    }
  }

  # The weights are the promotion's: no `apply` may undo a canary that is under way.
  lifecycle {
    ignore_changes = [default_action]
  }
}

resource "aws_wafv2_web_acl" "this" {
  count = var.internal ? 0 : 1

  name        = local.name
  description = "What is reached from the internet: known bad inputs, and a limit of requests of one address"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "known-bad-inputs"
    priority = 1

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        name        = "AWSManagedRulesKnownBadInputsRuleSet"
        vendor_name = "AWS"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.name}-known-bad-inputs"
      sampled_requests_enabled   = false # a sample would hold people's inputs
    }
  }

  rule {
    name     = "rate"
    priority = 2

    action {
      block {}
    }

    statement {
      rate_based_statement {
        limit              = 10000
        aggregate_key_type = "IP"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.name}-rate"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = var.internal ? 0 : 1

  resource_arn = aws_lb.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}

resource "aws_cloudwatch_log_group" "firewall" {
  count = var.internal ? 0 : 1

  name              = "aws-waf-logs-${local.name}" # the prefix is WAF's condition
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this["operations"].arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = var.internal ? 0 : 1

  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.firewall[0].arn]

  redacted_fields {
    single_header {
      name = "authorization"
    }
  }
}

locals {
  # The role of terraform/journal-role.sql, which appends and changes no entry; the tables are the owner's.
  journal = "fairmark_service@${aws_db_instance.this["journal"].endpoint}"

  # Filled by a person after the first apply (docs/deploy.md): no value of them is in a variable or in the state.
  secrets = {
    service-keys    = { key = "journal", text = "The service's API keys, hashed, with their scopes" }
    journal-service = { key = "journal", text = "The password of fairmark_service, the role that appends to the journal" }
    subject-key     = { key = "journal", text = "The secret that pseudonyms are made with" }
    alarm-key       = { key = "operations", text = "The key that webhooks of the watch are signed with" }
    prefect-auth    = { key = "operations", text = "user:password of the Prefect server" }
  }
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = "${local.name}/${each.key}"
  description             = each.value.text
  kms_key_id              = aws_kms_key.this[each.value.key].arn
  recovery_window_in_days = var.protect ? 30 : 0
}

data "aws_iam_policy_document" "service" {
  statement {
    sid       = "ReadReleases"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.this["releases"].arn}/*"]
  }

  statement {
    sid       = "ListReleases"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["releases"].arn]
  }

  statement {
    sid       = "DecryptReleases"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this["releases"].arn]
  }
}

module "service" {
  source   = "./modules/service"
  for_each = var.images

  name       = "${local.name}-${each.key}"
  cluster    = { name = aws_ecs_cluster.this.name, arn = aws_ecs_cluster.this.arn }
  image      = each.value
  repository = aws_ecr_repository.this["service"].arn
  cpu        = var.size.cpu
  memory     = var.size.memory
  tasks      = { fewest = var.size.fewest, most = var.size.most, percent = var.size.percent }
  port       = 8000
  health     = ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000${var.health_path}', timeout=4)"]

  environment = {
    FAIRMARK_JOURNAL     = "postgresql://${local.journal}/journal?sslmode=require"
    FAIRMARK_MEMBERSHIPS = "postgresql://${local.journal}/journal?sslmode=require"
    FAIRMARK_PORT        = "8000"
    RELEASE_KEY_PEM      = var.release_key
  }
  secrets = {
    PGPASSWORD           = aws_secretsmanager_secret.this["journal-service"].arn
    SERVICE_KEYS_JSON    = aws_secretsmanager_secret.this["service-keys"].arn
    FAIRMARK_SUBJECT_KEY = aws_secretsmanager_secret.this["subject-key"].arn
  }
  keys     = [aws_kms_key.this["journal"].arn]
  policies = [data.aws_iam_policy_document.service.json]

  target_groups   = [aws_lb_target_group.this[each.key].arn]
  subnets         = [for each in aws_subnet.private : each.id]
  security_groups = [aws_security_group.this["service"].id]
  logs            = { days = var.log_days, key = aws_kms_key.this["operations"].arn }
  alarms          = [aws_cloudwatch_metric_alarm.faults[each.key].alarm_name]

  depends_on = [aws_lb_listener.https]
}
